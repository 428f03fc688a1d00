//! A diff as one JSON object: the plan of a warm start, plus the changes and costs.

use super::fates::{DimensionFit, Fates, Lineage, PlannedWeight};
use super::{Change, ChangeKind, Diff};
use crate::graph::weight::{Dim, Weight};
use mtmd_schema::bug;
use mtmd_schema::bug::zip_equal;
use mtmd_schema::transfer::{
    By, Carried, Dimension, Dropped, LAYOUT, ModelRef, Planned, WeightAxis,
};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

pub(super) fn write(diff: &Diff) -> String {
    let [old_model, new_model] = &diff.models;
    let [old_spec, new_spec] = &diff.spec_hashes;
    let [old_weights, new_weights] = &diff.weights_hashes;
    let costs = diff.costs.iter().map(|cost| {
        json!({
            "name": cost.name,
            "before": cost.before.map(number),
            "after": cost.after.map(number),
        })
    });
    let report = DiffReport {
        schema: LAYOUT,
        old: ReportedModel::new(old_model, old_spec, old_weights),
        new: ReportedModel::new(new_model, new_spec, new_weights),
        changes: diff.changes.iter().map(change).collect(),
        costs: costs.collect(),
        moments: &diff.moments,
        dropped: &diff.fates,
        weights: &diff.fates,
    };
    match serde_json::to_string(&report) {
        Ok(text) => text + "\n",
        Err(error) => bug!("a diff as JSON: {error}"),
    }
}

/// A [`Transfer`](mtmd_schema::transfer::Transfer) and more. Weights are made one by one as they are written: all weights
/// of a large model as values take a gigabyte.
#[derive(Serialize)]
struct DiffReport<'a> {
    schema: u32,
    old: ReportedModel<'a>,
    new: ReportedModel<'a>,
    changes: Vec<Value>,
    costs: Vec<Value>,
    moments: &'a [Carried],
    #[serde(serialize_with = "dropped")]
    dropped: &'a Fates,
    #[serde(serialize_with = "weights")]
    weights: &'a Fates,
}

/// A [`ModelRef`] and the hash of its spec.
#[derive(Serialize)]
struct ReportedModel<'a> {
    #[serde(flatten)]
    model: ModelRef,
    spec_hash: &'a str,
}

impl<'a> ReportedModel<'a> {
    fn new(model: &str, spec_hash: &'a str, weights_hash: &str) -> Self {
        let model = ModelRef {
            model: model.to_owned(),
            weights_hash: weights_hash.to_owned(),
        };
        Self { model, spec_hash }
    }
}

fn dropped<S: Serializer>(fates: &Fates, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(fates.dropped.iter().map(|weight| Dropped {
        key: weight.key.to_string(),
        shape: weight.shape(),
    }))
}

fn weights<S: Serializer>(fates: &Fates, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(fates.weights.iter().map(planned))
}

fn planned(planned: &PlannedWeight) -> Planned {
    let PlannedWeight { weight, lineage } = planned;
    let (from, dims, note) = match lineage {
        Lineage::Fresh { note } => (None, vec![], note),
        Lineage::Copied {
            from, dims, note, ..
        } => (Some(from.to_string()), dimensions(weight, dims), note),
    };
    Planned {
        key: weight.key.to_string(),
        shape: weight.shape(),
        fate: lineage.fate(),
        from,
        dims,
        note: note.clone(),
    }
}

fn dimensions(weight: &Weight, fits: &[DimensionFit]) -> Vec<Dimension> {
    let dims = zip_equal(weight.dims.iter(), fits);
    dims.map(|(dim, fit)| {
        let (pieces, by, others) = match fit {
            DimensionFit::Pieces(pieces) => (Some(pieces.clone()), None, None),
            DimensionFit::ByValue { others } => (None, Some(By::Value), *others),
        };
        Dimension {
            axis: axis(dim),
            pieces,
            by,
            others,
        }
    })
    .collect()
}

fn axis(dim: &Dim) -> WeightAxis {
    match dim {
        Dim::Units(_) => WeightAxis::Units,
        Dim::Inputs(_) => WeightAxis::Inputs,
        Dim::Hashed(_) | Dim::Learned { .. } => WeightAxis::Rows,
    }
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
