//! The texts that the editor has open, and what each means.

use super::analysis::{Analysis, View};
use super::place;
use super::uri;
use crate::diagnostics::Edit;
use crate::driver::load::Read;
use crate::sema::Symbol;
use crate::source::{Source, Span};
use gen_lsp_types::{
    Location, OptionalVersionedTextDocumentIdentifier, TextDocumentContentChangeEvent,
    TextDocumentEdit, TextDocumentIdentifier, TextEdit, Uri, WorkspaceEdit,
};
use std::collections::BTreeMap;
use std::rc::Rc;

/// An open text.
struct Document {
    /// The editor's own name for it.
    uri: String,
    version: i32,
    text: String,
    /// Of the text as it is and of the files that it uses as they were read; `None` if any of them
    /// may have changed.
    analysis: Option<Rc<Analysis>>,
    /// The last analysis: its model is shown for as long as a new one has errors.
    before: Option<Rc<Analysis>>,
}

/// All open texts, by path.
pub(super) struct Documents {
    open: BTreeMap<String, Document>,
    /// Whether the editor takes edits that say which version of a text they are of.
    versioned: bool,
}

impl Documents {
    pub fn new(versioned: bool) -> Self {
        Self {
            open: BTreeMap::new(),
            versioned,
        }
    }

    pub fn open(&mut self, uri: &str, version: i32, text: String) {
        let document = Document {
            uri: uri.to_owned(),
            version,
            text,
            analysis: None,
            before: None,
        };
        self.open.insert(uri::to_path(uri), document);
        self.forget();
    }

    pub fn close(&mut self, uri: &str) {
        self.open.remove(&uri::to_path(uri));
        self.forget();
    }

    /// Applies the editor's changes, one after the other.
    pub fn change(
        &mut self,
        uri: &str,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
    ) {
        let path = uri::to_path(uri);
        let Some(document) = self.open.get_mut(&path) else {
            return;
        };
        document.version = version;
        for change in changes {
            match change {
                TextDocumentContentChangeEvent::TextDocumentContentChangePartial(part) => {
                    let start = place::offset_in(&document.text, part.range.start);
                    let end = place::offset_in(&document.text, part.range.end);
                    document
                        .text
                        .replace_range(start..end.max(start), &part.text);
                }
                TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole) => {
                    document.text = whole.text;
                }
            }
        }
        for document in self.open.values_mut() {
            let depends = |analysis: &Rc<Analysis>| analysis.depends_on(&path);
            if document.analysis.as_ref().is_some_and(depends) {
                document.stale();
            }
        }
    }

    /// What is known of files that are not open may no longer be so.
    pub fn forget(&mut self) {
        for document in self.open.values_mut() {
            document.stale();
        }
    }

    /// The analyses of all open texts, by path.
    pub fn analyses(&mut self, read: &Read<'_>) -> Vec<Rc<Analysis>> {
        let paths: Vec<String> = self.open.keys().cloned().collect();
        let analyses = paths.iter().filter_map(|path| self.analysis(path, read));
        analyses.collect()
    }

    /// The open specs in which a name of a view means the same declaration; parts by themselves
    /// only if no spec that uses them is open.
    pub fn naming(&mut self, view: &View, symbol: &Symbol, read: &Read<'_>) -> Vec<Rc<Analysis>> {
        let declared = view.spec.declared(symbol);
        let mut specs = self.analyses(read);
        specs.retain(|spec| declared.is_some() && spec.declared(symbol) == declared);
        if specs.iter().any(|spec| !spec.part) {
            specs.retain(|spec| !spec.part);
        }
        specs
    }

    /// What is known of an open text: as a part of a spec that uses it, if one is open.
    pub fn view(&mut self, uri: &str, read: &Read<'_>) -> Option<View> {
        let path = uri::to_path(uri);
        let own = self.analysis(&path, read)?;
        let user = match own.part {
            true => self
                .analyses(read)
                .into_iter()
                .find(|other| !other.part && other.file(&path).is_some()),
            false => None,
        };
        View::new(user.unwrap_or(own), &path)
    }

    /// The editor's name of a file.
    pub fn uri(&self, path: &str) -> String {
        match self.open.get(path) {
            Some(document) => document.uri.clone(),
            None => uri::from_path(path),
        }
    }

    /// The version of a file that is open.
    pub fn version(&self, uri: &str) -> Option<i32> {
        let document = self.open.get(&uri::to_path(uri))?;
        Some(document.version)
    }

    /// A place of a spec, in the file that it lies in.
    pub fn location(&self, source: &Source, span: Span) -> Location {
        let (path, _) = source.file(span.start);
        Location {
            uri: Uri(self.uri(path)),
            range: place::range(source, span),
        }
    }

    /// Replacements of text in the files of specs; those that several specs ask for are one.
    pub fn edit<'s>(&self, edits: impl Iterator<Item = (&'s Source, &'s Edit)>) -> WorkspaceEdit {
        let mut changes: BTreeMap<String, Vec<TextEdit>> = BTreeMap::new();
        for (source, edit) in edits {
            let Location { uri, range } = self.location(source, edit.span);
            let edits = changes.entry(uri.0).or_default();
            let new_text = edit.replacement.clone();
            let edit = TextEdit { range, new_text };
            if !edits.contains(&edit) {
                edits.push(edit);
            }
        }
        if !self.versioned {
            let changes = changes.into_iter().map(|(uri, edits)| (Uri(uri), edits));
            return WorkspaceEdit {
                changes: Some(changes.collect()),
                ..WorkspaceEdit::default()
            };
        }
        let versioned = changes
            .into_iter()
            .map(|(uri, edits)| self.versioned_edit(uri, edits).into());
        WorkspaceEdit {
            document_changes: Some(versioned.collect()),
            ..WorkspaceEdit::default()
        }
    }

    /// Edits of one text; the editor refuses them if it has gone on from that version.
    fn versioned_edit(&self, uri: String, edits: Vec<TextEdit>) -> TextDocumentEdit {
        TextDocumentEdit {
            text_document: OptionalVersionedTextDocumentIdentifier {
                version: self.version(&uri),
                text_document_identifier: TextDocumentIdentifier { uri: Uri(uri) },
            },
            edits: edits.into_iter().map(Into::into).collect(),
        }
    }

    /// The text of a file: what is open comes before what `read` finds.
    pub fn read(&self, path: &str, read: &Read<'_>) -> Result<String, String> {
        match self.open.get(path) {
            Some(document) => Ok(document.text.clone()),
            None => read(path),
        }
    }

    fn analysis(&mut self, path: &str, read: &Read<'_>) -> Option<Rc<Analysis>> {
        let document = self.open.get(path)?;
        if let Some(analysis) = &document.analysis {
            return Some(Rc::clone(analysis));
        }
        let text = document.text.clone();
        let before = document.before.as_deref();
        let files = |path: &str| self.read(path, read);
        let analysis = Rc::new(Analysis::new(path, text, &files, before));
        if let Some(document) = self.open.get_mut(path) {
            document.analysis = Some(Rc::clone(&analysis));
        }
        Some(analysis)
    }
}

impl Document {
    fn stale(&mut self) {
        if let Some(analysis) = self.analysis.take() {
            self.before = Some(analysis);
        }
    }
}
