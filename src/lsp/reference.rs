//! The language reference, as the book has it: what a hover says of a word is the row of a table
//! there. So the book and the editor cannot disagree, and a setting without a row fails a test.

use crate::sema::{self, AnySetting, Section, SettingsTable};
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
    /// The first cell: its syntax.
    code: String,
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

    /// The reference's text for a setting of a table.
    pub fn setting(&self, table: &SettingsTable, word: &str) -> Option<&str> {
        self.row(table, word).map(|row| row.text.as_str())
    }

    /// The row of a setting in the section of its table, or in that of another table with the same declaration: a
    /// shared table's `rows` is that of a feature's own.
    fn row(&self, table: &SettingsTable, word: &str) -> Option<&Row> {
        let setting = table.find(word)?;
        let mut others = sema::tables_of_settings().filter(|other| other.holds(setting));
        self.row_of(table, setting)
            .or_else(|| others.find_map(|other| self.row_of(other, setting)))
    }

    /// The row of a setting in a section: the one of its block, if that lists it; the one that has the same syntax as
    /// its form; else one that is about its word or contains it.
    fn row_of(&self, table: &SettingsTable, setting: &dyn AnySetting) -> Option<&Row> {
        let heading = heading(table.section);
        let block = block_of(table);
        let word = setting.name();
        let written = setting.written();
        let written = written.split('`').next().unwrap_or_default();
        let under = |row: &&Row| {
            let mut sections = row.sections.iter();
            sections.any(|section| section.starts_with(heading))
        };
        let within = |row: &&Row| row.words.iter().any(|other| other == word);
        let starts = |row: &&Row, with: &str| row.words.first().is_some_and(|first| first == with);
        let about = |row: &&Row| starts(row, word);
        let of_block = |row: &&Row| block.is_some_and(|block| starts(row, block)) && within(row);
        let of_other_block = |row: &&Row| blocks().any(|other| starts(row, other));
        let find = |holds: &dyn Fn(&&Row) -> bool| self.rows.iter().find(|row| holds(row));
        find(&|row| under(row) && of_block(row))
            .or_else(|| find(&|row| under(row) && about(row) && row.code.contains(written)))
            .or_else(|| find(&|row| under(row) && about(row)))
            .or_else(|| find(&|row| under(row) && within(row) && !of_other_block(row)))
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

/// The words of the settings that are blocks.
fn blocks() -> impl Iterator<Item = &'static str> {
    let settings = sema::tables_of_settings().flat_map(|table| table.settings);
    let blocks = settings.filter(|setting| setting.form().table().is_some());
    blocks.map(|setting| setting.name())
}

/// The word of the block whose settings a table has, if that block is a setting.
fn block_of(table: &SettingsTable) -> Option<&'static str> {
    let mut settings = sema::tables_of_settings().flat_map(|table| table.settings);
    let block = settings.find(|setting| setting.form().table() == Some(table));
    block.map(|setting| setting.name())
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
                code: cells.first().cloned().unwrap_or_default(),
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
    use super::{Reference, Row, Section};
    use crate::sema::{self, SettingsTable};

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
                    reference.setting(table, setting.name()).is_some(),
                    "`{}` of {} has no row in a table of book/src/language",
                    setting.name(),
                    table.owner
                );
            }
        }
    }

    /// The default that a row states for a setting of a table, without the commas of numbers and lists.
    fn stated(row: &Row, table: &SettingsTable, name: &str) -> Option<String> {
        let (_, cell) = row.text.split_once("*default")?;
        let (_, cell) = cell.split_once(":* ")?;
        let cell = cell.lines().next()?.trim();
        let mut own = row.words.iter().filter(|word| table.find(word).is_some());
        let part = match own.clone().count() {
            1 => cell,
            _ => cell.split(", ").nth(own.position(|word| word == name)?)?,
        };
        let part = part.strip_prefix(&format!("{name} ")).unwrap_or(part);
        Some(part.replace(['`', ','], ""))
    }

    fn same(stated: &str, default: &str) -> bool {
        match (stated.parse::<f64>(), default.parse::<f64>()) {
            (Ok(stated), Ok(default)) => stated.to_bits() == default.to_bits(),
            _ => stated == default,
        }
    }

    #[test]
    fn rows_state_the_declared_defaults() {
        let reference = Reference::get();
        let mut compared = 0;
        for table in sema::tables_of_settings() {
            for setting in table.settings {
                let name = setting.name();
                let of = format!("`{name}` of {}", table.owner);
                let row = reference.row(table, name).unwrap();
                let stated = stated(row, table, name);
                if let Some(default) = setting.default_text() {
                    let default = default.replace(',', "");
                    // A limit has no default, so its table has no such column.
                    let inline = row.text.replace(',', "").contains(&format!("({default})"));
                    assert!(
                        inline || stated.as_deref().is_some_and(|cell| same(cell, &default)),
                        "the default of {of} is {default}, its row in book/src/language says {stated:?}"
                    );
                    compared += 1;
                } else if let Some(stated) = stated {
                    let fixed = stated.parse::<f64>().is_ok() && setting.written().ends_with(" N")
                        || setting.form().words().contains(&stated.as_str());
                    assert!(
                        !fixed,
                        "{of} declares no default, its row in book/src/language says {stated}"
                    );
                }
            }
        }
        assert!(compared > 40, "{compared} defaults");
    }

    #[test]
    fn a_row_is_that_of_the_block() {
        let reference = Reference::get();
        let row = |owner: &str, word: &str| {
            let mut tables = sema::tables_of_settings();
            let table = tables.find(|table| table.owner == owner).unwrap();
            reference.row(table, word).unwrap().code.as_str()
        };
        assert_eq!(row("`dense`", "lr"), "`dense { lr X, weight_decay X }`");
        assert_eq!(
            row("`embeddings`", "weight_decay"),
            "`lr X`, `weight_decay X`"
        );
        assert!(row("`standardise`", "mean").starts_with("`standardise`"));
        assert_eq!(row("a `number`", "default"), "`default X`");
        assert_eq!(row("an `id`", "default"), "`default VALUE`");
    }

    #[test]
    fn a_row_is_that_of_the_owner() {
        let reference = Reference::get();
        let clips = |section| {
            let mut tables = sema::tables_of_settings().filter(|table| table.section == section);
            let has = |table: &&SettingsTable| table.find("clip").is_some();
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
