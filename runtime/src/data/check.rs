//! The columns that a schema needs, and which types of Parquet will do for each.

use std::path::Path;

use arrow::datatypes::{DataType, Fields, Schema as ArrowSchema};

use crate::data::arrays::is_text;
use crate::data::kinds;
use crate::error::{ColumnFault, ColumnProblem, Error, Result};
use crate::schema::{Derive, FeatureKind, Index, Input, Label, Schema, Split, Tower, Value};

/// Use of a column by a part of the spec.
struct Need {
    column: &'static str,
    place: &'static str,
    user: String,
    form: Form,
}

/// What a column must hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One raw value a row.
    Key(Values),
    /// A list of raw values a row.
    Keys(Values),
    /// One number a row.
    Number,
    /// A list of numbers a row.
    Numbers,
    /// A time a row.
    Time,
    /// A list or a string a row, of whatever.
    Length,
}

/// Kinds of raw values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    /// Whole numbers or strings: the spec names both.
    Any,
    /// The same, but one of them in all files.
    Either,
    /// Whole numbers: the spec names numbers.
    Ints,
    /// Strings: the spec names strings.
    Texts,
    /// Whole numbers or dates, which read as `20220425`.
    IntsOrDates,
    /// Strings or dates, which read as `2022-04-25`.
    TextsOrDates,
}

/// Compares the files' columns with the needs of the schema.
///
/// # Errors
/// Every column that is missing or of another type, at once.
pub(super) fn check<'a>(
    schema: &'static Schema,
    files: impl Iterator<Item = (&'a Path, &'a ArrowSchema)> + Clone,
) -> Result<()> {
    let problems: Vec<ColumnProblem> = needs(schema)
        .into_iter()
        .flat_map(|need| need.problems(files.clone()))
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Columns(problems))
    }
}

/// Names of the columns that a schema needs, sorted, each once.
pub fn columns(schema: &'static Schema) -> Vec<&'static str> {
    let mut columns: Vec<&'static str> = needs(schema).iter().map(|need| need.column).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn needs(schema: &'static Schema) -> Vec<Need> {
    let mut needs = Vec::new();
    for (user, axis) in [
        ("surfaces", &schema.surfaces),
        ("products", &schema.products),
    ] {
        let values = axis.domains.iter().flat_map(|domain| domain.values.iter());
        let form = Form::Key(kind_of(values));
        needs.push(Need {
            column: &axis.column,
            place: &axis.place,
            user: user.to_owned(),
            form,
        });
    }
    if let Some(request) = &schema.rows.request {
        needs.push(Need {
            column: &request.column,
            place: &request.place,
            user: "the request of a row".to_owned(),
            form: Form::Key(Values::Either),
        });
    }
    for task in schema.tasks.iter() {
        let score = match &task.label {
            Label::Score(column) => Some(column),
            Label::Action => None,
        };
        let others = task.mask.iter().chain(&task.sample_weight);
        for column in score.into_iter().chain(task.action.iter()).chain(others) {
            needs.push(Need {
                column,
                place: &task.place,
                user: format!("task `{}`", task.name),
                form: Form::Number,
            });
        }
    }
    for (tower, name) in [(Tower::Query, "query"), (Tower::Item, "item")] {
        for feature in schema.features(tower) {
            let form = match (feature.derive, &feature.kind) {
                (Some(Derive::Time { .. }), _) => Form::Time,
                (Some(Derive::Length), _) => Form::Length,
                (None, FeatureKind::Embedded { table, input, .. }) => {
                    let values = match schema.tables.get(table.0).map(|table| &table.index) {
                        Some(Index::Values(values)) => kind_of(values.iter()),
                        Some(Index::Lines { whole: true, .. }) => Values::Ints,
                        Some(Index::Lines { whole: false, .. }) => Values::Texts,
                        _ => Values::Either,
                    };
                    match input {
                        Input::One { .. } => Form::Key(values),
                        Input::List { .. } => Form::Keys(values),
                        Input::Buckets { .. } => Form::Number,
                    }
                }
                (None, FeatureKind::Vector { .. }) => Form::Numbers,
                (None, FeatureKind::Number(_)) => Form::Number,
            };
            let user = format!("{name} feature `{}`", feature.name);
            if let FeatureKind::Embedded {
                input:
                    Input::List {
                        weights: Some(column),
                        ..
                    },
                ..
            } = &feature.kind
            {
                needs.push(Need {
                    column,
                    place: &feature.place,
                    user: user.clone(),
                    form: Form::Numbers,
                });
            }
            needs.push(Need {
                column: &feature.column,
                place: &feature.place,
                user,
                form,
            });
        }
    }
    if let Split::Column {
        column,
        train,
        validate,
        test,
        place,
    } = &schema.rows.split
    {
        let ends = train
            .iter()
            .chain(validate.iter())
            .chain(test.iter())
            .flat_map(|(from, to)| [from, to]);
        let values = match kind_of(ends) {
            Values::Ints => Values::IntsOrDates,
            Values::Texts => Values::TextsOrDates,
            other => other,
        };
        needs.push(Need {
            column,
            place,
            user: "the split".to_owned(),
            form: Form::Key(values),
        });
    }
    needs
}

fn kind_of<'v>(values: impl Iterator<Item = &'v Value>) -> Values {
    let (mut ints, mut texts) = (false, false);
    for value in values {
        match value {
            Value::Int(_) => ints = true,
            Value::Text(_) => texts = true,
        }
    }
    match (ints, texts) {
        (true, false) => Values::Ints,
        (false, true) => Values::Texts,
        _ => Values::Any,
    }
}

impl Need {
    fn problems<'a>(
        &self,
        files: impl Iterator<Item = (&'a Path, &'a ArrowSchema)>,
    ) -> Vec<ColumnProblem> {
        let mut problems: Vec<ColumnProblem> = Vec::new();
        let mut first: Option<(&'static str, &Path)> = None;
        for (path, schema) in files {
            let fields = schema.fields().iter();
            let fields: Vec<_> = fields.filter(|field| field.name() == self.column).collect();
            let fault = match fields.as_slice() {
                [] => ColumnFault::Missing {
                    similar: similar(self.column, schema.fields()),
                },
                [field] if self.form.holds(field.data_type()) => {
                    let Some(found) = self.form.kind(field.data_type()) else {
                        continue;
                    };
                    let (other, first) = *first.get_or_insert((found, path));
                    if found == other {
                        continue;
                    }
                    ColumnFault::Kinds {
                        found,
                        other,
                        first: first.to_owned(),
                    }
                }
                [field] => ColumnFault::Type {
                    found: describe(field.data_type()),
                    accepted: self.form.accepted(),
                },
                fields => ColumnFault::Repeated {
                    times: fields.len(),
                },
            };
            if let Some(same) = problems.iter_mut().find(|problem| problem.fault == fault) {
                same.files += 1;
                continue;
            }
            problems.push(ColumnProblem {
                place: self.place,
                user: self.user.clone(),
                column: self.column.to_owned(),
                file: path.to_owned(),
                files: 1,
                fault,
            });
        }
        problems
    }
}

impl Form {
    fn holds(self, found: &DataType) -> bool {
        match self {
            Self::Key(values) => values.hold(found),
            Self::Keys(values) => element(found).is_some_and(|element| values.hold(element)),
            Self::Number => is_number(found),
            Self::Numbers => element(found).is_some_and(is_number),
            Self::Time => {
                is_number(found)
                    || matches!(
                        plain(found),
                        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
                    )
            }
            Self::Length => element(found).is_some() || Values::Texts.hold(found),
        }
    }

    /// The kind of the raw values where all files must have the same.
    fn kind(self, found: &DataType) -> Option<&'static str> {
        match self {
            Self::Key(Values::Either) | Self::Keys(Values::Either) => kinds::kind(found),
            _ => None,
        }
    }

    fn accepted(self) -> &'static str {
        match self {
            Self::Key(Values::Any | Values::Either) => "whole numbers, booleans or strings",
            Self::Key(Values::Ints) => "whole numbers or booleans (as the spec's values are)",
            Self::Key(Values::Texts) => "strings (as the spec's values are)",
            Self::Key(Values::IntsOrDates) => "whole numbers (as the spec's values are) or dates",
            Self::Key(Values::TextsOrDates) => "strings (as the spec's values are) or dates",
            Self::Keys(Values::Any | Values::Either) => "a list of whole numbers or strings",
            Self::Keys(Values::Ints | Values::IntsOrDates) => {
                "a list of whole numbers (as the spec's values are)"
            }
            Self::Keys(Values::Texts | Values::TextsOrDates) => {
                "a list of strings (as the spec's values are)"
            }
            Self::Number => "numbers or booleans",
            Self::Numbers => "a list of numbers",
            Self::Time => "timestamps, dates or numbers",
            Self::Length => "a list or strings",
        }
    }
}

impl Values {
    fn hold(self, found: &DataType) -> bool {
        let text = is_text(plain(found));
        let date = matches!(plain(found), DataType::Date32);
        // A column without any value has the type Null: every row of it is missing.
        let int = is_number(found);
        match self {
            Self::Any | Self::Either => int || text,
            Self::Ints => int,
            Self::Texts => text || found.is_null(),
            Self::IntsOrDates => int || date,
            Self::TextsOrDates => text || date || found.is_null(),
        }
    }
}

fn is_number(found: &DataType) -> bool {
    let found = plain(found);
    found.is_integer() || found.is_floating() || matches!(found, DataType::Boolean | DataType::Null)
}

/// The type of a dictionary's values.
pub(super) fn plain(found: &DataType) -> &DataType {
    match found {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

pub(super) fn element(found: &DataType) -> Option<&DataType> {
    match found {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Some(field.data_type())
        }
        DataType::Null => Some(found),
        _ => None,
    }
}

fn describe(found: &DataType) -> String {
    match found {
        DataType::Dictionary(_, values) => format!("a dictionary of {}", describe(values)),
        DataType::Struct(_) => "a struct".to_owned(),
        DataType::Map(_, _) => "a map".to_owned(),
        _ => match element(found) {
            Some(element) if !found.is_null() => format!("a list of {}", describe(element)),
            _ => found.to_string(),
        },
    }
}

/// The column whose name is closest, if it is close.
fn similar(wanted: &str, fields: &Fields) -> Option<String> {
    let distances = fields
        .iter()
        .map(|field| (distance(wanted, field.name()), field.name()));
    let (distance, name) = distances.min()?;
    (distance <= (wanted.chars().count() / 3).max(1)).then(|| name.clone())
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *cell;
            left = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("tab", "tabs", 1),
            ("é", "e", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
