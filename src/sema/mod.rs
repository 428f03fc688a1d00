//! Meaning: syntax tree to checked spec.
//!
//! `declare` has a file for each construct, which reads its statements into declarations and checks them; `check` has the
//! checks across several declarations. All checks
//! run. What could not be read is marked (`damaged`, `complete: false`, `None`), and a check that
//! depends on it then holds its peace: one mistake is one message.

mod check;
mod context;
mod cursor;
mod cycles;
mod declare;
mod literals;
mod name_kind;
mod namespace;
mod outline;
mod sentence;
mod settings;
mod spelling;
mod symbols;

pub use declare::allow::Allowed;
pub use declare::budget::Limits;
pub use declare::kinds::{KindForm, kinds};
pub use declare::variants::Variant;
use literals::Text;
pub use literals::number::grouped;
pub use name_kind::NameKind;
pub use namespace::{objection, pascal_case};
pub use outline::{StatementForm, Times, statements};
pub(crate) use sentence::enumerate;
pub use settings::forms::{AnySetting, Bound, Form, NameOf, SettingsTable};
pub use symbols::{Inside, Symbol, SymbolIndex};

use check::{leaks, lints, unresolved};
use context::Context;
use cursor::Cursor;
use declare::domains::Domains;
use declare::features::Features;
use declare::tables::{self, Tables};
use declare::tasks::{self, Tasks};
use declare::{
    allow, architecture, budget, embeddings, kinds, run_policy, split, training, variants,
};
pub use mtmd_schema as spec;
use outline::Outline;
use spec::{Spec, Split, TableId, Tower};

use crate::diagnostics::{Diagnostic, has_errors};
use crate::source::{Read, Source};
use crate::syntax::ast::{File, Statement};
use crate::syntax::merge::Vain;
use std::cell::Cell;

/// What checking a tree gives.
#[derive(Debug)]
pub struct Checked {
    /// The checked spec; `None` if there is an error, or if the tree is a part.
    pub spec: Option<Spec>,
    /// Whether the tree is a part, for other files to use.
    pub part: bool,
    /// The variants that it declares.
    pub variants: Vec<Variant>,
    /// Where it sets the limits of its budget.
    pub limits: Limits,
    /// The lints that it allows.
    pub allowed: Vec<Allowed>,
    /// Errors and warnings, in no particular order.
    pub diagnostics: Vec<Diagnostic>,
    /// Where names are declared and used; of a spec with errors, as far as they are known.
    pub index: SymbolIndex,
}

/// Checks a tree. `read_file` reads the vocabularies that stand in files.
pub fn check(source: &Source, file: &File, read_file: &Read<'_>) -> Checked {
    let mut context = Context::new(source, read_file);
    read(&mut context, file)
}

/// Checks a tree with a variant laid over it, as [`overlay`](crate::syntax::merge::overlay) does.
pub fn check_variant(
    source: &Source,
    file: &File,
    variant: &Variant,
    vain: &[Vain],
    read_file: &Read<'_>,
) -> Checked {
    let mut context = Context::new(source, read_file);
    for vain in vain {
        variants::report_vain(&mut context, vain);
    }
    let mut checked = read(&mut context, file);
    if let Some(block) = &variant.statement.block {
        checked.index.variant(block, vain);
    }
    if let Some(spec) = &mut checked.spec {
        spec.name = format!("{}_{}", spec.name, variant.name.text).into();
        if variant.statement.doc.is_some() {
            spec.doc = context::doc(&variant.statement).into();
        }
    }
    checked
}

/// Stands for a table that is never declared. No table has this id.
const NO_TABLE: TableId = TableId(usize::MAX);

/// Reads a tree, with stand-ins for what is wrong or missing. They never leave this floor: there
/// is an error for each, or the tree is a part.
fn read(context: &mut Context<'_>, file: &File) -> Checked {
    for doc in &file.stray_docs {
        context.stray_doc(doc);
    }
    let outline = Outline::read(context, file);
    let part = outline.is_part();
    let (name, doc) = outline
        .get("model")
        .map(|statement| read_model(context, statement))
        .unwrap_or_default();
    variants::check_uses(context, &outline);
    let variants = variants::read(context, &outline, &name);
    let allowed = allow::read(context, &outline);
    let (budget, limits) = budget::read(context, outline.get("budget"));
    let data = outline
        .get("data")
        .and_then(|statement| read_data(context, statement));
    let domains = Domains::read(context, outline.get("surfaces"), outline.get("products"));
    let mut tasks = Tasks::read(context, outline.get("tasks"), &domains);
    let (mut rows, sample_weight) = training::read_rows(context, outline.get("rows"));
    if let Some(column) = &sample_weight {
        tasks.weigh_rows(column);
    }
    // What a part does not declare, the spec that uses it may.
    let complete = !outline.damaged && !part;
    let mut tables = Tables::read(context, outline.all("table"), complete);
    let mut features = |tower, word| {
        let statement = outline.get(word);
        Features::read(context, tower, statement, &domains, &mut tables)
    };
    let query = features(Tower::Query, "query");
    let item = features(Tower::Item, "item");
    if query.complete && item.complete {
        tables.report_unused(context);
    }
    let split = outline
        .get("split")
        .map(|statement| split::read(context, statement));
    let split_column = split.as_ref().and_then(|split| split.column.as_ref());
    leaks::report(context, &tasks, split_column, &domains, [&query, &item]);
    // What is wrong already may mean something else once it is mended.
    if !has_errors(&context.diagnostics) {
        lints::report(context, &tasks, &domains, [&query, &item]);
    }
    let declared = architecture::read(context, outline.all("architecture"), &domains);
    let evaluation = training::read_evaluation(context, outline.get("evaluation"));
    let validated = split
        .as_ref()
        .is_none_or(|split| split.damaged || split.validates);
    let training = outline.get("training");
    let training = training::read(context, training, &tasks, &domains, validated);

    let tables = tables::canonical(tables, training.embeddings);
    let lacks_table = Cell::new(false);
    let table_id = |name: &str| {
        let found = tables.binary_search_by(|table| (*table.name).cmp(name));
        found.map_or_else(
            |_| {
                lacks_table.set(true);
                NO_TABLE
            },
            TableId,
        )
    };
    let complete = query.complete && item.complete;
    let (query, item) = (query.canonical(table_id), item.canonical(table_id));
    if complete {
        let inputs = architecture::Inputs {
            query: &query,
            item: &item,
        };
        declared.report_idle(context, &domains, &inputs);
    }
    let (surfaces, products) = domains.into_axes();
    rows.split = split.map_or(Split::Hash, |declared| declared.split);
    let tasks = tasks.canonical();
    let spec = Spec {
        name: name.into(),
        doc: doc.into(),
        data: data.map(Into::into),
        surfaces,
        products,
        tasks: tasks.into(),
        tables: tables.into(),
        query: query.into(),
        item: item.into(),
        architecture: declared.architecture,
        rows,
        evaluation,
        training,
        budget,
    };
    // There is an error for it, here or of the syntax.
    let sound = !part && !lacks_table.get();
    let index = std::mem::take(&mut context.index);
    let diagnostics = std::mem::take(&mut context.diagnostics);
    let diagnostics = unresolved::blame_declarations(context, &index, diagnostics);
    let diagnostics = unresolved::rename_uses(context, &index, diagnostics);
    Checked {
        spec: (sound && !has_errors(&diagnostics)).then_some(spec),
        part,
        variants,
        limits,
        allowed,
        diagnostics,
        index,
    }
}

/// Name and doc comment of the model.
fn read_model(context: &mut Context<'_>, statement: &Statement) -> (String, String) {
    let form = "model NAME";
    context.refuse_block(statement, form);
    let mut cursor = Cursor::new(statement, form);
    let name = cursor.name(context, "the model's name");
    if let Some(name) = &name {
        cursor.end(context);
        namespace::check(context, name, NameKind::Model);
        context.index.define(NameKind::Model, name);
    }
    (
        name.map(|name| name.text).unwrap_or_default(),
        context::doc(statement),
    )
}

fn read_data(context: &mut Context<'_>, statement: &Statement) -> Option<String> {
    let form = "data \"PATH\"";
    context.refuse_doc(statement);
    context.refuse_block(statement, form);
    let mut cursor = Cursor::new(statement, form);
    let Text { text, .. } = cursor.text(context, "a path in quotes")?;
    cursor.end(context);
    Some(text)
}

/// All tables of settings: of an editor's interest, and to say whose setting a misplaced one is.
pub fn tables_of_settings() -> impl Iterator<Item = &'static SettingsTable> {
    [
        &tasks::TASK,
        &tables::TABLE,
        &kinds::ID,
        &kinds::IDS,
        &kinds::CATEGORY,
        &kinds::NUMBER,
        &kinds::STANDARDISE_BLOCK,
        &kinds::VECTOR,
        &architecture::ARCHITECTURE,
        &architecture::ARCHITECTURE_ON,
        &architecture::CROSS_BLOCK,
        &split::SPLIT,
        &training::ROWS,
        &training::EVALUATION,
        &training::TRAINING,
        &training::DENSE_BLOCK,
        &embeddings::EMBEDDINGS_BLOCK,
        &run_policy::SELECT_BLOCK,
        &run_policy::EARLY_STOP_BLOCK,
        &run_policy::CHECKPOINTS_BLOCK,
        &budget::BUDGET,
    ]
    .into_iter()
}
