use std::collections::BTreeMap;

use super::*;
use crate::params::{Reader, Writer};
use crate::schema::transfer::Slice;

/// Key, shape and elements.
type Array<'a> = (&'a str, &'a [usize], &'a [f32]);

/// The new model's arrays, each with a gap before its first row and after every row.
struct New(Vec<(String, Vec<usize>, Vec<f32>)>);

const GAP: f32 = 7.0;

impl New {
    fn holding(arrays: &[Array<'_>]) -> Self {
        let array = |(key, shape, values): &Array<'_>| {
            let width = shape.get(1).copied().unwrap_or(shape[0]);
            let rows = values.chunks(width).map(|row| [row, &[GAP]].concat());
            let strided = [vec![GAP], rows.collect::<Vec<_>>().concat()].concat();
            ((*key).to_owned(), shape.to_vec(), strided)
        };
        Self(arrays.iter().map(array).collect())
    }

    fn targets(&mut self) -> BTreeMap<String, TransferTarget<'_>> {
        let arrays = self.0.iter_mut();
        arrays
            .map(|(key, shape, values)| {
                let width = shape.get(1).copied().unwrap_or(shape[0]);
                let target = TransferTarget {
                    shape: shape.clone(),
                    values,
                    start: 1,
                    stride: width + 1,
                };
                (key.clone(), target)
            })
            .collect()
    }

    /// The elements of an array; its gaps must be as they were.
    fn values(&self, key: &str) -> Vec<f32> {
        let found = self.0.iter().find(|(other, ..)| other == key);
        let (_, shape, values) = found.expect("an array");
        let width = shape.get(1).copied().unwrap_or(shape[0]);
        assert_eq!(values[0], GAP);
        let rows = values[1..].chunks(width + 1);
        let rows = rows.map(|row| {
            assert_eq!(row[width], GAP);
            row[..width].to_vec()
        });
        rows.collect::<Vec<_>>().concat()
    }
}

/// A file of these arrays.
fn file(arrays: &[Array<'_>]) -> Reader {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights");
    let mut writer = Writer::default();
    for (key, shape, values) in arrays {
        writer.insert((*key).to_owned(), shape.to_vec(), values);
    }
    writer.save(&path).expect("written");
    Reader::open(&path).expect("whole")
}

fn transfer(weights: &str, dropped: &str) -> Transfer {
    let text = format!(
        r#"{{ "schema": 1, "changes": [], "moments": [], "dropped": [{dropped}], "weights": [{weights}],
        "old": {{ "model": "a", "weights_hash": "1" }}, "new": {{ "model": "b", "weights_hash": "2" }} }}"#
    );
    parse(&text).expect("a plan")
}

#[test]
fn another_layout_is_refused() {
    assert!(parse("{}").is_err());
    let text = r#"{ "schema": 2, "moments": [], "dropped": [], "weights": [],
        "old": { "model": "a", "weights_hash": "1" }, "new": { "model": "b", "weights_hash": "2" } }"#;
    let refused = parse(text).expect_err("of the future");
    assert!(refused.contains("layout is 2"));
}

/// One weight of each fate.
#[test]
fn elements_go_where_the_plan_says() {
    let old = file(&[
        ("bias", &[2], &[1.0, 2.0]),
        ("gone", &[1], &[9.0]),
        ("linear", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
        (
            "tables.old.weight",
            &[4, 2],
            &[0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0],
        ),
    ]);
    let mut new = New::holding(&[
        ("heads.new", &[1], &[-7.0]),
        ("like", &[2], &[-1.0, -1.0]),
        ("linear", &[3, 3], &[-1.0; 9]),
        ("name", &[2], &[-1.0, -1.0]),
        ("narrow", &[1], &[-1.0]),
        (
            "tables.new.weight",
            &[5, 3],
            &[
                0.0, 0.0, 0.0, -1.0, -1.0, -1.0, -2.0, -2.0, -2.0, -3.0, -3.0, -3.0, -4.0, -4.0,
                -4.0,
            ],
        ),
    ]);
    let transfer = transfer(
        r#"{ "key": "heads.new", "shape": [1], "fate": "new", "note": "" },
        { "key": "like", "shape": [2], "fate": "seeded", "from": "bias",
          "dims": [{ "axis": "units", "pieces": [{ "to": 0, "from": 0, "width": 2 }] }] },
        { "key": "linear", "shape": [3, 3], "fate": "grown", "from": "linear",
          "dims": [{ "axis": "units", "pieces": [{ "to": 0, "from": 0, "width": 2 }] },
                   { "axis": "inputs", "pieces": [{ "to": 0, "from": 0, "width": 1 },
                                                  { "to": 2, "from": 1, "width": 1 }] }] },
        { "key": "name", "shape": [2], "fate": "renamed", "from": "bias",
          "dims": [{ "axis": "units", "pieces": [{ "to": 0, "from": 0, "width": 2 }] }] },
        { "key": "narrow", "shape": [1], "fate": "narrowed", "from": "bias",
          "dims": [{ "axis": "units", "pieces": [{ "to": 0, "from": 1, "width": 1 }] }] },
        { "key": "tables.new.weight", "shape": [5, 3], "fate": "refitted", "from": "tables.old.weight",
          "dims": [{ "axis": "rows", "by": "value", "others": { "to": 4, "from": 3, "width": 1 } },
                   { "axis": "units", "pieces": [{ "to": 0, "from": 0, "width": 2 }] }] }"#,
        r#"{ "key": "gone", "shape": [1] }"#,
    );
    assert_eq!(
        transfer.by_value().collect::<Vec<_>>(),
        [("tables.new.weight", "tables.old.weight")]
    );
    // The value of row 2 now has row 1, another value is new, and the last row is that of other values.
    let slice = |to, from| Slice { to, from, width: 1 };
    let rows = vec![slice(1, 2), slice(4, 3)];
    let rows = BTreeMap::from([("tables.new.weight".to_owned(), rows)]);
    apply(&transfer, old, &mut new.targets(), &rows).expect("it fits");
    assert_eq!(new.values("heads.new"), [-7.0]);
    assert_eq!(new.values("like"), [1.0, 2.0]);
    assert_eq!(
        new.values("linear"),
        [1.0, 0.0, 2.0, 3.0, 0.0, 4.0, -1.0, -1.0, -1.0],
        "a new input is 0, a new unit is as in a new model"
    );
    assert_eq!(new.values("name"), [1.0, 2.0]);
    assert_eq!(new.values("narrow"), [2.0]);
    assert_eq!(
        new.values("tables.new.weight"),
        [
            0.0, 0.0, 0.0, 2.0, 2.0, -1.0, -2.0, -2.0, -2.0, -3.0, -3.0, -3.0, 3.0, 3.0, -4.0
        ],
    );
}

#[test]
fn everything_that_does_not_fit_is_reported() {
    let kept = r#"{ "key": "a", "shape": [2], "fate": "kept", "from": "a",
        "dims": [{ "axis": "units", "pieces": [{ "to": 0, "from": 0, "width": 2 }] }] }"#;
    let [one, two]: [Array<'_>; 2] = [("a", &[1], &[1.0]), ("a", &[2], &[1.0, 2.0])];
    let cases: [(&[Array<'_>], &[Array<'_>], &str); 7] = [
        (&[two], &[one], "in the plan, [1]"),
        (&[two], &[], "not in this model"),
        (&[two], &[two, ("b", &[1], &[1.0])], "`b` is in this model"),
        (&[], &[two], "not in the weights"),
        (
            &[two, ("b", &[1], &[1.0])],
            &[two],
            "`b` is in the weights, not in the plan",
        ),
        (&[one], &[two], "0 to 2 of 1"),
        (&[("a", &[1, 1], &[1.0])], &[two], "1 dimensions of [1, 1]"),
    ];
    for (old, new, expected) in cases {
        let mut new = New::holding(new);
        let plan = transfer(kept, "");
        let applied = apply(&plan, file(old), &mut new.targets(), &BTreeMap::new());
        let problems = applied.expect_err(expected).join("\n");
        assert!(problems.contains(expected), "no {expected:?} in {problems}");
    }
    let mut new = New::holding(&[two]);
    let twice = transfer(&format!("{kept},{kept}"), "");
    let problems = apply(&twice, file(&[two]), &mut new.targets(), &BTreeMap::new());
    assert_eq!(problems, Err(vec!["`a` is in the plan twice".to_owned()]));
}
