//! The tables of the language reference: a comment in a page marks the place of each, and it is made from the declarations
//! in `mtmdc::sema`.
//!
//! | comment | table |
//! |---|---|
//! | `<!-- statements -->` | the statements of a file |
//! | `<!-- kinds -->` | the kinds of features |
//! | `<!-- settings of OWNER, OWNER -->` | the settings of one owner or several |

use std::ops::Range;

use mtmdc::sema::{AnySetting, SettingsTable, kinds, statements, tables_of_settings};

/// What a comment marks the place of.
#[derive(PartialEq)]
pub enum Marked {
    Statements,
    Kinds,
    Settings(Vec<&'static SettingsTable>),
}

/// The marked places of a page: the lines of the table that follows each comment after an empty line.
pub fn places(page: &str) -> Vec<(Marked, Range<usize>)> {
    let lines: Vec<&str> = page.lines().collect();
    let mut places = vec![];
    for (number, line) in lines.iter().enumerate() {
        let comment = line.strip_prefix("<!-- ");
        if let Some(comment) = comment.and_then(|rest| rest.strip_suffix(" -->")) {
            let start = number + 2;
            let table = lines.iter().skip(start);
            let rows = table.take_while(|line| line.starts_with('|')).count();
            assert!(rows > 0, "no table follows `{line}`");
            places.push((Marked::of(comment), start..start + rows));
        }
    }
    places
}

impl Marked {
    fn of(comment: &str) -> Self {
        match comment.strip_prefix("settings of ") {
            Some(owners) => Self::Settings(owners.split(", ").map(table_of).collect()),
            None if comment == "statements" => Self::Statements,
            None if comment == "kinds" => Self::Kinds,
            None => panic!("`<!-- {comment} -->` marks no table"),
        }
    }

    /// Its table, as the declarations have it.
    pub fn table(&self) -> String {
        match self {
            Self::Statements => table(
                &["statement", "how often", ""],
                statements()
                    .iter()
                    .map(|form| vec![code(form.form), form.times.words().into(), form.help.into()]),
            ),
            Self::Kinds => table(
                &["kind", ""],
                kinds().map(|kind| vec![code(kind.form), kind.help.into()]),
            ),
            Self::Settings(tables) => match tables[..] {
                [one] => table(
                    &["setting", "default", ""],
                    one.settings.iter().map(|setting| row(*setting, None)),
                ),
                _ => table(
                    &["setting", "of", "default", ""],
                    shared(tables).into_iter(),
                ),
            },
        }
    }
}

fn table_of(owner: &str) -> &'static SettingsTable {
    let mut tables = tables_of_settings();
    let table = tables.find(|table| table.owner == owner);
    table.unwrap_or_else(|| panic!("{owner} has no settings"))
}

/// The settings of several tables, each once, with those that take it.
fn shared(tables: &[&'static SettingsTable]) -> Vec<Vec<String>> {
    let mut rows = vec![];
    for (place, table) in tables.iter().enumerate() {
        for setting in table.settings {
            if tables[..place].iter().any(|other| other.holds(*setting)) {
                continue;
            }
            let owners = tables.iter().filter(|other| other.holds(*setting));
            let owners: Vec<&str> = owners.map(|other| without_article(other.owner)).collect();
            rows.push(row(*setting, Some(owners.join(", "))));
        }
    }
    rows
}

fn without_article(owner: &str) -> &str {
    let rest = owner.strip_prefix("a ").or(owner.strip_prefix("an "));
    rest.unwrap_or(owner)
}

fn row(setting: &dyn AnySetting, owners: Option<String>) -> Vec<String> {
    let mut cells = vec![code(&setting.written())];
    cells.extend(owners);
    cells.push(setting.default_text().unwrap_or_default());
    cells.push(setting.help().to_owned());
    cells
}

fn code(written: &str) -> String {
    format!("`{written}`")
}

fn table(titles: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = titles.iter().map(|title| (*title).to_owned()).collect();
    let mut text = line(head) + &"|---".repeat(titles.len()) + "|\n";
    text.extend(rows.map(line));
    text
}

/// A line of a table.
fn line(cells: Vec<String>) -> String {
    let cell = |cell: String| match cell.is_empty() {
        true => " |".to_owned(),
        false => format!(" {} |", cell.replace('|', "\\|")),
    };
    format!("|{}\n", cells.into_iter().map(cell).collect::<String>())
}
