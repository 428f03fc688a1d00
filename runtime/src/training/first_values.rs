//! What a new model takes from the first pass before its first step.

use crate::data::{Statistics, Vocabularies};
use crate::schema::{Schema, Tower};
use crate::weights::{Array, Weights};

/// The biases of the logits, and the running statistics of each domain's BatchNorm: from its first batch on, however rare the
/// domain, a model is judged with the statistics of its rows.
pub fn first_values(
    schema: &Schema,
    statistics: &Statistics,
    vocabularies: &Vocabularies,
) -> Weights {
    let mut values = Weights::default();
    let mut set = |key: String, found: &[f64]| {
        let array = Array {
            shape: vec![found.len()],
            values: found.iter().map(|value| *value as f32).collect(),
        };
        values.arrays.insert(key, array);
    };
    if schema.architecture.logit_bias {
        for (task, found) in schema.tasks.iter().zip(&statistics.tasks) {
            set(format!("heads.{}.bias", task.name), &[found.bias()]);
        }
    }
    for (tower, name) in [(Tower::Query, "query"), (Tower::Item, "item")] {
        for (index, domain) in schema.axis(tower).domains.iter().enumerate() {
            let numbers = &statistics.numbers;
            let starting = numbers.starting_statistics(schema, vocabularies, tower, index);
            let has_norm = schema.architecture.expert(tower, index).batch_norm;
            if has_norm && !starting.mean.is_empty() {
                let norm = format!("{name}.{}.adapt.norm", domain.name);
                set(format!("{norm}.running_mean"), &starting.mean);
                set(format!("{norm}.running_var"), &starting.variance);
            }
        }
    }
    values
}
