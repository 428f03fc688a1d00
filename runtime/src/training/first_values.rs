//! What a new model takes from the first pass before its first step.

use super::Trainer;
use crate::bug::{bug, check};
use crate::data::Statistics;
use crate::params::{Array, ParameterIndex, Part};
use crate::schema::plan::{Op, Program, View};
use crate::schema::{DomainId, Feature, FeatureKind, TaskId, Tower};
use crate::vocab::Vocabularies;

/// Sets the biases of the logits, and the running statistics of each domain's BatchNorm: from its first batch on, however
/// rare the domain, a model is judged with the statistics of its rows.
pub fn set_first_values(
    trainer: &mut Trainer,
    statistics: &Statistics,
    vocabularies: &Vocabularies,
) {
    let values = first_values(trainer, statistics, vocabularies);
    // Once for all: a model may have thousands of domains.
    let mut targets = trainer.targets();
    for (key, values) in values {
        let Some(target) = targets.get_mut(&key) else {
            bug!("the model has no array {key}");
        };
        check!(
            target.values.len() == values.len(),
            "{} values for {key}, which has {}",
            values.len(),
            target.values.len()
        );
        for (to, value) in target.values.iter_mut().zip(values) {
            *to = value as f32;
        }
    }
}

/// The first values by key, of the arrays that the plan has.
fn first_values(
    trainer: &Trainer,
    statistics: &Statistics,
    vocabularies: &Vocabularies,
) -> Vec<(String, Vec<f64>)> {
    let scorer = trainer.scorer();
    let (schema, index) = (scorer.schema(), &scorer.index);
    let plan = index.plan();
    let mut first = vec![];
    check!(
        plan.heads.len() == statistics.tasks.len(),
        "statistics of {} tasks for {} heads",
        statistics.tasks.len(),
        plan.heads.len()
    );
    for (task, (head, found)) in plan.heads.iter().zip(&statistics.tasks).enumerate() {
        if let Some(bias) = head.bias {
            let key = key_at(index, Part::Head(TaskId(task)), Array::Values, bias);
            first.push((key, vec![found.bias()]));
        }
    }
    for tower in Tower::ALL {
        let tower_plan = plan.tower(tower);
        for (domain, place) in tower_plan.domains.iter().enumerate() {
            let Some(program) = tower_plan.programs.get(place.program) else {
                bug!("domain {domain} has no program");
            };
            let start = program.statistics.at(place.block);
            for op in program.forward.iter() {
                let Op::BatchNorm {
                    from,
                    mean,
                    variance,
                    ..
                } = op
                else {
                    continue;
                };
                let numbers = &statistics.numbers;
                let starting = numbers.starting_statistics(schema, vocabularies, tower, domain);
                require_numbers(program, schema.features(tower), *from);
                let part = Part::Domain(tower, DomainId(domain));
                for (at, values) in [(mean, starting.mean), (variance, starting.variance)] {
                    first.push((key_at(index, part, Array::Statistics, start + at), values));
                }
            }
        }
    }
    first
}

/// Requires columns of a program's input to be numbers in canonical order, as the statistics of a domain
/// have its numbers: with as many of them, column by column the same ones.
fn require_numbers(program: &Program, features: &[Feature], columns: View) {
    let mut last = None;
    for field in program.fields.iter() {
        if field.start < columns.start || field.start >= columns.start + columns.width {
            continue;
        }
        let kind = features.get(field.feature.0).map(|feature| &feature.kind);
        check!(
            matches!(kind, Some(FeatureKind::Number(_))) && last < Some(field.feature),
            "a BatchNorm reads feature {} after {last:?}",
            field.feature.0
        );
        last = Some(field.feature);
    }
}

/// The key of the array that starts at an element.
fn key_at(index: &ParameterIndex<'_>, part: Part, array: Array, start: usize) -> String {
    let mut entries = index.of(part);
    match entries.find(|entry| entry.array == array && entry.range.start == start) {
        Some(entry) => index.key(&entry),
        None => bug!("{} has nothing at {start}", index.part_key(part)),
    }
}
