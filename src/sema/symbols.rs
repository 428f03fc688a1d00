//! Where names are declared and used, and what each block holds: what an editor asks for.
//!
//! Sema writes it down as it resolves, so that an editor and a check can never disagree.
//! `Namespace::declare` and `Settings::read` do their part by themselves; whoever resolves a name
//! calls `SymbolIndex::refer`.

use std::collections::BTreeMap;

use crate::sema::name_kind::NameKind;
use crate::sema::settings::forms::SettingsTable;
use crate::sema::spec::Tower;
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Block, Statement, Word};
use crate::syntax::merge::Vain;

/// A name of the spec; names of different kinds are different names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol {
    /// What it is a name of.
    pub kind: NameKind,
    /// The name.
    pub name: String,
}

/// What the statements of a block are.
#[derive(Debug, Clone, Copy)]
pub enum Inside {
    /// Surfaces or products, and `others`.
    Domains(Tower),
    /// Tasks.
    Tasks,
    /// Features.
    Features(Tower),
    /// Settings out of a table.
    Settings(&'static SettingsTable),
}

/// Names and blocks of a spec, by place.
#[derive(Debug, Clone, Default)]
pub struct SymbolIndex {
    definitions: BTreeMap<Symbol, Span>,
    /// Every place that names a symbol, its definition among them.
    occurrences: BTreeMap<Span, Symbol>,
    /// Blocks by place, outer ones before those within them.
    blocks: BTreeMap<Span, Inside>,
}

impl SymbolIndex {
    /// Writes down a declaration. The first one of a name counts.
    pub(super) fn define(&mut self, kind: NameKind, name: &Word) {
        let symbol = Symbol {
            kind,
            name: name.text.clone(),
        };
        self.occurrences.insert(name.span, symbol.clone());
        self.definitions.entry(symbol).or_insert(name.span);
    }

    /// Writes down a use of a name.
    pub(super) fn refer(&mut self, kind: NameKind, name: &Word) {
        let name_of = Symbol {
            kind,
            name: name.text.clone(),
        };
        self.occurrences.insert(name.span, name_of);
    }

    /// Writes down what a block holds.
    pub(super) fn block(&mut self, span: Span, inside: Inside) {
        self.blocks.insert(span, inside);
    }

    /// Takes in the names and blocks of a variant. What the spec itself says of a place counts.
    pub fn add(&mut self, variant: Self) {
        for (symbol, span) in variant.definitions {
            self.definitions.entry(symbol).or_insert(span);
        }
        for (span, symbol) in variant.occurrences {
            self.occurrences.entry(span).or_insert(symbol);
        }
        for (span, inside) in variant.blocks {
            self.blocks.entry(span).or_insert(inside);
        }
    }

    /// Writes down the names by which a variant's block means what its spec declares: what
    /// `without` removes, but for what is `vain`, and the features that it changes.
    pub(super) fn variant(&mut self, block: &Block, vain: &[Vain]) {
        self.removed(&block.statements, NameKind::Table, vain);
        for section in &block.statements {
            let kind = match section.word.text.as_str() {
                "surfaces" => NameKind::Surface,
                "products" => NameKind::Product,
                "tasks" => NameKind::Task,
                "query" => NameKind::Feature(Tower::Query),
                "item" => NameKind::Feature(Tower::Item),
                _ => continue,
            };
            let inner = section.block.iter().flat_map(|block| &block.statements);
            let inner: Vec<&Statement> = inner.collect();
            self.removed(inner.iter().copied(), kind, vain);
            let changed = inner.iter().filter(|inner| inner.word.text != "without");
            if let NameKind::Feature(_) = kind {
                for name in changed.filter_map(|feature| feature.atoms.first()?.as_word()) {
                    self.refer(kind, &name);
                }
            }
        }
    }

    fn removed<'s>(
        &mut self,
        statements: impl IntoIterator<Item = &'s Statement>,
        kind: NameKind,
        vain: &[Vain],
    ) {
        let without = |statement: &&Statement| statement.word.text == "without";
        for atom in statements
            .into_iter()
            .filter(without)
            .flat_map(|without| &without.atoms)
        {
            let items = match &atom.kind {
                AtomKind::List(items) => items.as_slice(),
                _ => std::slice::from_ref(atom),
            };
            for name in items.iter().filter_map(Atom::as_word) {
                if !vain.iter().any(|vain| vain.atom.span == name.span) {
                    self.refer(kind, &name);
                }
            }
        }
    }

    /// The symbol that is named at an offset, with the place of the name. An offset right after a
    /// name is at it.
    pub fn at(&self, offset: usize) -> Option<(Span, &Symbol)> {
        let before = self.occurrences.range(..=Span::new(offset, usize::MAX));
        let (span, symbol) = before.last()?;
        (offset <= span.end).then_some((*span, symbol))
    }

    /// Where a symbol is declared.
    pub fn definition(&self, symbol: &Symbol) -> Option<Span> {
        self.definitions.get(symbol).copied()
    }

    /// Every place that names a symbol, its definition among them, ascending.
    pub fn occurrences(&self, symbol: &Symbol) -> Vec<Span> {
        let same = self
            .occurrences
            .iter()
            .filter(|(_, other)| *other == symbol);
        same.map(|(span, _)| *span).collect()
    }

    /// All declared names of a kind, sorted.
    pub fn names(&self, kind: NameKind) -> impl Iterator<Item = &str> {
        let declared = self.definitions.keys();
        declared
            .filter(move |symbol| symbol.kind == kind)
            .map(|symbol| symbol.name.as_str())
    }

    /// What a block holds; `None` for one that sema did not read.
    pub fn inside(&self, block: Span) -> Option<Inside> {
        self.blocks.get(&block).copied()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Inside, NameKind, Symbol, SymbolIndex, Tower};
    use crate::source::{Source, Span};
    use crate::syntax::{self, ast, merge};

    const SPEC: &str = r#"
        model m
        surfaces from "s" { feed = 0, search = 1 }
        products from "p" { ads = 0 }
        tasks { ctr from "c" { on [feed, search] }, good from "g" { given ctr, on search } }
        table pins { rows 10, dim 2 }
        query { id pin { table pins, on feed }, number age }
        item { id pin { table pins } }
    "#;

    fn index(text: &str) -> SymbolIndex {
        let source = Source::new("a", text);
        super::super::check(&source, &syntax::parse(&source).file, &|_| {
            Err(String::new())
        })
        .index
    }

    /// Places of the `nth` and following occurrences of a text, for `nths`.
    fn places(text: &str, word: &str, nths: &[usize]) -> Vec<Span> {
        let all: Vec<usize> = text.match_indices(word).map(|(at, _)| at).collect();
        let place = |nth: &usize| all.get(*nth).copied().unwrap();
        let span = |at| Span::new(at, at + word.len());
        nths.iter().map(place).map(span).collect()
    }

    fn symbol(kind: NameKind, name: &str) -> Symbol {
        let name = name.to_owned();
        Symbol { kind, name }
    }

    #[test]
    fn declarations_and_uses_are_found() {
        let index = index(SPEC);
        let cases = [
            (NameKind::Surface, "feed", &[0, 1, 2][..]),
            (NameKind::Surface, "search", &[0, 1, 2]),
            (NameKind::Task, "ctr", &[0, 1]),
            (NameKind::Table, "pins", &[0, 1, 2]),
        ];
        for (kind, name, nths) in cases {
            let symbol = symbol(kind, name);
            let expected = places(SPEC, name, nths);
            assert_eq!(
                index.definition(&symbol),
                expected.first().copied(),
                "{name}"
            );
            assert_eq!(index.occurrences(&symbol), expected, "{name}");
        }
    }

    #[test]
    fn a_name_is_found_up_to_its_end() {
        let index = index(SPEC);
        let ctr = places(SPEC, "ctr", &[1]).first().copied().unwrap();
        let found = |offset| index.at(offset).map(|(span, _)| span);
        assert_eq!(found(ctr.start), Some(ctr));
        assert_eq!(found(ctr.end), Some(ctr));
        assert_eq!(found(ctr.end + 1), None);
        assert_eq!(found(ctr.start - 1), None);
    }

    #[test]
    fn blocks_know_what_they_hold() {
        let index = index(SPEC);
        let open = SPEC.find("{ table pins }").unwrap();
        let inside = index.inside(Span::new(open, open + "{ table pins }".len()));
        assert!(matches!(inside, Some(Inside::Settings(table)) if table.owner == "an `id`"));
    }

    #[test]
    fn a_variant_names_what_its_spec_declares() {
        let variant = "variant v {
            without pins
            tasks { without [good, nothing], ctr { weight 2 } }
            query { without age, id pin { rows 3, dim 2 } }
            item { id pin { rows 3, dim 2 } }
        }";
        let text = format!("{SPEC}{variant}");
        let source = Source::new("a", &*text);
        let file = syntax::parse(&source).file;
        let base = super::super::check(&source, &file, &|_| Err(String::new()));
        let variant = base.variants.first().unwrap();
        let over = &variant.statement.block.as_ref().unwrap().statements;
        let (statements, vain) = merge::overlay(&file.statements, over);
        let file = ast::File {
            statements,
            ..ast::File::default()
        };
        let mut index = base.index;
        index.add(
            super::super::check_variant(&source, &file, variant, &vain, &|_| Err(String::new()))
                .index,
        );
        let cases = [
            (NameKind::Table, "pins", &[0, 1, 2, 3][..]),
            (NameKind::Task, "good", &[0, 1]),
            (NameKind::Task, "ctr", &[0, 1, 2]),
            (NameKind::Feature(Tower::Query), "age", &[0, 1]),
        ];
        for (kind, name, nths) in cases {
            let found = index.occurrences(&symbol(kind, name));
            assert_eq!(found, places(&text, name, nths), "{name}");
        }
        let pin = index.occurrences(&symbol(NameKind::Feature(Tower::Query), "pin"));
        assert_eq!(pin.len(), 2);
        assert!(index.at(text.find("nothing").unwrap()).is_none());
    }

    #[test]
    fn an_unknown_name_is_no_occurrence() {
        let text = SPEC.replace("given ctr", "given cvr");
        let index = index(&text);
        assert!(index.at(text.find("cvr").unwrap()).is_none());
    }
}
