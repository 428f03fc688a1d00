//! Lines in columns: first words, what follows them, and blocks stand below each other, from one
//! blank line or longer statement to the next.

/// What is longer than this between the first word and the block is left out of the columns, so
/// that one long line does not stretch all others.
const LONGEST: usize = 48;

/// A line, or a statement over several.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// Whether a blank line stands before it.
    pub blank: bool,
    /// First word; empty for what is not aligned.
    pub word: String,
    /// The rest of the head.
    pub rest: String,
    pub block: Option<String>,
    /// Text that stands as it is.
    pub whole: Option<String>,
    /// Whether it is a comment on its own line.
    pub is_comment: bool,
    /// Comment at the end of the line.
    pub comment: Option<String>,
}

impl Line {
    pub fn whole(text: String) -> Self {
        Self {
            whole: Some(text),
            ..Self::default()
        }
    }

    pub fn comment(text: String) -> Self {
        Self {
            is_comment: true,
            ..Self::whole(text)
        }
    }

    /// Width without alignment.
    pub fn width(&self) -> usize {
        let rest = if self.rest.is_empty() {
            0
        } else {
            width(&self.rest) + 1
        };
        let block = self.block.as_ref().map_or(0, |block| width(block) + 1);
        width(&self.word) + rest + block
    }

    fn stands_alone(&self) -> bool {
        self.rest.is_empty() && self.block.is_none()
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Writes lines, indented and aligned.
pub(super) fn write(output: &mut String, lines: &[Line], indent: usize) {
    let mut start = 0;
    while start < lines.len() {
        let rest = lines.get(start..).unwrap_or_default();
        let end = start + group(rest);
        let lines = lines.get(start..end).unwrap_or_default();
        write_group(output, lines, indent);
        start = end;
    }
}

/// How many lines from the first one on are aligned with it.
fn group(lines: &[Line]) -> usize {
    let joins = |line: &&Line| !line.blank && (line.is_comment || line.whole.is_none());
    match lines.split_first() {
        Some((first, rest)) if first.is_comment || first.whole.is_none() => {
            1 + rest.iter().take_while(joins).count()
        }
        _ => 1,
    }
}

fn write_group(output: &mut String, lines: &[Line], indent: usize) {
    let aligned = lines.iter().filter(|line| line.whole.is_none());
    let words = aligned.clone().filter(|line| !line.stands_alone());
    let word_width = words.map(|line| width(&line.word)).max().unwrap_or(0);
    let blocks = aligned.filter(|line| line.block.is_some());
    let rests = blocks.map(|line| width(&line.rest));
    let rest_width = rests.filter(|width| *width <= LONGEST).max().unwrap_or(0);
    for line in lines {
        if line.blank {
            output.push('\n');
        }
        let text = match &line.whole {
            Some(text) => text.clone(),
            None => columns(line, word_width, rest_width),
        };
        *output += &format!("{:indent$}{text}", "");
        if let Some(comment) = &line.comment {
            *output += &format!(" {comment}");
        }
        output.push('\n');
    }
}

fn columns(line: &Line, word_width: usize, rest_width: usize) -> String {
    let Line { word, rest, .. } = line;
    match &line.block {
        _ if line.stands_alone() => word.clone(),
        None => format!("{word:word_width$} {rest}"),
        Some(block) if rest_width == 0 => format!("{word:word_width$} {block}"),
        Some(block) => format!("{word:word_width$} {rest:rest_width$} {block}"),
    }
}
