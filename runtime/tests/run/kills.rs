//! Runs that are ended from outside: by SIGKILL at any moment, by signals that ask.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mtmd::training::{Existing, RunFolder, checkpoint};

use crate::child::{program, resumable, run, run_well, stderr, text};
use crate::rows;

/// Kills in all; half of them or more while a checkpoint is being written.
const KILLS: usize = 24;

/// The most steps that a run does between its start and its kill.
const STEPS_AT_MOST: f64 = 16.0;

/// A run of 45 steps with a checkpoint after each, and validations among them.
fn train<'a>(data: &'a Path, out: &'a Path, how: &'a str) -> Vec<&'a str> {
    let mut args = vec!["train", "--data", text(data), "--out", text(out), "--quiet"];
    match how {
        "--resume" => args.push(how),
        _ => args.extend([how, "--checkpoint-every", "1", "--validate-every", "4"]),
    }
    args
}

/// What a run leaves.
fn results(run: &Path) -> [Vec<u8>; 2] {
    ["model/model.safetensors", "evaluation.json"].map(|file| fs::read(run.join(file)).unwrap())
}

/// Whether a half-written checkpoint lies in the run's folder.
fn is_writing(run: &Path) -> bool {
    let Ok(entries) = fs::read_dir(run.join("checkpoints")) else {
        return false;
    };
    let mut names = entries.flatten().map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().ends_with(".writing"))
}

/// When a run is killed: once it has written the checkpoint of a step, and then after a while or, without one, as soon as
/// it writes the next checkpoint.
struct Moment {
    step: u64,
    after: Option<Duration>,
}

/// Kills the program at that moment. `false` if it has ended well before that.
fn kill(mut child: Child, run: &Path, moment: &Moment) -> bool {
    let mut reached = None;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return false;
        }
        if reached.is_none() && last_step(run) >= moment.step {
            reached = Some(Instant::now());
        }
        // To write a checkpoint may take less than a millisecond: nothing sleeps between the look and the kill.
        let now = match (reached, moment.after) {
            (None, _) => {
                std::thread::sleep(Duration::from_micros(200));
                false
            }
            (Some(since), Some(after)) => since.elapsed() >= after,
            (Some(_), None) => is_writing(run),
        };
        if now {
            child.kill().unwrap();
            return !child.wait().unwrap().success();
        }
    }
}

#[test]
fn runs_killed_at_random_moments_end_with_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 1_500);
    let whole = root.path().join("whole");
    let started = Instant::now();
    run_well(&train(&data, &whole, "--force"));
    let step = started.elapsed().div_f64(last_step(&whole) as f64);
    let expected = results(&whole);

    let mut draws = rows::Draws::new(7);
    let (mut kills, mut torn, mut runs) = (0, 0, 0);
    while kills < KILLS || torn < KILLS / 2 {
        runs += 1;
        // A run may end before the moment of its kill, and a checkpoint be whole before the kill arrives.
        assert!(
            runs <= 10 * KILLS,
            "{kills} kills, {torn} of them in the middle of a checkpoint, in {runs} runs"
        );
        let out = root.path().join(format!("killed-{runs}"));
        loop {
            let going_on = resumable(&out);
            let how = if going_on { "--resume" } else { "--force" };
            let child = program(&train(&data, &out, how))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let moment = Moment {
                step: last_step(&out) + (draws.next() * STEPS_AT_MOST) as u64,
                after: (draws.next() < 0.5).then(|| step.mul_f64(draws.next())),
            };
            if !kill(child, &out, &moment) {
                break;
            }
            kills += 1;
            torn += usize::from(is_writing(&out));
        }
        assert!(results(&out) == expected, "run {runs} ends otherwise");
        assert!(!is_writing(&out), "what a kill left is cleared away");
    }
    println!("{kills} kills, {torn} of them in the middle of a checkpoint, in {runs} runs");
}

/// The step of a run's last whole checkpoint; 0 before the first one.
fn last_step(run: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(run.join("checkpoints")) else {
        return 0;
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let steps = names.filter_map(|name| name.to_str()?.strip_prefix("step-")?.parse().ok());
    steps.max().unwrap_or(0)
}

/// A program that trains for long, once its first checkpoint is written.
fn under_way(data: &Path, out: &Path) -> Child {
    let args = [
        &train(data, out, "--force")[..],
        &["--epochs", "100000", "--profile"],
    ]
    .concat();
    let child = program(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !resumable(out) {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_signal_is_answered_by_a_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 1_500);
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let out = root.path().join(name);
        let child = under_way(&data, &out);
        signal(&child, name);
        let output: Output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(
            shown.contains("profile of ") && out.join("profile.json").exists(),
            "{shown}"
        );
        let message = stderr(&output);
        for part in [&format!("stopped: SIG{name}: "), "step-", "--resume"] {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
        let folder = RunFolder::open(&out, Existing::Resume).unwrap();
        let (last, damaged) = folder.resume_from().unwrap();
        assert!(damaged.is_empty());
        assert!(message.contains(text(&last)), "{message}");
        checkpoint::verify(&last).unwrap();
    }
}

#[test]
fn a_second_process_is_refused_while_the_first_works() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 1_500);
    let mut child = under_way(&data, &out);
    for how in ["--resume", "--force"] {
        let output = run(&train(&data, &out, how));
        assert_eq!(output.status.code(), Some(2));
        let message = stderr(&output);
        assert!(
            message.contains("another process is training there"),
            "{message}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Its lock goes with it: the next process writes checkpoints.
    let last = last_step(&out);
    let mut child = program(&train(&data, &out, "--resume"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while last_step(&out) <= last
        && child.try_wait().unwrap().is_none()
        && started.elapsed() < Duration::from_secs(60)
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(ended, None, "the second process trains for long");
    assert!(last_step(&out) > last, "no checkpoint after step {last}");
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 1_500);
    let child = under_way(&data, &root.path().join("run"));
    // While it sleeps both arrive; when it wakes it meets the second before it could do a step.
    for name in ["STOP", "TERM", "INT", "CONT"] {
        signal(&child, name);
    }
    let output = child.wait_with_output().unwrap();
    assert!(
        matches!(output.status.signal(), Some(2 | 15)),
        "{}",
        output.status
    );
}
