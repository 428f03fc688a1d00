//! A plan applied.
//!
//! What nothing is copied to stays as in a new model, with one exception: in a unit that is copied, an
//! input that is not is 0, so that an input which comes in changes nothing at first.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Axis, Fit, Piece, Plan, Planned};
use super::{Array, Weights};

impl Plan {
    /// The weights of the new model: those of `old` where the plan says so, those of `fresh` elsewhere.
    /// `rows` tells which rows of a table that goes by value go where, by the new weight's key.
    ///
    /// # Errors
    /// All that does not fit: a plan of other weights, or of another model.
    pub fn apply(
        &self,
        old: &Weights,
        mut fresh: Weights,
        rows: &BTreeMap<String, Vec<Piece>>,
    ) -> Result<Weights, Vec<String>> {
        let mut problems = self.misfits(old, &fresh);
        for planned in &self.weights {
            let (Some(from), Some(to)) = (
                planned.from.as_ref().and_then(|from| old.arrays.get(from)),
                fresh.arrays.get_mut(&planned.key),
            ) else {
                continue;
            };
            let pieces = planned.dims.iter();
            let pieces: Vec<&[Piece]> = pieces
                .map(|fit| pieces_of(fit, rows.get(&planned.key)))
                .collect();
            if let Err(problem) = copy(planned, &pieces, from, to) {
                problems.push(format!("`{}`: {problem}", planned.key));
            }
        }
        if problems.is_empty() {
            Ok(fresh)
        } else {
            Err(problems)
        }
    }

    /// Keys and shapes that are not those of the weights: each array of both models must be told of once.
    fn misfits(&self, old: &Weights, fresh: &Weights) -> Vec<String> {
        let mut problems = Vec::new();
        let mut told = BTreeSet::new();
        for Planned { key, shape, .. } in &self.weights {
            match fresh.arrays.get(key) {
                Some(array) if array.shape == *shape => {}
                Some(array) => problems.push(format!(
                    "`{key}` is {shape:?} in the plan, {:?} in this model",
                    array.shape
                )),
                None => problems.push(format!("`{key}` is in the plan, not in this model")),
            }
            if !told.insert(key) {
                problems.push(format!("`{key}` is in the plan twice"));
            }
        }
        let untold = fresh.arrays.keys().filter(|key| !told.contains(key));
        problems.extend(untold.map(|key| format!("`{key}` is in this model, not in the plan")));
        let gone = self.dropped.iter().map(|dropped| &dropped.key);
        let used: BTreeSet<&String> = self
            .weights
            .iter()
            .filter_map(|planned| planned.from.as_ref())
            .chain(gone)
            .collect();
        let missing = used.iter().filter(|key| !old.arrays.contains_key(**key));
        problems.extend(missing.map(|key| format!("`{key}` is in the plan, not in the weights")));
        let unsaid = old.arrays.keys().filter(|key| !used.contains(key));
        problems.extend(unsaid.map(|key| format!("`{key}` is in the weights, not in the plan")));
        problems
    }
}

fn pieces_of<'a>(fit: &'a Fit, rows: Option<&'a Vec<Piece>>) -> &'a [Piece] {
    match (&fit.pieces, rows) {
        (Some(pieces), _) => pieces,
        (None, Some(rows)) => rows,
        (None, None) => &[],
    }
}

/// Copies what the pieces of each dimension say.
fn copy(
    planned: &Planned,
    pieces: &[&[Piece]],
    old: &Array,
    new: &mut Array,
) -> Result<(), String> {
    for (dimension, pieces) in pieces.iter().enumerate() {
        let sizes =
            [&new.shape, &old.shape].map(|shape| shape.get(dimension).copied().unwrap_or(0));
        let outside = |piece: &&Piece| {
            let [to, from] = [piece.to, piece.from].map(|start| start.checked_add(piece.width));
            to.is_none_or(|end| end > sizes[0]) || from.is_none_or(|end| end > sizes[1])
        };
        if let Some(piece) = pieces.iter().find(outside) {
            return Err(format!(
                "entries {} to {} of {} cannot become {} to {} of {}",
                piece.from,
                piece.from.saturating_add(piece.width),
                sizes[1],
                piece.to,
                piece.to.saturating_add(piece.width),
                sizes[0],
            ));
        }
    }
    match (pieces, &*new.shape, &*old.shape) {
        ([units], [_], [_]) => {
            copy_row(units, &old.values, &mut new.values);
            Ok(())
        }
        ([units, inputs], [_, to_width], [_, from_width]) => {
            let clear = planned
                .dims
                .get(1)
                .is_some_and(|fit| fit.axis == Axis::Inputs);
            for (to, from) in units.iter().flat_map(Piece::pairs) {
                let from = row(from, *from_width);
                let to = new.values.get_mut(row(to, *to_width));
                let (Some(to), Some(from)) = (to, old.values.get(from)) else {
                    return Err("an array is shorter than its shape says".to_owned());
                };
                if clear {
                    to.fill(0.0);
                }
                copy_row(inputs, from, to);
            }
            Ok(())
        }
        (_, new, old) => Err(format!(
            "{} dimensions of {old:?} cannot become {new:?}",
            pieces.len()
        )),
    }
}

fn row(index: usize, width: usize) -> std::ops::Range<usize> {
    index * width..(index + 1) * width
}

fn copy_row(pieces: &[Piece], from: &[f32], to: &mut [f32]) {
    for piece in pieces {
        let from = from.get(piece.from..piece.from + piece.width);
        let to = to.get_mut(piece.to..piece.to + piece.width);
        if let (Some(from), Some(to)) = (from, to) {
            to.copy_from_slice(from);
        }
    }
}

impl Piece {
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        (self.to..self.to + self.width).zip(self.from..self.from + self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(arrays: &[(&str, &[usize], &[f32])]) -> Weights {
        let array = |(key, shape, values): &(&str, &[usize], &[f32])| {
            let (shape, values) = (shape.to_vec(), values.to_vec());
            ((*key).to_owned(), Array { shape, values })
        };
        Weights {
            metadata: BTreeMap::new(),
            arrays: arrays.iter().map(array).collect(),
        }
    }

    fn plan(weights: &str, dropped: &str) -> Plan {
        let text = format!(
            r#"{{ "schema": 1, "changes": [], "moments": [], "dropped": [{dropped}], "weights": [{weights}],
            "old": {{ "model": "a", "weights_hash": "1" }}, "new": {{ "model": "b", "weights_hash": "2" }} }}"#
        );
        Plan::parse(&text).expect("a plan")
    }

    fn values(weights: &Weights, key: &str) -> Vec<f32> {
        weights.arrays.get(key).expect("an array").values.clone()
    }

    /// One weight of each fate.
    #[test]
    fn entries_go_where_the_plan_says() {
        let old = weights(&[
            ("bias", &[2], &[1.0, 2.0]),
            ("gone", &[1], &[9.0]),
            ("linear", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
            (
                "tables.old.weight",
                &[4, 2],
                &[0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0],
            ),
        ]);
        let fresh = weights(&[
            ("heads.new", &[1], &[-7.0]),
            ("like", &[2], &[-1.0, -1.0]),
            ("linear", &[3, 3], &[-1.0; 9]),
            ("name", &[2], &[-1.0, -1.0]),
            ("narrow", &[1], &[-1.0]),
            (
                "tables.new.weight",
                &[5, 3],
                &[
                    0.0, 0.0, 0.0, -1.0, -1.0, -1.0, -2.0, -2.0, -2.0, -3.0, -3.0, -3.0, -4.0,
                    -4.0, -4.0,
                ],
            ),
        ]);
        let plan = plan(
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
            plan.by_value().collect::<Vec<_>>(),
            [("tables.new.weight", "tables.old.weight")]
        );
        // The value of row 2 is now that of row 1, another one is new, and the last row is of other values.
        let piece = |to, from| Piece { to, from, width: 1 };
        let rows = vec![piece(1, 2), piece(4, 3)];
        let rows = BTreeMap::from([("tables.new.weight".to_owned(), rows)]);
        let new = plan.apply(&old, fresh, &rows).expect("it fits");
        assert_eq!(values(&new, "heads.new"), [-7.0]);
        assert_eq!(values(&new, "like"), [1.0, 2.0]);
        assert_eq!(
            values(&new, "linear"),
            [1.0, 0.0, 2.0, 3.0, 0.0, 4.0, -1.0, -1.0, -1.0],
            "an input that comes in is 0, a unit that comes in is new"
        );
        assert_eq!(values(&new, "name"), [1.0, 2.0]);
        assert_eq!(values(&new, "narrow"), [2.0]);
        assert_eq!(
            values(&new, "tables.new.weight"),
            [
                0.0, 0.0, 0.0, 2.0, 2.0, -1.0, -2.0, -2.0, -2.0, -3.0, -3.0, -3.0, 3.0, 3.0, -4.0
            ],
        );
    }

    #[test]
    fn all_that_does_not_fit_is_told() {
        let kept = r#"{ "key": "a", "shape": [2], "fate": "kept", "from": "a",
            "dims": [{ "axis": "units", "pieces": [{ "to": 0, "from": 0, "width": 2 }] }] }"#;
        let [one, two] = [&[1.0][..], &[1.0, 2.0]];
        let cases = [
            (
                weights(&[("a", &[2], two)]),
                weights(&[("a", &[1], one)]),
                "in the plan, [1]",
            ),
            (
                weights(&[("a", &[2], two)]),
                weights(&[]),
                "not in this model",
            ),
            (
                weights(&[("a", &[2], two)]),
                weights(&[("a", &[2], two), ("b", &[1], one)]),
                "`b` is in this model",
            ),
            (
                weights(&[]),
                weights(&[("a", &[2], two)]),
                "not in the weights",
            ),
            (
                weights(&[("a", &[2], two), ("b", &[1], one)]),
                weights(&[("a", &[2], two)]),
                "`b` is in the weights, not in the plan",
            ),
            (
                weights(&[("a", &[1], one)]),
                weights(&[("a", &[2], two)]),
                "0 to 2 of 1",
            ),
            (
                weights(&[("a", &[1, 1], one)]),
                weights(&[("a", &[2], two)]),
                "0 to 2 of 1",
            ),
        ];
        for (old, fresh, said) in cases {
            let problems = plan(kept, "").apply(&old, fresh, &BTreeMap::new());
            let problems = problems.expect_err(said).join("\n");
            assert!(problems.contains(said), "no {said:?} in {problems}");
        }
        let twice = plan(&format!("{kept},{kept}"), "");
        let same = || weights(&[("a", &[2], two)]);
        let problems = twice.apply(&same(), same(), &BTreeMap::new());
        assert_eq!(problems, Err(vec!["`a` is in the plan twice".to_owned()]));
    }
}
