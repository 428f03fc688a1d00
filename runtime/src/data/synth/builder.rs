//! A column that grows value by value.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    ArrayBuilder, FixedSizeListBuilder, Float32Builder, Float64Builder, Int8Builder, Int64Builder,
    ListBuilder, StringBuilder,
};

use crate::bug::bug;
use crate::data::synth::draws::{Draw, Drawn};
use crate::data::synth::plan::{Content, InputKind};
use crate::schema::{Schema, Value};

pub(super) enum Builder {
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

impl Builder {
    pub(super) fn new(schema: &Schema, content: &Content) -> Self {
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
                    .flat_map(|d| d.values.iter())
                    .next(),
            )),
            Content::Split(ranges) => key(is_text(ranges.first().map(|(_, from, _)| *from))),
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

    pub(super) fn push_value(&mut self, value: Option<Drawn>) {
        match (self, value) {
            (Self::Int(to), Some(Drawn::Int(value))) => to.append_value(value),
            (Self::Text(to), Some(Drawn::Text(value))) => to.append_value(value),
            (Self::Int(to), None) => to.append_null(),
            (Self::Text(to), None) => to.append_null(),
            _ => bug!("a value for a column of another content"),
        }
    }

    pub(super) fn push_list(&mut self, draws: Option<Vec<Draw>>) {
        let present = draws.is_some();
        let values = draws.into_iter().flatten().map(|draw| draw.value);
        match self {
            Self::Ints(to) => {
                values.for_each(|value| match value {
                    Drawn::Int(value) => to.values().append_value(value),
                    Drawn::Text(_) => bug!("a text for a list of whole numbers"),
                });
                to.append(present);
            }
            Self::Texts(to) => {
                values.for_each(|value| match value {
                    Drawn::Text(value) => to.values().append_value(value),
                    Drawn::Int(_) => bug!("a whole number for a list of texts"),
                });
                to.append(present);
            }
            _ => bug!("a list for a column of another content"),
        }
    }

    pub(super) fn push_vector(&mut self, vector: Option<Vec<f64>>) {
        let Self::Vector(width, to) = self else {
            bug!("a vector for a column of another content");
        };
        match &vector {
            Some(vector) => vector
                .iter()
                .for_each(|x| to.values().append_value(*x as f32)),
            None => (0..*width).for_each(|_| to.values().append_null()),
        }
        to.append(vector.is_some());
    }

    pub(super) fn push_number(&mut self, number: Option<f64>) {
        let Self::Number(to) = self else {
            bug!("a number for a column of another content");
        };
        to.append_option(number);
    }

    /// Entries of the last list; `None` if it is missing, or if these are no lists.
    pub(super) fn last_length(&self) -> Option<usize> {
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

    pub(super) fn finish(self) -> ArrayRef {
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
