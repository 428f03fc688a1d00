//! What a text means: diagnostics, names and, once it is sound, the model.

use super::place;
use crate::diagnostics::{Diagnostic, Levels};
use crate::driver::check::{CheckedVariant, check_files};
use crate::driver::load::Read;
use crate::graph::{self, Graph};
use crate::sema::spec::{Spec, Tower};
use crate::sema::{Inside, Symbol, SymbolIndex};
use crate::source::{Source, Span};
use crate::syntax::ast::{Comment, File, Statement};
use gen_lsp_types::{Position, Range};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A spec with all its files, checked.
pub(super) struct Analysis {
    /// The texts of its files; each is called by its path.
    pub source: Source,
    pub diagnostics: Vec<Diagnostic>,
    pub index: SymbolIndex,
    /// Whether the file is a part that other specs use.
    pub part: bool,
    /// The model: of a text with errors, the last one that was sound.
    model: Option<Rc<Model>>,
    /// Whether the model is that of this text.
    sound: bool,
    variants: Vec<CheckedVariant>,
    trees: BTreeMap<usize, File>,
    /// The paths of all files that were asked for: parts and vocabularies, read or not.
    asked: BTreeSet<String>,
}

/// A model, whose graph is built once somebody asks for a size.
struct Model {
    spec: Spec,
    graph: OnceCell<Graph>,
}

impl Analysis {
    pub fn new(path: &str, text: String, read: &Read<'_>, before: Option<&Self>) -> Self {
        let asked = RefCell::new(BTreeSet::new());
        let reading = |path: &str| {
            asked.borrow_mut().insert(path.to_owned());
            read(path)
        };
        let checked = check_files(Source::new(path, text), &reading, &Levels::default());
        let sound = checked.spec.is_some();
        let model = match checked.spec {
            Some(spec) => Some(Rc::new(Model {
                spec,
                graph: checked.graph.map_or_else(OnceCell::new, OnceCell::from),
            })),
            None => before.and_then(|before| before.model.clone()),
        };
        Self {
            source: checked.source,
            diagnostics: checked.diagnostics,
            index: checked.index,
            part: checked.part,
            model,
            sound,
            variants: checked.variants,
            trees: checked.trees,
            asked: asked.into_inner(),
        }
    }

    /// The checked spec; `None` if it has an error.
    pub fn checked(&self) -> Option<&Spec> {
        let model = self.model.as_ref().filter(|_| self.sound)?;
        Some(&model.spec)
    }

    /// The variants, in the order of their declarations.
    pub fn variants(&self) -> &[CheckedVariant] {
        &self.variants
    }

    /// Whether what stands in a file may matter here.
    pub fn depends_on(&self, path: &str) -> bool {
        self.source.name() == path || self.asked.contains(path)
    }

    /// Whether a file is read for its values: it is no part of the spec.
    pub fn has_vocabulary(&self, path: &str) -> bool {
        self.asked.contains(path) && self.file(path).is_none()
    }

    /// The graph of the model.
    pub fn graph(&self) -> Option<&Graph> {
        let model = self.model.as_ref()?;
        Some(model.graph.get_or_init(|| graph::build(&model.spec)))
    }

    /// The tree of the file that lies at a place.
    pub fn tree(&self, file: Span) -> Option<&File> {
        self.trees.get(&file.start)
    }

    /// The file in which a symbol is declared, and the place in it.
    pub fn declared(&self, symbol: &Symbol) -> Option<(&str, usize)> {
        let definition = self.index.definition(symbol)?;
        let (path, file) = self.source.file(definition.start);
        Some((path, definition.start - file.start))
    }

    /// The place of a file of the spec.
    pub fn file(&self, path: &str) -> Option<Span> {
        let mut files = self.source.files();
        files.find(|(name, _)| *name == path).map(|(_, span)| span)
    }
}

/// One file of a spec, as a request asks about it. Places are those of the spec's source.
pub(super) struct View {
    pub spec: Rc<Analysis>,
    /// The file's place.
    pub file: Span,
}

impl View {
    pub fn new(spec: Rc<Analysis>, path: &str) -> Option<Self> {
        let file = spec.file(path)?;
        spec.tree(file).is_some().then_some(Self { spec, file })
    }

    /// The file's own statements.
    pub fn statements(&self) -> &[Statement] {
        self.tree().map_or(&[], |tree| &tree.statements)
    }

    /// The file's comments.
    pub fn comments(&self) -> &[Comment] {
        self.tree().map_or(&[], |tree| &tree.comments)
    }

    fn tree(&self) -> Option<&File> {
        self.spec.tree(self.file)
    }

    pub fn offset(&self, position: Position) -> usize {
        place::offset(&self.spec.source, self.file, position)
    }

    pub fn range(&self, span: Span) -> Range {
        place::range(&self.spec.source, span)
    }

    /// The name at an offset of this file.
    pub fn symbol(&self, offset: usize) -> Option<(Span, &Symbol)> {
        let (span, symbol) = self.spec.index.at(offset)?;
        self.holds(span).then_some((span, symbol))
    }

    /// Whether a place lies in this file.
    pub fn holds(&self, span: Span) -> bool {
        self.file.start <= span.start && span.end <= self.file.end
    }

    /// What the block of a statement holds.
    pub fn inside(&self, statement: &Statement) -> Option<Inside> {
        let block = statement.block.as_ref()?;
        let known = self.spec.index.inside(block.span);
        // Blocks of several files that are one are known by the place of the first.
        known.or(match statement.word.text.as_str() {
            "surfaces" => Some(Inside::Domains(Tower::Query)),
            "products" => Some(Inside::Domains(Tower::Item)),
            "tasks" => Some(Inside::Tasks),
            "query" => Some(Inside::Features(Tower::Query)),
            "item" => Some(Inside::Features(Tower::Item)),
            _ => None,
        })
    }
}
