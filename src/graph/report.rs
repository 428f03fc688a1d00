//! A page on one model: its grid of cells, and what it takes, part by part.

use super::page::{Page, grouped, share};
use super::{DomainExpert, Graph, Role, TowerGraph};
use crate::diagnostics::nouns;
use crate::sema::spec::{DomainId, Index, Spec, Tower};
use std::collections::BTreeMap;

/// Names of tasks that a cell of the grid lists before it counts.
const LISTED: usize = 3;

/// The page.
pub(super) fn page(graph: &Graph, drawing: bool) -> Page {
    let spec = &graph.spec;
    let mut page = Page::new(&*spec.name);
    let doc: Vec<&str> = spec.doc.split_whitespace().collect();
    if !doc.is_empty() {
        page.text(doc.join(" "));
    }
    page.text(format!("Spec `{}`", graph.spec_hash));
    if drawing {
        page.drawing(graph.to_svg());
    }
    summary(&mut page, graph);
    grid(&mut page, spec);
    parameters(&mut page, graph);
    flops(&mut page, graph);
    bytes(&mut page, graph);
    tables(&mut page, graph);
    page
}

fn summary(page: &mut Page, graph: &Graph) {
    let (spec, totals) = (&graph.spec, &graph.totals);
    let budget = &spec.budget;
    let bytes = totals.item_bytes.iter().max().copied().unwrap_or_default();
    let rows = [
        ("cells".to_owned(), totals.cells as u128, None),
        (
            "parameters".to_owned(),
            totals.dense + totals.tables,
            budget.parameters,
        ),
        (
            format!(
                "FLOPs of a request for {} {}",
                grouped(u128::from(budget.candidates)),
                nouns(budget.candidates, "item")
            ),
            totals.request_flops(budget.candidates),
            budget.flops_per_request,
        ),
        (
            "bytes of an item, at most".to_owned(),
            bytes,
            budget.bytes_per_item,
        ),
    ];
    let rows = rows.into_iter().map(|(name, cost, limit)| {
        let limit = limit.map(u128::from);
        let spent = limit.map_or(String::new(), |most| share(cost, most));
        vec![
            name,
            grouped(cost),
            limit.map_or(String::new(), grouped),
            spent,
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    page.table(&["", "model", "budget", "spent"], rows);
}

/// Tasks by surface and product.
fn grid(page: &mut Page, spec: &Spec) {
    page.heading("Tasks by surface and product");
    let mut head = vec![""];
    head.extend(spec.products.domains.iter().map(|domain| &*domain.name));
    let rows = spec
        .surfaces
        .domains
        .iter()
        .enumerate()
        .map(|(index, surface)| {
            let products = 0..spec.products.domains.len();
            let cells = products.map(|product| cell(spec, DomainId(index), DomainId(product)));
            std::iter::once(format!("`{}`", surface.name))
                .chain(cells)
                .collect()
        });
    page.table(&head, rows.collect());
}

fn cell(spec: &Spec, surface: DomainId, product: DomainId) -> String {
    let (mut there, mut lacking) = (vec![], vec![]);
    for task in spec.tasks.iter() {
        let exists = task.is_on(Tower::Query, surface) && task.is_on(Tower::Item, product);
        let list = if exists { &mut there } else { &mut lacking };
        list.push(&*task.name);
    }
    match (there.len(), lacking.len()) {
        (0, _) => "none".to_owned(),
        (count, _) if count <= LISTED => there.join(", "),
        (_, 0) => "all".to_owned(),
        (_, count) if count <= LISTED => format!("all but {}", lacking.join(", ")),
        (count, _) => format!("{count} of {}", spec.tasks.len()),
    }
}

fn parameters(page: &mut Page, graph: &Graph) {
    let totals = &graph.totals;
    let whole = totals.dense + totals.tables;
    page.heading("Parameters");
    let mut rows = vec![("tables".to_owned(), 1, totals.tables)];
    for tower in [&graph.query, &graph.item] {
        for expert in &tower.experts {
            let names = names(graph, tower, expert);
            let count = expert.domains.len();
            rows.push((names, count, expert.cost.parameters));
        }
        let shared = tower.shared.iter().map(|node| node.cost.parameters).sum();
        rows.push((
            format!("{} tower, shared by its domains", tower.name()),
            1,
            shared,
        ));
    }
    let heads = graph.heads.iter().map(|head| head.cost.parameters).sum();
    rows.push(("heads".to_owned(), 1, heads));
    let rows = rows.into_iter().map(|(name, count, each)| {
        let sum = each * count as u128;
        vec![
            name,
            grouped(count as u128),
            grouped(each),
            grouped(sum),
            share(sum, whole),
        ]
    });
    let sum = vec![
        "in all".to_owned(),
        String::new(),
        String::new(),
        grouped(whole),
        String::new(),
    ];
    let rows = rows.chain([sum]).collect();
    page.table(&["", "how many", "each", "parameters", "share"], rows);
}

fn names(graph: &Graph, tower: &TowerGraph, expert: &DomainExpert) -> String {
    let axis = graph.spec.axis(tower.tower);
    let domains = expert.domains.iter().map(|id| axis.domain(*id));
    let names: Vec<String> = domains.map(|domain| format!("`{}`", domain.name)).collect();
    names.join(", ")
}

/// Operations of the costliest rows by node, and of the dot products.
fn flops(page: &mut Page, graph: &Graph) {
    let candidates = u128::from(graph.spec.budget.candidates);
    let whole = graph.totals.request_flops(graph.spec.budget.candidates);
    page.heading("FLOPs of a request");
    page.text(format!(
        "The costliest query row, and for each of {} {} a dot product a task. Item rows are \
         computed ahead of requests.",
        grouped(candidates),
        nouns(candidates, "item"),
    ));
    let mut rows = vec![];
    for (part, flops) in parts(&graph.query) {
        rows.push(vec![
            format!("query row: {part}"),
            grouped(flops),
            share(flops, whole),
        ]);
    }
    let dots = whole - graph.totals.query_flops;
    rows.push(vec![
        "dot products".to_owned(),
        grouped(dots),
        share(dots, whole),
    ]);
    rows.push(vec!["in all".to_owned(), grouped(whole), String::new()]);
    page.table(&["", "FLOPs", "share"], rows);
    page.heading("FLOPs of an item row");
    page.text("The costliest product; computed once an item, not in a request.");
    let whole = graph.totals.item_flops;
    let rows = parts(&graph.item).into_iter();
    let rows = rows.map(|(part, flops)| vec![part, grouped(flops), share(flops, whole)]);
    let sum = vec!["in all".to_owned(), grouped(whole), String::new()];
    page.table(&["", "FLOPs", "share"], rows.chain([sum]).collect());
}

/// Operations of the costliest Domain Expert by kind of node, the same of all tasks together.
fn parts(tower: &TowerGraph) -> Vec<(String, u128)> {
    let costliest = tower.experts.iter().max_by_key(|expert| expert.cost.flops);
    let mut parts: BTreeMap<String, u128> = BTreeMap::new();
    for node in costliest.into_iter().flat_map(|expert| &expert.nodes) {
        let part = match node.role {
            Role::AdaptNorm => Role::Adapt,
            role => role,
        };
        *parts.entry(part.local()).or_default() += node.cost.flops;
    }
    let mut parts: Vec<(String, u128)> = parts
        .into_iter()
        .filter(|(_, flops)| *flops > 0)
        .map(|(part, flops)| (format!("`{part}`"), flops))
        .collect();
    parts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    parts
}

/// Bytes of the served embeddings by product and task.
fn bytes(page: &mut Page, graph: &Graph) {
    let spec = &graph.spec;
    page.heading("Bytes of an item");
    let mut head = vec!["product"];
    head.extend(spec.tasks.iter().map(|task| &*task.name));
    head.push("in all");
    let products = graph.bytes_per_item();
    let rows = products.enumerate().map(|(index, (product, bytes))| {
        let tasks = spec.tasks.iter().zip(&graph.heads);
        let cells = tasks.map(|(task, head)| {
            let exists = task.is_on(Tower::Item, DomainId(index));
            if exists {
                grouped(4 * head.width as u128)
            } else {
                "–".to_owned()
            }
        });
        std::iter::once(format!("`{product}`"))
            .chain(cells)
            .chain([grouped(bytes)])
            .collect()
    });
    page.table(&head, rows.collect());
}

fn tables(page: &mut Page, graph: &Graph) {
    let spec = &graph.spec;
    let mut tables: Vec<_> = spec.tables.iter().collect();
    if tables.is_empty() {
        return;
    }
    page.heading("Tables");
    let size = |rows: usize, dim: usize| rows as u128 * dim as u128;
    tables.sort_by_key(|table| std::cmp::Reverse(size(table.rows, table.dim)));
    let rows = tables.into_iter().map(|table| {
        let size = size(table.rows, table.dim);
        let index = match &table.index {
            Index::Hash => "hash".to_owned(),
            Index::Vocabulary { min_count: 1 } => "values seen".to_owned(),
            Index::Vocabulary { min_count } => format!("values seen {min_count} times or more"),
            Index::Buckets => "intervals".to_owned(),
            Index::Values(_) | Index::Lines { .. } => {
                let count = table.index.given().unwrap_or_default() as u128;
                format!("{} {}", grouped(count), nouns(count, "value"))
            }
        };
        let index = match table.oov {
            0 => index,
            rows => format!("{index}, others hashed into {}", grouped(rows as u128)),
        };
        vec![
            format!("`{}`", table.name),
            grouped(table.rows as u128),
            grouped(table.dim as u128),
            grouped(size),
            share(size, graph.totals.tables),
            index,
        ]
    });
    let rows = rows.collect();
    page.table(
        &[
            "table",
            "rows",
            "dim",
            "parameters",
            "share",
            "rows are found by",
        ],
        rows,
    );
}
