//! What a new model takes from the first pass before its first step.

use super::Trainer;
use crate::bug::{bug, check, zip_equal};
use crate::data::Statistics;
use crate::params::{Array, Part};
use crate::schema::plan::{Program, View};
use crate::schema::{DomainId, Feature, FeatureKind, TaskId, Tower};
use crate::score::Scorer;
use crate::vocab::Vocabularies;

/// Sets the biases of the logits, and the running statistics of each domain's BatchNorm: from its first batch on, however
/// rare the domain, a model is judged with the statistics of its rows.
pub fn set_first_values(
    trainer: &mut Trainer,
    statistics: &Statistics,
    vocabularies: &Vocabularies,
) {
    let scorer = trainer.scorer_mut();
    let (schema, plan) = (scorer.schema(), scorer.plan());
    for (task, (head, found)) in zip_equal(&*plan.heads, &statistics.tasks).enumerate() {
        if let Some(bias) = head.bias {
            let part = Part::Head(TaskId(task));
            set(scorer, part, (Array::Values, bias), &[found.bias()]);
        }
    }
    for tower in Tower::ALL {
        let tower_plan = plan.tower(tower);
        for (domain, place) in tower_plan.domains.iter().enumerate() {
            let Some(program) = tower_plan.programs.get(place.program) else {
                bug!("domain {domain} has no program");
            };
            let start = program.statistics.at(place.block);
            for norm in program.batch_norms() {
                require_numbers(program, schema.features(tower), norm.from);
                let numbers = &statistics.numbers;
                let starting = numbers.starting_statistics(schema, vocabularies, tower, domain);
                let part = Part::Domain(tower, DomainId(domain));
                for (at, values) in [
                    (norm.mean, starting.mean),
                    (norm.variance, starting.variance),
                ] {
                    set(scorer, part, (Array::Statistics, start + at), &values);
                }
            }
        }
    }
}

/// Sets the parameter of a part that starts at this element of an array.
fn set(scorer: &mut Scorer, part: Part, (array, start): (Array, usize), values: &[f64]) {
    let mut entries = scorer.index.of(part);
    let Some(entry) = entries.find(|entry| entry.array == array && entry.range.start == start)
    else {
        bug!("{} has nothing at {start}", scorer.index.part_key(part));
    };
    for (to, value) in zip_equal(scorer.params.of_mut(&entry), values) {
        *to = *value as f32;
    }
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
