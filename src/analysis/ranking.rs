//! How well scores put anomalies first. Equal scores are one place in the order, as scikit-learn has it.

/// Rows of one score, and how many of them are anomalies.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tie {
    score: f64,
    rows: u64,
    anomalies: u64,
}

/// Rows in the order of their scores, the highest first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranking {
    ties: Vec<Tie>,
    pub(super) rows: u64,
    pub(super) anomalies: u64,
}

impl Ranking {
    /// Takes rows' scores and whether they are anomalies.
    pub(super) fn new(mut rows: Vec<(f64, bool)>) -> Self {
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut ties = Vec::<Tie>::new();
        for &(score, anomaly) in &rows {
            match ties.last_mut().filter(|tie| tie.score == score) {
                Some(tie) => {
                    tie.rows += 1;
                    tie.anomalies += u64::from(anomaly);
                }
                None => ties.push(Tie { score, rows: 1, anomalies: u64::from(anomaly) }),
            }
        }
        let anomalies = ties.iter().map(|tie| tie.anomalies).sum();
        Self { ties, rows: rows.len() as u64, anomalies }
    }

    /// Each score with the rows and anomalies that have it or a higher one.
    fn thresholds(&self) -> impl Iterator<Item = Tie> + '_ {
        self.ties.iter().scan((0, 0), |(rows, anomalies), tie| {
            *rows += tie.rows;
            *anomalies += tie.anomalies;
            Some(Tie { score: tie.score, rows: *rows, anomalies: *anomalies })
        })
    }

    /// The probability that an anomaly scores higher than another row, half of it if they score the same (Fawcett 2006,
    /// "An introduction to ROC analysis", section 7); `None` unless there are both.
    pub(super) fn auroc(&self) -> Option<f64> {
        let (mut above, mut pairs) = (0.0, 0.0);
        for Tie { rows, anomalies, .. } in &self.ties {
            let others = (rows - anomalies) as f64;
            pairs += others * (above + *anomalies as f64 / 2.0);
            above += *anomalies as f64;
        }
        let all = self.anomalies as f64 * (self.rows - self.anomalies) as f64;
        (all > 0.0).then(|| pairs / all)
    }

    /// The precision at each threshold, weighted by the recall it adds; `None` without an anomaly.
    pub(super) fn average_precision(&self) -> Option<f64> {
        let steps = self.ties.iter().zip(self.thresholds());
        let sum =
            steps.map(|(tie, so_far)| tie.anomalies as f64 * so_far.anomalies as f64 / so_far.rows as f64).sum::<f64>();
        (self.anomalies > 0).then(|| sum / self.anomalies as f64)
    }

    /// The threshold of the greatest F1, the highest of equals, with rows and anomalies that reach it.
    pub(super) fn best_f1(&self) -> Option<(f64, u64, u64)> {
        let f1 = |tie: &Tie| 2.0 * tie.anomalies as f64 / (tie.rows + self.anomalies) as f64;
        let best = self.thresholds().reduce(|best, tie| if f1(&tie) > f1(&best) { tie } else { best })?;
        Some((best.score, best.rows, best.anomalies))
    }

    /// Anomalies among the `n` rows of highest score, at most all; of rows that are tied for the last places the share
    /// that is expected there.
    pub(super) fn anomalies_in_top(&self, n: u64) -> f64 {
        let (mut left, mut found) = (n, 0.0);
        for Tie { rows, anomalies, .. } in &self.ties {
            let taken = left.min(*rows);
            found += taken as f64 * *anomalies as f64 / *rows as f64;
            left -= taken;
        }
        found
    }

    /// Rows, and anomalies among them, that score at least `threshold`.
    pub(super) fn reach(&self, threshold: f64) -> (u64, u64) {
        let reached = self.thresholds().take_while(|tie| tie.score >= threshold).last();
        reached.map_or((0, 0), |tie| (tie.rows, tie.anomalies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_scikit_learn() {
        // y = [0, 1, 1, 0, 1, 0, 0]; s = [.1, .9, .4, .4, .4, .2, .9]
        // roc_auc_score(y, s), average_precision_score(y, s)
        let labels = [false, true, true, false, true, false, false];
        let scores = [0.1, 0.9, 0.4, 0.4, 0.4, 0.2, 0.9];
        let ranking = Ranking::new(scores.into_iter().zip(labels).collect());
        let close = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}");
        close(ranking.auroc(), 0.708_333_333_333_333_3);
        close(ranking.average_precision(), 0.566_666_666_666_666_7);
        // precision_recall_curve: precision .6 and recall 1 at .4
        assert_eq!(ranking.best_f1(), Some((0.4, 5, 3)));
        assert_eq!(
            (ranking.anomalies_in_top(2), ranking.anomalies_in_top(3), ranking.anomalies_in_top(99)),
            (1.0, 1.0 + 2.0 / 3.0, 3.0)
        );
        assert_eq!((ranking.reach(0.4), ranking.reach(0.41), ranking.reach(1.0)), ((5, 3), (2, 1), (0, 0)));
    }

    #[test]
    fn without_both_kinds_there_is_no_order_to_judge() {
        let of = |labels: [bool; 2]| Ranking::new(labels.map(|label| (1.0, label)).to_vec());
        assert_eq!(
            (of([true; 2]).auroc(), of([false; 2]).auroc(), of([false; 2]).average_precision()),
            (None, None, None)
        );
        assert_eq!(of([true, false]).auroc(), Some(0.5));
    }
}
