//! Figures that need the rows in order: AUC, and LogMAE by bucket of rank.

/// Buckets that are reported: those an auction picks from (paper, Table 6).
pub const TOP_BUCKETS: usize = 5;

/// What ranking needs of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Triple {
    /// ln P of the model.
    pub lp: f32,
    /// Training label, NaN if absent.
    pub label: f32,
    /// Action, NaN if absent.
    pub action: f32,
}

/// Area under the ROC curve: the probability that a positive row scores above a negative one, ties
/// counting half. Exact (the ranks are summed as whole numbers). `None` unless both classes occur.
pub fn auc(rows: impl IntoIterator<Item = (f32, bool)>) -> Option<f64> {
    let mut rows: Vec<(f32, bool)> = rows.into_iter().collect();
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total = rows.len() as u128;
    let positives = rows.iter().filter(|row| row.1).count() as u128;
    let negatives = total - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    // Twice the mid-rank of a run of ties that starts behind `before` rows is 2·before + run + 1.
    let mut doubled_ranks = 0_u128;
    let mut before = 0_u128;
    for ties in rows.chunk_by(|a, b| a.0 == b.0) {
        let run = ties.len() as u128;
        let hits = ties.iter().filter(|row| row.1).count() as u128;
        doubled_ranks += hits * (2 * before + run + 1);
        before += run;
    }
    let doubled_wins = doubled_ranks - positives * (positives + 1);
    Some(doubled_wins as f64 / (2 * positives * negatives) as f64)
}

/// LogMAE of the top ones of so many equal buckets by label, highest first. Bucket `k` of `b` and `n` rows
/// holds the ranks from `k·n/b` to `(k+1)·n/b`; equal labels keep the order of the data, so the buckets hold the same rows
/// whatever the model predicts.
pub(super) fn log_mae_by_bucket(triples: &[Triple], buckets: usize) -> Vec<Option<f64>> {
    let mut rows: Vec<(f32, f32)> = triples
        .iter()
        .filter(|row| !row.label.is_nan())
        .map(|row| (row.label, row.lp))
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    (0..TOP_BUCKETS)
        .map(|bucket| {
            let start = bucket * rows.len() / buckets.max(1);
            let end = (bucket + 1) * rows.len() / buckets.max(1);
            log_mae(rows.get(start..end).unwrap_or_default())
        })
        .collect()
}

fn log_mae(rows: &[(f32, f32)]) -> Option<f64> {
    let mut sum = 0.0;
    let mut count = 0_u64;
    for &(label, lp) in rows.iter().filter(|row| row.0 > 0.0) {
        sum += (f64::from(lp) - f64::from(label).ln()).abs();
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
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
    fn buckets_are_equal_and_ordered_by_label() {
        // Forty rows, label (i + 1) / 40, prediction off by a factor e^i from the top: two rows a
        // bucket, and bucket k's LogMAE is the mean of 2k and 2k + 1.
        let triples: Vec<Triple> = (0..40)
            .map(|i| {
                let label = (i + 1) as f32 / 40.0;
                let error = f64::from(39 - i);
                Triple {
                    lp: (f64::from(label).ln() - error) as f32,
                    label,
                    action: f32::NAN,
                }
            })
            .collect();
        let buckets = log_mae_by_bucket(&triples, 20);
        assert_eq!(buckets.len(), TOP_BUCKETS);
        for (bucket, log_mae) in buckets.into_iter().enumerate() {
            let expected = 2.0 * bucket as f64 + 0.5;
            assert!((log_mae.expect("two rows") - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn a_bucket_without_a_positive_label_has_no_log_mae() {
        let zero = Triple {
            lp: -1.0,
            label: 0.0,
            action: 0.0,
        };
        assert_eq!(log_mae_by_bucket(&[zero; 40], 20), vec![None; TOP_BUCKETS]);
        assert_eq!(log_mae_by_bucket(&[], 20), vec![None; TOP_BUCKETS]);
    }

    proptest! {
        #[test]
        fn auc_is_its_definition(rows in prop::collection::vec((0_u8..12, any::<bool>()), 0..80)) {
            let rows: Vec<(f32, bool)> =
                rows.into_iter().map(|(score, positive)| (f32::from(score) / 7.0, positive)).collect();
            let expected = auc_by_pairs(&rows);
            let actual = auc(rows);
            prop_assert_eq!(actual.is_some(), expected.is_some());
            if let (Some(actual), Some(expected)) = (actual, expected) {
                prop_assert!((actual - expected).abs() < 1e-12);
            }
        }

        #[test]
        fn auc_of_the_opposite_order_is_its_complement(
            rows in prop::collection::vec((-50.0_f32..0.0, any::<bool>()), 2..60),
        ) {
            let opposite = auc(rows.iter().map(|&(score, positive)| (-score, positive)));
            if let (Some(auc), Some(opposite)) = (auc(rows), opposite) {
                prop_assert!((auc + opposite - 1.0).abs() < 1e-12);
            }
        }
    }
}
