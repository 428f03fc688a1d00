//! The columns that a schema needs, and which types of Parquet will do for each.

use std::path::Path;

use arrow_schema::DataType;

use crate::arrays::keys::{element, is_text};
use crate::arrays::kinds;
use crate::data::purpose::Purpose;
use crate::error::{ColumnFault, ColumnProblem, Error, Result};
use crate::parquet::footer::{Footer, FooterColumn};
use crate::schema::{
    Derive, Feature, FeatureKind, Index, Input, Label, Schema, Split, Task, Tower, Value,
};

/// Use of a column by a part of the spec.
struct Need<'a> {
    column: &'a str,
    place: &'static str,
    user: String,
    form: ColumnForm,
}

/// What a column must hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ColumnForm {
    /// One raw value a row.
    Key(KeyKind),
    /// A list of raw values a row.
    Keys(KeyKind),
    /// One number a row.
    Number,
    /// A list of numbers a row.
    Numbers,
    /// A time a row.
    Time,
    /// A list or a string a row, of whatever.
    Length,
    /// Whatever can be read.
    Any,
}

/// Kinds of raw values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
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

/// Compares the files' columns with what a purpose needs of the schema, and with others that are asked for.
///
/// # Errors
/// Every column that is missing or of another type, at once.
pub(super) fn check<'a>(
    schema: &'static Schema,
    purpose: Purpose,
    kept: &KeptColumns<'_>,
    files: impl Iterator<Item = (&'a Path, &'a Footer)> + Clone,
) -> Result<()> {
    let kept = kept.columns.iter().map(|column| Need {
        column,
        place: kept.place,
        user: kept.user.to_owned(),
        form: match kept.raw_values {
            true => ColumnForm::Key(KeyKind::Either),
            false => ColumnForm::Any,
        },
    });
    let problems: Vec<ColumnProblem> = needs(schema, purpose)
        .into_iter()
        .chain(kept)
        .flat_map(|need| need.problems(files.clone()))
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Columns(problems))
    }
}

/// Columns that are read beside those that the schema needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeptColumns<'a> {
    /// Their names.
    pub columns: &'a [String],
    /// Where they are asked for: `--keep`.
    pub place: &'static str,
    /// What reads them.
    pub user: &'static str,
    /// Whether they must be raw values, of one kind in all files; else they may hold whatever can be read.
    pub raw_values: bool,
}

/// Names of the columns that a purpose needs, sorted, each once.
pub fn columns(schema: &'static Schema, purpose: Purpose) -> Vec<&'static str> {
    let needs = needs(schema, purpose);
    let mut columns: Vec<&'static str> = needs.iter().map(|need| need.column).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn needs(schema: &'static Schema, purpose: Purpose) -> Vec<Need<'static>> {
    let mut needs = Vec::new();
    for tower in purpose.towers() {
        needs.push(domain_need(schema, *tower));
    }
    if purpose == Purpose::Learn {
        needs.extend(schema.rows.request.as_ref().map(|request| Need {
            column: &request.column,
            place: &request.place,
            user: "the request of a row".to_owned(),
            form: ColumnForm::Key(KeyKind::Either),
        }));
        needs.extend(schema.tasks.iter().flat_map(task_needs));
    }
    for tower in purpose.towers() {
        let features = schema.features(*tower).iter();
        needs.extend(features.flat_map(|feature| feature_needs(schema, *tower, feature)));
    }
    if purpose == Purpose::Learn {
        needs.extend(split_need(&schema.rows.split));
    }
    needs
}

/// The column of a tower's domains.
fn domain_need(schema: &'static Schema, tower: Tower) -> Need<'static> {
    let axis = schema.axis(tower);
    let values = axis.domains.iter().flat_map(|domain| domain.values.iter());
    Need {
        column: &axis.column,
        place: &axis.place,
        user: match tower {
            Tower::Query => "surfaces",
            Tower::Item => "products",
        }
        .to_owned(),
        form: ColumnForm::Key(kind_of(values)),
    }
}

/// Label, action, mask and weight of a task.
fn task_needs(task: &'static Task) -> impl Iterator<Item = Need<'static>> {
    let score = match &task.label {
        Label::Score(column) => Some(column),
        Label::Action => None,
    };
    let others = task.mask.iter().chain(&task.sample_weight);
    let columns = score.into_iter().chain(task.action.iter()).chain(others);
    columns.map(|column| Need {
        column,
        place: &task.place,
        user: format!("task `{}`", task.name),
        form: ColumnForm::Number,
    })
}

/// A feature's column, after that of its weights.
fn feature_needs(
    schema: &'static Schema,
    tower: Tower,
    feature: &'static Feature,
) -> impl Iterator<Item = Need<'static>> {
    let need = |column, form| Need {
        column,
        place: &feature.place,
        user: format!("{} feature `{}`", tower.name(), feature.name),
        form,
    };
    let weights = match &feature.kind {
        FeatureKind::Embedded {
            input: Input::List { weights, .. },
            ..
        } => weights.as_deref(),
        FeatureKind::Embedded { .. } | FeatureKind::Vector { .. } | FeatureKind::Number(_) => None,
    };
    let weights = weights.map(|column| need(column, ColumnForm::Numbers));
    let own = need(&feature.column, form_of(schema, feature));
    weights.into_iter().chain([own])
}

fn form_of(schema: &'static Schema, feature: &Feature) -> ColumnForm {
    match (feature.derive, &feature.kind) {
        (Some(Derive::Time { .. }), _) => ColumnForm::Time,
        (Some(Derive::Length), _) => ColumnForm::Length,
        (None, FeatureKind::Embedded { table, input, .. }) => {
            let values = match schema.tables.get(table.0).map(|table| &table.index) {
                Some(Index::Values(values)) => kind_of(values.iter()),
                Some(Index::Lines { whole: true, .. }) => KeyKind::Ints,
                Some(Index::Lines { whole: false, .. }) => KeyKind::Texts,
                _ => KeyKind::Either,
            };
            match input {
                Input::One { .. } => ColumnForm::Key(values),
                Input::List { .. } => ColumnForm::Keys(values),
                Input::Buckets { .. } => ColumnForm::Number,
            }
        }
        (None, FeatureKind::Vector { .. }) => ColumnForm::Numbers,
        (None, FeatureKind::Number(_)) => ColumnForm::Number,
    }
}

fn split_need(split: &'static Split) -> Option<Need<'static>> {
    let Split::Column {
        column,
        train,
        validate,
        test,
        place,
    } = split
    else {
        return None;
    };
    let ranges = [train, validate, test];
    let ends = ranges.into_iter().flat_map(|ranges| ranges.iter());
    let values = match kind_of(ends.flat_map(|(from, to)| [from, to])) {
        KeyKind::Ints => KeyKind::IntsOrDates,
        KeyKind::Texts => KeyKind::TextsOrDates,
        other => other,
    };
    Some(Need {
        column,
        place,
        user: "the split".to_owned(),
        form: ColumnForm::Key(values),
    })
}

fn kind_of<'v>(values: impl Iterator<Item = &'v Value>) -> KeyKind {
    let (mut ints, mut texts) = (false, false);
    for value in values {
        match value {
            Value::Int(_) => ints = true,
            Value::Text(_) => texts = true,
        }
    }
    match (ints, texts) {
        (true, false) => KeyKind::Ints,
        (false, true) => KeyKind::Texts,
        _ => KeyKind::Any,
    }
}

impl Need<'_> {
    fn problems<'a>(
        &self,
        files: impl Iterator<Item = (&'a Path, &'a Footer)>,
    ) -> Vec<ColumnProblem> {
        let mut problems: Vec<ColumnProblem> = Vec::new();
        let mut first: Option<(&'static str, &Path)> = None;
        for (path, footer) in files {
            let columns = footer.columns();
            let columns: Vec<&FooterColumn> = columns.filter(|it| it.name == self.column).collect();
            let fault = match columns.as_slice() {
                [] => ColumnFault::Missing {
                    similar: similar(self.column, footer.columns()),
                },
                [
                    FooterColumn {
                        found: Ok(field), ..
                    },
                ] if self.form.holds(field.data_type()) => {
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
                [column] => ColumnFault::Type {
                    found: match &column.found {
                        Ok(field) => describe(field.data_type()),
                        Err(found) => found.clone(),
                    },
                    accepted: self.form.accepted(),
                },
                columns => ColumnFault::Repeated {
                    times: columns.len(),
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

impl ColumnForm {
    fn holds(self, found: &DataType) -> bool {
        match self {
            Self::Key(values) => values.hold(found),
            Self::Keys(values) => element(found).is_some_and(|element| values.hold(element)),
            Self::Number => is_number(found),
            Self::Numbers => element(found).is_some_and(is_number),
            Self::Time => {
                is_number(found)
                    || matches!(
                        found,
                        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
                    )
            }
            Self::Length => element(found).is_some() || KeyKind::Texts.hold(found),
            Self::Any => true,
        }
    }

    /// The kind of the raw values where all files must have the same.
    fn kind(self, found: &DataType) -> Option<&'static str> {
        match self {
            Self::Key(KeyKind::Either) | Self::Keys(KeyKind::Either) => kinds::kind(found),
            _ => None,
        }
    }

    fn accepted(self) -> &'static str {
        match self {
            Self::Key(KeyKind::Any | KeyKind::Either) => "whole numbers, booleans or strings",
            Self::Key(KeyKind::Ints) => "whole numbers or booleans (as the spec's values are)",
            Self::Key(KeyKind::Texts) => "strings (as the spec's values are)",
            Self::Key(KeyKind::IntsOrDates) => "whole numbers (as the spec's values are) or dates",
            Self::Key(KeyKind::TextsOrDates) => "strings (as the spec's values are) or dates",
            Self::Keys(KeyKind::Any | KeyKind::Either) => "a list of whole numbers or strings",
            Self::Keys(KeyKind::Ints | KeyKind::IntsOrDates) => {
                "a list of whole numbers (as the spec's values are)"
            }
            Self::Keys(KeyKind::Texts | KeyKind::TextsOrDates) => {
                "a list of strings (as the spec's values are)"
            }
            Self::Number => "numbers or booleans",
            Self::Numbers => "a list of numbers",
            Self::Time => "timestamps, dates or numbers",
            Self::Length => "a list or strings",
            Self::Any => "a type that can be read",
        }
    }
}

impl KeyKind {
    fn hold(self, found: &DataType) -> bool {
        let text = is_text(found);
        let date = matches!(found, DataType::Date32 | DataType::Date64);
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
    found.is_integer() || found.is_floating() || matches!(found, DataType::Boolean | DataType::Null)
}

/// A type, with one to write instead where there is one.
fn describe(found: &DataType) -> String {
    match found {
        DataType::Struct(_) => "a struct".to_owned(),
        DataType::Map(_, _) => "a map".to_owned(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            format!("{found} (cast it to BIGINT or DOUBLE)")
        }
        DataType::FixedSizeBinary(_) => format!("{found} (cast it to VARCHAR)"),
        _ => match element(found) {
            Some(element) if !found.is_null() => format!("a list of {}", describe(element)),
            _ => found.to_string(),
        },
    }
}

/// The column whose name is closest, if it is close.
fn similar<'a>(wanted: &str, columns: impl Iterator<Item = &'a FooterColumn>) -> Option<String> {
    let distances = columns.map(|column| (distance(wanted, &column.name), &column.name));
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
