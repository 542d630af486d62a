//! Scores of one kind of rows as those of another kind that are as rare: rows with few rows before them are compared with rows
//! whose windows are full.

use serde::{Deserialize, Serialize};

use super::tail::{finite, shortest};

/// Fewest scores above the last rank that is compared: fewer say little.
const LEAST_ABOVE: f64 = 4.0;

/// Scores of one kind of rows, ascending, each with the score of another kind that the same share of those rows exceeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreEquivalents {
    #[serde(serialize_with = "shortest")]
    scores: Vec<f32>,
    #[serde(serialize_with = "shortest")]
    equivalents: Vec<f32>,
}

impl ScoreEquivalents {
    /// Fewest scores of either kind.
    pub(crate) const FEWEST: usize = 40;

    /// Compares scores of either kind at ranks that are denser in the upper tail; `None` for too few scores.
    pub(crate) fn of(scores: Vec<f32>, others: Vec<f32>) -> Option<Self> {
        let fewest = scores.len().min(others.len());
        if fewest < Self::FEWEST {
            return None;
        }
        let [scores, others] = [scores, others].map(sorted);
        // Sixteenths of all rows, then eighths of a power of two.
        let body = (0..15).map(|n| 1.0 - f64::from(n) / 16.0);
        let tail = (0..).map(|n| 2_f64.powf(-4.0 - f64::from(n) / 8.0));
        let tail = tail.take_while(|above| above * fewest as f64 >= LEAST_ABOVE);
        let mut equivalents = Self { scores: Vec::new(), equivalents: Vec::new() };
        for above in body.chain(tail) {
            let [score, other] = [&scores, &others].map(|all| quantile(all, above));
            if equivalents.scores.last() == Some(&score) {
                // Equal scores count as the highest of their equivalents.
                equivalents.equivalents.pop();
            } else {
                equivalents.scores.push(score);
            }
            equivalents.equivalents.push(other);
        }
        Some(equivalents)
    }

    /// The score of the other kind that is as rare as this one. Beyond the highest of the stored scores it goes on as in the upper
    /// half of these, and below the lowest as far as that.
    pub(crate) fn equivalent(&self, score: f32) -> f32 {
        let Self { scores, equivalents } = self;
        let (score, last) = (finite(score), scores.len() - 1);
        let (from, to) = match scores.partition_point(|&stored| stored <= score) {
            0 => return finite(equivalents[0] + (score - scores[0])),
            above if above > last => (last / 2, last),
            above => (above - 1, above),
        };
        let [x, y] = [scores, equivalents].map(|all| [all[from], all[to]].map(f64::from));
        let slope = if x[1] > x[0] { (y[1] - y[0]) / (x[1] - x[0]) } else { 1.0 };
        finite((y[1] + (f64::from(score) - x[1]) * slope) as f32)
    }

    /// Whether scores can be looked up: a model file may be damaged.
    pub(crate) fn is_valid(&self) -> bool {
        let Self { scores, equivalents } = self;
        !scores.is_empty()
            && scores.len() == equivalents.len()
            && scores.iter().chain(equivalents).all(|score| score.is_finite())
            && scores.is_sorted_by(|a, b| a < b)
            && equivalents.is_sorted()
    }
}

fn sorted(mut scores: Vec<f32>) -> Vec<f32> {
    scores.iter_mut().for_each(|score| *score = finite(*score));
    scores.sort_unstable_by(f32::total_cmp);
    scores
}

/// The score that this share of sorted ones is above, between two of them if need be.
fn quantile(sorted: &[f32], above: f64) -> f32 {
    let place = (1.0 - above) * (sorted.len() - 1) as f64;
    let [low, high] = [place.floor(), place.ceil()].map(|place| f64::from(sorted[place as usize]));
    (low + (high - low) * place.fract()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores at even ranks of an exponential distribution with this mean.
    fn exponential(rows: u32, mean: f64) -> Vec<f32> {
        (0..rows).map(|n| (-((f64::from(n) + 0.5) / f64::from(rows)).ln() * mean) as f32).collect()
    }

    #[test]
    fn an_equivalent_is_as_rare() {
        let equivalents = ScoreEquivalents::of(exponential(3000, 10.0), exponential(5000, 1.0)).unwrap();
        for score in [0.5, 3.0, 7.0, 20.0, 45.0, 60.0, 200.0] {
            let found = equivalents.equivalent(score);
            assert!((found - score / 10.0).abs() < 0.05 * found + 0.02, "{score}: {found}");
        }
        let stored: ScoreEquivalents = serde_json::from_value(serde_json::to_value(&equivalents).unwrap()).unwrap();
        assert!(stored == equivalents && stored.is_valid());
    }

    #[test]
    fn equivalents_are_in_the_order_of_scores() {
        let tied = [vec![0.0; 100], vec![1.0; 60], exponential(40, 3.0)].concat();
        let equivalents = ScoreEquivalents::of(tied, exponential(70, 2.0)).unwrap();
        assert!(equivalents.is_valid());
        let found: Vec<f32> = (-20..200).map(|n| equivalents.equivalent(n as f32 / 8.0)).collect();
        assert!(found.is_sorted());
        assert!(equivalents.equivalent(f32::INFINITY).is_finite() && equivalents.equivalent(f32::NAN).is_finite());
        let equal = ScoreEquivalents::of(vec![2.0; 50], vec![7.0; 50]).unwrap();
        assert_eq!([1.0, 2.0, 3.0].map(|score| equal.equivalent(score)), [6.0, 7.0, 8.0]);
        assert_eq!(ScoreEquivalents::of(vec![2.0; 39], vec![7.0; 50]), None);
    }
}
