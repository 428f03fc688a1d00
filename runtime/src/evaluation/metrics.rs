//! The figures of one group of rows (a cell, or all cells of a task), DESIGN §2.

use serde::Serialize;

use super::rank;
use super::rows::{ScoredRow, ScoredRows};

/// Figures of one task over a group of rows. A figure that does not apply, or that no row gives,
/// is `None`. A figure of rows among which one has no probability, as its ln P or ln(1 - P) is NaN or infinity, is
/// NaN, AUC `None`. P = 0 and P = 1 are probabilities: what they are worth is infinite where the label says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metrics {
    /// Rows with a label.
    pub rows: u64,
    /// Rows among them whose label is exactly 0, which have no LogMAE. Not applicable to a task
    /// that is trained on an action.
    pub zero_labels: Option<u64>,
    /// Mean |ln p - ln label| over the rows whose label is not 0. Not applicable to a task that is
    /// trained on an action.
    pub log_mae: Option<f64>,
    /// Mean |p - label|.
    pub mae: Option<f64>,
    /// Mean Bernoulli divergence KL(label || p), in nats.
    pub kl: Option<f64>,
    /// Mean cross-entropy of p against the label, in nats: KL plus the label's own entropy.
    pub bce: Option<f64>,
    /// Mean p over the rows with a label.
    pub mean_prediction: Option<f64>,
    /// Mean label.
    pub mean_label: Option<f64>,
    /// Mean p / mean label; `None` if every label is 0.
    pub calibration: Option<f64>,
    /// Rows with an action.
    pub action_rows: u64,
    /// Mean action.
    pub mean_action: Option<f64>,
    /// Mean p over the rows with an action / mean action; `None` if every action is 0.
    pub action_calibration: Option<f64>,
    /// Area under the ROC curve of p against the action; `None` unless both classes occur.
    pub auc: Option<f64>,
}

/// Running sums of a group of rows, and what ranking needs of each.
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    sums: Sums,
    rows: ScoredRows,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    rows: u64,
    zero_labels: u64,
    log_error: f64,
    error: f64,
    entropy: f64,
    cross_entropy: f64,
    prediction: f64,
    label: f64,
    action_rows: u64,
    action_prediction: f64,
    action: f64,
}

impl Accumulator {
    /// Adds one row: ln P and ln(1 - P) of the model, the training label and the action, each NaN
    /// if the row has none.
    pub fn add(&mut self, lp: f32, lq: f32, label: f32, action: f32) {
        if label.is_nan() && action.is_nan() {
            return;
        }
        let (lp, lq) = if lp < f32::INFINITY && lq < f32::INFINITY {
            (lp, lq)
        } else {
            (f32::NAN, f32::NAN)
        };
        let ln_p = f64::from(lp);
        let p = ln_p.exp();
        if !label.is_nan() {
            self.sums
                .add_label(ln_p, f64::from(lq), p, f64::from(label));
        }
        if !action.is_nan() {
            self.sums.action_rows += 1;
            self.sums.action += f64::from(action);
            self.sums.action_prediction += p;
        }
        self.rows.push(ScoredRow { lp, label, action });
    }
}

impl Metrics {
    /// The figures of the rows of some groups, one group behind the other. `score` says whether the labels are scores,
    /// rather than the actions themselves.
    pub fn of(groups: &[&Accumulator], score: bool) -> Self {
        let mut sums = Sums::default();
        for group in groups {
            sums.add(&group.sums);
        }
        let positive_labels = sums.rows - sums.zero_labels;
        let mean_prediction = mean(sums.prediction, sums.rows);
        let mean_label = mean(sums.label, sums.rows);
        let mean_action = mean(sums.action, sums.action_rows);
        Self {
            rows: sums.rows,
            zero_labels: score.then_some(sums.zero_labels),
            log_mae: if score {
                mean(sums.log_error, positive_labels)
            } else {
                None
            },
            mae: mean(sums.error, sums.rows),
            kl: mean(sums.cross_entropy - sums.entropy, sums.rows),
            bce: mean(sums.cross_entropy, sums.rows),
            mean_prediction,
            mean_label,
            calibration: ratio(mean_prediction, mean_label),
            action_rows: sums.action_rows,
            mean_action,
            action_calibration: ratio(mean(sums.action_prediction, sums.action_rows), mean_action),
            auc: rank::auc(
                rows(groups)
                    .filter(|row| !row.action.is_nan())
                    .map(|row| (row.lp, row.action > 0.5)),
            ),
        }
    }
}

/// LogMAE of each of the top ones of so many rank buckets of the groups' rows; `None` where a bucket has no row with a
/// label above 0.
pub(super) fn rank_buckets(groups: &[&Accumulator], buckets: usize) -> Vec<Option<f64>> {
    rank::log_mae_by_bucket(rows(groups), buckets)
}

fn rows<'a>(groups: &'a [&'a Accumulator]) -> impl Iterator<Item = ScoredRow> + Clone + 'a {
    groups.iter().flat_map(|group| group.rows.iter())
}

impl Sums {
    fn add_label(&mut self, ln_p: f64, ln_q: f64, p: f64, label: f64) {
        self.rows += 1;
        self.label += label;
        self.prediction += p;
        self.error += (p - label).abs();
        // 0 · ln 0 is 0 here: a term whose weight is 0 is left out.
        let weighted = |weight: f64, ln: f64| if weight > 0.0 { -weight * ln } else { 0.0 };
        self.cross_entropy += weighted(label, ln_p) + weighted(1.0 - label, ln_q);
        self.entropy += weighted(label, label.ln()) + weighted(1.0 - label, (-label).ln_1p());
        if label > 0.0 {
            self.log_error += (ln_p - label.ln()).abs();
        } else {
            self.zero_labels += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.zero_labels += other.zero_labels;
        self.log_error += other.log_error;
        self.error += other.error;
        self.entropy += other.entropy;
        self.cross_entropy += other.cross_entropy;
        self.prediction += other.prediction;
        self.label += other.label;
        self.action_rows += other.action_rows;
        self.action_prediction += other.action_prediction;
        self.action += other.action;
    }
}

fn mean(sum: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

fn ratio(numerator: Option<f64>, denominator: Option<f64>) -> Option<f64> {
    match (numerator, denominator) {
        (Some(numerator), Some(denominator)) if denominator > 0.0 => Some(numerator / denominator),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ln p and ln(1 - p) as the model would give them.
    fn add(group: &mut Accumulator, p: f64, label: f32, action: f32) {
        group.add(p.ln() as f32, (1.0 - p).ln() as f32, label, action);
    }

    fn close(actual: Option<f64>, expected: f64) {
        let actual = actual.expect("the figure applies");
        assert!(
            (actual - expected).abs() < 1e-6,
            "{actual} is not {expected}"
        );
    }

    #[test]
    fn figures_of_three_rows_match_those_worked_out_by_hand() {
        let mut group = Accumulator::default();
        add(&mut group, 0.5, 0.25, 1.0);
        add(&mut group, 0.2, 0.4, 0.0);
        add(&mut group, 0.1, 0.0, 0.0);
        let metrics = Metrics::of(&[&group], true);
        assert_eq!(metrics.rows, 3);
        assert_eq!(metrics.zero_labels, Some(1));
        // ln(0.5 / 0.25) = ln(0.4 / 0.2) = ln 2, and the third row has no LogMAE.
        close(metrics.log_mae, std::f64::consts::LN_2);
        close(metrics.mae, (0.25 + 0.2 + 0.1) / 3.0);
        let bce = [
            std::f64::consts::LN_2,
            -0.4 * 0.2_f64.ln() - 0.6 * 0.8_f64.ln(),
            -(0.9_f64.ln()),
        ];
        let entropy = [
            -0.25 * 0.25_f64.ln() - 0.75 * 0.75_f64.ln(),
            -0.4 * 0.4_f64.ln() - 0.6 * 0.6_f64.ln(),
            0.0,
        ];
        close(metrics.bce, bce.iter().sum::<f64>() / 3.0);
        close(
            metrics.kl,
            (bce.iter().sum::<f64>() - entropy.iter().sum::<f64>()) / 3.0,
        );
        close(metrics.mean_prediction, 0.8 / 3.0);
        close(metrics.mean_label, 0.65 / 3.0);
        close(metrics.calibration, 0.8 / 0.65);
        close(metrics.mean_action, 1.0 / 3.0);
        close(metrics.action_calibration, 0.8);
        close(metrics.auc, 1.0);
    }

    #[test]
    fn an_action_is_its_own_label_and_has_no_log_mae() {
        let mut group = Accumulator::default();
        add(&mut group, 0.5, 1.0, 1.0);
        add(&mut group, 0.5, 0.0, 0.0);
        let metrics = Metrics::of(&[&group], false);
        assert_eq!(metrics.log_mae, None);
        assert_eq!(metrics.zero_labels, None);
        close(metrics.kl, std::f64::consts::LN_2);
        close(metrics.bce, std::f64::consts::LN_2);
        close(metrics.auc, 0.5);
    }

    #[test]
    fn a_row_counts_where_it_has_a_label_or_an_action() {
        let mut group = Accumulator::default();
        add(&mut group, 0.5, f32::NAN, 1.0);
        add(&mut group, 0.25, 0.5, f32::NAN);
        add(&mut group, 0.75, f32::NAN, f32::NAN);
        let metrics = Metrics::of(&[&group], true);
        assert_eq!((metrics.rows, metrics.action_rows), (1, 1));
        close(metrics.calibration, 0.5);
        close(metrics.action_calibration, 0.5);
        assert_eq!(metrics.auc, None, "one class only");
    }

    #[test]
    fn a_group_without_rows_has_no_figure() {
        let metrics = Metrics::of(&[&Accumulator::default()], true);
        assert_eq!(metrics.rows, 0);
        assert_eq!(
            (metrics.log_mae, metrics.kl, metrics.auc),
            (None, None, None)
        );
        assert_eq!(
            (metrics.calibration, metrics.action_calibration),
            (None, None)
        );
    }

    #[test]
    fn no_figure_is_good_where_a_score_is_no_probability() {
        const MINUS: f32 = f32::NEG_INFINITY;
        let figures = |lp: f32, lq: f32| {
            let mut group = Accumulator::default();
            add(&mut group, 0.75, 1.0, 1.0);
            add(&mut group, 0.25, 0.0, 0.0);
            for label in [0.0, 0.5, 1.0] {
                group.add(lp, lq, label, label.round());
            }
            Metrics::of(&[&group], true)
        };
        let bad = [f32::NAN, -f32::NAN, f32::INFINITY];
        let pairs = bad.map(|bad| [(bad, -1.0), (-1.0, bad), (bad, MINUS), (MINUS, bad)]);
        for (lp, lq) in pairs.into_iter().flatten() {
            let metrics = figures(lp, lq);
            assert_eq!(metrics.auc, None, "{lp} {lq}");
            for figure in [
                metrics.log_mae,
                metrics.mae,
                metrics.kl,
                metrics.bce,
                metrics.mean_prediction,
                metrics.calibration,
                metrics.action_calibration,
            ] {
                assert!(figure.is_some_and(f64::is_nan), "{lp} {lq}: {metrics:?}");
            }
        }
        // P = 0 where it is not: measured, and without bound.
        let metrics = figures(MINUS, 0.0);
        assert_eq!(
            (metrics.kl, metrics.log_mae),
            (Some(f64::INFINITY), Some(f64::INFINITY))
        );
        assert!(metrics.auc.is_some() && metrics.mae.is_some_and(f64::is_finite));
    }

    #[test]
    fn a_union_has_the_figures_of_its_rows() {
        let rows = [(0.5, 0.25, 1.0), (0.2, 0.4, 0.0), (0.1, 0.3, 1.0)];
        let mut whole = Accumulator::default();
        let mut parts = Vec::new();
        for (p, label, action) in rows {
            add(&mut whole, p, label, action);
            let mut part = Accumulator::default();
            add(&mut part, p, label, action);
            parts.push(part);
        }
        let parts: Vec<&Accumulator> = parts.iter().collect();
        assert_eq!(Metrics::of(&[&whole], true), Metrics::of(&parts, true));
        assert_eq!(rank_buckets(&[&whole], 5), rank_buckets(&parts, 5));
    }
}
