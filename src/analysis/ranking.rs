//! Ranking metrics: AUROC, average precision, best F1. Ties are treated as in scikit-learn.

/// Rows with equal scores, and the number of anomalies among them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tie {
    score: f64,
    rows: u64,
    anomalies: u64,
}

/// Rows ordered by score, the highest first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranking {
    ties: Vec<Tie>,
    pub(super) rows: u64,
    pub(super) anomalies: u64,
}

impl Ranking {
    /// Takes the score of each row and whether it is an anomaly.
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

    /// Each score with the numbers of rows and anomalies that have at least this score.
    fn thresholds(&self) -> impl Iterator<Item = Tie> + '_ {
        self.ties.iter().scan((0, 0), |(rows, anomalies), tie| {
            *rows += tie.rows;
            *anomalies += tie.anomalies;
            Some(Tie { score: tie.score, rows: *rows, anomalies: *anomalies })
        })
    }

    /// The area under the ROC curve: the probability that an anomaly scores higher than another row, ties counting half
    /// (Fawcett 2006, "An introduction to ROC analysis", section 7); `None` unless there are both.
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

    /// Average precision: the precision at each threshold, weighted by its increase of recall; `None` without an
    /// anomaly.
    pub(super) fn average_precision(&self) -> Option<f64> {
        let steps = self.ties.iter().zip(self.thresholds());
        let sum =
            steps.map(|(tie, so_far)| tie.anomalies as f64 * so_far.anomalies as f64 / so_far.rows as f64).sum::<f64>();
        (self.anomalies > 0).then(|| sum / self.anomalies as f64)
    }

    /// The threshold of the largest F1, the highest one of ties, with the numbers of rows and anomalies that reach it.
    pub(super) fn best_f1(&self) -> Option<(f64, u64, u64)> {
        let f1 = |tie: &Tie| 2.0 * tie.anomalies as f64 / (tie.rows + self.anomalies) as f64;
        let best = self.thresholds().reduce(|best, tie| if f1(&tie) > f1(&best) { tie } else { best })?;
        Some((best.score, best.rows, best.anomalies))
    }

    /// The number of anomalies among the `n` rows of highest score; rows tied for the last places count by their
    /// expected share.
    pub(super) fn anomalies_in_top(&self, n: u64) -> f64 {
        let (mut left, mut found) = (n, 0.0);
        for Tie { rows, anomalies, .. } in &self.ties {
            let taken = left.min(*rows);
            found += taken as f64 * *anomalies as f64 / *rows as f64;
            left -= taken;
        }
        found
    }

    /// The numbers of rows and anomalies that score at least `threshold`.
    pub(super) fn reach(&self, threshold: f64) -> (u64, u64) {
        let reached = self.thresholds().take_while(|tie| tie.score >= threshold).last();
        reached.map_or((0, 0), |tie| (tie.rows, tie.anomalies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_equal_those_of_scikit_learn() {
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
    fn metrics_need_anomalies_and_other_rows() {
        let of = |labels: [bool; 2]| Ranking::new(labels.map(|label| (1.0, label)).to_vec());
        assert_eq!(
            (of([true; 2]).auroc(), of([false; 2]).auroc(), of([false; 2]).average_precision()),
            (None, None, None)
        );
        assert_eq!(of([true, false]).auroc(), Some(0.5));
    }
}
