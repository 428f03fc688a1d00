//! The budget of a spec against the cost of its graph.

use crate::diagnostics::{Code, Diagnostic, nouns};
use crate::graph::{self, Graph};
use crate::sema::{
    Limits, grouped,
    spec::{Budget, Spec},
};
use crate::source::Span;

/// From this part of a limit on, the budget is nearly spent.
const NEARLY: f64 = 0.9;

/// The graph of a spec, if its budget needs one: a spec without limits has no cost to compare.
pub(super) fn graph(spec: &Spec) -> Option<Graph> {
    let Budget {
        parameters,
        flops_per_request,
        bytes_per_item,
        candidates: _,
    } = spec.budget;
    let limits = [parameters, flops_per_request, bytes_per_item];
    let limited = limits.iter().any(Option::is_some);
    limited.then(|| graph::build(spec))
}

/// Errors for costs above the budget, warnings for costs close to it. `places` are those of the limits.
pub(super) fn check(graph: &Graph, places: &Limits) -> Vec<Diagnostic> {
    let budget = &graph.spec.budget;
    let limits = [
        budget.parameters.zip(places.parameters),
        budget.flops_per_request.zip(places.flops_per_request),
        budget.bytes_per_item.zip(places.bytes_per_item),
    ];
    let totals = &graph.totals;
    let parameters = totals.dense + totals.tables;
    let bytes = totals.item_bytes.iter().copied().max().unwrap_or_default();
    let dot = totals.request_flops(1) - totals.query_flops;
    let costs = [
        (
            parameters,
            "parameters",
            format!(
                "{} in tables, {} in layers",
                grouped(totals.tables),
                grouped(totals.dense)
            ),
        ),
        (
            totals.request_flops(budget.candidates),
            "operations a request",
            format!(
                "{} for the costliest query row, {} for each of {} {}",
                grouped(totals.query_flops),
                grouped(dot),
                grouped(u128::from(budget.candidates)),
                nouns(budget.candidates, "candidate")
            ),
        ),
        (
            bytes,
            "bytes an item",
            "four for each number of its tasks' embeddings".to_owned(),
        ),
    ];
    limits
        .into_iter()
        .zip(costs)
        .filter_map(|(limit, (cost, what, parts))| judge(limit?, cost, what, &parts))
        .collect()
}

fn judge((limit, place): (u64, Span), cost: u128, what: &str, parts: &str) -> Option<Diagnostic> {
    #[expect(clippy::cast_precision_loss, reason = "a share to show")]
    let share = cost as f64 / limit as f64;
    let most = grouped(u128::from(limit));
    let cost_text = grouped(cost);
    let diagnostic = if cost > u128::from(limit) {
        Diagnostic::new(
            Code::E0572,
            format!("the model takes {cost_text} {what}, and the budget is {most}"),
            place,
            format!("over by {}", grouped(cost - u128::from(limit))),
        )
        .help("make the model smaller, or raise the budget")
    } else if share >= NEARLY {
        Diagnostic::new(
            Code::W0508,
            format!("the model takes {cost_text} {what} of a budget of {most}"),
            place,
            format!("{:.1} % are spent", 100.0 * share),
        )
    } else {
        return None;
    };
    Some(diagnostic.note(format!("it is {parts}")))
}
