//! What every word of a file is, for colours.

use super::analysis::View;
use super::place;
use crate::sema::NameKind;
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Statement};
use gen_lsp_types::{
    Full, SemanticToken, SemanticTokens, SemanticTokensLegend, SemanticTokensOptions,
    SemanticTokensProvider,
};

/// The types of the legend, each at the place of its number.
const TYPES: [&str; 10] = [
    "keyword",
    "namespace",
    "enumMember",
    "function",
    "type",
    "property",
    "string",
    "number",
    "operator",
    "comment",
];

#[derive(Debug, Clone, Copy)]
enum Type {
    Keyword = 0,
    Model = 1,
    Domain = 2,
    Task = 3,
    Table = 4,
    Feature = 5,
    Text = 6,
    Number = 7,
    Operator = 8,
    Comment = 9,
}

const MODIFIERS: [&str; 2] = ["declaration", "documentation"];
const DECLARATION: u32 = 1;
const DOCUMENTATION: u32 = 2;

pub(super) fn provider() -> SemanticTokensProvider {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    SemanticTokensProvider::SemanticTokensOptions(SemanticTokensOptions {
        legend: SemanticTokensLegend {
            token_types: owned(&TYPES),
            token_modifiers: owned(&MODIFIERS),
        },
        range: None,
        full: Some(Full::Bool(true)),
        work_done_progress_options: Default::default(),
    })
}

/// The tokens of a file.
pub(super) fn tokens(view: &View) -> SemanticTokens {
    let mut collected = Collector {
        view,
        tokens: Vec::new(),
    };
    for comment in view.comments() {
        let modifiers = if comment.doc { DOCUMENTATION } else { 0 };
        collected
            .tokens
            .push((comment.span, Type::Comment, modifiers));
    }
    collected.statements(view.statements());
    collected.tokens.sort_by_key(|(span, ..)| *span);
    SemanticTokens {
        result_id: None,
        data: relative(view, &collected.tokens),
    }
}

struct Collector<'v> {
    view: &'v View,
    tokens: Vec<(Span, Type, u32)>,
}

impl Collector<'_> {
    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.word(statement.word.span);
            self.atoms(&statement.atoms);
            if let Some(block) = &statement.block {
                self.statements(&block.statements);
            }
        }
    }

    fn atoms(&mut self, atoms: &[Atom]) {
        for atom in atoms {
            match &atom.kind {
                AtomKind::Word(_) => self.word(atom.span),
                AtomKind::Number(_) => self.tokens.push((atom.span, Type::Number, 0)),
                AtomKind::Text(_) => self.tokens.push((atom.span, Type::Text, 0)),
                AtomKind::List(items) => self.atoms(items),
                AtomKind::Equals | AtomKind::And | AtomKind::Range => {
                    self.tokens.push((atom.span, Type::Operator, 0));
                }
            }
        }
    }

    /// A word is a name of the spec if sema resolved it, and else one of the language.
    fn word(&mut self, span: Span) {
        let index = &self.view.spec.index;
        let token = match index.at(span.start).filter(|(place, _)| *place == span) {
            Some((_, symbol)) => {
                let declares = index.definition(symbol) == Some(span);
                let modifiers = if declares { DECLARATION } else { 0 };
                (span, type_of(symbol.kind), modifiers)
            }
            None => (span, Type::Keyword, 0),
        };
        self.tokens.push(token);
    }
}

fn type_of(kind: NameKind) -> Type {
    match kind {
        NameKind::Model | NameKind::Variant => Type::Model,
        NameKind::Surface | NameKind::Product => Type::Domain,
        NameKind::Task => Type::Task,
        NameKind::Table => Type::Table,
        NameKind::Feature(_) => Type::Feature,
    }
}

/// The protocol's form: every token by its distance from the one before. A token lies on one line.
fn relative(view: &View, tokens: &[(Span, Type, u32)]) -> Vec<SemanticToken> {
    let source = &view.spec.source;
    let (mut line, mut start) = (0, 0);
    let mut data = Vec::with_capacity(tokens.len());
    for (span, kind, modifiers) in tokens.iter().flat_map(|token| on_lines(view, token)) {
        let position = place::position(source, span.start);
        if position.line != line {
            start = 0;
        }
        data.push(SemanticToken {
            delta_line: position.line.saturating_sub(line),
            delta_start: position.character.saturating_sub(start),
            length: place::width(source.slice(span).trim_end()),
            token_type: kind as u32,
            token_modifiers_bitset: modifiers,
        });
        (line, start) = (position.line, position.character);
    }
    data
}

/// A token, cut where the editor's lines end: a comment may hold a `\r`.
fn on_lines(view: &View, token: &(Span, Type, u32)) -> Vec<(Span, Type, u32)> {
    let (span, kind, modifiers) = *token;
    let mut start = span.start;
    let mut pieces = Vec::new();
    for line in place::lines(view.spec.source.slice(span)) {
        let end = start + line.len();
        pieces.push((Span::new(start, end), kind, modifiers));
        start = end;
    }
    pieces
}
