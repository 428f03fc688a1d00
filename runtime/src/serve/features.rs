//! Rows of requests: JSON to the columns that the model was trained on, of the same types.
//!
//! The types are those of the golden rows, which are as the data was: a whole number where training saw strings is an error
//! and not another row of a table.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_json::ReaderBuilder;
use arrow_schema::{ArrowError, DataType, Field, Schema as ArrowSchema, SchemaRef};
use serde_json::{Map, Value as Json};

use crate::arrays::keys::{element, is_text};
use crate::data::{Purpose, columns};
use crate::error::{Error, Result};
use crate::schema::{Axis, Schema, Tower, Value};

/// Reads rows of requests.
#[derive(Debug, Clone)]
pub struct RequestRows {
    schema: &'static Schema,
    purpose: Purpose,
    columns: SchemaRef,
}

impl RequestRows {
    /// Those with the columns that a purpose needs, of these types.
    ///
    /// # Errors
    /// A column without a type.
    pub fn new(schema: &'static Schema, purpose: Purpose, types: &SchemaRef) -> Result<Self> {
        let fields = columns(schema, purpose).into_iter().map(|name| {
            let field = types.field_with_name(name).map_err(|_| {
                Error::weights(
                    "the golden rows",
                    format!("they have no column `{name}`"),
                    "train the model again: they tell the types of requests",
                )
            })?;
            Ok(Field::new(name, field.data_type().clone(), true))
        });
        Ok(Self {
            schema,
            purpose,
            columns: Arc::new(ArrowSchema::new(fields.collect::<Result<Vec<_>>>()?)),
        })
    }

    /// The columns, with their types.
    pub fn columns(&self) -> &SchemaRef {
        &self.columns
    }

    /// Rows of JSON objects, by column. In `surface` or `product` a domain may stand by its name or its raw value,
    /// instead of by its raw value in its column. A column that is not there is missing.
    ///
    /// # Errors
    /// A text that says what is wrong with which row.
    pub fn read(&self, rows: Vec<Map<String, Json>>) -> Result<RecordBatch, String> {
        let count = rows.len();
        let rows = rows.into_iter().enumerate().map(|(at, row)| {
            let row = self.with_domains(row).and_then(|row| self.typed(row));
            row.map_err(|error| format!("row {at}: {error}"))
        });
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let read = || -> Result<Option<RecordBatch>, ArrowError> {
            let mut decoder = ReaderBuilder::new(Arc::clone(&self.columns))
                .with_batch_size(count.max(1))
                .with_strict_mode(true)
                .build_decoder()?;
            decoder.serialize(&rows)?;
            decoder.flush()
        };
        let read = read().map_err(|error| self.explain(&error))?;
        Ok(read.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&self.columns))))
    }

    /// Puts the raw value of a domain where its name is.
    fn with_domains(&self, mut row: Map<String, Json>) -> Result<Map<String, Json>, String> {
        for tower in self.purpose.towers() {
            let (axis, word) = (self.schema.axis(*tower), word(*tower));
            let is_key = &*axis.column == word;
            // Another column of that name is a feature.
            if !is_key && self.columns.field_with_name(word).is_ok() {
                continue;
            }
            let Some(name) = row.get(word) else {
                continue;
            };
            match (raw_value(axis, name), is_key) {
                (Some(value), _) => {
                    row.remove(word);
                    row.insert(axis.column.to_string(), value);
                }
                // A raw value, in its column.
                (None, true) => {}
                (None, false) => {
                    let known: Vec<&str> =
                        axis.domains.iter().map(|domain| &*domain.name).collect();
                    return Err(format!("`{word}` {name} is none of {}", known.join(", ")));
                }
            }
        }
        Ok(row)
    }

    /// Refuses a value of another kind than its column's: text where numbers were trained on would be read as a number.
    fn typed(&self, row: Map<String, Json>) -> Result<Map<String, Json>, String> {
        for (name, value) in &row {
            // A column that is not there is told of when the rows are read.
            if let Ok(field) = self.columns.field_with_name(name)
                && !fits(value, field.data_type())
            {
                return Err(format!(
                    "`{name}` is {}, this is {value}",
                    field.data_type()
                ));
            }
        }
        Ok(row)
    }

    fn explain(&self, error: &ArrowError) -> String {
        let text = error.to_string();
        let text = text.strip_prefix("Json error: ").unwrap_or(&text);
        let names: Vec<String> = self
            .columns
            .fields()
            .iter()
            .map(|field| format!("{} {}", field.name(), field.data_type()))
            .collect();
        format!("{text}; the columns are {}", names.join(", "))
    }
}

/// Whether a value of JSON is of a column's kind.
fn fits(value: &Json, column: &DataType) -> bool {
    match (value, element(column)) {
        (Json::Null, _) => true,
        (Json::Array(entries), Some(element)) => entries.iter().all(|entry| fits(entry, element)),
        (_, Some(_)) => false,
        (Json::String(_), None) => is_text(column) || column.is_temporal(),
        (Json::Bool(_), None) => *column == DataType::Boolean,
        // A fraction would lose it in a column of whole numbers.
        (Json::Number(number), None) => match column {
            column if column.is_floating() => true,
            column if column.is_numeric() || column.is_temporal() => !number.is_f64(),
            _ => false,
        },
        (Json::Array(_) | Json::Object(_), None) => false,
    }
}

/// The raw value that stands for the domain of a name; `None` if it is none's, or a raw value itself.
fn raw_value(axis: &Axis, name: &Json) -> Option<Json> {
    let name = name.as_str()?;
    let is_raw = |value: &Value| matches!(value, Value::Text(text) if **text == *name);
    if axis
        .domains
        .iter()
        .any(|domain| domain.values.iter().any(is_raw))
    {
        return Some(Json::from(name));
    }
    let domain = axis.domains.iter().find(|domain| &*domain.name == name)?;
    Some(match domain.values.first()? {
        Value::Int(value) => Json::from(*value),
        Value::Text(value) => Json::from(&**value),
    })
}

/// The word for a tower's domain in a request.
pub fn word(tower: Tower) -> &'static str {
    match tower {
        Tower::Query => "surface",
        Tower::Item => "product",
    }
}
