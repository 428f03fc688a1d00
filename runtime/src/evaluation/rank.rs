//! Figures that need the rows in order: AUC, and LogMAE by bucket of rank. Both go over the rows several times rather than
//! copy them: beside the rows they hold one number of each.

use std::ops::Range;

use super::rows::ScoredRow;

/// Buckets that are reported: those an auction picks from (paper, Table 6).
pub const TOP_BUCKETS: usize = 5;

/// Area under the ROC curve: the probability that a positive row scores above a negative one, ties
/// counting half. Exact (wins are counted as whole numbers). `None` unless both classes occur, and if a score is NaN, which
/// has no place among the others.
pub fn auc<I>(rows: I) -> Option<f64>
where
    I: IntoIterator<Item = (f32, bool), IntoIter: Clone>,
{
    let rows = rows.into_iter();
    let ascending = |class: bool| {
        let of_class = rows.clone().filter(|row| row.1 == class);
        let mut scores = collected(of_class.map(|row| row.0));
        scores.sort_unstable_by(f32::total_cmp);
        scores
    };
    let (positives, negatives) = (ascending(true), ascending(false));
    let mut scores = positives.iter().chain(&negatives);
    if positives.is_empty() || negatives.is_empty() || scores.any(|score| score.is_nan()) {
        return None;
    }
    // A score has `lower` negatives below it and `upper - lower` beside it: twice its wins is the sum of the two.
    let (mut lower, mut upper) = (0_u64, 0_u64);
    let (mut below, mut up_to) = (negatives.iter().peekable(), negatives.iter().peekable());
    let mut doubled_wins = 0_u128;
    for score in &positives {
        while below.next_if(|negative| *negative < score).is_some() {
            lower += 1;
        }
        while up_to.next_if(|negative| *negative <= score).is_some() {
            upper += 1;
        }
        doubled_wins += u128::from(lower + upper);
    }
    let doubled_pairs = 2 * positives.len() as u128 * negatives.len() as u128;
    Some(doubled_wins as f64 / doubled_pairs as f64)
}

/// LogMAE of the top ones of so many equal buckets by label, highest first. Bucket `k` of `b` and `n` rows
/// holds the ranks from `k·n/b` to `(k+1)·n/b`; equal labels keep the order of the data, so the buckets hold the same rows
/// whatever the model predicts. `None` for a bucket without a label above 0, or with such a row whose ln P is NaN.
pub(super) fn log_mae_by_bucket(
    rows: impl Iterator<Item = ScoredRow> + Clone,
    buckets: usize,
) -> Vec<Option<f64>> {
    let rows = rows.filter(|row| !row.label.is_nan());
    let mut labels = collected(rows.clone().map(|row| row.label));
    labels.sort_unstable_by(|a, b| b.total_cmp(a));
    let start = |bucket: usize| bucket * labels.len() / buckets.max(1);
    (0..TOP_BUCKETS)
        .map(|bucket| {
            log_mae(&ranked(
                rows.clone(),
                &labels,
                start(bucket)..start(bucket + 1),
            ))
        })
        .collect()
}

/// Label and ln P of the rows whose ranks are `ranks`, in their order. `labels` are those of all rows, descending.
fn ranked(
    rows: impl Iterator<Item = ScoredRow>,
    labels: &[f32],
    ranks: Range<usize>,
) -> Vec<(f32, f32)> {
    let within = labels.get(ranks.clone()).unwrap_or_default();
    let (Some(highest), Some(lowest)) = (within.first(), within.last()) else {
        return Vec::new();
    };
    // Rows of the highest and the lowest label may lie in other buckets too: they are told by their ranks.
    let rank = |label: &f32| labels.partition_point(|other| other.total_cmp(label).is_gt());
    let (mut of_highest, mut of_lowest) = (rank(highest), rank(lowest));
    let is_ranked = |row: &ScoredRow| {
        let (to_highest, to_lowest) = (row.label.total_cmp(highest), row.label.total_cmp(lowest));
        let next = if to_lowest.is_eq() {
            &mut of_lowest
        } else if to_highest.is_eq() {
            &mut of_highest
        } else {
            return to_lowest.is_gt() && to_highest.is_lt();
        };
        *next += 1;
        ranks.contains(&(*next - 1))
    };
    let mut chosen = Vec::with_capacity(within.len());
    chosen.extend(rows.filter(is_ranked).map(|row| (row.label, row.lp)));
    chosen.sort_by(|a, b| b.0.total_cmp(&a.0));
    chosen
}

/// The items in memory for just as many.
fn collected(items: impl Iterator<Item = f32> + Clone) -> Vec<f32> {
    let mut all = Vec::with_capacity(items.clone().count());
    all.extend(items);
    all
}

fn log_mae(rows: &[(f32, f32)]) -> Option<f64> {
    let mut sum = 0.0;
    let mut count = 0_u64;
    for &(label, lp) in rows.iter().filter(|row| row.0 > 0.0) {
        sum += (f64::from(lp) - f64::from(label).ln()).abs();
        count += 1;
    }
    (count > 0 && !f64::is_nan(sum)).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, pair by pair.
    fn auc_by_pairs(rows: &[(f32, bool)]) -> Option<f64> {
        let mut wins = 0.0;
        let mut pairs = 0.0;
        for positive in rows.iter().filter(|row| row.1) {
            for negative in rows.iter().filter(|row| !row.1) {
                pairs += 1.0;
                if positive.0 > negative.0 {
                    wins += 1.0;
                } else if positive.0 == negative.0 {
                    wins += 0.5;
                }
            }
        }
        (pairs > 0.0).then(|| wins / pairs)
    }

    /// By the sum of the positives' mid-ranks among all rows.
    fn auc_by_mid_ranks(mut rows: Vec<(f32, bool)>) -> Option<f64> {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let positives = rows.iter().filter(|row| row.1).count();
        let (mut doubled_ranks, mut before) = (0, 0);
        for ties in rows.chunk_by(|a, b| a.0 == b.0) {
            let hits = ties.iter().filter(|row| row.1).count();
            doubled_ranks += hits * (2 * before + ties.len() + 1);
            before += ties.len();
        }
        let doubled_pairs = 2 * positives * (rows.len() - positives);
        let doubled_wins = doubled_ranks - positives * (positives + 1);
        (doubled_pairs > 0).then(|| doubled_wins as f64 / doubled_pairs as f64)
    }

    /// By a sorted copy of all rows.
    fn buckets_of_a_sorted_copy(rows: &[ScoredRow], buckets: usize) -> Vec<Option<f64>> {
        let labelled = rows.iter().filter(|row| !row.label.is_nan());
        let mut copy: Vec<(f32, f32)> = labelled.map(|row| (row.label, row.lp)).collect();
        copy.sort_by(|a, b| b.0.total_cmp(&a.0));
        let start = |bucket: usize| bucket * copy.len() / buckets;
        (0..TOP_BUCKETS)
            .map(|bucket| log_mae(&copy[start(bucket)..start(bucket + 1)]))
            .collect()
    }

    #[test]
    fn auc_of_four_rows_matches_the_one_worked_out_by_hand() {
        // Positives 0.8 and 0.4, negatives 0.4 and 0.1: wins 1 + 1 + 0.5 + 1 of 4 pairs.
        let rows = [(0.8, true), (0.4, true), (0.4, false), (0.1, false)];
        assert_eq!(auc(rows), Some(0.875));
    }

    #[test]
    fn auc_needs_both_classes() {
        assert_eq!(auc([]), None);
        assert_eq!(auc([(0.5, true), (0.1, true)]), None);
        assert_eq!(auc([(0.5, false)]), None);
    }

    #[test]
    fn negative_zero_ties_with_zero() {
        assert_eq!(auc([(-0.0, true), (0.0, false)]), Some(0.5));
    }

    #[test]
    fn a_score_that_is_no_number_has_no_place() {
        for nan in [f32::NAN, -f32::NAN] {
            assert_eq!(auc([(0.5, true), (nan, true), (0.1, false)]), None);
            assert_eq!(auc([(0.5, true), (nan, false), (0.1, false)]), None);
        }
        let least = f32::NEG_INFINITY;
        assert_eq!(
            auc([(0.5, true), (least, true), (least, false)]),
            Some(0.75)
        );

        // Two rows a bucket; the NaN is in the second.
        let row = |place: usize| ScoredRow {
            lp: if place == 2 { f32::NAN } else { 0.0 },
            label: 1.0 - place as f32 / 16.0,
            action: f32::NAN,
        };
        let buckets = log_mae_by_bucket((0..10).map(row), 5);
        let given: Vec<bool> = buckets.iter().map(Option::is_some).collect();
        assert_eq!(given, [true, false, true, true, true]);
    }

    #[test]
    fn buckets_are_equal_and_ordered_by_label() {
        // Forty rows, label (i + 1) / 40, prediction off by a factor e^i from the top: two rows a
        // bucket, and bucket k's LogMAE is the mean of 2k and 2k + 1.
        let rows: Vec<ScoredRow> = (0..40)
            .map(|i| {
                let label = (i + 1) as f32 / 40.0;
                let error = f64::from(39 - i);
                ScoredRow {
                    lp: (f64::from(label).ln() - error) as f32,
                    label,
                    action: f32::NAN,
                }
            })
            .collect();
        let buckets = log_mae_by_bucket(rows.iter().copied(), 20);
        assert_eq!(buckets.len(), TOP_BUCKETS);
        for (bucket, log_mae) in buckets.into_iter().enumerate() {
            let expected = 2.0 * bucket as f64 + 0.5;
            assert!((log_mae.expect("two rows") - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn a_bucket_without_a_positive_label_has_no_log_mae() {
        let zero = ScoredRow {
            lp: -1.0,
            label: 0.0,
            action: 0.0,
        };
        for rows in [vec![zero; 40], vec![]] {
            let buckets = log_mae_by_bucket(rows.iter().copied(), 20);
            assert_eq!(buckets, vec![None; TOP_BUCKETS]);
        }
    }

    proptest! {
        #[test]
        fn auc_is_its_definition(rows in prop::collection::vec((0_u8..12, any::<bool>()), 0..80)) {
            let rows: Vec<(f32, bool)> =
                rows.into_iter().map(|(score, positive)| (f32::from(score) / 7.0, positive)).collect();
            let expected = auc_by_pairs(&rows);
            let actual = auc(rows.iter().copied());
            prop_assert_eq!(actual, auc_by_mid_ranks(rows));
            prop_assert_eq!(actual.is_some(), expected.is_some());
            if let (Some(actual), Some(expected)) = (actual, expected) {
                prop_assert!((actual - expected).abs() < 1e-12);
            }
        }

        #[test]
        fn buckets_are_those_of_a_sorted_copy(
            rows in prop::collection::vec((0_u8..9, -9.0_f32..0.0), 0..200),
            buckets in TOP_BUCKETS..30,
        ) {
            // Many ties, zeros of either sign, and rows without a label.
            let label = |number: u8| match number {
                0 => f32::NAN,
                1 => -0.0,
                number => f32::from(number - 2) / 6.0,
            };
            let row = |(number, lp)| ScoredRow { lp, label: label(number), action: f32::NAN };
            let rows: Vec<ScoredRow> = rows.into_iter().map(row).collect();
            let actual = log_mae_by_bucket(rows.iter().copied(), buckets);
            prop_assert_eq!(actual, buckets_of_a_sorted_copy(&rows, buckets));
        }

        #[test]
        fn auc_of_the_opposite_order_is_its_complement(
            rows in prop::collection::vec((-50.0_f32..0.0, any::<bool>()), 2..60),
        ) {
            let opposite = auc(rows.iter().map(|&(score, positive)| (-score, positive)));
            if let (Some(auc), Some(opposite)) = (auc(rows.iter().copied()), opposite) {
                prop_assert!((auc + opposite - 1.0).abs() < 1e-12);
            }
        }
    }
}
