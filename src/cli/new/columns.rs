//! What the columns of Parquet files hold, as far as a sample of their rows tells.

use crate::cli::report::{Exit, Failure};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, List};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Rows that are read of each file.
const ROWS: usize = 20_000;

/// Values of a column that are kept apart; further ones are only counted.
const DISTINCT: usize = 50_000;

/// A raw value, as specs and the reader see it: whole numbers before strings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Raw {
    /// A whole number, a boolean or a date.
    Int(i64),
    /// A string.
    Text(String),
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Whole numbers, booleans, strings.
    Key,
    /// Fractions.
    Number,
    /// A time.
    Time,
    /// Dates, which read as whole numbers of their digits: `20220425`.
    Date,
    /// Lists of whole numbers or strings.
    Keys,
    /// Lists of fractions.
    Numbers,
    /// Nothing that a feature reads, or no value at all.
    Other,
}

/// A column of the sample.
#[derive(Debug)]
pub(super) struct Column {
    pub name: String,
    pub shape: Shape,
    /// Values, those of lists one by one; empty for fractions.
    pub distinct: BTreeSet<Raw>,
    pub low: f64,
    pub high: f64,
    /// Length of all lists, if it is the same.
    pub length: Option<usize>,
    lengths: BTreeSet<usize>,
    /// Raw value of each row, for single keys.
    pub rows: Vec<Option<Raw>>,
}

/// What a sample of some files holds.
pub(super) struct Sample {
    /// Columns that every file has.
    pub columns: Vec<Column>,
    /// Names of those that some files lack: no spec can read them.
    pub partial: BTreeSet<String>,
}

/// Reads a sample of every file.
pub(super) fn read(paths: &[PathBuf]) -> Result<Sample, Failure> {
    let mut files_of: BTreeMap<String, usize> = BTreeMap::new();
    for path in paths {
        for name in column_names(path).map_err(|error| unreadable(path, &error))? {
            *files_of.entry(name).or_default() += 1;
        }
    }
    let (shared, partial): (BTreeMap<_, _>, BTreeMap<_, _>) = files_of
        .into_iter()
        .partition(|(_, files)| *files == paths.len());
    let mut columns: BTreeMap<String, Column> = shared
        .into_keys()
        .map(|name| (name.clone(), Column::new(name)))
        .collect();
    for path in paths {
        read_file(path, &mut columns).map_err(|error| unreadable(path, &error))?;
    }
    let mut columns: Vec<Column> = columns.into_values().collect();
    for column in &mut columns {
        let mut lengths = column.lengths.iter();
        column.length = lengths.next().copied().filter(|_| lengths.next().is_none());
    }
    Ok(Sample {
        columns,
        partial: partial.into_keys().collect(),
    })
}

fn unreadable(path: &Path, error: &ParquetError) -> Failure {
    let message = format!("cannot read `{}`: {error}", path.display());
    Failure::new(Exit::Wrong, message).with_help("give Parquet files")
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, ParquetError> {
    let file = File::open(path).map_err(|error| ParquetError::General(error.to_string()))?;
    SerializedFileReader::new(file)
}

/// The names of a file's columns, each once.
fn column_names(path: &Path) -> Result<BTreeSet<String>, ParquetError> {
    let reader = open(path)?;
    let fields = reader.metadata().file_metadata().schema().get_fields();
    Ok(fields.iter().map(|field| field.name().to_owned()).collect())
}

/// Reads those columns that are among the wanted, which every file has, so that their rows keep in step.
fn read_file(path: &Path, wanted: &mut BTreeMap<String, Column>) -> Result<(), ParquetError> {
    for row in open(path)?.get_row_iter(None)?.take(ROWS) {
        for (name, field) in row?.get_column_iter() {
            if let Some(column) = wanted.get_mut(name) {
                column.push(field);
            }
        }
    }
    Ok(())
}

impl Column {
    fn new(name: String) -> Self {
        Self {
            name,
            shape: Shape::Other,
            distinct: BTreeSet::new(),
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            length: None,
            lengths: BTreeSet::new(),
            rows: vec![],
        }
    }

    fn push(&mut self, field: &Field) {
        match field {
            Field::Null => self.rows.push(None),
            Field::ListInternal(list) => self.push_list(list),
            _ => {
                let raw = raw(field);
                if let Some(number) = number(field) {
                    self.span(number);
                }
                self.shape = match (&raw, field) {
                    (_, Field::TimestampMillis(_) | Field::TimestampMicros(_)) => Shape::Time,
                    (_, Field::Date(_)) => Shape::Date,
                    (Some(_), _) if self.shape != Shape::Number => Shape::Key,
                    (None, _) if number(field).is_none() => Shape::Other,
                    _ => Shape::Number,
                };
                self.keep(raw.clone());
                self.rows.push(raw);
            }
        }
    }

    fn push_list(&mut self, list: &List) {
        let elements = list.elements();
        self.lengths.insert(elements.len());
        for element in elements {
            let raw = raw(element);
            self.shape = match (&raw, element) {
                (_, Field::Null) => self.shape,
                (Some(_), _) if self.shape != Shape::Numbers => Shape::Keys,
                (None, _) if number(element).is_none() => Shape::Other,
                _ => Shape::Numbers,
            };
            self.keep(raw);
        }
    }

    fn keep(&mut self, raw: Option<Raw>) {
        if let Some(raw) = raw
            && self.distinct.len() < DISTINCT
        {
            self.distinct.insert(raw);
        }
    }

    fn span(&mut self, number: f64) {
        if number.is_finite() {
            self.low = self.low.min(number);
            self.high = self.high.max(number);
        }
    }

    /// Whether it says yes or no.
    pub fn is_binary(&self) -> bool {
        let yes_or_no = |raw: &Raw| matches!(raw, Raw::Int(0 | 1));
        matches!(self.shape, Shape::Key | Shape::Number)
            && self.low >= 0.0
            && self.high <= 1.0
            && !self.distinct.is_empty()
            && self.distinct.iter().all(yes_or_no)
            && !self.has_fractions()
    }

    /// Whether all its numbers lie from 0 to 1, and not only at the ends.
    pub fn is_score(&self) -> bool {
        self.shape == Shape::Number && self.low >= 0.0 && self.high <= 1.0 && self.has_fractions()
    }

    pub fn is_text(&self) -> bool {
        matches!(self.distinct.first(), Some(Raw::Text(_)))
    }

    fn has_fractions(&self) -> bool {
        self.shape == Shape::Number && self.rows.iter().any(Option::is_none)
    }
}

/// The raw value of a field; `None` for a fraction and for what is no key.
fn raw(field: &Field) -> Option<Raw> {
    Some(match field {
        Field::Bool(value) => Raw::Int(i64::from(*value)),
        Field::Byte(value) => Raw::Int(i64::from(*value)),
        Field::Short(value) => Raw::Int(i64::from(*value)),
        Field::Int(value) => Raw::Int(i64::from(*value)),
        Field::Long(value) => Raw::Int(*value),
        Field::UByte(value) => Raw::Int(i64::from(*value)),
        Field::UShort(value) => Raw::Int(i64::from(*value)),
        Field::UInt(value) => Raw::Int(i64::from(*value)),
        Field::ULong(value) => Raw::Int(value.cast_signed()),
        Field::Str(value) => Raw::Text(value.clone()),
        Field::Float(value) => return whole(f64::from(*value)),
        Field::Double(value) => return whole(*value),
        Field::Date(_) => Raw::Int(field.to_string().replace('-', "").parse().ok()?),
        _ => return None,
    })
}

/// A float that is a whole number, as pandas writes whole numbers with gaps.
fn whole(value: f64) -> Option<Raw> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let fits = value.fract() == 0.0 && value.abs() < EXACT;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is a whole number that fits"
    )]
    fits.then_some(Raw::Int(value as i64))
}

fn number(field: &Field) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a range to show")]
    match field {
        Field::Float(value) => Some(f64::from(*value)),
        Field::Double(value) => Some(*value),
        Field::Decimal(_) => None,
        other => match raw(other)? {
            Raw::Int(value) => Some(value as f64),
            Raw::Text(_) => None,
        },
    }
}
