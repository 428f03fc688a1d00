//! Vocabularies that stand in a file: one value a line.

use std::collections::BTreeMap;

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::literals::Text;
use crate::sema::literals::number::MAX_SIZE;
use crate::sema::spec::Index;

/// The values of a file, in its order: whole numbers if all lines are, else strings. Blank lines count
/// for nothing.
pub(in crate::sema) fn read(context: &mut Context<'_>, path: &Text) -> Option<Index> {
    let (name, text) = match context.read_file(path) {
        Ok(found) => found,
        Err((name, reason)) => {
            context.report(
                Diagnostic::new(
                    Code::E0570,
                    format!("cannot read `{name}`"),
                    path.span,
                    reason,
                )
                .help("the path is relative to the file that names it"),
            );
            return None;
        }
    };
    let lines = lines(&text)
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty());
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut values: Vec<&str> = vec![];
    for (line, number) in lines {
        if let Some(first) = seen.insert(line, number) {
            let message = format!("`{name}` has a value twice");
            let label = format!("lines {first} and {number}: `{}`", line.escape_debug());
            context.report(
                Diagnostic::new(Code::E0309, message, path.span, label).help("remove one of them"),
            );
            return None;
        }
        values.push(line);
    }
    if values.is_empty() || values.len() as u64 >= MAX_SIZE {
        let message = format!("`{name}` holds no vocabulary");
        context.report(Diagnostic::new(
            Code::E0308,
            message,
            path.span,
            "expected one value a line",
        ));
        return None;
    }
    Some(Index::Lines {
        file: path.text.clone().into(),
        whole: values.iter().all(|line| is_whole(line)),
        lines: values
            .iter()
            .flat_map(|line| [*line, "\n"])
            .collect::<String>()
            .into(),
    })
}

/// Whether a line is a whole number as the data has it: `007` would be another value.
fn is_whole(line: &str) -> bool {
    line.parse::<i64>()
        .is_ok_and(|number| number.to_string() == line)
}

/// The lines of a file as the runtime reads them in the crate's copy, which has a line end after each: without the mark
/// that editors put before the first, and without the carriage returns before the ends, the last line's too.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim_start_matches('\u{feff}');
    text.lines().map(|line| line.trim_end_matches('\r'))
}
