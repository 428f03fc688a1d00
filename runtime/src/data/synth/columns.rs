//! Rows of made-up data, column by column.

#![expect(
    clippy::indexing_slicing,
    reason = "domains, tasks and their outcomes are those of the schema"
)]

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use crate::bug::bug;
use crate::data::synth::builder::Builder;
use crate::data::synth::draws::{Draw, Drawn, domain, number, split, undeclared};
use crate::data::synth::plan::{Content, InputColumn, InputKind, SynthPlan};
use crate::data::synth::signal::{self, LabelSignal, Outcome, TowerSum};
use crate::hash::Random;
use crate::schema::{Axis, DomainId, Label, Others, Schema, Tower, Value};

/// Share of rows of no declared domain, where the spec skips them.
const UNDECLARED: f64 = 0.01;
/// Share of missing inputs.
const MISSING: f64 = 0.03;
/// Share of rows without a label, for tasks with a score and no action: a rater's grade.
const UNRATED: f64 = 0.3;
/// Share of rows whose mask is 0.
const MASKED: f64 = 0.2;
/// Most entries of a list.
const ENTRIES: f64 = 20.0;
/// 1 January 2024 in seconds since 1970, and the seconds of a year: times lie within it.
const START: i64 = 1_704_067_200;
const YEAR: f64 = 31_536_000.0;

/// Columns that grow row by row.
pub(super) struct SynthColumns {
    builders: Vec<(&'static str, Builder)>,
}

/// What the rows of a request share is drawn from streams of its own, one a column.
pub(super) struct RequestStream {
    pub seed: u64,
    pub number: u64,
}

impl RequestStream {
    fn random(&self, column: u64) -> Random {
        Random::new(self.seed, &[u64::MAX, self.number, column])
    }
}

impl SynthColumns {
    pub(super) fn new(plan: &SynthPlan) -> Self {
        let builders = plan
            .columns
            .iter()
            .map(|(name, content)| (*name, Builder::new(plan.schema, content)));
        Self {
            builders: builders.collect(),
        }
    }

    /// Adds a row; `position` is its place in the data, from 0 to 1. `request` draws what the rows of a
    /// request share.
    pub(super) fn push(
        &mut self,
        plan: &SynthPlan,
        signal: &LabelSignal,
        position: f64,
        request: Option<&RequestStream>,
        random: &mut Random,
    ) {
        let schema = plan.schema;
        let surface = match request {
            Some(request) => domain(&schema.surfaces, &mut request.random(u64::MAX)),
            None => domain(&schema.surfaces, random),
        };
        let cell = (surface, domain(&schema.products, random));
        let mut sums = <(TowerSum, TowerSum)>::default();
        let contents = plan.columns.values();
        for (((_, builder), content), column) in self.builders.iter_mut().zip(contents).zip(0..) {
            let mut asked = request
                .filter(|_| content.is_asked(plan))
                .map(|request| request.random(column));
            let random = asked.as_mut().unwrap_or(random);
            match content {
                Content::Request => {
                    let number = request.map(|request| request.number as i64);
                    builder.push_value(number.map(Drawn::Int));
                }
                Content::Input(input) => builder.push_input(input, cell, signal, &mut sums, random),
                Content::Domain(Tower::Query) => {
                    builder.push_domain(&schema.surfaces, cell.0, random)
                }
                Content::Domain(Tower::Item) => {
                    builder.push_domain(&schema.products, cell.1, random)
                }
                Content::Split(ranges) => builder.push_value(Some(split(ranges, position, random))),
                Content::Action(_)
                | Content::Score(_)
                | Content::Mask
                | Content::Weight
                | Content::Weights(_) => {}
            }
        }
        self.push_weights(plan, request, random);
        let outcomes = signal.outcomes(schema, cell, &sums.0, &sums.1, random);
        for ((_, builder), content) in self.builders.iter_mut().zip(plan.columns.values()) {
            builder.push_outcome(schema, content, &outcomes, random);
        }
    }

    /// Gives the entries of the row's lists their weights.
    fn push_weights(
        &mut self,
        plan: &SynthPlan,
        request: Option<&RequestStream>,
        random: &mut Random,
    ) {
        for (index, content) in plan.columns.values().enumerate() {
            let mut asked = request
                .filter(|_| content.is_asked(plan))
                .map(|request| request.random(index as u64));
            let random = asked.as_mut().unwrap_or(random);
            let Content::Weights(list) = content else {
                continue;
            };
            let list = self.builders.iter().find(|(name, _)| name == list);
            let length = list.and_then(|(_, builder)| builder.last_length());
            let Some((_, Builder::Weights(to))) = self.builders.get_mut(index) else {
                bug!("weights for a column of another content");
            };
            if let Some(length) = length {
                for _ in 0..length {
                    to.values().append_value(random.uniform() as f32);
                }
            }
            to.append(length.is_some());
        }
    }

    pub(super) fn finish(self) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_from_iter_with_nullable(
            self.builders
                .into_iter()
                .map(|(name, builder)| (name, builder.finish(), true)),
        )
    }
}

impl Builder {
    fn push_input(
        &mut self,
        input: &InputColumn,
        cell: (usize, usize),
        signal: &LabelSignal,
        sums: &mut (TowerSum, TowerSum),
        random: &mut Random,
    ) {
        let readers = input.users.iter().filter(|(tower, feature)| {
            let domain = match tower {
                Tower::Query => cell.0,
                Tower::Item => cell.1,
            };
            feature.domains.has(DomainId(domain))
        });
        let readers: Vec<Tower> = readers.map(|(tower, _)| *tower).collect();
        let missing = random.uniform() < MISSING || readers.is_empty();
        match input.kind {
            InputKind::Time(per_second) => {
                let seconds = START + (YEAR * random.uniform()) as i64;
                self.push_value((!missing).then_some(Drawn::Int(seconds * per_second)));
            }
            InputKind::Length => {
                let length = (ENTRIES * random.uniform()) as i64;
                let entry = |value| Draw {
                    number: 0,
                    value: Drawn::Int(value),
                };
                self.push_list((!missing).then(|| (0..length).map(entry).collect()));
            }
            InputKind::Value(universe) => {
                let draw = (!missing).then(|| universe.draw(random));
                let entries: Vec<_> = draw
                    .iter()
                    .map(|draw| signal.value(universe.table, draw.number))
                    .collect();
                readers
                    .iter()
                    .for_each(|tower| signal::of(sums, *tower).add(&entries));
                self.push_value(draw.map(|draw| draw.value));
            }
            InputKind::List(universe) => {
                let length = (ENTRIES * random.uniform().powi(2)) as usize;
                let draws: Option<Vec<Draw>> =
                    (!missing).then(|| (0..length).map(|_| universe.draw(random)).collect());
                let numbers = draws.iter().flatten().map(|draw| draw.number);
                let entries: Vec<_> = numbers
                    .map(|number| signal.value(universe.table, number))
                    .collect();
                readers
                    .iter()
                    .for_each(|tower| signal::of(sums, *tower).add(&entries));
                self.push_list(draws);
            }
            InputKind::Vector { width } => {
                let vector: Vec<f64> = (0..width).map(|_| random.normals().0).collect();
                if !missing {
                    let mean = vector.iter().sum::<f64>() / (width.max(1) as f64).sqrt();
                    readers
                        .iter()
                        .for_each(|tower| signal::of(sums, *tower).add_number(mean));
                }
                self.push_vector((!missing).then_some(vector));
            }
            InputKind::Number(transform) => {
                let (normal, _) = random.normals();
                if !missing {
                    readers
                        .iter()
                        .for_each(|tower| signal::of(sums, *tower).add_number(normal.tanh()));
                }
                self.push_number((!missing).then(|| number(transform, normal)));
            }
        }
    }

    fn push_domain(&mut self, axis: &Axis, domain: usize, random: &mut Random) {
        let values = &axis.domains[domain].values;
        let value = &values[random.below(values.len())];
        let other = random.uniform() < UNDECLARED && axis.others == Others::Skip;
        self.push_value(Some(match value {
            Value::Int(_) if other => Drawn::Int(undeclared(axis)),
            Value::Text(_) if other => Drawn::Text(format!("undeclared {}", undeclared(axis))),
            value => value.into(),
        }));
    }

    fn push_outcome(
        &mut self,
        schema: &Schema,
        content: &Content,
        outcomes: &[Outcome],
        random: &mut Random,
    ) {
        match (self, content) {
            (Self::Action(to), Content::Action(tasks)) => {
                let happened = tasks.iter().any(|task| outcomes[*task].action);
                to.append_value(i8::from(happened));
            }
            (Self::Score(to), Content::Score(place)) => {
                let task = &schema.tasks[*place];
                let rated = task.action.is_empty() && matches!(task.label, Label::Score(_));
                let unrated = rated && random.uniform() < UNRATED;
                let score = outcomes[*place].score;
                to.append_option(score.filter(|_| !unrated).map(|score| score as f32));
            }
            (Self::Action(to), Content::Mask) => {
                to.append_value(i8::from(random.uniform() >= MASKED));
            }
            (Self::Score(to), Content::Weight) => {
                to.append_value((0.25 + 1.5 * random.uniform()) as f32);
            }
            (_, Content::Action(_) | Content::Score(_) | Content::Mask | Content::Weight) => {
                bug!("an outcome for a column of another content")
            }
            // They were pushed before.
            (
                _,
                Content::Domain(_)
                | Content::Split(_)
                | Content::Request
                | Content::Weights(_)
                | Content::Input(_),
            ) => {}
        }
    }
}
