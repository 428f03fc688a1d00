//! The memory that a process of a test held.

use std::fs;
use std::process::Output;

/// Bytes that this process has held at most.
pub fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kibibytes.parse::<u64>().unwrap() << 10
}

/// The numbers that a process printed behind `held`.
pub fn held<const N: usize>(output: &Output) -> [u64; N] {
    let text = String::from_utf8_lossy(&output.stdout);
    let held = text.split("held ").nth(1);
    let held = held.and_then(|rest| rest.lines().next());
    let held = held.unwrap_or_else(|| panic!("{text}"));
    let held: Vec<u64> = held
        .split(' ')
        .map(|bytes| bytes.parse().unwrap())
        .collect();
    held.try_into().unwrap()
}
