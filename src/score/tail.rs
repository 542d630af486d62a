//! Compressed empirical distribution of scores, exact in the upper tail, and fitted beyond it.

use serde::{Deserialize, Serialize};

use crate::numerics::GeneralizedPareto;

/// Ranks stored exactly. Below them, adjacent scores count as the highest of their group: a rank is too high by at most
/// one part in this many and never too low, so that p-values stay valid.
const EXACT_RANKS: u64 = 512;

/// Fewest of the highest scores that a distribution is fitted to, if there are as many scores as this.
const FEWEST_HIGHEST: u64 = 5;
const FEWEST_FITTED: u64 = 21;

/// Levels above the highest score: each has half the probability of the next lower one.
const LEVELS_BEYOND: usize = 64;

/// The distribution of the scores of some rows, for ranks and quantiles: about 512 (1 + ln(rows / 512)) numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredTail")]
pub struct Tail {
    /// Rows scored.
    rows: u64,
    /// Distinct scores, from the highest down.
    #[serde(serialize_with = "shortest")]
    scores: Vec<f32>,
    /// How many rows have each of these scores or a higher one.
    at_least: Vec<u64>,
    /// The distribution of the excess over the highest score, fitted to the highest scores.
    #[serde(skip)]
    beyond: Option<GeneralizedPareto>,
}

/// A tail as a model file stores it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTail {
    rows: u64,
    scores: Vec<f32>,
    at_least: Vec<u64>,
}

impl From<StoredTail> for Tail {
    fn from(StoredTail { rows, scores, at_least }: StoredTail) -> Self {
        let tail = Self { rows, scores, at_least, beyond: None };
        // A model file may be damaged.
        if tail.is_valid() { tail.with_fit() } else { tail }
    }
}

/// Serializes each score as the shortest decimal that reads back as the same f32, since JSON numbers are f64.
pub(super) fn shortest<S: serde::Serializer>(scores: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(scores.iter().map(|score| score.to_string().parse().unwrap_or(f64::from(*score))))
}

/// Makes a score finite: NaN and infinity, which come only from overflow, count as the highest.
pub(super) fn finite(score: f32) -> f32 {
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
        let mut tail = Self { rows: sorted.len() as u64, scores: Vec::new(), at_least: Vec::new(), beyond: None };
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
        tail.with_fit()
    }

    /// Fits the distribution of the excess over the highest score to the highest scores: a fifth of them, at least five, and
    /// at most 3 √rows (Vehtari et al. 2024, section 2.1).
    fn with_fit(self) -> Self {
        let fewest = if self.rows < FEWEST_FITTED { 0 } else { FEWEST_HIGHEST };
        let wanted = (self.rows / 5).max(fewest).min((3.0 * (self.rows as f64).sqrt()) as u64).min(EXACT_RANKS);
        let end = self.at_least.partition_point(|&at_least| at_least <= wanted);
        let (Some(&threshold), Some(&highest)) = (self.scores.get(end), self.scores.first()) else { return self };
        let excess = |score: f32| f64::from(score) - f64::from(threshold);
        let highest_scores = self.counts().filter(|(score, _)| *score > threshold);
        let excesses: Vec<f64> =
            highest_scores.flat_map(|(score, rows)| std::iter::repeat_n(excess(score), rows as usize)).collect();
        let beyond = GeneralizedPareto::fit(&excesses).map(|fitted| fitted.above(excess(highest)));
        Self { beyond, ..self }
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

    /// The stored scores, from the highest down, and with each the number of rows that score at least as high.
    pub(crate) fn steps(&self) -> (&[f32], &[u64]) {
        (&self.scores, &self.at_least)
    }

    /// The fitted distribution of the excess over the highest score.
    pub(crate) fn fitted_excess(&self) -> Option<GeneralizedPareto> {
        self.beyond
    }

    /// The number of levels. A score has a level below it; those of level 0 are the highest.
    pub(crate) fn levels(&self) -> usize {
        LEVELS_BEYOND + self.scores.len()
    }

    /// The level of a score.
    pub(crate) fn level(&self, score: f32) -> usize {
        match self.place(score) {
            0 => (LEVELS_BEYOND - 1).saturating_sub(-self.beyond(score).log2() as usize),
            place => LEVELS_BEYOND - 1 + place,
        }
    }

    /// The highest p-value of the scores of a level.
    pub(crate) fn p_value_of(&self, level: usize) -> f64 {
        match (level + 1).checked_sub(LEVELS_BEYOND) {
            Some(place) => self.conformal(place),
            None => self.conformal(0) * 0.5_f64.powi((LEVELS_BEYOND - 1 - level) as i32),
        }
    }

    /// The p-value of a score: above 0, and lower for a higher score.
    ///
    /// It is the conformal one (Vovk, Gammerman & Shafer 2005, "Algorithmic learning in a random world", eq. 2.2):
    /// (1 + rows that score at least as high) / (1 + rows). For a row from the same distribution, it is at most p with
    /// probability at most p. A score above all has that of the highest, times the probability of such an excess under a
    /// generalised Pareto distribution fitted to the highest scores (as Siffer et al. 2017, "Anomaly detection in streams
    /// with extreme value theory").
    pub fn p_value(&self, score: f32) -> f64 {
        match self.place(score) {
            0 => self.conformal(0) * self.beyond(score),
            place => self.conformal(place),
        }
    }

    /// -ln of the p-value, finite however small that is.
    pub(crate) fn nats(&self, score: f32) -> f64 {
        match self.place(score) {
            0 => -self.conformal(0).ln() + self.beyond_by(score, GeneralizedPareto::nats, 0.0),
            place => -self.conformal(place).ln(),
        }
    }

    /// The p-value that no score is below.
    pub(crate) fn least_p_value(&self) -> f64 {
        self.p_value(f32::INFINITY)
    }

    /// How many stored scores are at least as high.
    fn place(&self, score: f32) -> usize {
        let score = finite(score);
        self.scores.partition_point(|&known| known >= score)
    }

    /// The conformal p-value of the scores below `place` of the stored ones.
    fn conformal(&self, place: usize) -> f64 {
        let at_least = place.checked_sub(1).map_or(0, |last| self.at_least[last]);
        (1 + at_least) as f64 / (1 + self.rows) as f64
    }

    /// The probability that a score above the highest is as high as this; 1 if no tail is fitted.
    fn beyond(&self, score: f32) -> f64 {
        self.beyond_by(score, GeneralizedPareto::survival, 1.0)
    }

    /// What the fitted tail says of the excess of a score over the highest.
    fn beyond_by(&self, score: f32, say: impl Fn(GeneralizedPareto, f64) -> f64, without: f64) -> f64 {
        let excess = |highest: &f32| f64::from(finite(score)) - f64::from(*highest);
        match (self.beyond, self.scores.first()) {
            (Some(tail), Some(highest)) => say(tail, excess(highest)),
            _ => without,
        }
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
        let Self { rows, scores, at_least, .. } = self;
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
        assert_eq!((tail.p_value(f32::NAN), tail.least_p_value()), (0.2, 0.2), "four scores have no tail");
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
    fn the_tail_of_exponential_scores_goes_on() {
        // Of 2,000 exponential scores at even ranks, a score of s + ln 2000 or more has the probability exp(-s) / 2000. The
        // highest one has a conformal p-value of 1 / 2001, twice as much, and the prior makes the tail heavier: p-values
        // are too high, never too low.
        let scores = (0..2000).map(|n| -((f64::from(n) + 0.5) / 2000.0).ln() as f32).collect();
        let tail = Tail::of(scores);
        for (s, tolerance) in [(1.0_f64, 2.5), (4.0, 6.0), (8.0, 40.0)] {
            let (p, expected) = (tail.p_value(2000_f32.ln() + s as f32), (-s).exp() / 2000.0);
            assert!(p < tolerance * expected && p > expected, "{s}: {p} {expected}");
        }
        let mut last = 1.0;
        for score in (0..2000).map(|n| n as f32 / 50.0) {
            let (p, most) = (tail.p_value(score), tail.p_value_of(tail.level(score)));
            assert!(p <= last && p <= most && most <= 2.0 * p + 1e-3, "{score}: {last} {p} {most}");
            last = p;
        }
        assert!((0.0..1e-9).contains(&tail.least_p_value()) && tail.least_p_value() > 0.0);
        let stored: Tail = serde_json::from_value(serde_json::to_value(&tail).unwrap()).unwrap();
        assert_eq!(stored, tail);
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
            if exact == 0.0 {
                prop_assert!(found <= 1e-6 && tail.p_value(ask) > 0.0, "{found}");
                return Ok(());
            }
            prop_assert!(found >= exact - 1e-6 && found <= exact + exact / EXACT_RANKS as f64 + 1e-6, "{found} {exact}");
        }
    }
}
