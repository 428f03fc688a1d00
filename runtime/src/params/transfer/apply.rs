//! A warm start's copies, from the old model's file into the new model's arrays.
//!
//! What nothing is copied to stays as in a new model, with one exception: in a unit that is copied,
//! an input that is not copied is 0, so that a new input changes nothing at first.

#![expect(
    clippy::indexing_slicing,
    reason = "slices are held to the shapes of both arrays before anything is copied, and arrays have the size of their shape"
)]

use std::collections::{BTreeMap, BTreeSet};

use crate::params::{Array, ParameterIndex, Params, Problem, Reader, disjoint};
use crate::schema::transfer::{By, Planned, Slice, Transfer, WeightAxis};

/// An array of the new model, where the model has it: rows that start `stride` elements apart.
#[derive(Debug)]
pub struct TransferTarget<'a> {
    /// Shape: `[elements]` or `[rows, width]`.
    pub shape: Vec<usize>,
    /// The elements, and perhaps others between the rows.
    pub values: &'a mut [f32],
    /// First element of the first row.
    pub start: usize,
    /// Elements from a row to the next.
    pub stride: usize,
}

impl Params<f32> {
    /// All arrays by key.
    pub fn targets(&mut self, index: &ParameterIndex<'_>) -> BTreeMap<String, TransferTarget<'_>> {
        let mut targets = BTreeMap::new();
        let arrays = [
            (Array::Values, &mut self.values),
            (Array::Statistics, &mut self.statistics),
        ];
        for (array, values) in arrays {
            let entries = index.entries().filter(|entry| entry.array == array);
            let mut entries: Vec<_> = entries.collect();
            entries.sort_by_key(|entry| entry.range.start);
            let ranges = entries.iter().map(|entry| entry.range.clone());
            for (entry, values) in entries.iter().zip(disjoint(values, ranges)) {
                let target = TransferTarget {
                    shape: entry.shape.to_vec(),
                    stride: entry.shape.iter().skip(1).product(),
                    start: 0,
                    values,
                };
                targets.insert(index.key(entry), target);
            }
        }
        targets
    }
}

/// Copies the weights of an old model, one array at a time, into those of a new one. `rows` has
/// the rows that are copied of each table that goes by value, by the new weight's key.
///
/// # Errors
/// All that does not fit: a plan of other weights or of another model, and arrays that cannot
/// be read. The new model is of no use then.
pub fn apply(
    plan: &Transfer,
    mut old: Reader,
    new: &mut BTreeMap<String, TransferTarget<'_>>,
    rows: &BTreeMap<String, Vec<Slice>>,
) -> Result<(), Vec<String>> {
    let shapes: BTreeMap<String, Vec<usize>> = old
        .shapes()
        .map(|(key, shape)| (key.to_owned(), shape.to_vec()))
        .collect();
    let mut problems = misfits(plan, &shapes, new);
    let mut by_source: BTreeMap<&str, Vec<&Planned>> = BTreeMap::new();
    for planned in &plan.weights {
        if let Some(from) = planned.from.as_deref() {
            by_source.entry(from).or_default().push(planned);
        }
    }
    for (from, planned) in by_source {
        // What is missing has been reported.
        let Some(shape) = shapes.get(from) else {
            continue;
        };
        let mut values = vec![0.0; shape.iter().product()];
        if !old.read(from, shape, &mut values) {
            continue;
        }
        for planned in planned {
            let Some(to) = new.get_mut(&planned.key) else {
                continue;
            };
            let copied = copy(planned, rows.get(&planned.key), (shape, &values), to);
            problems.extend(copied.err().map(|why| format!("`{}`: {why}", planned.key)));
        }
    }
    // What the plan and the file disagree about has been reported.
    let unread = |problem: &Problem| matches!(problem, Problem::Unread { .. });
    let unread = old.finish().into_iter().filter(unread);
    problems.extend(unread.map(|problem| problem.to_string()));
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems),
    }
}

/// Keys and shapes that are not those of the weights: the plan must name each array of both
/// models once.
fn misfits(
    plan: &Transfer,
    old: &BTreeMap<String, Vec<usize>>,
    new: &BTreeMap<String, TransferTarget<'_>>,
) -> Vec<String> {
    let mut problems = Vec::new();
    let mut named = BTreeSet::new();
    for Planned { key, shape, .. } in &plan.weights {
        match new.get(key) {
            Some(target) if target.shape == *shape => {}
            Some(target) => problems.push(format!(
                "`{key}` is {shape:?} in the plan, {:?} in this model",
                target.shape
            )),
            None => problems.push(format!("`{key}` is in the plan, not in this model")),
        }
        if !named.insert(key) {
            problems.push(format!("`{key}` is in the plan twice"));
        }
    }
    let unnamed = new.keys().filter(|key| !named.contains(key));
    problems.extend(unnamed.map(|key| format!("`{key}` is in this model, not in the plan")));
    let dropped = plan.dropped.iter().map(|dropped| &dropped.key);
    let used: BTreeSet<&String> = plan
        .weights
        .iter()
        .filter_map(|planned| planned.from.as_ref())
        .chain(dropped)
        .collect();
    let missing = used.iter().filter(|key| !old.contains_key(**key));
    problems.extend(missing.map(|key| format!("`{key}` is in the plan, not in the weights")));
    let unused = old.keys().filter(|key| !used.contains(key));
    problems.extend(unused.map(|key| format!("`{key}` is in the weights, not in the plan")));
    problems
}

/// Copies the slices of each dimension.
fn copy(
    planned: &Planned,
    rows: Option<&Vec<Slice>>,
    (shape, old): (&[usize], &[f32]),
    new: &mut TransferTarget<'_>,
) -> Result<(), String> {
    let dims = &planned.dims;
    if dims.len() != shape.len() || dims.len() != new.shape.len() {
        return Err(format!(
            "{} dimensions of {shape:?} cannot become {:?}",
            dims.len(),
            new.shape
        ));
    }
    let slices = dims
        .iter()
        .map(|dimension| match (&dimension.pieces, dimension.by, rows) {
            (Some(slices), ..) => Ok(&**slices),
            (None, Some(By::Value), Some(rows)) => Ok(&**rows),
            (None, Some(By::Value), None) => Err("it goes by value, but has no vocabulary"),
            (None, None, _) => Err("the plan does not say what is copied"),
        });
    let slices = slices.collect::<Result<Vec<&[Slice]>, _>>()?;
    for (slices, (to, from)) in slices.iter().zip(new.shape.iter().zip(shape)) {
        require_inside(slices, *to, *from)?;
    }
    match (&*slices, shape) {
        ([units], [_]) => {
            let start = new.start;
            copy_slices(units, old, &mut new.values[start..]);
            Ok(())
        }
        ([units, inputs], [_, from_width]) => {
            let clear = dims
                .get(1)
                .is_some_and(|inputs| inputs.axis == WeightAxis::Inputs);
            let width = new.shape[1];
            for (to, from) in units.iter().flat_map(Slice::pairs) {
                let start = new.start + to * new.stride;
                let to = &mut new.values[start..start + width];
                if clear {
                    to.fill(0.0);
                }
                copy_slices(inputs, &old[from * from_width..(from + 1) * from_width], to);
            }
            Ok(())
        }
        _ => Err(format!("{shape:?} has more than two dimensions")),
    }
}

/// Requires slices to be inside both dimensions.
fn require_inside(slices: &[Slice], to: usize, from: usize) -> Result<(), String> {
    let ends_within = |start: usize, width: usize, end: usize| {
        start.checked_add(width).is_some_and(|last| last <= end)
    };
    let outside = slices.iter().find(|slice| {
        !ends_within(slice.to, slice.width, to) || !ends_within(slice.from, slice.width, from)
    });
    match outside {
        None => Ok(()),
        Some(slice) => Err(format!(
            "entries {} to {} of {from} cannot become {} to {} of {to}",
            slice.from,
            slice.from.saturating_add(slice.width),
            slice.to,
            slice.to.saturating_add(slice.width),
        )),
    }
}

fn copy_slices(slices: &[Slice], from: &[f32], to: &mut [f32]) {
    for slice in slices {
        to[slice.to..slice.to + slice.width]
            .copy_from_slice(&from[slice.from..slice.from + slice.width]);
    }
}
