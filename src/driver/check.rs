//! Checking a spec: syntax and meaning of all its files and variants in one run.

use super::budget;
use super::load::{Loaded, Read, load, no_files};
use crate::diagnostics::{self, Code, Diagnostic, Levels, has_errors};
use crate::graph::{self, Graph};
use crate::sema::{self, Allowed, SymbolIndex, Variant, spec::Spec};
use crate::source::Source;
use crate::syntax::ast::File;
use crate::syntax::merge;
use std::collections::BTreeMap;

/// What checking a spec gives.
#[derive(Debug)]
pub struct Checked {
    /// The spec's text, all its files.
    pub source: Source,
    /// The checked spec; `None` if there is an error, or if the file is a part that others use.
    pub spec: Option<Spec>,
    /// The graph of the spec, if the check needed it. Whoever needs it later takes this one.
    pub graph: Option<Graph>,
    /// Whether the file is a part: it says nothing of model, surfaces and products.
    pub part: bool,
    /// The variants that it declares.
    pub variants: Vec<CheckedVariant>,
    /// Errors and warnings, by place.
    pub diagnostics: Vec<Diagnostic>,
    /// Where names are declared and used.
    pub index: SymbolIndex,
    /// The trees of the files by themselves, by the first position of each.
    pub trees: BTreeMap<usize, File>,
}

/// A variant of a spec.
#[derive(Debug)]
pub struct CheckedVariant {
    /// Its name.
    pub name: String,
    /// The spec that it makes; `None` if that has an error.
    pub spec: Option<Spec>,
    /// The graph of that, if the check needed it.
    pub graph: Option<Graph>,
}

/// The sound spec that variants are compared with.
struct Base<'s> {
    spec: &'s Spec,
    hash: String,
}

/// Checks a spec of one file.
pub fn check(source: &Source) -> Checked {
    check_files(source.clone(), &no_files, &Levels::default())
}

/// Checks a spec, whose other files `read` reads. Every mistake is reported in one run, whichever
/// floor finds it.
pub fn check_files(root: Source, read: &Read<'_>, levels: &Levels) -> Checked {
    let Loaded {
        source,
        mut file,
        mut diagnostics,
        trees,
    } = load(root, read);
    let mut base = sema::check(&source, &file, read);
    let known = base.diagnostics.clone();
    diagnostics.append(&mut base.diagnostics);
    let sound = !has_errors(&diagnostics);
    let mut spec = base.spec.filter(|_| sound);
    let graph = spec.as_ref().and_then(budget::graph);
    if let Some(graph) = &graph {
        let over = levels.apply(budget::check(graph, &base.limits));
        let fits = !has_errors(&over);
        diagnostics.extend(over);
        spec = spec.filter(|_| fits);
    }
    file.statements
        .retain(|statement| statement.word.text != "variant");
    let mut variants = vec![];
    let mut index = base.index;
    // What a part's variants mean shows where the part is used.
    let whole: Vec<&Variant> = base.variants.iter().filter(|_| !base.part).collect();
    let compared = spec.as_ref().filter(|_| !whole.is_empty());
    let compared = compared.map(|spec| Base {
        spec,
        hash: graph::meaning_hash(spec),
    });
    for variant in whole {
        let (checked, found, names) = check_variant(
            &source,
            &file,
            variant,
            read,
            levels,
            &known,
            compared.as_ref(),
        );
        let inside = |diagnostic: &Diagnostic| {
            let (place, whole) = (diagnostic.primary.span, variant.statement.span());
            whole.start <= place.start && place.end <= whole.end
        };
        // While the spec itself is wrong, what else a variant of it lacks is no news.
        diagnostics.extend(found.into_iter().filter(|found| sound || inside(found)));
        variants.push(checked);
        index.add(names);
    }
    let diagnostics = level(diagnostics, &base.allowed, levels);
    let refused = has_errors(&diagnostics);
    Checked {
        source,
        spec: spec.filter(|_| !refused),
        graph: graph.filter(|_| !refused),
        part: base.part,
        variants,
        diagnostics: diagnostics::arrange(diagnostics),
        index,
        trees,
    }
}

/// Checks one variant; what is `known` of the spec itself is not repeated.
fn check_variant(
    source: &Source,
    base: &File,
    variant: &Variant,
    read: &Read<'_>,
    levels: &Levels,
    known: &[Diagnostic],
    compared: Option<&Base<'_>>,
) -> (CheckedVariant, Vec<Diagnostic>, SymbolIndex) {
    let name = variant.name.text.clone();
    let over = variant.statement.block.as_ref();
    let over = over.map_or(&[][..], |block| &block.statements);
    let (statements, vain) = merge::overlay(&base.statements, over);
    let damaged = base.damaged
        || variant
            .statement
            .block
            .as_ref()
            .is_none_or(|block| block.damaged);
    let file = File {
        statements,
        damaged,
        ..File::default()
    };
    let checked = sema::check_variant(source, &file, variant, &vain, read);
    let same = |one: &Diagnostic, other: &Diagnostic| {
        one.code == other.code
            && one.primary.span == other.primary.span
            && one.message == other.message
    };
    let mut diagnostics: Vec<Diagnostic> = checked
        .diagnostics
        .into_iter()
        .filter(|found| !known.iter().any(|old| same(old, found)))
        .map(|found| found.note(format!("in variant `{name}`")))
        .collect();
    let mut spec = checked.spec;
    let graph = spec.as_ref().and_then(budget::graph);
    if let Some(graph) = &graph {
        let over = levels
            .apply(budget::check(graph, &checked.limits))
            .into_iter();
        let over = over.map(|found| found.note(format!("in variant `{name}`")));
        diagnostics.extend(over);
    }
    if let Some(found) = &spec
        && compared.is_some_and(|base| means_the_same(base, found))
    {
        diagnostics.push(
            Diagnostic::new(
                Code::W0510,
                format!("variant `{name}` changes nothing"),
                variant.name.span,
                "its model is the spec's own",
            )
            .help("remove it, or let it change something"),
        );
    }
    let sound = !has_errors(&diagnostics);
    spec = spec.filter(|_| sound);
    let graph = graph.filter(|_| sound);
    (
        CheckedVariant { name, spec, graph },
        diagnostics,
        checked.index,
    )
}

fn means_the_same(base: &Base<'_>, variant: &Spec) -> bool {
    let variant = Spec {
        name: base.spec.name.clone(),
        ..variant.clone()
    };
    base.spec.budget == variant.budget && base.hash == graph::meaning_hash(&variant)
}

/// Gives every message its level; a lint that is allowed and never fires is reported.
fn level(
    mut diagnostics: Vec<Diagnostic>,
    allowed: &[Allowed],
    levels: &Levels,
) -> Vec<Diagnostic> {
    let errors = has_errors(&diagnostics);
    for Allowed { code, span } in allowed {
        let before = diagnostics.len();
        diagnostics.retain(|diagnostic| diagnostic.code != *code);
        // With an error in the spec, lints may be silent that would not be without it.
        if diagnostics.len() == before && !errors {
            diagnostics.push(
                Diagnostic::new(
                    Code::W0509,
                    format!("nothing in this spec is told {code}"),
                    *span,
                    "allowed for nothing",
                )
                .help("remove it"),
            );
        }
    }
    levels.apply(diagnostics)
}
