//! Where rows come from, in words.

use std::path::Path;

/// Spans of rows of one file that are written out.
const SPANS: usize = 8;
/// Files that are written out.
const FILES: usize = 4;

/// A row of the data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Index of the file among [`Dataset::files`](crate::data::Dataset::files).
    pub file: u32,
    /// Row of the file, from 0.
    pub row: u64,
}

/// Where a record batch comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchOrigin<'a> {
    pub path: &'a Path,
    /// Index of the file.
    pub file: usize,
    /// Row of the file that is the first here.
    pub first_row: u64,
}

impl BatchOrigin<'_> {
    pub(super) fn origin(&self, row: u32) -> Origin {
        Origin {
            file: self.file as u32,
            row: self.first_row + u64::from(row),
        }
    }

    /// File, row and column, for messages.
    pub(super) fn row(&self, row: u32, column: &str) -> String {
        format!("{}, column `{column}`", self.row_of_file(row))
    }

    /// File and row.
    pub(super) fn row_of_file(&self, row: u32) -> String {
        format!("{}, row {}", self.path.display(), self.origin(row).row)
    }
}

/// Rows in words; `name` maps the index of a file to its name.
pub(super) fn describe(origins: &[Origin], name: impl Fn(u32) -> String) -> String {
    let mut sorted = origins.to_vec();
    sorted.sort_unstable();
    let files: Vec<&[Origin]> = sorted.chunk_by(|a, b| a.file == b.file).collect();
    let told = files.iter().take(FILES).filter_map(|rows| {
        let file = name(rows.first()?.file);
        Some(format!("{} of {file}", spans(rows)))
    });
    let mut text = told.collect::<Vec<_>>().join("; ");
    let rest = files.get(FILES..).unwrap_or_default();
    if !rest.is_empty() {
        let rows: usize = rest.iter().map(|rows| rows.len()).sum();
        text += &format!("; and {rows} of {} more files", rest.len());
    }
    text
}

/// Ascending rows of one file: `rows 17, 39 to 41`.
fn spans(rows: &[Origin]) -> String {
    let spans: Vec<&[Origin]> = rows.chunk_by(|a, b| a.row + 1 == b.row).collect();
    let told = spans.iter().take(SPANS).filter_map(|span| {
        let (first, last) = (span.first()?.row, span.last()?.row);
        Some(match last - first {
            0 => first.to_string(),
            _ => format!("{first} to {last}"),
        })
    });
    let noun = if rows.len() == 1 { "row" } else { "rows" };
    let mut text = format!("{noun} {}", told.collect::<Vec<_>>().join(", "));
    let rest = spans.get(SPANS..).unwrap_or_default();
    if !rest.is_empty() {
        let rows: usize = rest.iter().map(|span| span.len()).sum();
        text += &format!(", … ({rows} more)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(origins: &[(u32, u64)]) -> String {
        let origins: Vec<Origin> = origins
            .iter()
            .map(|&(file, row)| Origin { file, row })
            .collect();
        describe(&origins, |file| format!("part-{file}.parquet"))
    }

    #[test]
    fn rows_are_told_by_file() {
        assert_eq!(
            told(&[(0, 41), (0, 17), (1, 3), (0, 39), (0, 40)]),
            "rows 17, 39 to 41 of part-0.parquet; row 3 of part-1.parquet"
        );
    }

    #[test]
    fn of_many_rows_the_first_are_told() {
        let odd: Vec<(u32, u64)> = (0..20).map(|row| (0, 2 * row)).collect();
        assert_eq!(
            told(&odd),
            "rows 0, 2, 4, 6, 8, 10, 12, 14, … (12 more) of part-0.parquet"
        );
        let files: Vec<(u32, u64)> = (0..12).map(|at| (at % 6, u64::from(at / 6))).collect();
        assert_eq!(
            told(&files),
            "rows 0 to 1 of part-0.parquet; rows 0 to 1 of part-1.parquet; rows 0 to 1 of part-2.parquet; \
             rows 0 to 1 of part-3.parquet; and 4 of 2 more files"
        );
    }
}
