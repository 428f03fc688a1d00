//! Tables: those that features share, and how a raw value finds its row.

use mtmd_schema::bug;
use std::collections::BTreeMap;

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::{Context, doc};
use crate::sema::cursor::Cursor;
use crate::sema::declare::embeddings::{EMBEDDINGS_BLOCK, GivenEmbeddings};
use crate::sema::declare::vocabulary_file;
use crate::sema::name_kind::NameKind;
use crate::sema::namespace::Namespace;
use crate::sema::settings::Settings;
use crate::sema::settings::declaration::{Defaulted, Flag, Setting, Values};
use crate::sema::settings::forms::SettingsTable;
use crate::sema::spec::{Embeddings, Index, List, Table};
use crate::sema::spelling::suggest;
use crate::syntax::ast::{Block, Statement, Word};

pub(in crate::sema) static ROWS: Setting<usize> = Setting::size("rows", 2)
    .help("rows of the table, row 0 included; at least 2")
    .without("required (a `category`: 256; with `values`: given by them)");
pub(in crate::sema) static DIM: Setting<usize> = Setting::size("dim", 1)
    .help("width of the embedding")
    .without("required (a `number`: with `bucketise`, and not otherwise)");
pub(in crate::sema) static VOCABULARY: Setting<Option<u64>> =
    Setting::optional_whole("vocabulary", 1)
        .help(
            "the values that training has at least N times (without a number: once), the most \
             frequent first, at most `rows - 1`; others are unseen",
        )
        .without("a `category`: `vocabulary 1`; others: hashed");
pub(in crate::sema) static VALUES: Setting<Values<'static>> = Setting::values("values")
    .help(
        "an inline vocabulary of strings or whole numbers, instead of `rows`; a file has one \
         value a line (whole numbers if all lines are; empty lines are skipped, spaces are \
         kept), is relative to the file that refers to it, and is copied into the crate",
    )
    .without("none");
pub(in crate::sema) static OOV: Defaulted<usize> = Setting::size("oov", 0)
    .help(
        "with a vocabulary: the last N rows are for values outside it, found by hash; with 0 \
         they are row 0, the zero vector. `rows` counts them",
    )
    .default(0);
/// Of a category, whose table has a vocabulary by default.
pub(in crate::sema) static HASH: Setting<Flag> =
    Setting::flag("hash").help("hashed, as an id").without("no");
pub(in crate::sema) static EMBEDDINGS: Setting<Block> =
    Setting::block("embeddings", &EMBEDDINGS_BLOCK)
        .help("how the table's rows are trained, where it differs from `embeddings` in `training`")
        .without("as all tables");

pub(in crate::sema) static TABLE: SettingsTable = SettingsTable {
    owner: "a table",
    empty_is_idle: false,
    settings: &[&ROWS, &DIM, &VOCABULARY, &VALUES, &OOV, &EMBEDDINGS],
};

/// A table, with the place of its name.
pub(in crate::sema) struct TableDeclaration {
    pub table: Table,
    /// What it says of its training.
    embeddings: GivenEmbeddings,
    pub name: Word,
    /// Whether a feature uses it.
    pub used: bool,
}

/// The tables of a spec: shared ones first, then those of features.
pub(in crate::sema) struct Tables {
    pub declared: Vec<TableDeclaration>,
    /// Place of the first table of a name.
    places: BTreeMap<String, usize>,
    names: Namespace,
}

impl Tables {
    /// `complete` says whether the statements are all that the spec has.
    pub fn read<'s>(
        context: &mut Context<'_>,
        statements: impl Iterator<Item = &'s Statement>,
        complete: bool,
    ) -> Self {
        let mut tables = Self {
            declared: Vec::new(),
            places: BTreeMap::new(),
            names: Namespace::new(),
        };
        tables.names.complete = complete;
        for statement in statements {
            tables.read_one(context, statement);
        }
        tables
    }

    fn read_one(&mut self, context: &mut Context<'_>, statement: &Statement) {
        let form = "table NAME { rows N, dim D }";
        let mut cursor = Cursor::new(statement, form);
        let name = cursor.name(context, "the table's name");
        if name.is_some() {
            cursor.end(context);
        }
        let block = context.require_block(statement, form);
        let settings = Settings::read(context, block, &TABLE);
        let Some(name) = name else {
            self.names.complete = false;
            return;
        };
        let shape = match block {
            Some(_) => read_shape(
                context,
                &settings,
                &name,
                &Defaults {
                    rows: None,
                    index: Index::Hash,
                },
            ),
            None => Shape::unknown(),
        };
        if self.names.declare(context, &name, NameKind::Table) {
            self.add(name, doc(statement), true, shape);
        }
    }

    /// Adds a shared table, or a feature's own, which is used as it stands.
    fn add(&mut self, name: Word, doc: String, shared: bool, shape: Shape) {
        let Shape {
            rows,
            dim,
            index,
            oov,
            embeddings,
        } = shape;
        let table = Table {
            name: name.text.clone().into(),
            doc: doc.into(),
            shared,
            rows,
            dim,
            index,
            oov,
            embeddings: None,
        };
        let place = self.declared.len();
        self.places.entry(name.text.clone()).or_insert(place);
        self.declared.push(TableDeclaration {
            table,
            embeddings,
            name,
            used: !shared,
        });
    }

    /// Marks a shared table as used; `false` if there is none of this name. Reports that, unless
    /// the table may have been one that could not be read.
    pub fn use_shared(&mut self, context: &mut Context<'_>, name: &Word) -> bool {
        let place = self.places.get(&name.text);
        let found = place.and_then(|place| self.declared.get_mut(*place));
        // Shared tables are read before those of features: the first of a name is the shared one.
        if let Some(found) = found.filter(|found| found.table.shared) {
            found.used = true;
            context.index.refer(NameKind::Table, name);
            return true;
        }
        if self.names.complete {
            let message = format!("there is no table `{}`", name.text);
            let diagnostic = Diagnostic::new(Code::E0203, message, name.span, "unknown table");
            let names: Vec<&str> = self.names.names().collect();
            context.report(match names.is_empty() {
                true => {
                    diagnostic.help(format!("declare `table {} {{ rows N, dim D }}`", name.text))
                }
                false => suggest(diagnostic, name, names, "the tables are"),
            });
        }
        // A misspelt name must not leave the table that was meant without a use.
        for declared in &mut self.declared {
            declared.used = true;
        }
        false
    }

    /// How the rows of a shared table are found.
    pub fn shared_index(&self, name: &str) -> Option<&Index> {
        let declared = self.declared.get(*self.places.get(name)?)?;
        declared.table.shared.then_some(&declared.table.index)
    }

    /// Adds a feature's own table, which has the feature's name.
    pub fn add_own(&mut self, context: &mut Context<'_>, name: &Word, shape: Shape) {
        let taken = self.places.get(&name.text);
        if let Some(other) = taken.and_then(|place| self.declared.get(*place)) {
            let owner = if other.table.shared {
                "a `table` of this name"
            } else {
                "the table of the other tower's feature"
            };
            context.report(
                Diagnostic::new(
                    Code::E0204,
                    format!("there are two tables `{}`", name.text),
                    name.span,
                    "this feature's own table has its name",
                )
                .label(other.name.span, owner)
                .help(
                    "share one table with `table NAME`, or give the feature another name and keep \
                     its column with `from`",
                ),
            );
            return;
        }
        self.add(name.clone(), String::new(), false, shape);
    }

    pub fn report_unused(&self, context: &mut Context<'_>) {
        for declared in self.declared.iter().filter(|declared| !declared.used) {
            let name = &declared.table.name;
            context.report(
                Diagnostic::new(
                    Code::W0501,
                    format!("no feature uses table `{name}`"),
                    declared.name.span,
                    "never used",
                )
                .help(format!(
                    "name it in a feature, as in `id ad_id {{ table {name} }}`, or remove it"
                )),
            );
        }
    }
}

/// Rows, width, index and training of a table.
pub(in crate::sema) struct Shape {
    pub rows: usize,
    pub dim: usize,
    pub index: Index,
    pub oov: usize,
    pub embeddings: GivenEmbeddings,
}

impl Shape {
    /// A shape that stands for one that has been complained about.
    pub fn unknown() -> Self {
        Self {
            rows: 2,
            dim: 1,
            index: Index::Hash,
            oov: 0,
            embeddings: GivenEmbeddings::default(),
        }
    }
}

/// What a table has that does not say.
pub(in crate::sema) struct Defaults {
    pub rows: Option<usize>,
    pub index: Index,
}

/// Reads `rows`, `dim`, the vocabulary and `embeddings`.
pub(in crate::sema) fn read_shape(
    context: &mut Context<'_>,
    settings: &Settings<'_>,
    name: &Word,
    defaults: &Defaults,
) -> Shape {
    let reason = "an inline vocabulary has one row for each of its values, and row 0";
    settings.exclude(context, &VALUES, &[&ROWS, &VOCABULARY, &HASH], reason);
    if settings.get(&VALUES).is_none() {
        let reason = "a table has one way to find the row of a value";
        settings.exclude(context, &VOCABULARY, &[&HASH], reason);
    }
    let index = match (settings.of(&VALUES), settings.of(&VOCABULARY)) {
        (Some(Values::Inline(values)), _) => {
            Index::Values(values.iter().map(|raw| raw.value.clone()).collect())
        }
        (Some(Values::File(path)), _) => {
            vocabulary_file::read(context, path).unwrap_or(Index::Values(List::default()))
        }
        (None, Some(Some(count))) => Index::Vocabulary {
            min_count: min_count(count),
        },
        (None, Some(None)) => Index::Vocabulary {
            min_count: Index::MIN_COUNT,
        },
        (None, None) if settings.if_taken(&HASH).is_some() => Index::Hash,
        (None, None) => defaults.index.clone(),
    };
    let oov = read_oov(context, settings, &index);
    let rows = match index.given() {
        Some(values) => Some(values + 1 + oov),
        None => settings.of(&ROWS).or(defaults.rows),
    };
    let lacks_rows = defaults.rows.is_none() && settings.lacks(&ROWS) && settings.lacks(&VALUES);
    report_missing(context, name, lacks_rows, settings.lacks(&DIM));
    Shape {
        rows: rows.unwrap_or(2),
        dim: settings.of(&DIM).unwrap_or(1),
        index,
        oov,
        embeddings: GivenEmbeddings::read(context, settings, &EMBEDDINGS),
    }
}

/// A count is at most `MAX_SIZE`.
fn min_count(count: u64) -> u32 {
    u32::try_from(count).unwrap_or_else(|_| bug!("a count of {count}, above its bound"))
}

/// Rows for values outside the vocabulary; a table without one has none.
fn read_oov(context: &mut Context<'_>, settings: &Settings<'_>, index: &Index) -> usize {
    let (Some(given), Some(oov)) = (settings.get(&OOV), settings.of(&OOV)) else {
        return 0;
    };
    match index {
        Index::Values(_) | Index::Lines { .. } => oov,
        Index::Hash | Index::Buckets => {
            context.report(
                Diagnostic::new(
                    Code::E0306,
                    "`oov` contradicts hashing",
                    given.span,
                    "a hashed table has a row for every value",
                )
                .help("remove it, or give the table a `vocabulary` or `values`"),
            );
            0
        }
        Index::Vocabulary { .. } => {
            // Row 0, and at least one value.
            if settings.of(&ROWS).is_some_and(|rows| rows < oov + 2) {
                context.report(
                    Diagnostic::new(
                        Code::E0305,
                        format!("`oov {oov}` leaves the vocabulary no row"),
                        given.span,
                        "must be at least 2 below `rows`",
                    )
                    .help("take fewer, or raise `rows`"),
                );
                return 0;
            }
            oov
        }
    }
}

fn report_missing(context: &mut Context<'_>, name: &Word, rows: bool, dim: bool) {
    let (what, example) = match (rows, dim) {
        (true, true) => ("neither `rows` nor `dim`", "{ rows 10_000, dim 16 }"),
        (true, false) => ("no `rows`", "rows 10_000"),
        (false, true) => ("no `dim`", "dim 16"),
        (false, false) => return,
    };
    let message = format!("`{}` has {what}", name.text);
    context.report(
        Diagnostic::new(Code::E0302, message, name.span, "its table has no size")
            .note("`rows` counts row 0, which missing values have; `dim` is the width of a row")
            .help(format!("say it, as in `{example}`")),
    );
}

/// Sorts tables by name. What they say of their training is completed from `base`, that of all tables.
pub(in crate::sema) fn canonical(tables: Tables, base: Embeddings) -> Vec<Table> {
    let mut sorted: Vec<Table> = tables
        .declared
        .into_iter()
        .map(|declared| Table {
            embeddings: Some(declared.embeddings.over(base)).filter(|own| *own != base),
            ..declared.table
        })
        .collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    sorted
}
