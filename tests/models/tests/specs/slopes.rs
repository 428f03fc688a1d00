//! The slopes of the loss, from the gradients of a step.

use std::collections::BTreeMap;

use model_tests::{Fixture, uniform};
use mtmd::data::batch::{Batch, Column};
use mtmd::schema::{Compiled, FeatureKind, Input, Pool, Tower};

/// Distance of a slope, the sum of gradient times direction over the elements of a tensor, relative to the sum of the sizes of
/// its terms: these may nearly cancel, and float32 rounds each. The expected slope takes no step that could be too long or too
/// short (`fixtures_specs.py`); differences of the loss in float64 agree with it to 1e-8. Measured: 5.2e-5 in a tensor of one
/// element, of `minimal`, whose rows nearly cancel; 3.3e-5 at most in other large models, 1.9e-5 in small ones.
const TOLERANCE: f64 = 1e-4;

/// The gradients by key times their directions against the slopes of the fixture: of each tensor its own, of some domains of
/// large models that of all their tensors. Returns the largest distance, and whose it is.
pub fn check(fixture: &Fixture, gradients: &BTreeMap<String, Vec<f32>>) -> (f64, String) {
    let names: Vec<&str> = fixture.text("slopes/names").lines().collect();
    let values = fixture.floats("slopes");
    assert_eq!(names.len(), values.len(), "slopes");
    let expected: BTreeMap<&str, f64> = names.into_iter().zip(values.iter().copied()).collect();
    // The sum of gradient · direction, and of its terms' sizes.
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (key, gradient) in gradients {
        let name = match expected.contains_key(&**key) {
            true => key,
            false => domain(key),
        };
        let (slope, size) = sums.entry(name).or_default();
        let direction = uniform(&format!("direction.{key}"), gradient.len());
        for (gradient, direction) in gradient.iter().zip(direction) {
            *slope += f64::from(*gradient) * direction;
            *size += (f64::from(*gradient) * direction).abs();
        }
    }
    assert!(sums.keys().eq(expected.keys()), "other tensors");
    let mut furthest = (0.0, String::new());
    for (name, (slope, size)) in sums {
        let expected = expected[name];
        let error = (slope - expected).abs();
        assert!(
            error <= TOLERANCE * size,
            "{name}: slope {slope} instead of {expected}, off by {error:e} at {size:e}"
        );
        let distance = error / size.max(f64::MIN_POSITIVE);
        if distance > furthest.0 {
            furthest = (distance, name.to_owned());
        }
    }
    furthest
}

/// `TOWER.DOMAIN` of a key.
fn domain(key: &str) -> &str {
    let mut dots = key.match_indices('.').map(|(at, _)| at);
    dots.nth(1).map_or(key, |end| &key[..end])
}

/// The gradients of the tables by key, from those of the embedded columns of the programs' inputs.
pub fn of_tables(
    Compiled { schema, plan }: &Compiled,
    batch: &Batch,
    fields: &[Vec<Vec<f32>>; 2],
) -> BTreeMap<String, Vec<f32>> {
    let tables = schema.tables.iter();
    let zeros = tables.map(|table| vec![0.0; table.rows * table.dim]);
    let mut gradients: Vec<Vec<f32>> = zeros.collect();
    for (tower, fields) in Tower::ALL.into_iter().zip(fields) {
        let from = batch.tower(tower);
        assert_eq!(fields.len(), from.domains.len(), "domains");
        for (domain, places) in from.domains.iter().enumerate() {
            let program = &plan.tower(tower).programs[plan.tower(tower).domains[domain].program];
            let embedded = program.embedded;
            assert_eq!(fields[domain].len(), places.len() * embedded, "rows");
            for field in program.fields.iter() {
                let feature = &schema.features(tower)[field.feature.0];
                let FeatureKind::Embedded { table, input, .. } = &feature.kind else {
                    continue;
                };
                for (place, row) in places.clone().zip(fields[domain].chunks(embedded)) {
                    let row = &row[field.start..][..field.width];
                    for (id, factor) in entries(&from.columns[field.feature.0], input, place) {
                        let to = gradients[table.0][id * field.width..].iter_mut();
                        to.zip(row)
                            .for_each(|(to, from)| *to += factor as f32 * from);
                    }
                }
            }
        }
    }
    let keys = schema
        .tables
        .iter()
        .map(|table| format!("tables.{}.weight", table.name));
    keys.zip(gradients).collect()
}

/// The rows of a table that a field is made of, each with its factor.
fn entries(column: &Column, input: &Input, place: usize) -> Vec<(usize, f64)> {
    let listed = match column {
        Column::Ids(ids) => vec![(ids[place], 1.0)],
        Column::Lists {
            offsets,
            ids,
            weights,
        } => {
            let span = offsets[place] as usize..offsets[place + 1] as usize;
            let weight = |at: usize| weights.get(at).map_or(1.0, |&weight| f64::from(weight));
            span.map(|at| (ids[at], weight(at))).collect()
        }
        Column::Vectors { .. } | Column::Numbers(_) => panic!("an embedded feature without ids"),
    };
    let known = listed.into_iter().filter(|(id, _)| *id != 0);
    let known: Vec<(usize, f64)> = known.map(|(id, weight)| (id as usize, weight)).collect();
    let sum: f64 = known.iter().map(|(_, weight)| weight).sum();
    match input {
        Input::List {
            pool: Pool::Mean, ..
        } => known
            .into_iter()
            .map(|(id, weight)| (id, weight / sum))
            .collect(),
        _ => known,
    }
}
