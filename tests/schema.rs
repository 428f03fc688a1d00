//! The schema's types as the compiler fills them: defaults, words, and what each hash covers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "common/shop.rs"]
#[expect(
    dead_code,
    reason = "other tests compare the shop with its next version"
)]
mod shop;

use mtmd_schema::{
    Architecture, BadRows, BatchNorm, Budget, Choice, Composition, Course, Decay, Derive,
    Evaluation, FeatureKind, Index, Input, LogitBias, LogitScale, Metric, Norm, Others, Pool, Rows,
    Spec, Standardise, Table, TableOptimiser, Task, TimePart, Tower, Training, Transform, Unit,
};
use mtmdc::graph::{meaning_hash, weights_hash};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shop::{graph, graphs};
use std::collections::BTreeSet;

/// A spec that leaves out whatever it can, with `more` at its end.
fn bare(more: &str) -> Spec {
    let text = format!(
        r#"
model bare
surfaces from "surface" {{ feed = 0 }}
products from "product" {{ standard = "std" }}
tasks {{ ctr from action "is_click" }}
query {{
  id       user_id   {{ rows 100, dim 4 }}
  ids      history   {{ rows 100, dim 4 }}
  category country   {{ dim 4 }}
  category weekday from weekday of "time" {{ dim 4 }}
  number   age
}}
item {{ id ad_id {{ rows 100, dim 4 }} }}
{more}
"#
    );
    graph(&text).spec
}

/// What a spec leaves out is the schema's default, whether or not the block is there.
#[test]
fn the_compilers_defaults_are_those_of_the_schema() {
    let empty = "architecture {}\ntraining {}\nrows {}\nevaluation {}\nbudget {}";
    for spec in [bare(""), bare(empty)] {
        assert_eq!(spec.architecture, Architecture::PAPER);
        assert_eq!(spec.training, Training::DEFAULT);
        assert_eq!(spec.rows, Rows::DEFAULT);
        assert_eq!(spec.evaluation, Evaluation::DEFAULT);
        assert_eq!(spec.budget.candidates, Budget::DEFAULT.candidates);
        assert_eq!(spec.surfaces.others, Others::DEFAULT);
        let task = &spec.tasks[0];
        assert_eq!(
            (task.embedding, task.weight),
            (Task::EMBEDDING, Task::WEIGHT)
        );
        let find = |name: &str| spec.query.iter().find(|it| it.name == name).unwrap();
        assert_eq!(find("age").kind, FeatureKind::Number(Transform::DEFAULT));
        let unit = Unit::DEFAULT;
        let part = TimePart::Weekday;
        assert_eq!(find("weekday").derive, Some(Derive::Time { part, unit }));
        let FeatureKind::Embedded { input, .. } = &find("history").kind else {
            panic!("a list is embedded");
        };
        assert!(matches!(
            input,
            Input::List {
                pool: Pool::DEFAULT,
                ..
            }
        ));
        let table = spec.tables.iter().find(|it| it.name == "country").unwrap();
        assert_eq!(table.rows, Table::CATEGORY_ROWS);
        let min_count = Index::MIN_COUNT;
        assert_eq!(table.index, Index::Vocabulary { min_count });
    }
    assert_eq!(bare("").budget, Budget::DEFAULT);
    let stop =
        bare("training { early_stop { min_delta 0.5 } }\nsplit by \"day\" { train 1, validate 2 }");
    assert_eq!(stop.training.course.patience, Some(Course::PATIENCE));
}

/// A word is the same in the language, in JSON and in the schema.
#[test]
fn words_are_those_of_serde() {
    fn check<C: Choice + Serialize + DeserializeOwned + std::fmt::Debug>() {
        assert_eq!(C::ALL.len(), C::WORDS.len());
        for (value, word) in C::ALL.iter().zip(C::WORDS) {
            assert_eq!(value.word(), *word);
            assert_eq!(C::from_word(word), Some(*value));
            assert_eq!(serde_json::to_value(value).unwrap(), json!(word));
            assert_eq!(serde_json::from_value::<C>(json!(word)).unwrap(), *value);
        }
        let words: BTreeSet<&str> = C::WORDS.iter().copied().collect();
        assert_eq!(words.len(), C::WORDS.len());
        assert_eq!(C::from_word("nothing of the kind"), None);
    }
    check::<BadRows>();
    check::<BatchNorm>();
    check::<Composition>();
    check::<Decay>();
    check::<LogitBias>();
    check::<LogitScale>();
    check::<Metric>();
    check::<Norm>();
    check::<Others>();
    check::<Pool>();
    check::<TableOptimiser>();
    check::<TimePart>();
    check::<Tower>();
    check::<Unit>();
}

/// Whether `spec_hash` and `weights_hash` cover a field; a path has no places in lists.
fn covered(path: &str) -> [bool; 2] {
    let fields: Vec<&str> = path.split('.').collect();
    match fields[..] {
        ["doc" | "data"] | ["budget", ..] => [false, false],
        [.., "doc" | "place"] => [false, false],
        ["tables", "index", "lines", "file"] => [false, false],
        ["name"] | ["rows" | "evaluation" | "training", ..] => [true, false],
        ["surfaces" | "products", "others"] => [true, false],
        ["surfaces" | "products", "domains", "like"] => [true, false],
        ["tasks", "weight" | "sample_weight"] => [true, false],
        ["tables", "shared"] => [true, false],
        ["tables", "embeddings", ..] => [true, false],
        ["tables", "index", "vocabulary", "min_count"] => [true, false],
        _ => [true, true],
    }
}

/// Other values that a field may hold; at least one is of its type.
fn others(value: &Value) -> Vec<Value> {
    let words = [
        BadRows::WORDS,
        BatchNorm::WORDS,
        Composition::WORDS,
        Decay::WORDS,
        LogitBias::WORDS,
        LogitScale::WORDS,
        Metric::WORDS,
        Norm::WORDS,
        Others::WORDS,
        Pool::WORDS,
        TableOptimiser::WORDS,
        TimePart::WORDS,
        Tower::WORDS,
        Unit::WORDS,
        &["action", "buckets", "hash", "learned", "length", "none"],
    ]
    .concat();
    match value {
        Value::Bool(value) => vec![json!(!value)],
        Value::Number(number) => match number.as_i64() {
            Some(whole) => vec![json!(whole + 1)],
            None => vec![json!(number.as_f64().unwrap() + 0.5)],
        },
        // A word first: `Score("hash")` is as good a change, but `Hash` has no free text.
        Value::String(text) => {
            let words = words.iter().filter(|word| **word != text.as_str());
            let words = words.map(|word| json!(word));
            words
                .chain([json!(format!("{text}x")), json!({"score": "x"})])
                .chain([json!({"mlp": [1]}), json!({"vocabulary": {"min_count": 1}})])
                .chain([json!({"given": {"mean": 0.5, "std": 2.0}})])
                .chain([json!({"time": {"part": "hour", "unit": "seconds"}})])
                .chain([json!({"column": {"column": "x", "train": [], "validate": [], "test": [], "place": ""}})])
                .collect()
        }
        Value::Null => vec![
            json!(1),
            json!("x"),
            json!(0.5),
            json!([0.5, 1.5]),
            json!({"int": 1}),
            json!(Derive::Length),
            json!(Standardise::Learned),
            json!(Training::DEFAULT.embeddings),
            json!({"column": "x", "place": ""}),
            json!({"metric": "mae", "task": 0, "surfaces": [0], "products": [0]}),
        ],
        Value::Array(_) | Value::Object(_) => vec![],
    }
}

/// The leaves of a value, with paths through it.
fn leaves(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    // The first items of a list of domains or values stand for all.
    const ITEMS: usize = 3;
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::Array(list) => {
            let most = match list.first() {
                Some(Value::Object(_)) => list.len(),
                _ => ITEMS,
            };
            let places = list.iter().take(most).enumerate();
            places
                .map(|(place, value)| (place.to_string(), value))
                .collect()
        }
        _ => return found.push(path.clone()),
    };
    for (key, value) in inner {
        path.push(key);
        leaves(value, path, found);
        path.pop();
    }
}

/// A change of any one field changes exactly the hashes that cover it.
#[test]
fn each_hash_covers_what_its_scope_says() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for graph in graphs() {
        let spec = &graph.spec;
        let before = [meaning_hash(spec), weights_hash(spec)];
        let whole = serde_json::to_value(spec).unwrap();
        let mut paths = vec![];
        leaves(&whole, &mut vec![], &mut paths);
        for path in paths {
            let pointer = format!("/{}", path.join("/"));
            let fields: Vec<&str> = path
                .iter()
                .map(String::as_str)
                .filter(|field| field.parse::<usize>().is_err())
                .collect();
            let name = fields.join(".");
            let changed = others(whole.pointer(&pointer).unwrap())
                .into_iter()
                .find_map(|other| {
                    let mut changed = whole.clone();
                    *changed.pointer_mut(&pointer).unwrap() = other;
                    let changed: Spec = serde_json::from_value(changed).ok()?;
                    (changed != *spec).then_some(changed)
                });
            let changed = changed.unwrap_or_else(|| panic!("nothing else fits {name}"));
            let after = [meaning_hash(&changed), weights_hash(&changed)];
            let differs = [before[0] != after[0], before[1] != after[1]];
            assert_eq!(differs, covered(&name), "{} of {}", name, spec.name);
            seen.insert(name);
        }
    }
    for field in [
        "tables.index.lines.lines",
        "rows.split.column.train.int",
        "architecture.overrides.expert.deep",
    ] {
        assert!(seen.contains(field), "no spec has {field}: {seen:?}");
    }
}
