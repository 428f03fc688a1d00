//! Whether learned values fit the columns of the data: `7` and `"7"` have different rows.

use crate::arrays::kinds::{INTS, TEXTS, kind};
use crate::data::dataset::Dataset;
use crate::error::{Error, Result};
use crate::schema::{FeatureKind, Input, Tower};
use crate::vocab::Vocabularies;
use crate::vocab::{RawValue, Vocabulary};

fn kind_of_raw(value: &RawValue) -> &'static str {
    match value {
        RawValue::Int(_) | RawValue::Unsigned(_) => INTS,
        RawValue::Text(_) => TEXTS,
    }
}

impl Dataset {
    /// Refuses a table whose columns are all of the kind that none of its learned values is of.
    pub(super) fn require_kinds(&self, vocabularies: &Vocabularies) -> Result<()> {
        let learned = vocabularies.learned();
        learned
            .filter(|vocabulary| !vocabulary.values.is_empty())
            .try_for_each(|vocabulary| self.require_kind(vocabulary))
    }

    fn require_kind(&self, vocabulary: &Vocabulary) -> Result<()> {
        let schema = self.schema();
        let features = Tower::ALL.map(|tower| schema.features(tower).iter());
        let columns = features.into_iter().flatten().filter(|feature| {
            matches!(&feature.kind, FeatureKind::Embedded { table, input: Input::One { .. } | Input::List { .. }, .. }
                if schema.tables.get(table.0).is_some_and(|table| table.name == vocabulary.table))
        });
        let found = columns
            .filter(|feature| feature.derive.is_none())
            .filter_map(|feature| {
                let mut files = self.footers();
                files.find_map(|(path, footer)| {
                    let field = footer.field(&feature.column)?;
                    Some((kind(field.data_type())?, &*feature.column, path))
                })
            });
        let found: Vec<_> = found.collect();
        let unknown = |kind| {
            vocabulary
                .values
                .iter()
                .all(|value| kind_of_raw(value) != kind)
        };
        match found.first() {
            Some(&(kind, column, path))
                if found.iter().all(|(other, ..)| *other == kind) && unknown(kind) =>
            {
                let learned = if kind == INTS { TEXTS } else { INTS };
                let table = &vocabulary.table;
                Err(Error::data(
                    path.display().to_string(),
                    format!(
                        "column `{column}` holds {kind}, and the model learned table `{table}` from {learned}: none of its values would be known"
                    ),
                    "write the column as it is in the data that the model was trained on",
                ))
            }
            _ => Ok(()),
        }
    }
}
