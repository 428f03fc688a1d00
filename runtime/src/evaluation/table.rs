//! The report as text: one block a task, one line a cell.

use std::fmt::Write as _;

use super::metrics::Metrics;
use super::rank::TOP_BUCKETS;
use super::report::{CellReport, Report, TaskReport};

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

    /// One figure by cell, a block a task, surfaces down and products across: LogMAE, or KL for a task that is
    /// trained on an action.
    pub fn grid(&self) -> String {
        let mut text = String::new();
        for task in &self.tasks {
            task.write_grid(&mut text);
        }
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

impl TaskReport {
    fn write_grid(&self, text: &mut String) {
        let score = self.all.zero_labels.is_some();
        let name = if score { "LogMAE" } else { "KL" };
        let mut products: Vec<&str> = Vec::new();
        let mut surfaces: Vec<&str> = Vec::new();
        for cell in &self.cells {
            if !products.contains(&cell.product.as_str()) {
                products.push(&cell.product);
            }
            if !surfaces.contains(&cell.surface.as_str()) {
                surfaces.push(&cell.surface);
            }
        }
        let of = |surface: &str, product: &str| {
            let is_it = |cell: &&CellReport| cell.surface == surface && cell.product == product;
            let cell = self.cells.iter().find(is_it)?;
            if score {
                cell.metrics.log_mae
            } else {
                cell.metrics.kl
            }
        };
        let mut lines = vec![vec![format!("{} {name}", self.task)]];
        lines.extend(surfaces.iter().map(|surface| {
            let mut line = vec![(*surface).to_owned()];
            line.extend(products.iter().map(|product| figure(of(surface, product))));
            line
        }));
        if let Some(heading) = lines.first_mut() {
            heading.extend(products.iter().map(|&product| product.to_owned()));
        }
        write_aligned(text, 1, &lines);
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

/// Rows of figures under the headings of names and figures.
fn write_rows(text: &mut String, names: &[&str], rows: &[Vec<String>]) {
    let headings = names.iter().chain(&HEADINGS);
    let headings: Vec<String> = headings.map(|&heading| heading.to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(headings).chain(rows.to_vec()).collect();
    write_aligned(text, names.len(), &lines);
}

/// Lines of cells, the first ones, which are names, flush left, the others flush right, every column as wide as its
/// widest entry.
pub(crate) fn write_aligned(text: &mut String, names: usize, lines: &[Vec<String>]) {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let mut widths = vec![0; columns];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for cells in lines {
        let mut line = String::new();
        for (place, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
            // Writing to a string cannot fail.
            let _ = if place < names {
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
            loss: Some(0.1),
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
        let expected = "  ctr LogMAE  standard\n  home               -\n";
        assert_eq!(report.grid(), expected);
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
