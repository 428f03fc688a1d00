//! The formatter's layout, as the smallest run of lines that changes.

use super::analysis::View;
use super::place;
use crate::source::Source;
use crate::syntax;
use gen_lsp_types::{Position, Range, TextEdit};

/// The edit that formats the file; `None` if a syntax error keeps it from being read.
pub(super) fn format(view: &View) -> Option<Vec<TextEdit>> {
    let text = view.spec.source.slice(view.file);
    let formatted = syntax::format(&Source::new("", text)).ok()?;
    Some(edit(text, &formatted).into_iter().collect())
}

/// The replacement of the lines that differ; `None` if none do.
fn edit(old: &str, new: &str) -> Option<TextEdit> {
    if old == new {
        return None;
    }
    let (before, after): (Vec<&str>, Vec<&str>) =
        (place::lines(old).collect(), place::lines(new).collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let first = same(&mut before.iter().zip(&after));
    let most = before.len().min(after.len()) - first;
    let last = same(&mut before.iter().rev().zip(after.iter().rev())).min(most);
    let kept = |lines: &[&str]| lines.get(first..lines.len() - last).map(<[&str]>::concat);
    let line = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
    let start = Position {
        line: line(first),
        character: 0,
    };
    let end = match before.get(before.len() - last..) {
        // To the end of a last line that has none.
        Some([]) => end_of(old),
        _ => Position {
            line: line(before.len() - last),
            character: 0,
        },
    };
    Some(TextEdit {
        range: Range { start, end },
        new_text: kept(&after).unwrap_or_default(),
    })
}

fn end_of(text: &str) -> Position {
    let (ended, open): (Vec<&str>, Vec<&str>) =
        place::lines(text).partition(|line| line.ends_with(['\n', '\r']));
    Position {
        line: u32::try_from(ended.len()).unwrap_or(u32::MAX),
        character: open.last().map_or(0, |last| place::width(last)),
    }
}

#[cfg(test)]
mod tests {
    use super::{edit, place};

    #[test]
    fn an_edit_makes_one_text_of_the_other() {
        let texts = [
            "",
            "a",
            "a\n",
            "a\nb\n",
            "a\nc\nb\n",
            "b\n",
            "a\nb",
            "a\na\na\n",
            "a\na\n",
            "𝄞",
            "a\r",
            "a\rb\r\n",
            "a\r\rb",
            "\nb",
        ];
        for old in texts {
            for new in texts {
                let Some(edit) = edit(old, new) else {
                    assert_eq!(old, new);
                    continue;
                };
                let [start, end] =
                    [edit.range.start, edit.range.end].map(|at| place::offset_in(old, at));
                let mut text = old.to_owned();
                text.replace_range(start..end, &edit.new_text);
                assert_eq!(text, new, "from {old:?}");
            }
        }
    }

    #[test]
    fn only_lines_that_differ_are_touched() {
        let edit = edit("a\n b\nc\n", "a\nb\nc\n").unwrap();
        assert_eq!((edit.range.start.line, edit.range.end.line), (1, 2));
        assert_eq!(edit.new_text, "b\n");
    }
}
