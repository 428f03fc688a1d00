//! A spec with the files that it uses, as one tree. Files are read by whoever calls: a function
//! from a path to a text is all that is known of the outside here.

use crate::diagnostics::{Code, Diagnostic};
pub use crate::source::Read;
use crate::source::{Source, Span, beside};
use crate::syntax::ast::{AtomKind, File, Statement};
use crate::syntax::{self, merge};
use std::collections::BTreeMap;

/// Files may use files that use files, but not deeper than this.
const MAX_DEPTH: usize = 32;

/// A spec whose files have all been read and parsed.
#[derive(Debug)]
pub struct Loaded {
    /// All files.
    pub source: Source,
    /// The statements of all files: those of `query`, `item` and `tasks` joined.
    pub file: File,
    /// Syntax errors, and files that could not be read.
    pub diagnostics: Vec<Diagnostic>,
    /// The trees of the files by themselves, by the first position of each.
    pub trees: BTreeMap<usize, File>,
}

/// Loads a spec: parses its root file, and every file that it uses, once.
pub fn load(root: Source, read: &Read<'_>) -> Loaded {
    let parsed = syntax::parse(&root);
    let name = root.name().to_owned();
    let mut loader = Loader {
        source: root,
        read,
        done: vec![],
        open: vec![name],
        parts: vec![],
        trees: BTreeMap::from([(0, parsed.file.clone())]),
        diagnostics: parsed.diagnostics,
    };
    loader.visit(&parsed.file);
    Loaded {
        trees: loader.trees,
        source: loader.source,
        file: merge::join(parsed.file, loader.parts),
        diagnostics: loader.diagnostics,
    }
}

/// For a source of one file: what it uses cannot be read.
pub(super) fn no_files(_: &str) -> Result<String, String> {
    Err("there are no other files here".to_owned())
}

struct Loader<'a> {
    source: Source,
    read: &'a Read<'a>,
    /// Paths that have been read.
    done: Vec<String>,
    /// Paths from the root to the file that is being visited.
    open: Vec<String>,
    parts: Vec<File>,
    trees: BTreeMap<usize, File>,
    diagnostics: Vec<Diagnostic>,
}

impl Loader<'_> {
    fn visit(&mut self, file: &File) {
        let mut first: BTreeMap<String, Span> = BTreeMap::new();
        for (text, span) in file.statements.iter().filter_map(used) {
            let from = self.open.last().map_or("", String::as_str);
            let path = beside(from, text);
            if let Some(first) = first.get(&path) {
                let message = format!("`use \"{text}\"` is given twice");
                self.diagnostics.push(
                    Diagnostic::new(Code::E0205, message, span, "used again here")
                        .label(*first, "first used here")
                        .help("remove one of them"),
                );
                continue;
            }
            first.insert(path.clone(), span);
            if let Some(start) = self.open.iter().position(|open| *open == path) {
                self.report_cycle(start, span);
            } else if self.open.len() >= MAX_DEPTH {
                self.diagnostics.push(Diagnostic::new(
                    Code::E0571,
                    format!("files use each other more than {MAX_DEPTH} deep"),
                    span,
                    "this is too deep",
                ));
            } else if !self.done.contains(&path) {
                self.done.push(path.clone());
                self.open_part(path, span);
            }
        }
    }

    fn open_part(&mut self, path: String, span: Span) {
        let text = match (self.read)(&path) {
            Ok(text) => text,
            Err(reason) => {
                let message = format!("cannot read `{path}`");
                self.diagnostics.push(
                    Diagnostic::new(Code::E0570, message, span, reason)
                        .help("the path is relative to the file that uses it"),
                );
                return;
            }
        };
        let place = self.source.add(&*path, &text);
        let parsed = syntax::parse_part(&self.source, place);
        self.diagnostics.extend(parsed.diagnostics);
        self.open.push(path);
        self.visit(&parsed.file);
        self.open.pop();
        self.trees.insert(place.start, parsed.file.clone());
        self.parts.push(parsed.file);
    }

    fn report_cycle(&mut self, start: usize, span: Span) {
        let steps = self.open.iter().skip(start);
        let first = self.open.get(start);
        let steps: Vec<String> = steps.chain(first).map(|path| format!("`{path}`")).collect();
        let message = match steps.len() {
            2 => "this file uses itself".to_owned(),
            _ => "these files use each other in a cycle".to_owned(),
        };
        self.diagnostics.push(
            Diagnostic::new(Code::E0571, message, span, "closes the cycle")
                .note(steps.join(" uses "))
                .help("remove this `use`: what one file of a spec declares, all of them know"),
        );
    }
}

/// Path and place of a sound `use`; sema complains of others.
fn used(statement: &Statement) -> Option<(&str, Span)> {
    match (&*statement.word.text, &*statement.atoms, &statement.block) {
        ("use", [atom], None) => match &atom.kind {
            AtomKind::Text(path) if !path.is_empty() => Some((path, atom.span)),
            _ => None,
        },
        _ => None,
    }
}
