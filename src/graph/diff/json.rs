//! A diff as one JSON object. Fields may be added under the same `schema`; none changes its
//! meaning.

use super::fates::{Fate, Fit, Piece, Planned};
use super::{Change, ChangeKind, Diff};
use crate::graph::weight::{Dim, Weight};
use mtmd_schema::bug;
use serde_json::{Value, json};

pub(super) fn write(diff: &Diff) -> String {
    let [old, new] = [0, 1].map(|side| {
        let pairs = [&diff.models, &diff.spec_hashes, &diff.weights_hashes];
        let [model, hash, weights] = pairs.map(|pair| pair.get(side));
        json!({ "model": model, "spec_hash": hash, "weights_hash": weights })
    });
    let costs = diff.costs.iter().map(|cost| {
        json!({
            "name": cost.name,
            "before": cost.before.map(number),
            "after": cost.after.map(number),
        })
    });
    let moments = diff.moments.iter();
    let moments = moments.map(|it| json!({ "to": it.to, "from": it.from }));
    let object = json!({
        "schema": 1,
        "old": old,
        "new": new,
        "changes": diff.changes.iter().map(change).collect::<Vec<_>>(),
        "costs": costs.collect::<Vec<_>>(),
        "moments": moments.collect::<Vec<_>>(),
    });
    // Written one by one: all weights of a large model as values take a gigabyte.
    let weights = list(diff.fates.weights.iter().map(planned));
    let dropped = list(diff.fates.dropped.iter().map(weight));
    let object = object.to_string();
    let head = object.strip_suffix('}');
    let head = head.unwrap_or_else(|| bug!("`{object}` is not an object"));
    format!("{head},\"dropped\":[{dropped}],\"weights\":[{weights}]}}\n")
}

fn list(values: impl Iterator<Item = Value>) -> String {
    let mut text = String::new();
    for value in values {
        if !text.is_empty() {
            text.push(',');
        }
        text += &value.to_string();
    }
    text
}

/// Exact where JSON's numbers are.
fn number(number: u128) -> Value {
    match u64::try_from(number) {
        Ok(number) => json!(number),
        Err(_) => json!(number.to_string()),
    }
}

fn change(change: &Change) -> Value {
    let place = &change.place;
    match &change.kind {
        ChangeKind::Added { settings } => {
            let settings = settings
                .iter()
                .map(|(setting, value)| json!({ "setting": setting, "value": value }));
            let settings: Vec<Value> = settings.collect();
            json!({ "place": place, "kind": "added", "settings": settings })
        }
        ChangeKind::Removed => json!({ "place": place, "kind": "removed" }),
        ChangeKind::Renamed { from } => json!({ "place": place, "kind": "renamed", "from": from }),
        ChangeKind::Set {
            setting,
            before,
            after,
        } => json!({
            "place": place, "kind": "set", "setting": setting, "before": before, "after": after,
        }),
    }
}

fn weight(weight: &Weight) -> Value {
    json!({ "key": &*weight.key, "shape": weight.shape() })
}

fn planned(planned: &Planned) -> Value {
    let (key, shape) = (&*planned.weight.key, planned.weight.shape());
    match &planned.fate {
        Fate::Fresh { note } => json!({ "key": key, "shape": shape, "fate": "new", "note": note }),
        Fate::Copied {
            from,
            nature,
            dims,
            note,
        } => {
            let dims = planned.weight.dims.iter().zip(dims.iter());
            let dims: Vec<Value> = dims.map(|(dim, fit)| dimension(dim, fit)).collect();
            json!({
                "key": key, "shape": shape, "fate": nature.name(), "from": &**from, "dims": dims,
                "note": note,
            })
        }
    }
}

fn dimension(dim: &Dim, fit: &Fit) -> Value {
    let axis = match dim {
        Dim::Units(_) => "units",
        Dim::Inputs(_) => "inputs",
        Dim::Hashed(_) | Dim::Learned { .. } => "rows",
    };
    match fit {
        Fit::ByValue { others } => {
            json!({ "axis": axis, "by": "value", "others": others.as_ref().map(piece) })
        }
        Fit::Pieces(pieces) => {
            let pieces: Vec<Value> = pieces.iter().map(piece).collect();
            json!({ "axis": axis, "pieces": pieces })
        }
    }
}

fn piece(piece: &Piece) -> Value {
    json!({ "to": piece.to, "from": piece.from, "width": piece.width })
}
