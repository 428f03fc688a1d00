use std::fs;
use std::path::Path;

use mtmd_schema::{DomainId, TaskId, Tower};

use super::fixture::{index, plan};
use super::*;
use crate::error::Error;

fn keys(index: &ParameterIndex<'_>) -> Vec<(String, Array, Range<usize>)> {
    let entries = index.entries();
    let found = entries.map(|entry| (index.key(&entry), entry.array, entry.range.clone()));
    found.collect()
}

/// The elements that no entry has.
fn padding(index: &ParameterIndex<'_>, params: &Params<f32>) -> Vec<f32> {
    let mut taken = vec![false; params.values.len()];
    for entry in index.entries().filter(|entry| entry.array == Array::Values) {
        taken[entry.range].fill(true);
    }
    let values = params.values.iter().zip(&taken);
    values
        .filter(|(_, taken)| !**taken)
        .map(|(value, _)| *value)
        .collect()
}

#[test]
fn every_parameter_and_statistic_has_a_key() {
    let plan = plan();
    let index = index(&plan);
    let values = |key: &str, range| (key.to_owned(), Array::Values, range);
    let statistics = |key: &str, range| (key.to_owned(), Array::Statistics, range);
    let found = keys(&index);
    assert_eq!(found.len(), 2 + 3 * 5 + 3 + 2);
    for expected in [
        values("query.shared.missing", 4..7),
        values("query.feed.deep.linear.weight", 16..22),
        values("query.related.deep.linear.weight", 52..58),
        values("query.search.deep.linear.bias", 44..46),
        values("item.shop.deep.norm.weight", 88..90),
        values("heads.buy.bias", 113..114),
        statistics("query.search.adapt.norm.running_mean", 4..5),
        statistics("query.related.adapt.norm.running_var", 9..10),
    ] {
        assert!(found.contains(&expected), "{expected:?} in {found:#?}");
    }
}

#[test]
fn parts_ascend_and_contain_their_entries() {
    let plan = plan();
    let index = index(&plan);
    let ranges = index.ranges();
    let [feed, related] = [0, 1].map(|domain| Part::Domain(Tower::Query, DomainId(domain)));
    assert_eq!(ranges[0], (Part::Shared(Tower::Query), 0..7));
    assert_eq!(ranges[1], (feed, 16..30));
    assert!(ranges.contains(&(related, 52..66)));
    assert!(ranges.contains(&(Part::Head(TaskId(1)), 113..114)));
    assert_eq!(ranges.len(), index.parts().count());
    assert!(
        ranges
            .windows(2)
            .all(|pair| pair[0].1.end <= pair[1].1.start)
    );
    for (part, range) in ranges {
        let values = index.of(part).filter(|entry| entry.array == Array::Values);
        for entry in values {
            assert!(range.start <= entry.range.start && entry.range.end <= range.end);
        }
    }
}

#[test]
#[should_panic = "query.feed overlaps other parameters"]
fn blocks_that_overlap_stop_the_program() {
    let mut plan = plan();
    plan.query.shared.to_mut()[1].offset = 14;
    index(&plan);
}

#[test]
#[should_panic = "two tensors have the name deep.linear.bias"]
fn tensors_of_one_name_stop_the_program() {
    let mut plan = plan();
    plan.query.programs.to_mut()[0].running.to_mut()[1].name =
        mtmd_schema::text("deep.linear.bias");
    index(&plan);
}

#[test]
#[should_panic = "the plan has 2 tasks, the spec 1"]
fn a_task_without_a_name_stops_the_program() {
    let plan = plan();
    ParameterIndex::new(&plan, ["feed", "related", "search"], ["shop"], ["click"]);
}

/// The draws are part of what a seed means: these are the values of the first release.
#[test]
fn first_values_are_fixed() {
    let plan = plan();
    let index = index(&plan);
    let params = Params::initialised(&index, 1);
    let of = |key: &str| {
        let entry = index.entries().find(|entry| index.key(entry) == key);
        params.of(&entry.expect("an entry")).to_vec()
    };
    assert_eq!(
        of("query.feed.deep.linear.weight"),
        [
            -0.15409078,
            0.26259044,
            -0.25504726,
            -0.08894042,
            0.18956992,
            0.017269716
        ]
    );
    assert_eq!(of("item.shop.deep.linear.bias"), [0.55621624, 0.102894455]);
    assert_eq!(of("query.shared.missing"), [0.0; 3]);
    assert_eq!(of("query.search.deep.norm.weight"), [1.0; 2]);
    assert_eq!(of("query.search.adapt.norm.running_mean"), [0.0]);
    assert_eq!(of("query.search.adapt.norm.running_var"), [1.0]);
    assert_eq!(of("heads.click.bias"), [0.0]);
    assert!(padding(&index, &params).iter().all(|value| *value == 0.0));
    assert_ne!(params, Params::initialised(&index, 2));
}

fn save(params: &Params<f32>, index: &ParameterIndex<'_>, path: &Path) {
    let mut writer = Writer::default();
    writer
        .metadata
        .insert("spec_hash".to_owned(), "a".to_owned());
    params.write(index, &mut writer);
    writer.save(path).unwrap();
}

#[test]
fn a_file_holds_the_weights_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let plan = plan();
    let index = index(&plan);
    let saved = Params::initialised(&index, 1);
    save(&saved, &index, &path);
    let bytes = fs::read(&path).unwrap();
    save(&saved, &index, &path);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let mut loaded = Params::zeros(&plan);
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(reader.metadata["spec_hash"], "a");
    loaded.read(&index, &mut reader);
    require_fit(&reader.finish()).unwrap();
    assert_eq!(loaded, saved);
}

/// Another program reads the file: keys, shapes and values as safetensors has them.
#[test]
fn a_file_is_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let plan = plan();
    let index = index(&plan);
    let saved = Params::initialised(&index, 1);
    save(&saved, &index, &path);
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), index.entries().count());
    for entry in index.entries() {
        let view = file.tensor(&index.key(&entry)).unwrap();
        assert_eq!(view.shape(), entry.shape);
        let expected = saved
            .of(&entry)
            .iter()
            .flat_map(|value| value.to_le_bytes());
        assert_eq!(view.data(), expected.collect::<Vec<_>>());
    }
}

#[test]
fn every_mismatch_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let plan = plan();
    let index = index(&plan);
    let saved = Params::initialised(&index, 1);
    let mut writer = Writer::default();
    for entry in index.entries() {
        match index.key(&entry).as_str() {
            "heads.click.bias" => writer.insert("heads.click.bias".to_owned(), vec![2], &[0.0; 2]),
            "heads.buy.bias" => writer.insert("heads.sell.bias".to_owned(), vec![1], &[0.0]),
            key => writer.insert(key.to_owned(), entry.shape.to_vec(), saved.of(&entry)),
        }
    }
    writer.save(&path).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    Params::zeros(&plan).read(&index, &mut reader);
    assert_eq!(reader.header::<u64>("step"), None);
    let problems = reader.finish();
    let key = |key: &str| key.to_owned();
    assert_eq!(
        problems,
        [
            Problem::Shape {
                key: key("heads.click.bias"),
                model: vec![1],
                file: vec![2]
            },
            Problem::Missing {
                key: key("heads.buy.bias"),
                shape: vec![1]
            },
            Problem::Header { name: key("step") },
            Problem::Unexpected {
                key: key("heads.sell.bias"),
                shape: vec![1]
            },
        ]
    );
    let error = require_fit(&problems).unwrap_err();
    assert!(matches!(error, Error::Weights(_)));
    let text = error.to_string();
    assert!(
        text.contains("`heads.sell.bias` [1] does not belong to this model"),
        "{text}"
    );
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let plan = plan();
    let index = index(&plan);
    save(&Params::initialised(&index, 1), &index, &path);
    let bytes = fs::read(&path).unwrap();
    for length in [0, 4, 20, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        let opened = Reader::open(&path);
        assert!(matches!(opened, Err(Error::Weights(_))), "{length}");
    }
    let nowhere = Reader::open(Path::new("nowhere/model.safetensors"));
    assert!(matches!(
        nowhere,
        Err(Error::File {
            action: "read the weights",
            ..
        })
    ));
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_atomically(&path, |file| file.write_all(b"old")).unwrap();
    let full = |_: &mut dyn std::io::Write| Err(std::io::ErrorKind::StorageFull.into());
    assert!(write_atomically(&path, full).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Rows of an array larger than what is read at a time.
#[test]
fn long_arrays_come_in_whole_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables");
    let values: Vec<f32> = (0..700_000).map(|value| value as f32).collect();
    let mut writer = Writer::default();
    let pieces = values.chunks(70_001).map(std::borrow::Cow::Borrowed);
    writer.insert_pieces("table".to_owned(), vec![100_000, 7], pieces);
    writer.save(&path).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let (mut found, mut count) = (vec![], 0);
    assert!(reader.pieces("table", &[100_000, 7], |piece| {
        assert_eq!(piece.len() % 7, 0);
        found.extend_from_slice(piece);
        count += 1;
    }));
    assert_eq!(found, values);
    assert!(count > 1);
}

#[test]
fn a_warm_start_writes_in_place() {
    let plan = plan();
    let index = index(&plan);
    let mut params = Params::initialised(&index, 1);
    let before = params.clone();
    let mut targets = params.targets(&index);
    assert_eq!(targets.len(), index.entries().count());
    for (place, target) in targets.values_mut().enumerate() {
        assert_eq!(
            (target.start, target.values.len()),
            (0, target.shape.iter().product())
        );
        target.values.fill(place as f32);
    }
    let keys: Vec<String> = targets.into_keys().collect();
    for entry in index.entries() {
        let place = keys
            .iter()
            .position(|key| *key == index.key(&entry))
            .unwrap();
        assert!(params.of(&entry).iter().all(|value| *value == place as f32));
    }
    assert_eq!(padding(&index, &params), padding(&index, &before));
}
