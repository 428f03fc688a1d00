//! Rows that are skipped, kept in a file.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int32Array, StringArray, TimestampMicrosecondArray};
use mtmd::data::{Dataset, Parts, Quarantine, RowReader};
use mtmd::schema::{
    self, BadRows, Derive, DomainSet, Feature, FeatureKind, Others, Schema, TimePart, Transform,
    Unit,
};

use crate::fixture::{Folder, frame, read, schema};

/// A user of each row, of which some take several bytes a letter.
fn users() -> ArrayRef {
    Arc::new(StringArray::from(vec!["ann", "Zoë", "山田", "Łukasz"]))
}

/// Two files: a surface of no domain in row 3 of the first, labels outside [0, 1] in row 1 of both.
fn faulty() -> Folder {
    let labels = Float32Array::from(vec![Some(0.5), Some(7.0), None, Some(1.0)]);
    let second = frame().with("hw_ctr", Arc::new(labels) as ArrayRef);
    let surfaces = Int32Array::from(vec![0, 2, 3, 9]);
    let second = second.with("user_id", users());
    let first = second
        .clone()
        .with("surface", Arc::new(surfaces) as ArrayRef);
    Folder::new(&[("a.parquet", &first), ("b.parquet", &second)])
}

fn stopping() -> &'static Schema {
    schema(|schema| {
        schema.spec.rows.bad = BadRows::Stop;
        schema.spec.surfaces.others = Others::Error;
    })
}

fn skipping(folder: &Folder, quarantine: Quarantine) -> RowReader {
    let dataset = folder.open_as(stopping()).unwrap();
    dataset
        .with_bad_rows(BadRows::Skip)
        .with_quarantine(Some(Arc::new(quarantine)))
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_command_line_has_the_last_word() {
    let folder = faulty();
    let dataset = folder.open_as(stopping()).unwrap();
    let error = dataset.learn(Parts::TRAIN).unwrap_err();
    assert!(
        error.to_string().contains("row 1, column `hw_ctr`"),
        "{error}"
    );
    let (_, report) = read(&dataset.with_bad_rows(BadRows::Skip), 10).unwrap();
    assert_eq!((report.read, report.used), (8, 5));
    let bad: Vec<(&str, u64)> = report
        .bad
        .iter()
        .map(|(column, bad)| (*column, bad.rows))
        .collect();
    assert_eq!(bad, [("hw_ctr", 2), ("surface", 1)]);
    assert!(
        report.bad["surface"]
            .first
            .contains("a.parquet, row 3, column `surface`: 9 is")
    );

    let lenient = schema(|schema| schema.spec.rows.bad = BadRows::Skip);
    let dataset = folder.open_as(lenient).unwrap();
    let strict = dataset.with_bad_rows(BadRows::Stop);
    assert!(strict.learn(Parts::TRAIN).is_err());
}

#[test]
fn a_skipped_row_is_written_once() {
    let folder = faulty();
    let path = folder.file("skipped.jsonl");
    let dataset = skipping(&folder, Quarantine::create(&path, false).unwrap());
    for _ in 0..2 {
        read(&dataset, 10).unwrap();
    }
    let lines = lines(&path);
    let keys: Vec<(&str, u64, &str)> = lines
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap();
            let file = Path::new(text("file")).file_name().unwrap();
            (
                file.to_str().unwrap(),
                line["row"].as_u64().unwrap(),
                text("column"),
            )
        })
        .collect();
    assert_eq!(
        keys,
        [
            ("a.parquet", 1, "hw_ctr"),
            ("a.parquet", 3, "surface"),
            ("b.parquet", 1, "hw_ctr"),
        ]
    );
    let first = &lines[0];
    assert_eq!(first["value"], "7.0");
    assert_eq!(first["reason"], "a label must lie in [0, 1], this is 7");
    let values = first["values"].as_object().unwrap();
    assert_eq!(values["user_id"], "Zoë");
    assert_eq!(values["tags"], "[2, 3]");
    assert_eq!(values["history"], serde_json::Value::Null);
    assert!(values.contains_key("surface") && values.contains_key("day"));
}

#[test]
fn a_file_that_is_there_is_kept() {
    let folder = faulty();
    let path = folder.file("skipped.jsonl");
    fs::write(&path, "mine").unwrap();
    let error = Quarantine::create(&path, false).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("already"), "{error}");
    let dataset = folder.open_as(stopping()).unwrap();
    fs::write(&path, "mine\n").unwrap();
    assert!(Quarantine::resume(&path, &dataset).is_err());
    Quarantine::create(&path, true).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn a_resumed_run_goes_on_with_its_file() {
    let folder = faulty();
    let path = folder.file("skipped.jsonl");
    let dataset = skipping(&folder, Quarantine::create(&path, false).unwrap());
    read(&dataset, 10).unwrap();
    let whole = fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&whole);
    // Killed anywhere, within a letter too: what is missing is written, what is there is not written again.
    let within = text.find('ë').unwrap() + 1;
    for length in (0..=whole.len()).step_by(41).chain([within]) {
        fs::write(&path, &whole[..length]).unwrap();
        let resumed = Quarantine::resume(&path, &dataset).unwrap();
        read(&skipping(&folder, resumed), 10).unwrap();
        assert!(fs::read(&path).unwrap() == whole, "{length}");
    }
}

#[test]
fn a_resumed_run_may_spell_the_paths_of_its_data_in_another_way() {
    let folder = faulty();
    let path = folder.file("skipped.jsonl");
    let dataset = skipping(&folder, Quarantine::create(&path, false).unwrap());
    read(&dataset, 10).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    let other = Dataset::open(stopping(), &[folder.0.path().join(".").join("")]).unwrap();
    let names = |dataset: &Dataset| {
        dataset
            .files()
            .map(|file| file.as_os_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert_ne!(names(&other), names(&dataset));
    let resumed = Quarantine::resume(&path, &other).unwrap();
    let other = RowReader::new(other).with_bad_rows(BadRows::Skip);
    read(&other.with_quarantine(Some(Arc::new(resumed))), 10).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
}

/// Whatever it ends in, and lines of other data.
#[test]
fn a_file_of_something_else_is_left_as_it_is() {
    let folder = faulty();
    let path = folder.file("mine.json");
    let dataset = folder.open_as(stopping()).unwrap();
    for mine in [
        "{\"mine\": 1}",
        "mine",
        "mine\n",
        "{\"file\":\"a.parquet\",\"index\":0,\"row\":4}\n",
        "{\"file\":\"a.parquet\",\"index\":2,\"row\":0}\n",
    ] {
        fs::write(&path, mine).unwrap();
        let error = Quarantine::resume(&path, &dataset).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = folder.text(&error);
        assert!(
            text.starts_with("mine.json: no quarantine file of this run: "),
            "{text}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), mine);
    }
}

/// Of Parquet's time zones there is UTC alone; a time that no date can show is the file's own number.
#[test]
fn times_are_kept() {
    let day = Feature {
        name: schema::text("made"),
        column: schema::text("price"),
        derive: Some(Derive::Time {
            part: TimePart::Day,
            unit: Unit::Seconds,
        }),
        kind: FeatureKind::Number(Transform {
            default: 0.0,
            clip: None,
            log: false,
            standardise: None,
        }),
        domains: DomainSet::first::<2>(),
        place: schema::text("line 30"),
        doc: schema::text(""),
    };
    let schema = schema(|schema| {
        schema.spec.rows.bad = BadRows::Skip;
        schema.spec.item = vec![day].into();
    });
    // 4 January 2026, half a second past ten; and a year that has no four digits.
    let [time, far] = [1_767_520_800_500_000_i64, i64::MAX];
    let labels = Float32Array::from(vec![Some(7.0), Some(0.5), Some(0.5), None]);
    let times = vec![Some(time), Some(far), Some(time), None];
    for (zone, shown) in [
        (None, "2026-01-04T10:00:00.500"),
        (Some("UTC"), "2026-01-04T10:00:00.500Z"),
        (Some("Europe/Berlin"), "2026-01-04T10:00:00.500Z"),
        (Some("+02:00"), "2026-01-04T10:00:00.500Z"),
    ] {
        let stamps = TimestampMicrosecondArray::from(times.clone());
        let stamps = stamps.with_timezone_opt(zone);
        let frame = frame()
            .with("price", Arc::new(stamps) as ArrayRef)
            .with("hw_ctr", Arc::new(labels.clone()) as ArrayRef);
        let folder = frame.folder();
        let path = folder.file("skipped.jsonl");
        let quarantine = Arc::new(Quarantine::create(&path, false).unwrap());
        let dataset = folder.open_as(schema).unwrap();
        read(&dataset.with_quarantine(Some(quarantine)), 10).unwrap();
        let lines = lines(&path);
        let values: Vec<(u64, &str)> = lines
            .iter()
            .map(|line| {
                (
                    line["row"].as_u64().unwrap(),
                    line["values"]["price"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(values, [(0, shown), (1, "9223372036854775807")], "{zone:?}");
    }
}
