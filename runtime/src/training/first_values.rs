//! What a new model takes from the first pass before its first step.

use std::collections::BTreeMap;

use super::Trainer;
use crate::bug::{bug, check};
use crate::data::Statistics;
use crate::params::transfer::TransferTarget;
use crate::schema::{BatchNorm, DomainId, LogitBias, Tower};
use crate::vocab::Vocabularies;

/// Sets the biases of the logits, and the running statistics of each domain's BatchNorm: from its first batch on, however
/// rare the domain, a model is judged with the statistics of its rows.
pub fn set_first_values(
    trainer: &mut Trainer,
    statistics: &Statistics,
    vocabularies: &Vocabularies,
) {
    let schema = trainer.scorer().schema();
    // Once for all: a model may have thousands of domains.
    let mut targets = trainer.targets();
    if schema.architecture.logit_bias == LogitBias::Learned {
        for (task, found) in schema.tasks.iter().zip(&statistics.tasks) {
            let key = format!("heads.{}.bias", task.name);
            set(&mut targets, &key, &[found.bias()]);
        }
    }
    for tower in Tower::ALL {
        for (index, domain) in schema.axis(tower).domains.iter().enumerate() {
            let numbers = &statistics.numbers;
            let starting = numbers.starting_statistics(schema, vocabularies, tower, index);
            let expert = schema.architecture.expert(tower, DomainId(index));
            if expert.batch_norm == BatchNorm::Domain && !starting.mean.is_empty() {
                let norm = format!("{}.{}.adapt.norm", tower.name(), domain.name);
                let [mean, variance] = ["mean", "var"].map(|of| format!("{norm}.running_{of}"));
                set(&mut targets, &mean, &starting.mean);
                set(&mut targets, &variance, &starting.variance);
            }
        }
    }
}

/// Sets a dense array, which is a list.
fn set(targets: &mut BTreeMap<String, TransferTarget<'_>>, key: &str, values: &[f64]) {
    let Some(target) = targets.get_mut(key) else {
        bug!("the plan has no array {key}");
    };
    check!(
        target.values.len() == values.len(),
        "{} values for {key}, which has {}",
        values.len(),
        target.values.len()
    );
    for (to, value) in target.values.iter_mut().zip(values) {
        *to = *value as f32;
    }
}
