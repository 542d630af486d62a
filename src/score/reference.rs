//! Calibration rows that a model stores, so that p-values stay valid once feedback changes scores.

use super::row_places::RowPlaces;
use super::tail::finite;
use super::{Feedback, Tail};

/// Rows stored of those with the highest scores, and of all others.
const HIGHEST: usize = 256;
const OTHERS: usize = 256;

/// Calibration rows, from the highest score down: the highest all, and of the others one for each group of as many.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reference {
    pub(crate) rows: RowPlaces,
    /// `[rows]`: their scores without feedback.
    pub(crate) scores: Vec<f32>,
    /// `[rows]`: for how many rows each stands.
    counts: Vec<usize>,
}

impl Reference {
    /// Which of these rows to store, in the order in which they are stored.
    pub(crate) fn choose(scores: &[f32]) -> Vec<usize> {
        let mut ranked: Vec<usize> = (0..scores.len()).collect();
        ranked.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        starts(scores.len()).into_iter().map(|rank| ranked[rank]).collect()
    }

    /// The chosen of so many rows; `None` if these are not as many as are [chosen](Self::choose).
    pub(crate) fn new(rows: RowPlaces, mut scores: Vec<f32>, of: usize) -> Option<Self> {
        scores.iter_mut().for_each(|score| *score = finite(*score));
        let starts = starts(of);
        let ends = starts.iter().skip(1).copied().chain([of]);
        let counts: Vec<usize> = starts.iter().zip(ends).map(|(start, end)| end - start).collect();
        (rows.len() == counts.len() && scores.len() == counts.len()).then_some(Self { rows, scores, counts })
    }

    /// The distribution of the scores of all calibration rows with this feedback. What is said of such a row itself does not
    /// count, as nothing is said of a row to come: else scores to compare with would sink as rows are reviewed. A reviewed row is
    /// one calibration row at most; others that are equal to it follow what is said of it, as rows to come do. Each group of
    /// rows scores as the stored one does, the highest of them.
    pub(crate) fn tail(&self, feedback: &Feedback) -> Tail {
        let mut is_found = vec![false; feedback.verdicts.len()];
        let mut scores = Vec::new();
        for (row, &count) in self.counts.iter().enumerate() {
            let same = feedback.same(&self.rows, row).filter(|&reviewed| !is_found[reviewed]);
            let same: Vec<usize> = same.take(count).collect();
            for &reviewed in &same {
                is_found[reviewed] = true;
                scores.push(feedback.score_without(reviewed, self.scores[row], &self.rows, row));
            }
            let score = feedback.score(self.scores[row], &self.rows, row);
            scores.extend(std::iter::repeat_n(score, count - same.len()));
        }
        Tail::of(scores)
    }
}

/// The ranks of the stored ones of so many rows.
fn starts(rows: usize) -> Vec<usize> {
    let rest = rows.saturating_sub(HIGHEST);
    let others = rest.min(OTHERS);
    (0..rows.min(HIGHEST)).chain((0..others).map(|n| HIGHEST + n * rest / others)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RandomStream;
    use crate::score::Verdict;

    #[test]
    fn p_values_with_feedback_are_those_of_all_rows() {
        // Rows on a line; the farther from 0, the higher the score.
        let mut places = vec![0.0; 20_000];
        RandomStream::new(3, "places").normals(&mut places);
        let scores: Vec<f32> = places.iter().map(|place| place * place).collect();
        let distances: Vec<f32> = places.iter().map(|place| 0.1 + place.abs()).collect();
        let all = RowPlaces::new(1, places.clone(), distances);
        let chosen = Reference::choose(&scores);
        assert_eq!(chosen.len(), 512);
        let mut stored = RowPlaces::default();
        chosen.iter().for_each(|&row| stored.push(&all, row));
        let of_stored = chosen.iter().map(|&row| scores[row]).collect();
        let reference = Reference::new(stored, of_stored, scores.len()).expect("all that are chosen");
        let mut reviewed = RowPlaces::default();
        chosen[..3].iter().for_each(|&row| reviewed.push(&all, row));
        let feedback = Feedback { rows: reviewed, verdicts: vec![Verdict::Anomaly, Verdict::Normal, Verdict::Anomaly] };
        let tail = reference.tail(&feedback);
        let of_all = (0..scores.len()).map(|row| match feedback.same(&all, row).next() {
            Some(reviewed) => feedback.score_without(reviewed, scores[row], &all, row),
            None => feedback.score(scores[row], &all, row),
        });
        let exact = Tail::of(of_all.collect());
        assert_eq!(tail.rows(), 20_000);
        for score in [0.5, 1.0, 3.0, 6.0, 9.0, 14.0] {
            let (p, exact) = (tail.p_value(score), exact.p_value(score));
            assert!((p - exact).abs() <= 0.3 * exact + 1e-3, "{score}: {p} {exact}");
        }
    }

    #[test]
    fn few_rows_are_all_stored() {
        let rows = RowPlaces::new(1, vec![0.0; 3], vec![1.0; 3]);
        assert_eq!(Reference::choose(&[1.0, 3.0, 2.0]), [1, 2, 0]);
        assert!(Reference::new(rows.clone(), vec![3.0, 2.0, 1.0], 3).is_some());
        assert!(Reference::new(rows, vec![3.0, 2.0, 1.0], 4).is_none());
    }
}
