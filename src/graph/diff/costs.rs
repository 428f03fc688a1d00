//! What two models take.

use crate::diagnostics::nouns;
use crate::graph::Graph;
use crate::graph::page::grouped;

/// A cost of both models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// What is counted.
    pub name: String,
    /// In the old model; `None` where it has no such thing.
    pub before: Option<u128>,
    /// In the new model.
    pub after: Option<u128>,
}

/// The costs: of the whole model, then the bytes of an item by product. Requests are those of the
/// new model's budget.
pub(super) fn costs(old: &Graph, new: &Graph) -> Vec<Measure> {
    let candidates = new.spec.budget.candidates;
    let totals = |graph: &Graph| {
        let totals = &graph.totals;
        [
            ("cells".to_owned(), totals.cells as u128),
            ("parameters".to_owned(), totals.dense + totals.tables),
            ("parameters of layers".to_owned(), totals.dense),
            ("parameters of tables".to_owned(), totals.tables),
            ("FLOPs of a query row".to_owned(), totals.query_flops),
            ("FLOPs of an item row".to_owned(), totals.item_flops),
            (
                format!(
                    "FLOPs of a request for {} {}",
                    grouped(u128::from(candidates)),
                    nouns(candidates, "item")
                ),
                totals.request_flops(candidates),
            ),
        ]
    };
    let pairs = totals(old).into_iter().zip(totals(new));
    let mut costs: Vec<Measure> = pairs
        .map(|((name, before), (_, after))| Measure {
            name,
            before: Some(before),
            after: Some(after),
        })
        .collect();
    let (before, after) = (bytes(old), bytes(new));
    let find = |list: &[(&str, u128)], name: &str| {
        let found = list.iter().find(|(product, _)| *product == name);
        found.map(|(_, bytes)| *bytes)
    };
    let gone = before
        .iter()
        .filter(|(name, _)| find(&after, name).is_none());
    for (product, _) in after.iter().chain(gone) {
        costs.push(Measure {
            name: format!("bytes of an item of {product}"),
            before: find(&before, product),
            after: find(&after, product),
        });
    }
    costs
}

fn bytes(graph: &Graph) -> Vec<(&str, u128)> {
    graph.bytes_per_item().collect()
}
