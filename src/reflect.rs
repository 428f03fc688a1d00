//! Values as data that keeps the names of their types, fields and variants.
//!
//! `serde` is the visitor: any type that implements `Serialize` can be printed as Rust or as YAML
//! without its own printer.

use mtmd_schema::bug;
use serde::Serialize;
use serde::ser::{self, Impossible, Serializer};
use std::fmt;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Reflected {
    /// `None`.
    None,
    /// `Some` of a value.
    Some(Box<Self>),
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Whole(i128),
    /// A number.
    Real(f64),
    /// A string.
    Text(String),
    /// A constant, by its name.
    Constant(String),
    /// Items of one type.
    List(Vec<Self>),
    /// Items of several types.
    Tuple(Vec<Self>),
    /// A struct of one unnamed field: name of the type, field.
    Newtype(&'static str, Box<Self>),
    /// A struct.
    Struct(Struct),
    /// A variant of an enum.
    Variant {
        /// Name of the enum.
        of: &'static str,
        /// Name of the variant, as serde has it.
        name: &'static str,
        /// What it holds.
        content: Box<Content>,
    },
}

impl AsRef<Self> for Reflected {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// A struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Struct {
    /// Name of the type.
    pub name: &'static str,
    /// Names of the fields and their values, in the order of the declaration.
    pub fields: Fields,
}

/// Named fields.
pub type Fields = Vec<(&'static str, Reflected)>;

/// What a variant holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Nothing.
    Unit,
    /// Unnamed fields, at least one.
    Tuple(Vec<Reflected>),
    /// Named fields.
    Struct(Fields),
}

/// The data of a value.
///
/// # Panics
///
/// For a type that has no literal in Rust: a map, bytes, a unit. The schema has none.
pub fn reflect<T: Serialize + ?Sized>(value: &T) -> Reflected {
    let reflected = value.serialize(Reflector);
    reflected.unwrap_or_else(|error| bug!("a value of the schema: {error}"))
}

/// The fields of a struct.
///
/// # Panics
///
/// For a value that is not a struct.
pub fn fields_of<T: Serialize + ?Sized>(value: &T) -> Fields {
    match reflect(value) {
        Reflected::Struct(Struct { fields, .. }) => fields,
        other => bug!("{other:?} is not a struct"),
    }
}

/// The name of a value's variant, as serde has it.
///
/// # Panics
///
/// For a value that is not an enum.
pub fn variant_name<T: Serialize + ?Sized>(value: &T) -> &'static str {
    match reflect(value) {
        Reflected::Variant { name, .. } => name,
        other => bug!("{other:?} is not a variant"),
    }
}

#[derive(Debug)]
struct Unsupported(String);

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unsupported {}

impl ser::Error for Unsupported {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Result<T = Reflected> = std::result::Result<T, Unsupported>;

fn unsupported(what: &str) -> Unsupported {
    Unsupported(format!("{what} has no literal"))
}

struct Reflector;

macro_rules! whole {
    ($($method:ident: $number:ty),*) => {$(
        fn $method(self, value: $number) -> Result {
            Ok(Reflected::Whole(value.into()))
        }
    )*};
}

impl Serializer for Reflector {
    type Ok = Reflected;
    type Error = Unsupported;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Impossible<Reflected, Unsupported>;
    type SerializeTupleVariant = Items;
    type SerializeMap = Impossible<Reflected, Unsupported>;
    type SerializeStruct = Named;
    type SerializeStructVariant = Named;

    whole!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64
    );

    fn serialize_bool(self, value: bool) -> Result {
        Ok(Reflected::Bool(value))
    }

    fn serialize_f32(self, value: f32) -> Result {
        Ok(Reflected::Real(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Result {
        Ok(Reflected::Real(value))
    }

    fn serialize_char(self, _: char) -> Result {
        Err(unsupported("a character"))
    }

    fn serialize_str(self, value: &str) -> Result {
        Ok(Reflected::Text(value.to_owned()))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result {
        Err(unsupported("a string of bytes"))
    }

    fn serialize_none(self) -> Result {
        Ok(Reflected::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        Ok(Reflected::Some(Box::new(value.serialize(self)?)))
    }

    fn serialize_unit(self) -> Result {
        Err(unsupported("a unit"))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        Err(unsupported("a unit"))
    }

    fn serialize_unit_variant(self, of: &'static str, _: u32, name: &'static str) -> Result {
        Ok(variant(of, name, Content::Unit))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result {
        let value = value.serialize(self)?;
        Ok(Reflected::Newtype(name, Box::new(value)))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result {
        let value = value.serialize(self)?;
        Ok(variant(of, name, Content::Tuple(vec![value])))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items> {
        Ok(Items::new(Reflected::List))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items> {
        Ok(Items::new(Reflected::Tuple))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct> {
        Err(unsupported("a struct of several unnamed fields"))
    }

    fn serialize_tuple_variant(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Items> {
        Ok(Items::new(move |items| {
            variant(of, name, Content::Tuple(items))
        }))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
        Err(unsupported("a map"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Named> {
        Ok(Named::new(move |fields| {
            Reflected::Struct(Struct { name, fields })
        }))
    }

    fn serialize_struct_variant(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Named> {
        Ok(Named::new(move |fields| {
            variant(of, name, Content::Struct(fields))
        }))
    }
}

fn variant(of: &'static str, name: &'static str, content: Content) -> Reflected {
    let content = Box::new(content);
    Reflected::Variant { of, name, content }
}

/// Items without names, and what they become.
struct Items {
    items: Vec<Reflected>,
    finish: Box<dyn FnOnce(Vec<Reflected>) -> Reflected>,
}

impl Items {
    fn new(finish: impl FnOnce(Vec<Reflected>) -> Reflected + 'static) -> Self {
        Self {
            items: vec![],
            finish: Box::new(finish),
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.items.push(value.serialize(Reflector)?);
        Ok(())
    }
}

impl ser::SerializeSeq for Items {
    type Ok = Reflected;
    type Error = Unsupported;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.add(value)
    }

    fn end(self) -> Result {
        Ok((self.finish)(self.items))
    }
}

impl ser::SerializeTuple for Items {
    type Ok = Reflected;
    type Error = Unsupported;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.add(value)
    }

    fn end(self) -> Result {
        Ok((self.finish)(self.items))
    }
}

impl ser::SerializeTupleVariant for Items {
    type Ok = Reflected;
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.add(value)
    }

    fn end(self) -> Result {
        Ok((self.finish)(self.items))
    }
}

/// Fields with names, and what they become.
struct Named {
    fields: Fields,
    finish: Box<dyn FnOnce(Fields) -> Reflected>,
}

impl Named {
    fn new(finish: impl FnOnce(Fields) -> Reflected + 'static) -> Self {
        Self {
            fields: vec![],
            finish: Box::new(finish),
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        self.fields.push((name, value.serialize(Reflector)?));
        Ok(())
    }
}

impl ser::SerializeStruct for Named {
    type Ok = Reflected;
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        self.add(name, value)
    }

    fn end(self) -> Result {
        Ok((self.finish)(self.fields))
    }
}

impl ser::SerializeStructVariant for Named {
    type Ok = Reflected;
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        self.add(name, value)
    }

    fn end(self) -> Result {
        Ok((self.finish)(self.fields))
    }
}
