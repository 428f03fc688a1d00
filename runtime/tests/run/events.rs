//! TensorBoard's event files, read by a reader that shares nothing with the writer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::child::{run_well, text};
use crate::rows;

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn masked(bytes: &[u8]) -> u32 {
    let crc = crc32c(bytes);
    crc.rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// The records of a file, their checksums held.
fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut records = Vec::new();
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(12);
        let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
        assert_eq!(word(&head[8..]), masked(&head[..8]));
        let (record, tail) = tail.split_at(length);
        assert_eq!(word(&tail[..4]), masked(record));
        records.push(record);
        rest = &tail[4..];
    }
    records
}

#[derive(Debug)]
enum Field<'a> {
    Whole(u64),
    Bytes(&'a [u8]),
}

/// Fields of a protocol buffer, by number.
fn fields(mut rest: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn varint(rest: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let (first, tail) = rest.split_first().unwrap();
            *rest = tail;
            number |= u64::from(first & 0x7F) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        number
    }
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let field = match key & 7 {
            0 => Field::Whole(varint(&mut rest)),
            wire => {
                let length = match wire {
                    1 => 8,
                    2 => varint(&mut rest) as usize,
                    5 => 4,
                    _ => panic!("wire type {wire}"),
                };
                let (bytes, tail) = rest.split_at(length);
                rest = tail;
                Field::Bytes(bytes)
            }
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn bytes<'a>(fields: &[(u64, Field<'a>)], number: u64) -> Option<&'a [u8]> {
    fields.iter().find_map(|field| match field {
        (found, Field::Bytes(bytes)) if *found == number => Some(*bytes),
        _ => None,
    })
}

fn whole(fields: &[(u64, Field<'_>)], number: u64) -> u64 {
    let found = fields.iter().find_map(|field| match field {
        (found, Field::Whole(value)) if *found == number => Some(*value),
        _ => None,
    });
    found.unwrap_or_default()
}

/// Scalars by step and tag, as TensorBoard would show them: what a restart says anew replaces what stood there.
fn scalars(folder: &Path) -> BTreeMap<(u64, String), f32> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut scalars = BTreeMap::new();
    for file in files {
        assert!(text(&file).contains("events.out.tfevents."));
        let content = fs::read(&file).unwrap();
        let records = records(&content);
        assert_eq!(bytes(&fields(records[0]), 3), Some(&b"brain.Event:2"[..]));
        for record in &records[1..] {
            let event = fields(record);
            let step = whole(&event, 2);
            let time = f64::from_le_bytes(bytes(&event, 1).unwrap().try_into().unwrap());
            assert!(time > 1.7e9);
            if let Some(session) = bytes(&event, 7) {
                assert_eq!(whole(&fields(session), 1), 1);
                scalars.retain(|(old, _), _| *old < step);
            }
            for (number, value) in fields(bytes(&event, 5).unwrap_or_default()) {
                let (1, Field::Bytes(value)) = (number, value) else {
                    panic!("field {number} of a summary");
                };
                let value = fields(value);
                let tag = String::from_utf8(bytes(&value, 1).unwrap().to_vec()).unwrap();
                let number = f32::from_le_bytes(bytes(&value, 2).unwrap().try_into().unwrap());
                scalars.insert((step, tag), number);
            }
        }
    }
    scalars
}

#[test]
fn tensorboard_shows_what_the_metrics_say() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 2_000);
    let args = [
        "train",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--quiet",
    ];
    run_well(&[&args[..], &["--epochs", "2"]].concat());
    // Once more from the first epoch's end.
    fs::remove_dir_all(out.join("checkpoints/step-0000000038")).unwrap();
    run_well(&[&args[..], &["--resume"]].concat());

    let scalars = scalars(&out.join("tensorboard"));
    let metrics = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let mut held = 0;
    let mut hold = |step: u64, tag: &str, value: &Value| {
        let Some(value) = value.as_f64() else { return };
        let found = scalars.get(&(step, tag.to_owned()));
        assert_eq!(found, Some(&(value as f32)), "{tag} of step {step}");
        held += 1;
    };
    for line in metrics.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let step = entry["step"].as_u64().unwrap();
        if entry["kind"] == "train" {
            hold(step, "train/loss", &entry["loss"]);
            hold(step, "train/ctr/kl", &entry["tasks"]["ctr"]);
            hold(step, "train/gradient_norm", &entry["gradient_norm"]);
            hold(step, "train/lr/dense", &entry["dense_lr"]);
            hold(step, "train/lr/embeddings", &entry["embeddings_lr"]);
            assert!(entry["rows_per_second"].as_f64().unwrap() > 0.0);
        } else {
            hold(step, "validate/loss", &entry["loss"]);
            hold(step, "validate/buy/auc", &entry["tasks"]["buy"]["auc"]);
            for cell in entry["cells"]["ctr"].as_array().unwrap() {
                let (surface, product) = (&cell["surface"], &cell["product"]);
                let place = format!(
                    "cells/ctr/{}.{}",
                    surface.as_str().unwrap(),
                    product.as_str().unwrap()
                );
                hold(step, &format!("{place}/log_mae"), &cell["log_mae"]);
            }
        }
    }
    assert!(held > 20, "{held} figures");
}
