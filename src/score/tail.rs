//! Compressed empirical distribution of scores, exact in the upper tail.

use serde::{Deserialize, Serialize};

/// Ranks stored exactly. Below them, adjacent scores count as the highest of their group: a rank is too high by at most
/// one part in this many and never too low, so that p-values stay valid.
const EXACT_RANKS: u64 = 512;

/// The distribution of the scores of some rows, for ranks and quantiles: about 512 (1 + ln(rows / 512)) numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// Rows scored.
    rows: u64,
    /// Distinct scores, from the highest down.
    #[serde(serialize_with = "shortest")]
    scores: Vec<f32>,
    /// How many rows have each of these scores or a higher one.
    at_least: Vec<u64>,
}

/// Serializes each score as the shortest decimal that reads back as the same f32, since JSON numbers are f64.
fn shortest<S: serde::Serializer>(scores: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(scores.iter().map(|score| score.to_string().parse().unwrap_or(f64::from(*score))))
}

/// Makes a score finite: NaN and infinity, which come only from overflow, count as the highest.
fn finite(score: f32) -> f32 {
    if score.is_finite() {
        score
    } else if score == f32::NEG_INFINITY {
        f32::MIN
    } else {
        f32::MAX
    }
}

impl Tail {
    /// Builds the distribution from scores in any order.
    pub(crate) fn of(scores: Vec<f32>) -> Self {
        let mut sorted: Vec<f32> = scores.into_iter().map(finite).collect();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let mut tail = Self { rows: sorted.len() as u64, scores: Vec::new(), at_least: Vec::new() };
        let mut end = 0;
        for (place, &score) in (0..).zip(&sorted) {
            if place == end {
                end = place + (place / EXACT_RANKS).max(1);
                // Equal scores have one rank; -0 and 0 are equal.
                if tail.scores.last() != Some(&score) {
                    tail.scores.push(score);
                    tail.at_least.push(0);
                }
            }
            if let Some(at_least) = tail.at_least.last_mut() {
                *at_least = place + 1;
            }
        }
        tail
    }

    /// Rows scored.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The stored scores in ascending order, each with the number of rows above the previous score and up to it.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (f32, u64)> + '_ {
        let above = |place: usize| place.checked_sub(1).map_or(0, |above| self.at_least[above]);
        (0..self.scores.len()).rev().map(move |place| (self.scores[place], self.at_least[place] - above(place)))
    }

    /// The number of stored scores; a score has a level in `0..=levels()`.
    pub(crate) fn levels(&self) -> usize {
        self.scores.len()
    }

    /// The level of a score: how many stored scores are at least as high. Level 0 is above all.
    pub(crate) fn level(&self, score: f32) -> usize {
        let score = finite(score);
        self.scores.partition_point(|&known| known >= score)
    }

    /// The conformal p-value of a level: (1 + rows that score at least as high) / (1 + rows).
    pub(crate) fn p_value_of(&self, level: usize) -> f64 {
        let at_least = level.checked_sub(1).map_or(0, |last| self.at_least[last]);
        (1 + at_least) as f64 / (1 + self.rows) as f64
    }

    /// The conformal p-value of a score (Vovk, Gammerman & Shafer 2005, "Algorithmic learning in a random world", eq.
    /// 2.2): (1 + rows that score at least as high) / (1 + rows). For a row from the same distribution, it is at most p
    /// with probability at most p.
    pub fn p_value(&self, score: f32) -> f64 {
        self.p_value_of(self.level(score))
    }

    /// The lowest stored score that at most a `share` of the rows reach; if more reach even the highest, the next f32
    /// above it.
    pub(crate) fn threshold_for(&self, share: f64) -> f32 {
        // Rounding may place a decimal share just below a whole number of rows.
        let most = share * self.rows as f64 * (1.0 + 1e-12);
        let enough = self.at_least.partition_point(|&at_least| at_least as f64 <= most);
        match enough.checked_sub(1) {
            Some(last) => self.scores[last],
            None => self.scores.first().map_or(f32::MAX, |highest| highest.next_up()),
        }
    }

    /// Whether the fields are consistent.
    pub(crate) fn is_valid(&self) -> bool {
        let Self { rows, scores, at_least } = self;
        scores.len() == at_least.len()
            && scores.iter().all(|score| score.is_finite())
            && scores.windows(2).all(|pair| pair[0] > pair[1])
            && at_least.windows(2).all(|pair| pair[0] < pair[1])
            && at_least.first().is_none_or(|&first| first > 0)
            && at_least.last().copied().unwrap_or(0) == *rows
            && *rows < 1 << 53
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p_values_follow_their_formula_ties_included() {
        let tail = Tail::of(vec![3.0, 1.0, 2.0, 2.0]);
        let p = [4.0, 3.0, 2.5, 2.0, 1.0, 0.0].map(|score| tail.p_value(score) * 5.0);
        assert_eq!(p, [1.0, 2.0, 2.0, 4.0, 5.0, 5.0]);
        assert_eq!((tail.p_value(f32::NAN), tail.p_value(f32::INFINITY)), (0.2, 0.2));
        assert_eq!(Tail::of(vec![f32::INFINITY, 0.0]).p_value(f32::INFINITY), 2.0 / 3.0);
    }

    #[test]
    fn a_threshold_is_reached_by_at_most_its_share() {
        let tail = Tail::of((0..100).map(|n| n as f32).collect());
        assert_eq!(
            (tail.threshold_for(0.05), tail.threshold_for(0.059), tail.threshold_for(0.0)),
            (95.0, 95.0, 99_f32.next_up())
        );
        let tied = Tail::of(vec![1.0, 7.0, 7.0, 7.0]);
        assert_eq!((tied.threshold_for(0.5), tied.threshold_for(0.75)), (7_f32.next_up(), 7.0));
    }

    #[test]
    fn a_hundred_thousand_scores_need_a_few_thousand_numbers() {
        let tail = Tail::of((0..100_000).map(|n| n as f32).collect());
        assert!(tail.scores.len() < 3600 && tail.is_valid(), "{}", tail.scores.len());
    }

    proptest! {
        #[test]
        fn a_rank_is_never_too_low_and_at_most_slightly_too_high(scores in prop::collection::vec(0_u16..5000, 0..6000), ask: u16) {
            let ask = f32::from(ask % 5100);
            let tail = Tail::of(scores.iter().copied().map(f32::from).collect());
            prop_assert!(tail.is_valid());
            let exact = scores.iter().filter(|&&score| f32::from(score) >= ask).count() as f64;
            let found = tail.p_value(ask) * (1 + scores.len()) as f64 - 1.0;
            prop_assert!(found >= exact - 1e-6 && found <= exact + exact / EXACT_RANKS as f64 + 1e-6, "{found} {exact}");
        }
    }
}
