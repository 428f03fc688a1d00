//! Tensors of the Open Inference Protocol, in JSON or as bytes behind it, and columns of rows.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringBuilder};
use arrow_array::{Array as _, ArrayRef, Float64Array, Int64Array, ListArray, UInt64Array};
use arrow_buffer::OffsetBuffer;
use arrow_cast::cast;
use arrow_schema::{DataType, Field};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::arrays::keys::{element, is_text};

/// A tensor of a request.
#[derive(Debug, Deserialize)]
pub struct Tensor {
    /// Name of the column.
    pub name: String,
    shape: Vec<usize>,
    datatype: String,
    data: Option<Json>,
    #[serde(default)]
    parameters: Parameters,
}

/// What a tensor says of itself beside its shape. Others of the protocol have no meaning here.
#[derive(Debug, Default, Deserialize)]
pub struct Parameters {
    binary_data_size: Option<usize>,
    /// Of an output: whether it is wanted as bytes.
    #[serde(default)]
    pub binary_data: bool,
    /// Of a request: whether all outputs are.
    #[serde(default)]
    pub binary_data_output: bool,
}

impl Tensor {
    /// Its rows: the first dimension.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Bytes that it has behind the JSON.
    pub fn bytes(&self) -> usize {
        self.parameters.binary_data_size.unwrap_or(0)
    }

    /// Its values as a column of this type; `bytes` are its own.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn column(&self, bytes: &[u8], wanted: &DataType) -> Result<ArrayRef, String> {
        let wrong = |cause: String| format!("input `{}`: {cause}", self.name);
        let lists = element(wanted).is_some();
        let width = match (self.shape.as_slice(), lists) {
            ([_], false) | ([_, 1], false) => None,
            ([_, width], true) => Some(*width),
            (shape, true) => {
                return Err(wrong(format!(
                    "a list a row has the shape [rows, entries], not {shape:?}"
                )));
            }
            (shape, false) => {
                return Err(wrong(format!(
                    "a value a row has the shape [rows], not {shape:?}"
                )));
            }
        };
        let count = self.rows().checked_mul(width.unwrap_or(1));
        let count = count.ok_or_else(|| wrong("its shape is too large".to_owned()))?;
        let values = match self.parameters.binary_data_size {
            Some(_) => binary(&self.datatype, bytes, count),
            None => plain(&self.datatype, self.data.as_ref(), count),
        };
        let values = values.map_err(wrong)?;
        if values.len() != count {
            return Err(wrong(format!(
                "{} values, not the {count} of its shape",
                values.len()
            )));
        }
        let inner = element(wanted).unwrap_or(wanted);
        // What is a string stays one, and what is a number: they have different rows in a table.
        let temporal = inner.is_temporal();
        if is_text(values.data_type()) != is_text(inner) && !temporal {
            return Err(wrong(format!(
                "{} where the model was trained on {inner}",
                self.datatype
            )));
        }
        let values = cast(&values, inner).map_err(|error| wrong(error.to_string()))?;
        let Some(width) = width else {
            return Ok(values);
        };
        let field = Arc::new(Field::new("item", inner.clone(), true));
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(width, self.rows()));
        let list = ListArray::try_new(field, offsets, values, None);
        let list: ArrayRef = Arc::new(list.map_err(|error| wrong(error.to_string()))?);
        cast(&list, wanted).map_err(|error| wrong(error.to_string()))
    }
}

/// Reads values out of JSON, which may be nested as the shape is.
fn plain(datatype: &str, data: Option<&Json>, count: usize) -> Result<ArrayRef, String> {
    let Some(data) = data else {
        return Err("it has neither `data` nor `binary_data_size`".to_owned());
    };
    let mut values = Vec::with_capacity(count.min(1 << 20));
    flatten(data, &mut values);
    let odd = |value: &Json| format!("{value} is no {datatype}");
    Ok(match datatype {
        "BOOL" => {
            let mut builder = BooleanBuilder::new();
            for value in values {
                builder.append_value(value.as_bool().ok_or_else(|| odd(value))?);
            }
            Arc::new(builder.finish())
        }
        "UINT64" => {
            let read = values
                .into_iter()
                .map(|value| value.as_u64().ok_or_else(|| odd(value)));
            Arc::new(UInt64Array::from(read.collect::<Result<Vec<_>, _>>()?))
        }
        "INT8" | "INT16" | "INT32" | "INT64" | "UINT8" | "UINT16" | "UINT32" => {
            let read = values
                .into_iter()
                .map(|value| value.as_i64().ok_or_else(|| odd(value)));
            Arc::new(Int64Array::from(read.collect::<Result<Vec<_>, _>>()?))
        }
        "FP32" | "FP64" => {
            let read = values
                .into_iter()
                .map(|value| value.as_f64().ok_or_else(|| odd(value)));
            Arc::new(Float64Array::from(read.collect::<Result<Vec<_>, _>>()?))
        }
        "BYTES" => {
            let mut builder = StringBuilder::new();
            for value in values {
                builder.append_value(value.as_str().ok_or_else(|| odd(value))?);
            }
            Arc::new(builder.finish())
        }
        _ => return Err(unknown(datatype)),
    })
}

fn flatten<'a>(data: &'a Json, to: &mut Vec<&'a Json>) {
    match data {
        Json::Array(entries) => entries.iter().for_each(|entry| flatten(entry, to)),
        value => to.push(value),
    }
}

/// Reads values out of bytes, little-endian.
fn binary(datatype: &str, bytes: &[u8], count: usize) -> Result<ArrayRef, String> {
    macro_rules! numbers {
        ($type:ty, $array:ty, $as:ty) => {{
            let (values, rest) = bytes.as_chunks::<{ size_of::<$type>() }>();
            if !rest.is_empty() {
                return Err(format!(
                    "{} bytes are no whole number of {datatype}",
                    bytes.len()
                ));
            }
            let values = values
                .iter()
                .map(|bytes| <$type>::from_le_bytes(*bytes) as $as);
            Ok(Arc::new(<$array>::from_iter_values(values)))
        }};
    }
    match datatype {
        "BOOL" => {
            let mut builder = BooleanBuilder::new();
            bytes
                .iter()
                .for_each(|byte| builder.append_value(*byte != 0));
            Ok(Arc::new(builder.finish()))
        }
        "INT8" => numbers!(i8, Int64Array, i64),
        "INT16" => numbers!(i16, Int64Array, i64),
        "INT32" => numbers!(i32, Int64Array, i64),
        "INT64" => numbers!(i64, Int64Array, i64),
        "UINT8" => numbers!(u8, Int64Array, i64),
        "UINT16" => numbers!(u16, Int64Array, i64),
        "UINT32" => numbers!(u32, Int64Array, i64),
        "UINT64" => numbers!(u64, UInt64Array, u64),
        "FP32" => numbers!(f32, Float64Array, f64),
        "FP64" => numbers!(f64, Float64Array, f64),
        "BYTES" => texts(bytes, count),
        _ => Err(unknown(datatype)),
    }
}

/// Strings, each behind its length in four bytes.
fn texts(mut bytes: &[u8], count: usize) -> Result<ArrayRef, String> {
    let mut builder = StringBuilder::new();
    for _ in 0..count {
        let cut = || "its bytes end within a string".to_owned();
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (text, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        let text = std::str::from_utf8(text).map_err(|_| "a string is not UTF-8".to_owned())?;
        builder.append_value(text);
        bytes = rest;
    }
    match bytes.len() {
        0 => Ok(Arc::new(builder.finish())),
        more => Err(format!("{more} bytes behind its {count} strings")),
    }
}

fn unknown(datatype: &str) -> String {
    format!(
        "the datatype `{datatype}` is none that is read: BOOL, INT8 to INT64, UINT8 to UINT64, FP32, FP64 and BYTES are"
    )
}

/// The description of a column in a model's metadata.
pub fn description(field: &Field) -> Json {
    let inner = element(field.data_type());
    let shape = match inner {
        Some(_) => json!([-1, -1]),
        None => json!([-1]),
    };
    json!({ "name": field.name(), "datatype": datatype(inner.unwrap_or(field.data_type())), "shape": shape })
}

fn datatype(found: &DataType) -> &'static str {
    match found {
        found if is_text(found) => "BYTES",
        DataType::Boolean => "BOOL",
        DataType::UInt64 => "UINT64",
        DataType::Float32 => "FP32",
        found if found.is_floating() => "FP64",
        // Times and dates by their count, too.
        _ => "INT64",
    }
}
