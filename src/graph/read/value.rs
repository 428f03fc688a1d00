//! Values of `graph.yaml` as the types of the schema: the inverse of
//! [`declarations`](crate::graph::yaml::declarations), which documents the rules.

use super::verify::{CAUSE, shown};
use crate::graph::yaml::Block;
use crate::graph::yaml::declarations::{OVERRIDES, TOWER, tower_of};
use crate::reflect::variant_name;
use mtmd_schema::{Choice, DomainId, DomainSet, TableId, TaskId, Text, Tower, Value};
use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_yaml::{Mapping, Value as Yaml};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

/// The names that ids stand for.
pub(super) struct Names {
    surfaces: Vec<String>,
    products: Vec<String>,
    tasks: Vec<String>,
    tables: Vec<String>,
}

impl Names {
    /// # Errors
    ///
    /// A list or a name that is missing or of another type.
    pub(super) fn of(document: &Mapping) -> Result<Self, String> {
        let names = |place: &str, list: Option<&Yaml>| {
            let items = list.and_then(Yaml::as_sequence);
            let items = items.ok_or_else(|| format!("`{place}` is not a list"))?;
            let names = items.iter().map(|item| {
                let name = item.get("name").and_then(Yaml::as_str);
                let name = name.ok_or_else(|| format!("a `name` in `{place}` is not a string"))?;
                Ok(name.to_owned())
            });
            names.collect::<Result<Vec<String>, String>>()
        };
        let items = |block: Block| names(block.key(), document.get(block.key()));
        let domains = |tower| {
            let key = Block::axis(tower).key();
            let domains = document.get(key).and_then(|axis| axis.get("domains"));
            names(&format!("{key}.domains"), domains)
        };
        Ok(Self {
            surfaces: domains(Tower::Query)?,
            products: domains(Tower::Item)?,
            tasks: items(Block::Tasks)?,
            tables: items(Block::Tables)?,
        })
    }

    fn domains(&self, tower: Tower) -> &[String] {
        match tower {
            Tower::Query => &self.surfaces,
            Tower::Item => &self.products,
        }
    }

    /// The names that an id of this type stands for in a field; `None` for a type that is not an id.
    fn named_by(&self, of: &str, field: Field<'_>) -> Option<&[String]> {
        match of {
            TaskId::TYPE => Some(&self.tasks),
            TableId::TYPE => Some(&self.tables),
            DomainId::TYPE => Some(self.domains(tower_of(field.key, field.tower))),
            _ => None,
        }
    }
}

/// A field of a mapping.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    names: &'a Names,
    /// The axis of domains where nothing else specifies it.
    tower: Tower,
    /// The mapping that holds it: the fields of a variant are next to the variant's name.
    beside: &'a Mapping,
    key: &'a str,
    value: Found<'a>,
    /// The keys of that mapping that were looked for; not kept where others read it too.
    asked: Option<&'a Asked>,
    /// Whether its mappings hold what they inherit too, which may be of another variant.
    merged: bool,
}

type Asked = RefCell<BTreeSet<String>>;

/// What a field holds.
#[derive(Clone, Copy)]
enum Found<'a> {
    /// It is left out.
    Nothing,
    Yaml(&'a Yaml),
    /// An id that stands for one that is left out.
    Id(usize),
    /// The fields of a variant, which are next to its name.
    Beside,
}

impl<'a> Field<'a> {
    /// The whole file.
    pub(super) fn root(document: &'a Mapping, names: &'a Names) -> Self {
        Self {
            names,
            tower: Tower::Query,
            beside: document,
            key: "",
            value: Found::Beside,
            asked: None,
            merged: false,
        }
    }

    /// The same with the domains of a tower.
    pub(super) fn on(self, tower: Tower) -> Self {
        Self { tower, ..self }
    }

    /// A mapping in this one.
    pub(super) fn inside(self, key: &'a str) -> Result<Self, String> {
        let beside = self.beside.get(key).and_then(Yaml::as_mapping);
        let beside = beside.ok_or_else(|| format!("`{key}` is missing"))?;
        Ok(Self {
            beside,
            key,
            ..self
        })
    }

    /// Reads a field of this mapping that the writer never leaves out.
    pub(super) fn block<T: de::DeserializeOwned>(self, key: &'a str) -> Result<T, String> {
        match self.beside.contains_key(key) {
            true => self.read(key),
            false => Err(format!("`{key}` is missing")),
        }
    }

    /// Reads a field of this mapping.
    pub(super) fn read<T: de::DeserializeOwned>(self, key: &'a str) -> Result<T, String> {
        T::deserialize(self.field(key)).map_err(|Wrong(message)| message)
    }

    /// The field of this name in the same mapping.
    fn field(self, key: &'a str) -> Self {
        if let Some(asked) = self.asked {
            asked.borrow_mut().insert(key.to_owned());
        }
        let said = self.beside.get(TOWER).and_then(Yaml::as_str);
        let said = said.and_then(Tower::from_word);
        Self {
            key,
            tower: said.unwrap_or(self.tower),
            merged: self.merged || key == OVERRIDES,
            value: self.beside.get(key).map_or(Found::Nothing, Found::Yaml),
            ..self
        }
    }

    /// An item of this list.
    fn item(self, value: Found<'a>) -> Self {
        Self { value, ..self }
    }

    fn yaml(self) -> Option<&'a Yaml> {
        match self.value {
            Found::Yaml(yaml) => Some(yaml),
            Found::Nothing | Found::Id(_) | Found::Beside => None,
        }
    }

    fn wrong(self, wants: &str) -> Wrong {
        Wrong(match self.yaml() {
            Some(_) => format!("`{}` is not {wants}", self.key),
            None => format!("`{}` is missing", self.key),
        })
    }

    /// A scalar; `left_out` where it is left out.
    fn scalar<T>(
        self,
        wants: &str,
        left_out: Option<T>,
        read: impl Fn(&'a Yaml) -> Option<T>,
    ) -> Result<T, Wrong> {
        let found = match self.value {
            Found::Nothing | Found::Yaml(Yaml::Null) => left_out,
            Found::Yaml(yaml) => read(yaml),
            Found::Id(_) | Found::Beside => None,
        };
        found.ok_or_else(|| self.wrong(wants))
    }

    /// The mapping whose entries are the fields of a struct.
    fn mapping(self) -> Result<&'a Mapping, Wrong> {
        match self.value {
            Found::Beside => Ok(self.beside),
            Found::Yaml(Yaml::Mapping(mapping)) => Ok(mapping),
            Found::Yaml(_) | Found::Nothing | Found::Id(_) => Err(self.wrong("a mapping")),
        }
    }
}

#[derive(Debug)]
pub(super) struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> Deserializer<'de> for Field<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Wrong> {
        Err(Wrong(format!(
            "`{}` has a type that no file holds",
            self.key
        )))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_bool(self.scalar("true or false", Some(false), Yaml::as_bool)?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_i64(self.scalar("a whole number", Some(0), Yaml::as_i64)?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_u64(self.scalar("a whole number", Some(0), Yaml::as_u64)?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_f64(self.scalar("a number", None, Yaml::as_f64)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_str(self.scalar("a string", Some(""), Yaml::as_str)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.value {
            Found::Nothing | Found::Yaml(Yaml::Null) => visitor.visit_none(),
            Found::Yaml(_) | Found::Id(_) | Found::Beside => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let items = self.scalar("a list", Some(&[][..]), |yaml| {
            yaml.as_sequence().map(Vec::as_slice)
        })?;
        let items = items.iter().map(|item| self.item(Found::Yaml(item)));
        visitor.visit_seq(SeqDeserializer::new(items))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        of: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        if of == DomainSet::TYPE {
            return visitor.visit_newtype_struct(Domains(self));
        }
        let Some(names) = self.names.named_by(of, self) else {
            return visitor.visit_newtype_struct(self);
        };
        let id = match self.value {
            Found::Id(id) => id,
            Found::Yaml(_) | Found::Nothing | Found::Beside => {
                let name = self.scalar("a name", None, Yaml::as_str)?;
                let found = names.iter().position(|other| other == name);
                found.ok_or_else(|| Wrong(format!("`{name}` is used and not declared")))?
            }
        };
        visitor.visit_newtype_struct(id.into_deserializer())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let Found::Yaml(_) = self.value else {
            // A variant's, among those of the struct around it.
            let beside = self.mapping()?;
            let of = Self { beside, ..self };
            return visitor.visit_map(Fields { of, left: fields });
        };
        let beside = self.mapping()?;
        let asked = Asked::default();
        let of = Field {
            beside,
            asked: Some(&asked),
            ..self
        };
        let read = visitor.visit_map(Fields { of, left: fields });
        let asked = asked.take();
        let is_unknown = |key: &&Yaml| !key.as_str().is_some_and(|key| asked.contains(key));
        let read = read.and_then(|read| match beside.keys().find(is_unknown) {
            Some(key) if !self.merged => {
                Err(Wrong(format!("`{}` is unknown: {CAUSE}", shown(Some(key)))))
            }
            Some(_) | None => Ok(read),
        });
        let name = beside.get("name").and_then(Yaml::as_str);
        read.map_err(|Wrong(message)| match name {
            Some(name) => Wrong(format!("`{name}` of `{}`: {message}", self.key)),
            None => Wrong(format!("`{}`: {message}", self.key)),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        of: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let word = match self.yaml() {
            Some(yaml) if of == Value::TYPE => match yaml {
                Yaml::Number(_) => variant_name(&Value::Int(0)),
                _ => variant_name(&Value::Text(Text::default())),
            },
            _ => self.scalar("a word", None, Yaml::as_str)?,
        };
        let content = match of {
            Value::TYPE => self,
            _ => self.field(word),
        };
        visitor.visit_enum(Variant { word, content })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u128 f32 char bytes byte_buf unit unit_struct tuple_struct map
        identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Wrong> for Field<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A set of domains: all, where it is left out.
struct Domains<'a>(Field<'a>);

impl<'de> Deserializer<'de> for Domains<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let Self(field) = self;
        if field.yaml().is_some() {
            return field.deserialize_seq(visitor);
        }
        let tower = tower_of(field.key, field.tower);
        let all = 0..field.names.domains(tower).len();
        let all = all.map(|id| field.item(Found::Id(id)));
        visitor.visit_seq(SeqDeserializer::new(all))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The fields of a struct, those that are left out among them.
struct Fields<'a> {
    of: Field<'a>,
    left: &'static [&'static str],
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        let key = self.left.first().copied();
        let key = key.map(|key| seed.deserialize(StrDeserializer::new(key)));
        key.transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let Some((key, left)) = self.left.split_first() else {
            return Err(Wrong("there is no field left".to_owned()));
        };
        self.left = left;
        seed.deserialize(self.of.field(key))
    }
}

/// A variant by its name.
struct Variant<'a> {
    word: &'a str,
    /// What it holds.
    content: Field<'a>,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = Wrong;
    type Variant = Field<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Field<'a>), Wrong> {
        let variant = seed.deserialize(StrDeserializer::new(self.word))?;
        Ok((variant, self.content))
    }
}

impl<'de> VariantAccess<'de> for Field<'_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        seed.deserialize(match self.value {
            Found::Nothing => self.item(Found::Beside),
            Found::Yaml(_) | Found::Id(_) | Found::Beside => self,
        })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.item(Found::Beside)
            .deserialize_struct("", fields, visitor)
    }
}
