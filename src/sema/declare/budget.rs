//! Limits on the cost of the model.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::cursor::Cursor;
use crate::sema::settings::Settings;
use crate::sema::settings::declaration::{Defaulted, Setting};
use crate::sema::settings::forms::{AnySetting, SettingsTable};
use crate::sema::spec::Budget;
use crate::source::Span;
use crate::syntax::ast::Statement;

static PARAMETERS: Setting<u64> = Setting::large("parameters", 1)
    .help("limit on the parameters of layers and tables, row 0 included")
    .without("no limit");
static FLOPS_PER_REQUEST: Setting<u64> = Setting::large("flops_per_request", 1)
    .help(
        "limit on the operations of the costliest query row, and of a dot product for each of \
         `candidates` items and each task",
    )
    .without("no limit");
static BYTES_PER_ITEM: Setting<u64> = Setting::whole("bytes_per_item", 1)
    .help(
        "limit on the size of the embeddings that are served for an item of the costliest \
         product",
    )
    .without("no limit");
static CANDIDATES: Defaulted<u64> = Setting::whole("candidates", 1)
    .help("how many items a request scores")
    .default(Budget::DEFAULT.candidates);

pub(in crate::sema) static BUDGET: SettingsTable = SettingsTable {
    owner: "`budget`",
    empty_is_idle: true,
    settings: &[
        &PARAMETERS,
        &FLOPS_PER_REQUEST,
        &BYTES_PER_ITEM,
        &CANDIDATES,
    ],
};

/// Where the spec sets the limits of its budget.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Of `parameters`.
    pub parameters: Option<Span>,
    /// Of `flops_per_request`.
    pub flops_per_request: Option<Span>,
    /// Of `bytes_per_item`.
    pub bytes_per_item: Option<Span>,
}

/// The limits on the cost of the model, and where the spec declares them.
pub(in crate::sema) fn read(
    context: &mut Context<'_>,
    statement: Option<&Statement>,
) -> (Budget, Limits) {
    let (mut budget, mut limits) = (Budget::DEFAULT, Limits::default());
    let Some(statement) = statement else {
        return (budget, limits);
    };
    let form = "budget { parameters N, flops_per_request N, bytes_per_item N }";
    context.refuse_doc(statement);
    Cursor::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &BUDGET);
    let span = |setting: &dyn AnySetting| settings.get(setting).map(|given| given.span);
    budget.parameters = settings.of(&PARAMETERS);
    limits.parameters = span(&PARAMETERS);
    budget.flops_per_request = settings.of(&FLOPS_PER_REQUEST);
    limits.flops_per_request = span(&FLOPS_PER_REQUEST);
    budget.bytes_per_item = settings.of(&BYTES_PER_ITEM);
    limits.bytes_per_item = span(&BYTES_PER_ITEM);
    budget.candidates = settings.value(&CANDIDATES);
    if let Some(candidates) = settings.get(&CANDIDATES)
        && budget.flops_per_request.is_none()
        && settings.lacks(&FLOPS_PER_REQUEST)
    {
        context.report(
            Diagnostic::new(
                Code::E0302,
                "`candidates` has nothing to count for",
                candidates.span,
                "`flops_per_request` is not given",
            )
            .help("add `flops_per_request N`, or remove `candidates`"),
        );
    }
    (budget, limits)
}
