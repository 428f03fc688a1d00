//! Fixes of diagnostics, applied to the text.

use super::check::{Checked, check_files};
use super::load::Read;
use crate::diagnostics::{Applicability, Diagnostic, Edit, Levels};
use crate::source::Source;
use std::collections::BTreeMap;

/// A fix may make the next mistake visible; a spec needs few rounds.
const MAX_ROUNDS: usize = 20;

/// A spec after its fixes.
#[derive(Debug)]
pub struct Fixed {
    /// Texts of the files that changed, by name.
    pub texts: BTreeMap<String, String>,
    /// How many fixes were applied.
    pub applied: usize,
    /// The check of the mended spec.
    pub checked: Checked,
}

/// Applies fixes until none is left: those that a tool may apply without asking, and with `all`
/// the others too.
pub fn fix(root: &Source, read: &Read<'_>, levels: &Levels, all: bool) -> Fixed {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut applied = 0;
    let mut rounds = 0;
    loop {
        let name = root.name();
        let text = texts.get(name).map_or(root.text(), String::as_str);
        let source = Source::new(name, text);
        let current = |path: &str| match texts.get(path) {
            Some(text) => Ok(text.clone()),
            None => read(path),
        };
        let checked = check_files(source, &current, levels);
        let edits = choose(&checked.diagnostics, all);
        rounds += 1;
        if edits.is_empty() || rounds > MAX_ROUNDS {
            return Fixed {
                texts,
                applied,
                checked,
            };
        }
        applied += edits.len();
        for (file, text) in apply(&checked.source, &edits) {
            texts.insert(file, text);
        }
    }
}

/// The edits of the fixes that can be applied at once: no two touch. The first one wins.
fn choose(diagnostics: &[Diagnostic], all: bool) -> Vec<Vec<Edit>> {
    let mut chosen: Vec<Vec<Edit>> = vec![];
    for diagnostic in diagnostics {
        let Some(fix) = &diagnostic.fix else { continue };
        if !all && fix.applicability != Applicability::MachineApplicable {
            continue;
        }
        let touches = |edit: &Edit| {
            let mut taken = chosen.iter().flatten();
            taken.any(|old| edit.span.start <= old.span.end && old.span.start <= edit.span.end)
        };
        if !fix.edits.is_empty() && !fix.edits.iter().any(touches) {
            chosen.push(fix.edits.clone());
        }
    }
    chosen
}

/// The new texts of the files that the edits change.
fn apply(source: &Source, edits: &[Vec<Edit>]) -> Vec<(String, String)> {
    let mut edits: Vec<&Edit> = edits.iter().flatten().collect();
    edits.sort_by_key(|edit| edit.span);
    let mut files = vec![];
    for (name, place) in source.files() {
        let mut text = String::new();
        let mut done = place.start;
        let inside = |edit: &&&Edit| place.start <= edit.span.start && edit.span.end <= place.end;
        for edit in edits.iter().filter(inside) {
            text += source.slice(crate::source::Span::new(done, edit.span.start));
            text += &edit.replacement;
            done = edit.span.end;
        }
        text += source.slice(crate::source::Span::new(done, place.end));
        if text != source.slice(place) {
            files.push((name.to_owned(), text));
        }
    }
    files
}
