//! What scoring stored items costs beside reading their memory once: `cargo bench -p mtmd --bench scan`.
//!
//! One query, three tasks, all threads. Each line is the median of rounds in which the ways take turns; `read` sums the
//! same bytes as 64-bit words.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark fails by a panic"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use mtmd::exec::host::{StoredRows, TaskQuery, gather, scan};
use rayon::prelude::*;

/// Widths of the tasks: the paper's ad, of 384 numbers.
const WIDTHS: [usize; 3] = [192, 96, 96];
const WIDTH: usize = 384;
/// Rows that a thread takes at a time.
const CHUNK: usize = 1 << 14;

fn main() {
    println!(
        "{} threads, {WIDTH} numbers a row",
        rayon::current_num_threads()
    );
    println!("rows       type      read ms  scan ms  GB/s  scan/read  ids ms");
    for rows in [1_000, 10_000, 100_000, 1_000_000] {
        let query: Vec<f32> = (0..WIDTH).map(|at| (at as f32 * 0.7).sin()).collect();
        let number = |at: usize| ((at as f32) * 0.37).sin();
        let floats: Vec<f32> = (0..rows * WIDTH).map(number).collect();
        let words: Vec<u64> = as_words(floats.iter().flat_map(|value| value.to_le_bytes()));
        one(
            rows,
            "float32",
            StoredRows::Float32(&floats),
            &words,
            &query,
        );
        drop(words);
        let halves: Vec<u16> = floats
            .iter()
            .map(|value| half::f16::from_f32(*value).to_bits())
            .collect();
        let words: Vec<u64> = as_words(halves.iter().flat_map(|value| value.to_le_bytes()));
        one(
            rows,
            "float16",
            StoredRows::Float16(&halves),
            &words,
            &query,
        );
        drop((words, halves));
        let values: Vec<i8> = floats.iter().map(|value| (value * 127.0) as i8).collect();
        drop(floats);
        let words: Vec<u64> = as_words(values.iter().map(|value| value.cast_unsigned()));
        let scales = vec![0.01; rows * WIDTHS.len()];
        let stored = StoredRows::Int8 {
            values: &values,
            scales: &scales,
            tasks: WIDTHS.len(),
        };
        one(rows, "int8", stored, &words, &query);
    }
}

fn as_words(bytes: impl Iterator<Item = u8>) -> Vec<u64> {
    let bytes: Vec<u8> = bytes.collect();
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

fn one(rows: usize, name: &str, stored: StoredRows<'_>, words: &[u64], query: &[f32]) {
    let mut start = 0;
    let tasks: Vec<TaskQuery<'_>> = WIDTHS
        .iter()
        .enumerate()
        .map(|(index, width)| {
            let task = TaskQuery {
                query: &query[start..start + width],
                start,
                index,
                scale: 0.1,
                bias: 0.0,
            };
            start += width;
            task
        })
        .collect();
    let picked: Vec<u32> = (0..rows.min(1_000))
        .map(|at| (at * 7_919 % rows) as u32)
        .collect();
    let mut logits = vec![0.0; rows * WIDTHS.len()];
    let mut some = vec![0.0; picked.len() * WIDTHS.len()];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..rounds(rows) {
        times[0].push(time(|| {
            let sums = words.par_chunks(CHUNK * 8);
            black_box(
                sums.map(|words| words.iter().fold(0_u64, |sum, word| sum ^ word))
                    .reduce(|| 0, |a, b| a ^ b),
            );
        }));
        times[1].push(time(|| {
            let chunks = logits.par_chunks_mut(CHUNK / 8 * WIDTHS.len()).enumerate();
            chunks.for_each(|(at, to)| scan(stored, WIDTH, at * CHUNK / 8, &tasks, to));
        }));
        times[2].push(time(|| gather(stored, WIDTH, &picked, &tasks, &mut some)));
    }
    let [read, scanned, gathered] = times.map(|mut times| {
        times.sort();
        times.get(times.len() / 2).unwrap().as_secs_f64()
    });
    println!(
        "{rows:<10} {name:<9} {:>7.3}  {:>7.3}  {:>4.1}  {:>9.2}  {:>6.3}",
        read * 1e3,
        scanned * 1e3,
        words.len() as f64 * 8.0 / scanned / 1e9,
        scanned / read,
        gathered * 1e3,
    );
    black_box((&logits, &some));
}

fn rounds(rows: usize) -> usize {
    (3_000_000 / rows).clamp(7, 301)
}

fn time(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}
