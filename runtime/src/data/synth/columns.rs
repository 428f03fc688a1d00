//! Rows of made-up data, column by column.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, FixedSizeListBuilder, Float32Builder, Float64Builder, Int8Builder,
    Int64Builder, ListBuilder, RecordBatch, StringBuilder,
};
use arrow::error::ArrowError;

use crate::data::synth::plan::{Content, Input, InputKind, Plan, Universe, Values};
use crate::data::synth::signal::{self, Outcome, Signal, TowerSum};
use crate::hash::Random;
use crate::schema::{Axis, Label, Others, Schema, Standardise, Tower, Transform, Value};

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
pub(super) struct Columns {
    builders: Vec<(&'static str, Builder)>,
}

enum Builder {
    Int(Int64Builder),
    Text(StringBuilder),
    Ints(ListBuilder<Int64Builder>),
    Texts(ListBuilder<StringBuilder>),
    Vector(usize, FixedSizeListBuilder<Float32Builder>),
    Number(Float64Builder),
    Action(Int8Builder),
    Score(Float32Builder),
    Weights(ListBuilder<Float32Builder>),
}

/// What the rows of a request share is drawn from streams of its own, one a column.
pub(super) struct Request {
    pub seed: u64,
    pub number: u64,
}

impl Request {
    fn random(&self, column: u64) -> Random {
        Random::new(self.seed, &[u64::MAX, self.number, column])
    }
}

/// A drawn value and its number in the universe, from 0.
struct Draw {
    number: usize,
    value: Drawn,
}

enum Drawn {
    Int(i64),
    Text(String),
}

impl Columns {
    pub(super) fn new(plan: &Plan) -> Self {
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
        plan: &Plan,
        signal: &Signal,
        position: f64,
        request: Option<&Request>,
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
    fn push_weights(&mut self, plan: &Plan, request: Option<&Request>, random: &mut Random) {
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
            if let Some((_, Builder::Weights(to))) = self.builders.get_mut(index) {
                for _ in 0..length.unwrap_or_default() {
                    to.values().append_value(random.uniform() as f32);
                }
                to.append(length.is_some());
            }
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
    fn new(schema: &Schema, content: &Content) -> Self {
        let key = |text: bool| {
            if text {
                Self::Text(StringBuilder::new())
            } else {
                Self::Int(Int64Builder::new())
            }
        };
        let is_text = |value: Option<&Value>| matches!(value, Some(Value::Text(_)));
        match content {
            Content::Domain(tower) => key(is_text(
                schema
                    .axis(*tower)
                    .domains
                    .iter()
                    .flat_map(|d| d.values)
                    .next(),
            )),
            Content::Split(ranges) => key(is_text(ranges.first().map(|(_, from, _)| from))),
            Content::Action(_) | Content::Mask => Self::Action(Int8Builder::new()),
            Content::Score(_) | Content::Weight => Self::Score(Float32Builder::new()),
            Content::Request => key(false),
            Content::Weights(_) => Self::Weights(ListBuilder::new(Float32Builder::new())),
            Content::Input(input) => match input.kind {
                InputKind::Time(_) => key(false),
                InputKind::Length => Self::Ints(ListBuilder::new(Int64Builder::new())),
                InputKind::Value(universe) => key(universe.is_text()),
                InputKind::List(universe) if universe.is_text() => {
                    Self::Texts(ListBuilder::new(StringBuilder::new()))
                }
                InputKind::List(_) => Self::Ints(ListBuilder::new(Int64Builder::new())),
                InputKind::Vector { width } => {
                    let entries = i32::try_from(width).unwrap_or(i32::MAX);
                    Self::Vector(
                        width,
                        FixedSizeListBuilder::new(Float32Builder::new(), entries),
                    )
                }
                InputKind::Number(_) => Self::Number(Float64Builder::new()),
            },
        }
    }

    fn push_input(
        &mut self,
        input: &Input,
        cell: (usize, usize),
        signal: &Signal,
        sums: &mut (TowerSum, TowerSum),
        random: &mut Random,
    ) {
        let readers = input.users.iter().filter(|(tower, feature)| {
            let domain = match tower {
                Tower::Query => cell.0,
                Tower::Item => cell.1,
            };
            feature.domains.contains(&domain)
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
        let values: &[Value] = axis.domains.get(domain).map_or(&[], |domain| domain.values);
        let value = values.get(random.below(values.len())).copied();
        let other = random.uniform() < UNDECLARED && axis.others == Others::Skip;
        self.push_value(match value {
            Some(Value::Int(_)) if other => Some(Drawn::Int(undeclared(axis))),
            Some(Value::Text(_)) if other => {
                Some(Drawn::Text(format!("undeclared {}", undeclared(axis))))
            }
            Some(value) => Some(value.into()),
            None => None,
        });
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
                let mut outcomes = tasks.iter().filter_map(|task| outcomes.get(*task));
                to.append_value(i8::from(outcomes.any(|outcome| outcome.action)));
            }
            (Self::Score(to), Content::Score(task)) => {
                let rated = schema.tasks.get(*task).is_some_and(|task| {
                    task.action.is_empty() && matches!(task.label, Label::Score(_))
                });
                let unrated = rated && random.uniform() < UNRATED;
                let score = outcomes.get(*task).and_then(|outcome| outcome.score);
                to.append_option(score.filter(|_| !unrated).map(|score| score as f32));
            }
            (Self::Action(to), Content::Mask) => {
                to.append_value(i8::from(random.uniform() >= MASKED));
            }
            (Self::Score(to), Content::Weight) => {
                to.append_value((0.25 + 1.5 * random.uniform()) as f32);
            }
            // Inputs and keys were pushed before.
            _ => {}
        }
    }

    fn push_value(&mut self, value: Option<Drawn>) {
        match (self, value) {
            (Self::Int(to), Some(Drawn::Int(value))) => to.append_value(value),
            (Self::Text(to), Some(Drawn::Text(value))) => to.append_value(value),
            (Self::Int(to), _) => to.append_null(),
            (Self::Text(to), _) => to.append_null(),
            // The builder was made for the same content.
            _ => {}
        }
    }

    fn push_list(&mut self, draws: Option<Vec<Draw>>) {
        let present = draws.is_some();
        let values = draws.into_iter().flatten().map(|draw| draw.value);
        match self {
            Self::Ints(to) => {
                values.for_each(|value| {
                    if let Drawn::Int(value) = value {
                        to.values().append_value(value);
                    }
                });
                to.append(present);
            }
            Self::Texts(to) => {
                values.for_each(|value| {
                    if let Drawn::Text(value) = value {
                        to.values().append_value(value);
                    }
                });
                to.append(present);
            }
            // The builder was made for the same content.
            _ => {}
        }
    }

    fn push_vector(&mut self, vector: Option<Vec<f64>>) {
        if let Self::Vector(width, to) = self {
            match &vector {
                Some(vector) => vector
                    .iter()
                    .for_each(|x| to.values().append_value(*x as f32)),
                None => (0..*width).for_each(|_| to.values().append_null()),
            }
            to.append(vector.is_some());
        }
    }

    fn push_number(&mut self, number: Option<f64>) {
        if let Self::Number(to) = self {
            to.append_option(number);
        }
    }

    /// Entries of the last list; `None` if it is missing, or if these are no lists.
    fn last_length(&self) -> Option<usize> {
        fn last<T: ArrayBuilder>(lists: &ListBuilder<T>) -> Option<usize> {
            let rows = lists.len().checked_sub(1)?;
            let valid = lists.validity_slice().is_none_or(|bits| {
                let byte = bits.get(rows / 8).copied().unwrap_or_default();
                byte >> (rows % 8) & 1 == 1
            });
            let offsets = lists.offsets_slice();
            let (start, end) = (offsets.get(rows)?, offsets.get(rows + 1)?);
            valid.then(|| usize::try_from(end - start).unwrap_or_default())
        }
        match self {
            Self::Ints(lists) => last(lists),
            Self::Texts(lists) => last(lists),
            _ => None,
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Weights(mut builder) => Arc::new(builder.finish()),
            Self::Int(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Ints(mut builder) => Arc::new(builder.finish()),
            Self::Texts(mut builder) => Arc::new(builder.finish()),
            Self::Vector(_, mut builder) => Arc::new(builder.finish()),
            Self::Number(mut builder) => Arc::new(builder.finish()),
            Self::Action(mut builder) => Arc::new(builder.finish()),
            Self::Score(mut builder) => Arc::new(builder.finish()),
        }
    }
}

impl From<Value> for Drawn {
    fn from(value: Value) -> Self {
        match value {
            Value::Int(value) => Self::Int(value),
            Value::Text(value) => Self::Text(value.to_owned()),
        }
    }
}

impl Universe {
    fn is_text(self) -> bool {
        match self.values {
            Values::Declared(values) => matches!(values.first(), Some(Value::Text(_))),
            Values::Lines(_, _, whole) => !whole,
            Values::Ints(_) => false,
            Values::Texts(_) => true,
        }
    }

    /// Draws by Zipf's law: the value of rank k comes with a weight near 1 / k.
    fn draw(self, random: &mut Random) -> Draw {
        let size = match self.values {
            Values::Declared(values) => values.len(),
            Values::Lines(_, size, _) | Values::Ints(size) | Values::Texts(size) => size,
        };
        let rank = ((size as f64 + 1.0).ln() * random.uniform()).exp() as usize;
        let number = rank.saturating_sub(1).min(size.saturating_sub(1));
        let value = match self.values {
            Values::Declared(values) => values
                .get(number)
                .map_or(Drawn::Int(0), |value| (*value).into()),
            Values::Lines(text, _, whole) => {
                let line = text.lines().nth(number).unwrap_or_default();
                match line.parse() {
                    Ok(value) if whole => Drawn::Int(value),
                    _ => Drawn::Text(line.to_owned()),
                }
            }
            Values::Ints(_) => Drawn::Int(number as i64 + 1),
            Values::Texts(_) => Drawn::Text(format!("v{}", number + 1)),
        };
        Draw { number, value }
    }
}

/// Domains come in falling shares, so that some have few rows.
fn domain(axis: &Axis, random: &mut Random) -> usize {
    let count = axis.domains.len();
    let domain = (count as f64 * random.uniform().powf(1.5)) as usize;
    domain.min(count.saturating_sub(1))
}

/// A whole number that no domain of an axis names.
fn undeclared(axis: &Axis) -> i64 {
    let values = axis.domains.iter().flat_map(|domain| domain.values);
    let largest = values.map(|value| match value {
        Value::Int(value) => *value,
        Value::Text(_) => 0,
    });
    largest.max().unwrap_or(0).wrapping_add(1)
}

/// A value of the range that the position falls in: numbers rise through their range with the position,
/// strings are one of its ends.
fn split(ranges: &[(f64, Value, Value)], position: f64, random: &mut Random) -> Drawn {
    let mut start = 0.0;
    let mut last = Drawn::Int(0);
    for (end, from, to) in ranges {
        let within = ((position - start) / (end - start)).clamp(0.0, 1.0);
        start = *end;
        last = match (*from, *to) {
            (Value::Int(from), Value::Int(to)) => {
                let values = to.saturating_sub(from).saturating_add(1);
                Drawn::Int(from.saturating_add((values as f64 * within) as i64).min(to))
            }
            (from, to) => if random.below(2) == 0 { from } else { to }.into(),
        };
        if position < *end {
            break;
        }
    }
    last
}

/// A raw number for a standard normal: spread over its bounds if it has some, else with a long tail if its
/// logarithm is taken.
fn number(transform: Transform, normal: f64) -> f64 {
    match transform.clip {
        Some((low, high)) => low + (high - low) / (1.0 + (-normal).exp()),
        None if transform.log => (2.0 + normal).exp(),
        None => match transform.standardise {
            Some(Standardise::Given { mean, std }) => mean + std * normal,
            Some(Standardise::Learned) | None => normal,
        },
    }
}
