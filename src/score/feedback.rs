//! What people said of rows: the scores of rows that are like those follow it.

use std::f32::consts::LN_2;

use serde::{Deserialize, Serialize};

use super::row_places::RowPlaces;

/// What somebody who looked at a row says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It is a false alarm, if it is one at all.
    Normal,
    /// It is an anomaly.
    Anomaly,
}

/// By how many nats a row that somebody calls an anomaly, and a row like it, scores higher. With more, a wrong verdict hurts
/// more than ten right ones help.
pub(crate) const RAISE: f32 = 5.0;

/// The score of a row that is like a normal one, in nats: that of the median row.
pub(crate) const ORDINARY: f32 = LN_2;

/// Up to about so many nats scores count as they are in the mean, and by their logarithm above: else a row that is nine tenths
/// like a normal one would be quiet only if its score by itself were low.
pub(crate) const LINEAR: f32 = 5.0;

/// Why a model whose rows are ranked by another score takes no feedback.
pub(crate) const NOT_COMBINED: &str = "its anomaly score is another than combined";

/// A reviewed row to which a row is so much alike is that row itself.
const ITSELF: f32 = 1.0 - 1e-4;

/// The reviewed rows, and what is said of each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Feedback {
    pub(crate) rows: RowPlaces,
    pub(crate) verdicts: Vec<Verdict>,
}

impl Feedback {
    /// The score, in nats, of row `n` of `rows`, given its `score` by itself.
    ///
    /// It is a weighted mean of that score, of a higher one for each anomaly, and of an ordinary one for each normal row, on the
    /// scale of asinh. A reviewed row weighs as much as the row is like it, from 0 to 1; the score by itself as much as the row
    /// is unlike each of them, the product of what is left to 1. So rows far from all keep their scores, one that is reviewed
    /// has what is said of it, and where verdicts differ most of them count. Two rows are as alike as exp(-d² / (a b)), where d
    /// is their distance, and a and b are their distances from the stored rows (the local scaling of Zelnik-Manor & Perona
    /// 2004, "Self-tuning spectral clustering"): rows far from all others are alike over wider distances.
    pub(crate) fn score(&self, score: f32, rows: &RowPlaces, n: usize) -> f32 {
        Self::follow(score, self.alike(rows, n))
    }

    /// The score that the row would have if nobody had reviewed it as row `reviewed`, but all others: that of a row to compare
    /// with.
    pub(super) fn score_without(&self, reviewed: usize, score: f32, rows: &RowPlaces, n: usize) -> f32 {
        let others = self.alike(rows, n).enumerate().filter(|(other, _)| *other != reviewed);
        Self::follow(score, others.map(|(_, alike)| alike))
    }

    /// The reviewed rows that are this very row, as far as their places tell.
    pub(super) fn same(&self, rows: &RowPlaces, n: usize) -> impl Iterator<Item = usize> {
        self.alike(rows, n).enumerate().filter(|(_, (alike, _))| *alike >= ITSELF).map(|(reviewed, _)| reviewed)
    }

    /// How much the row is like each reviewed one, and what is said of that.
    fn alike(&self, rows: &RowPlaces, n: usize) -> impl Iterator<Item = (f32, Verdict)> {
        let reviewed = self.verdicts.iter().enumerate();
        reviewed.map(move |(reviewed, verdict)| (self.rows.likeness(reviewed, rows, n), *verdict))
    }

    /// The score of a row that is so much like reviewed ones.
    fn follow(score: f32, reviewed: impl Iterator<Item = (f32, Verdict)>) -> f32 {
        if !score.is_finite() {
            return score;
        }
        let (mut by_itself, mut sum, mut weights) = (1.0, 0.0, 0.0);
        for (alike, verdict) in reviewed {
            let alike = f64::from(alike);
            by_itself *= 1.0 - alike;
            weights += alike;
            sum += alike
                * match verdict {
                    Verdict::Anomaly => bent(score + RAISE),
                    Verdict::Normal => bent(score.min(ORDINARY)),
                };
        }
        (f64::from(LINEAR) * ((by_itself * bent(score) + sum) / (by_itself + weights)).sinh()) as f32
    }
}

/// A score on the scale of the mean.
fn bent(score: f32) -> f64 {
    f64::from(score / LINEAR).asinh()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows on a line, each at a distance of 1 from the stored rows.
    fn rows(places: &[f32]) -> RowPlaces {
        RowPlaces::new(1, places.to_vec(), vec![1.0; places.len()])
    }

    fn scored(feedback: &Feedback, score: f32, place: f32) -> f32 {
        feedback.score(score, &rows(&[place]), 0)
    }

    fn is_about(a: f32, b: f32) -> bool {
        (a - b).abs() <= 1e-6 * b
    }

    #[test]
    fn a_reviewed_row_has_what_is_said_of_it_and_rows_far_from_it_keep_their_scores() {
        let feedback = Feedback { rows: rows(&[0.0, 9.0]), verdicts: vec![Verdict::Normal, Verdict::Anomaly] };
        assert!(is_about(scored(&feedback, 30.0, 0.0), LN_2));
        assert!(is_about(scored(&feedback, 30.0, 9.0), 35.0));
        assert!(is_about(scored(&feedback, 30.0, 100.0), 30.0));
        assert!(is_about(scored(&feedback, 0.1, 0.0), 0.1), "a false alarm raises no score");
        assert!(scored(&feedback, 300.0, 0.3) < 3.0, "nine tenths like a false alarm, however high");
        let between: Vec<f32> = [0.2, 0.5, 1.0, 2.0].map(|place| scored(&feedback, 30.0, place)).into();
        assert!(between.is_sorted(), "{between:?}");
    }

    #[test]
    fn one_wrong_verdict_is_outvoted_by_others_of_rows_alike() {
        let verdicts = vec![Verdict::Anomaly, Verdict::Anomaly, Verdict::Anomaly, Verdict::Normal];
        let feedback = Feedback { rows: rows(&[0.0, 0.1, -0.1, 0.05]), verdicts };
        assert!(scored(&feedback, 10.0, 0.02) > 8.0);
    }

    #[test]
    fn a_score_that_overflowed_stays() {
        let feedback = Feedback { rows: rows(&[0.0]), verdicts: vec![Verdict::Normal] };
        assert_eq!(scored(&feedback, f32::INFINITY, 0.0), f32::INFINITY);
        assert!(is_about(scored(&feedback, 3.0, f32::INFINITY), 3.0));
    }
}
