//! Doc comments of a spec as Rust doc comments.

/// Longest line of a doc comment, without what stands before it.
const WIDTH: usize = 92;

/// The lines of a doc comment, wrapped; paragraphs stay apart. What rustdoc would take for a link,
/// a tag or a list is escaped, since a spec's docs are plain text with `code` in backticks.
pub(super) fn lines(text: &str) -> Vec<String> {
    let mut lines = vec![];
    let mut paragraphs: Vec<Vec<&str>> = vec![vec![]];
    for line in text.lines() {
        match paragraphs.last_mut() {
            Some(words) if !line.trim().is_empty() => words.extend(line.split_whitespace()),
            Some(words) if words.is_empty() => {}
            _ => paragraphs.push(vec![]),
        }
    }
    for words in paragraphs.iter().filter(|words| !words.is_empty()) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(wrap(words));
    }
    lines
}

fn wrap(words: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    let mut code = false;
    for word in words {
        let word = escape(word, &mut code);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(start(word)),
        }
    }
    lines
}

/// The first word of a line, which must not begin a list, heading or quotation.
fn start(word: String) -> String {
    let marker = word.trim_end_matches(['.', ')']);
    let is_number = marker.len() < word.len() && marker.chars().all(|c| c.is_ascii_digit());
    if is_number {
        let end = word.get(marker.len()..).unwrap_or_default();
        return format!("{marker}\\{end}");
    }
    if word.starts_with(['-', '+', '*', '#', '>', '=', '|', '~']) {
        return format!("\\{word}");
    }
    word
}

fn escape(word: &str, code: &mut bool) -> String {
    if !*code && (word.starts_with("http://") || word.starts_with("https://")) {
        let url = word.trim_end_matches(['.', ',', ';', ':', ')', '>', '"']);
        let rest = word.get(url.len()..).unwrap_or_default();
        return format!("<{url}>{rest}");
    }
    let mut text = String::new();
    for c in word.chars() {
        match c {
            '`' => *code = !*code,
            '[' | ']' | '<' | '>' | '\\' if !*code => text.push('\\'),
            _ => {}
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn paragraphs_are_wrapped() {
        let text = format!("{}\n\n\nsecond\nparagraph", "word ".repeat(30));
        let lines = lines(&text);
        assert_eq!(lines.len(), 4);
        assert!(lines[0].len() <= 92 && lines[2].is_empty() && lines[3] == "second paragraph");
    }

    #[test]
    fn plain_text_stays_plain() {
        for (text, expected) in [
            ("scaled to [0, 1]", "scaled to \\[0, 1\\]"),
            ("a `Vec<[u8]>` of <b>", "a `Vec<[u8]>` of \\<b\\>"),
            ("- no list", "\\- no list"),
            ("2. no list", "2\\. no list"),
            ("see https://example.org/x.", "see <https://example.org/x>."),
            ("", ""),
        ] {
            assert_eq!(lines(text).join("\n"), expected);
        }
    }
}
