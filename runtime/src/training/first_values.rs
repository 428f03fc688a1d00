//! What a new model takes from the first pass before its first step.

use super::Trainer;
use crate::data::Statistics;
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
    if schema.architecture.logit_bias == LogitBias::Learned {
        for (task, found) in schema.tasks.iter().zip(&statistics.tasks) {
            trainer.set(&format!("heads.{}.bias", task.name), &[found.bias()]);
        }
    }
    for (tower, name) in [(Tower::Query, "query"), (Tower::Item, "item")] {
        for (index, domain) in schema.axis(tower).domains.iter().enumerate() {
            let numbers = &statistics.numbers;
            let starting = numbers.starting_statistics(schema, vocabularies, tower, index);
            let expert = schema.architecture.expert(tower, DomainId(index));
            if expert.batch_norm == BatchNorm::Domain && !starting.mean.is_empty() {
                let norm = format!("{name}.{}.adapt.norm", domain.name);
                trainer.set(&format!("{norm}.running_mean"), &starting.mean);
                trainer.set(&format!("{norm}.running_var"), &starting.variance);
            }
        }
    }
}
