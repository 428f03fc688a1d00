//! The language reference, as the book has it: what a hover says of a word is the row of a table
//! there. So the book and the editor cannot disagree, and a setting without a row fails a test.

use crate::sema::{Section, SettingsTable};
use std::sync::LazyLock;

/// Pages of the reference.
const PAGES: [&str; 7] = [
    include_str!("../../book/src/language.md"),
    include_str!("../../book/src/language/domains.md"),
    include_str!("../../book/src/language/tasks.md"),
    include_str!("../../book/src/language/inputs.md"),
    include_str!("../../book/src/language/architecture.md"),
    include_str!("../../book/src/language/running.md"),
    include_str!("../../book/src/language/reuse.md"),
];

/// A row of a table whose first cell is code.
#[derive(Debug)]
struct Row {
    /// Headings that the table stands under.
    sections: Vec<String>,
    /// The words of the first cell, each once; the first is what the row is about.
    words: Vec<String>,
    /// The row, for people.
    text: String,
}

/// The rows of all pages.
#[derive(Debug)]
pub(super) struct Reference {
    rows: Vec<Row>,
}

/// The reference, parsed once.
static REFERENCE: LazyLock<Reference> = LazyLock::new(|| Reference {
    rows: PAGES.iter().flat_map(|page| read_page(page)).collect(),
});

impl Reference {
    /// The reference.
    pub fn get() -> &'static Self {
        &REFERENCE
    }

    /// The row of a setting of a table.
    pub fn setting(&self, table: &SettingsTable, word: &str) -> Option<&str> {
        let heading = heading(table.section);
        let under = |row: &&Row| {
            let mut sections = row.sections.iter();
            sections.any(|section| section.starts_with(heading))
        };
        let about = |row: &&Row| row.words.first().is_some_and(|first| first == word);
        let within = |row: &&Row| row.words.iter().any(|other| other == word);
        let mut rows = self.rows.iter();
        let exact = rows.find(|row| under(row) && about(row));
        exact
            .or_else(|| self.rows.iter().find(|row| under(row) && within(row)))
            .or_else(|| self.rows.iter().find(about))
            .map(|row| row.text.as_str())
    }

    /// What the reference says of a statement of the file.
    pub fn statement(&self, word: &str) -> Option<&str> {
        let declares = |row: &&Row| {
            let mut sections = row.sections.iter();
            sections.any(|section| section.starts_with("declarations"))
        };
        let about = |row: &&Row| row.words.iter().any(|other| other == word);
        let mut rows = self.rows.iter();
        rows.find(|row| declares(row) && about(row))
            .map(|row| row.text.as_str())
    }
}

/// How the headings of a section start.
fn heading(section: Section) -> &'static str {
    match section {
        Section::Tasks => "tasks",
        Section::Tables => "tables",
        Section::Features => "features",
        Section::Architecture => "architecture",
        Section::Split => "split",
        Section::Rows => "rows",
        Section::Evaluation => "evaluation",
        Section::Training => "training",
        Section::Budget => "budget",
    }
}

fn read_page(page: &str) -> Vec<Row> {
    let mut sections: Vec<(usize, String)> = Vec::new();
    let mut header: Option<Vec<String>> = None;
    let mut rows = Vec::new();
    for line in page.lines() {
        let level = line
            .chars()
            .take_while(|character| *character == '#')
            .count();
        if level > 0 {
            sections.retain(|(above, _)| *above < level);
            sections.push((level, line.trim_start_matches('#').trim().to_lowercase()));
        }
        if !line.starts_with('|') {
            header = None;
            continue;
        }
        let cells = cells(line);
        let Some(titles) = &header else {
            header = Some(cells);
            continue;
        };
        let words = cells
            .first()
            .map(|cell| code_words(cell))
            .unwrap_or_default();
        if !words.is_empty() {
            rows.push(Row {
                sections: sections.iter().map(|(_, name)| name.clone()).collect(),
                words,
                text: describe(titles, &cells),
            });
        }
    }
    rows
}

/// The cells of a row of a table; `\|` is part of a cell.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().replace("\\|", "\u{0}");
    let line = line.strip_prefix('|').unwrap_or(&line);
    let line = line.strip_suffix('|').unwrap_or(line);
    line.split('|')
        .map(|cell| cell.trim().replace('\u{0}', "|"))
        .collect()
}

/// The words within backticks, without those in capitals, which stand for something.
fn code_words(cell: &str) -> Vec<String> {
    let code = cell.split('`').skip(1).step_by(2);
    let words = code.flat_map(|code| code.split(|c: char| !c.is_ascii_lowercase() && c != '_'));
    let mut found: Vec<String> = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !found.iter().any(|other| other == word) {
            found.push(word.to_owned());
        }
    }
    found
}

/// A row as a paragraph: its code, what it does, then its other columns by their titles.
fn describe(titles: &[String], cells: &[String]) -> String {
    let mut named = Vec::new();
    let mut text = cells.first().cloned().unwrap_or_default();
    for (title, cell) in titles.iter().zip(cells).skip(1) {
        if cell.is_empty() {
            continue;
        }
        if title.is_empty() {
            text.push_str(&format!(": {cell}"));
        } else {
            named.push(format!("*{title}:* {cell}"));
        }
    }
    if !named.is_empty() {
        text.push_str("\n\n");
        text.push_str(&named.join("  \n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Reference, Section};
    use crate::sema;

    #[test]
    fn every_setting_and_statement_has_its_row() {
        let reference = Reference::get();
        for (word, _) in sema::statements() {
            assert!(
                reference.statement(word).is_some(),
                "`{word}` has no row in the declarations of book/src/language"
            );
        }
        for table in sema::tables_of_settings() {
            for setting in table.settings {
                assert!(
                    reference.setting(table, setting.name).is_some(),
                    "`{}` of {} has no row in a table of book/src/language",
                    setting.name,
                    table.owner
                );
            }
        }
    }

    #[test]
    fn a_row_is_that_of_the_owner() {
        let reference = Reference::get();
        let clips = |section| {
            let mut tables = sema::tables_of_settings().filter(|table| table.section == section);
            let has = |table: &&sema::SettingsTable| {
                table.settings.iter().any(|setting| setting.name == "clip")
            };
            reference
                .setting(tables.find(has).unwrap(), "clip")
                .unwrap()
        };
        let clip = clips(Section::Training);
        assert!(clip.contains("gradients"), "{clip}");
        let clip = clips(Section::Features);
        assert!(clip.contains("LO"), "{clip}");
    }

    #[test]
    fn a_row_reads_as_a_paragraph() {
        let page =
            "## Tasks\n\n| setting | default | |\n|---|---|---|\n| `a N \\| b` | 1 | size |\n";
        let rows = super::read_page(page);
        let row = rows.first().unwrap();
        assert_eq!(row.words, ["a", "b"]);
        assert_eq!(row.text, "`a N | b`: size\n\n*default:* 1");
    }
}
