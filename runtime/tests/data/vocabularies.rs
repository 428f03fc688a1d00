//! What a pass over the rows learns for tables and numbers.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use mtmd::data::{Parts, Scan};
use mtmd::schema::{Value, text};
use mtmd::vocab::{RawValue, Vocabularies, Vocabulary};

use crate::fixture::frame;
use crate::schemas::SMALL;

#[test]
fn a_vocabulary_holds_the_most_frequent_values() {
    // Room for 5; "e" twice, "a" to "d" three times, "f" twice, "g" once.
    let users = "abcdabcdabcdeeffg".chars().map(|user| user.to_string());
    let users: Vec<Option<String>> = users.map(Some).chain([None, None, None]).collect();
    let repeat = |name: &str| {
        let arrays: Vec<ArrayRef> = (0..5).map(|_| Arc::clone(&frame().0[name])).collect();
        arrow_select::concat::concat(&arrays.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap()
    };
    let names: Vec<&'static str> = frame().0.keys().copied().collect();
    let long = names
        .into_iter()
        .fold(frame(), |frame, name| frame.with(name, repeat(name)));
    let long = long.with("user_id", Arc::new(StringArray::from(users)) as ArrayRef);
    let folder = long.folder();
    let learned = folder.open().unwrap().learn(Parts::TRAIN).unwrap();
    let vocabulary = learned.vocabularies.learned().next().unwrap();
    let expected: Vec<RawValue> = ["a", "b", "c", "d", "e"]
        .map(|user| RawValue::Text(user.into()))
        .to_vec();
    assert_eq!(
        vocabulary,
        &Vocabulary {
            table: "users".to_owned(),
            values: expected,
            unfit: 1,
            rare: 1,
            short: 0
        }
    );
    assert_eq!(learned.vocabularies.row(2, &Value::Text(text("e"))), 5);
    assert_eq!(learned.vocabularies.row(2, &Value::Text(text("f"))), 0);
}

#[test]
fn vocabularies_survive_json() {
    let learned = frame()
        .folder()
        .open()
        .unwrap()
        .learn(Parts::TRAIN)
        .unwrap();
    let json = learned.vocabularies.to_json().unwrap();
    assert_eq!(
        json,
        r#"{"vocabularies":[{"table":"users","values":["ann"],"unfit":0,"rare":1}],"moments":{}}"#
    );
    assert_eq!(
        Vocabularies::from_json(&SMALL, &json).unwrap(),
        learned.vocabularies
    );
}

#[test]
fn values_of_the_other_kind_are_refused() {
    let folder = frame().folder();
    let learned = folder.open().unwrap().learn(Parts::TRAIN).unwrap();
    let vocabularies = Arc::new(learned.vocabularies);
    let scan = Scan {
        parts: Parts::TRAIN,
        batch: 10,
        shuffle: None,
        skip: 0,
    };
    assert!(folder.open().unwrap().batches(&vocabularies, scan).is_ok());
    let users = Arc::new(Int64Array::from(vec![1, 2, 1, 2])) as ArrayRef;
    let other = frame().with("user_id", users).folder();
    let dataset = other.open().unwrap();
    let error = dataset.batches(&vocabularies, scan).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert_eq!(
        other.text(&error),
        "a.parquet: column `user_id` holds whole numbers, and the model learned table `users` from strings: none of its \
         values would be known\n\
         help: write the column as it is in the data that the model was trained on"
    );
}

#[test]
fn vocabularies_of_another_model_are_refused() {
    for (json, cause) in [
        ("[]", "the vocabulary of table `users`: it is missing"),
        ("{", "the vocabularies: "),
        (
            r#"[{"table":"ads","values":[],"unfit":0,"rare":0}]"#,
            "table `ads`: the model's table learns none",
        ),
        (
            r#"[{"table":"users","values":[],"unfit":0,"rare":0},{"table":"x","values":[],"unfit":0,"rare":0}]"#,
            "table `x`",
        ),
        (
            r#"[{"table":"users","values":[1,2,3,4,5,6],"unfit":0,"rare":0}]"#,
            "6 values for a table with room for 5",
        ),
        (
            r#"[{"table":"users","values":[1,1],"unfit":0,"rare":0}]"#,
            "twice",
        ),
    ] {
        let stored = format!(r#"{{"vocabularies":{json},"moments":{{}}}}"#);
        let error = Vocabularies::from_json(&SMALL, &stored).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains(cause), "{error}");
    }
}
