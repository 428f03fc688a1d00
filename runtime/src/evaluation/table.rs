//! The report as text: one block a task, one line a cell.

use std::fmt::Write as _;

use super::metrics::Metrics;
use super::rank::TOP_BUCKETS;
use super::report::{Report, TaskReport};

const HEADINGS: [&str; 8] = [
    "rows", "LogMAE", "MAE", "KL", "BCE", "AUC", "p/label", "p/action",
];

impl Report {
    /// The whole report, within 100 columns for names of ordinary length. A dash stands where a
    /// figure does not apply.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (place, task) in self.tasks.iter().enumerate() {
            if place > 0 {
                text.push('\n');
            }
            task.write(&mut text);
        }
        text
    }

    /// One line a task, over all cells.
    pub fn summary(&self) -> String {
        let rows = self
            .tasks
            .iter()
            .map(|task| row(&[&task.task], &task.all))
            .collect::<Vec<_>>();
        let mut text = String::new();
        write_rows(&mut text, &["task"], &rows);
        text
    }

    /// Every figure at full precision, as JSON. A figure that does not apply is `null`, and so is
    /// one that is not finite.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl TaskReport {
    fn write(&self, text: &mut String) {
        let action = match &self.action {
            Some(action) if *action != self.label => format!(", action {action}"),
            _ => String::new(),
        };
        push_line(
            text,
            &format!("{}: trained on {}{action}", self.task, self.label),
        );
        let mut rows: Vec<Vec<String>> = self
            .cells
            .iter()
            .map(|cell| row(&[&cell.surface, &cell.product], &cell.metrics))
            .collect();
        rows.push(row(&["all", ""], &self.all));
        write_rows(text, &["surface", "product"], &rows);
        if !self.log_mae_by_rank.is_empty() {
            let buckets: Vec<String> = self
                .log_mae_by_rank
                .iter()
                .map(|&value| figure(value))
                .collect();
            push_line(
                text,
                &format!(
                    "  LogMAE of the top {TOP_BUCKETS} of {} buckets by {}: {}",
                    self.buckets,
                    self.label,
                    buckets.join("  "),
                ),
            );
        }
        if let Some(zeros) = self.all.zero_labels.filter(|&zeros| zeros > 0) {
            push_line(
                text,
                &format!(
                    "  {} rows with a label of exactly 0 are not in LogMAE",
                    grouped(zeros)
                ),
            );
        }
    }
}

fn row(names: &[&str], metrics: &Metrics) -> Vec<String> {
    let mut cells: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    cells.push(grouped(metrics.rows.max(metrics.action_rows)));
    let figures = [
        metrics.log_mae,
        metrics.mae,
        metrics.kl,
        metrics.bce,
        metrics.auc,
        metrics.calibration,
        metrics.action_calibration,
    ];
    cells.extend(figures.into_iter().map(figure));
    cells
}

/// Names flush left, numbers flush right, every column as wide as its widest entry.
fn write_rows(text: &mut String, names: &[&str], rows: &[Vec<String>]) {
    let headings: Vec<String> = names
        .iter()
        .chain(&HEADINGS)
        .map(|&heading| heading.to_owned())
        .collect();
    let mut widths: Vec<usize> = headings
        .iter()
        .map(|heading| heading.chars().count())
        .collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(&headings).chain(rows) {
        let mut line = String::new();
        for (place, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a string cannot fail.
            let _ = if place < names.len() {
                write!(line, "  {cell:<width$}")
            } else {
                write!(line, "  {cell:>width$}")
            };
        }
        push_line(text, line.trim_end());
    }
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"))
}

/// Digits in groups of three: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::report::CellReport;

    fn metrics(rows: u64, log_mae: Option<f64>) -> Metrics {
        Metrics {
            rows,
            zero_labels: Some(0),
            log_mae,
            mae: Some(0.0521),
            kl: Some(0.0123),
            bce: Some(0.4),
            mean_prediction: Some(0.2),
            mean_label: Some(0.2),
            calibration: Some(1.0),
            action_rows: rows,
            mean_action: Some(0.0),
            action_calibration: None,
            auc: None,
        }
    }

    #[test]
    fn the_table_is_aligned_and_says_what_does_not_apply_with_a_dash() {
        let report = Report {
            model: "m".to_owned(),
            spec_hash: String::new(),
            part: "test".to_owned(),
            rows: 1_234_567,
            loss: 0.1,
            tasks: vec![TaskReport {
                task: "ctr".to_owned(),
                label: "hw_ctr".to_owned(),
                action: Some("is_click".to_owned()),
                all: metrics(1_234_567, Some(0.15)),
                buckets: 20,
                log_mae_by_rank: vec![Some(0.1), None],
                cells: vec![CellReport {
                    surface: "home".to_owned(),
                    product: "standard".to_owned(),
                    metrics: metrics(12, None),
                }],
            }],
        };
        let expected = "\
ctr: trained on hw_ctr, action is_click
  surface  product        rows  LogMAE     MAE      KL     BCE  AUC  p/label  p/action
  home     standard         12       -  0.0521  0.0123  0.4000    -   1.0000         -
  all                1,234,567  0.1500  0.0521  0.0123  0.4000    -   1.0000         -
  LogMAE of the top 5 of 20 buckets by hw_ctr: 0.1000  -
";
        assert_eq!(report.table(), expected);
    }

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
