//! How the highest scores of a group compare with those of all groups, so that no group is flagged because its scores have another
//! tail.
//!
//! The tail of a group is exponential: the share of its rows beyond the score where the tail of all groups begins, and the mean
//! excess over that, which is estimated with the excess of the highest scores censored. Both are shrunk towards those of all groups
//! by empirical Bayes, with gamma priors whose variance is estimated by moments (Clayton & Kaldor 1987, "Empirical Bayes estimates
//! of age-standardized relative risks", section 2).

use super::tail::finite;

/// The share of the scores of all groups that are in the tail.
const IN_TAIL: f64 = 0.1;

/// The share of the scores that are gross: how far they are off does not count.
const GROSS: f64 = 0.005;

/// The least variance between groups, of numbers whose mean is 1.
const LEAST_VARIANCE: f64 = 1e-4;

/// The tail of a group begins at this part at least of the score where that of all groups does.
const LEAST_START: f64 = 0.25;

/// Groups of which fewer rows than this are expected in the tail say little of how groups vary.
const FEW: f64 = 20.0;

/// The largest number in a file.
const MOST: f32 = 1e30;

/// How the scores of the groups of one column compare with those of all groups.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupTails {
    /// The given element with the number of the group.
    pub(crate) element: usize,
    /// Those of each group; the last are for rows of no known group.
    pub(crate) groups: Vec<GroupTail>,
}

/// How the scores of a group compare with those of all groups: of positive scores, those up to the start of the group's tail are
/// multiplied by one number, and what is beyond by another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GroupTail {
    pub(crate) start: f32,
    pub(crate) below: f32,
    pub(crate) beyond: f32,
}

/// Scores of a group in the tail of all groups.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    rows: f64,
    in_tail: f64,
    not_gross: f64,
    /// The sum of their excess.
    excess: f64,
}

/// The tail of all groups.
struct OverallTail {
    start: f64,
    mean_excess: f64,
    /// The variance between groups of the share in the tail and of the mean excess, both divided by those of all.
    of_share: f64,
    of_excess: f64,
}

impl GroupTail {
    /// The score that is as rare among all groups as this one in the group.
    pub(crate) fn compared(self, score: f32) -> f32 {
        // NaN comes only from overflow and counts as the highest score.
        if score <= 0.0 || score.is_nan() {
            return score;
        }
        finite(score.min(self.start) * self.below + (score - self.start).max(0.0) * self.beyond)
    }
}

impl GroupTails {
    /// Compares scores of rows of so many groups, each with the number of its group, and of rows whose group was hidden; `None` if
    /// scores have no tail.
    pub(crate) fn of(element: usize, scores: &[(f32, f32)], groups: usize, unseen: &[f32]) -> Option<Self> {
        let mut sorted: Vec<f32> = scores.iter().map(|(score, _)| finite(*score)).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let beyond = |share: f64| sorted.get(((1.0 - share) * sorted.len() as f64) as usize).copied().map(f64::from);
        let (start, gross) = (beyond(IN_TAIL)?, beyond(GROSS)?);
        let mut counts = vec![Counts::default(); groups];
        for (score, group) in scores.iter().filter(|(_, group)| !group.is_nan()) {
            counts[*group as usize].add(*score, start, gross);
        }
        let overall = OverallTail::of(&counts, start).filter(|_| start > 0.0)?;
        let mut of_unseen = Counts::default();
        unseen.iter().for_each(|score| of_unseen.add(*score, start, gross));
        let groups = counts.iter().chain([&of_unseen]).map(|counts| overall.tail(counts)).collect();
        Some(Self { element, groups }).filter(Self::is_valid)
    }

    /// Compares the score of a row, by the group that its given elements name.
    pub(crate) fn compared(&self, score: f32, elements: &[f32]) -> f32 {
        let (group, unknown) = (elements[self.element], self.groups.len() - 1);
        let group = if group.is_nan() { unknown } else { (group as usize).min(unknown) };
        self.groups[group].compared(score)
    }

    /// Whether scores can be compared: a model file may be damaged, and scores may be beyond all bounds.
    pub(crate) fn is_valid(&self) -> bool {
        let is_number = |it: f32| it.is_normal() && (0.0..MOST).contains(&it);
        !self.groups.is_empty()
            && self.groups.iter().all(|it| [it.start, it.below, it.beyond].into_iter().all(is_number))
    }
}

impl Counts {
    fn add(&mut self, score: f32, start: f64, gross: f64) {
        let score = f64::from(finite(score));
        self.rows += 1.0;
        if score > start {
            self.in_tail += 1.0;
            self.not_gross += f64::from(u8::from(score < gross));
            self.excess += score.min(gross) - start;
        }
    }
}

impl OverallTail {
    /// The tail of all groups, which begins at `start`; `None` if there is none.
    fn of(groups: &[Counts], start: f64) -> Option<Self> {
        let sum = |of: fn(&Counts) -> f64| groups.iter().map(of).sum::<f64>();
        let mean_excess = sum(|it| it.excess) / sum(|it| it.not_gross);
        if !(mean_excess.is_normal() && mean_excess > 0.0) {
            return None;
        }
        let shares = groups.iter().map(|it| (it.in_tail, it.rows * IN_TAIL, 1.0 - IN_TAIL));
        let excesses = groups.iter().map(|it| (it.excess / mean_excess, it.not_gross, 1.0));
        Some(Self { start, mean_excess, of_share: variance(shares), of_excess: variance(excesses) })
    }

    fn tail(&self, group: &Counts) -> GroupTail {
        let share = shrunk(group.in_tail, group.rows * IN_TAIL, self.of_share);
        let excess = shrunk(group.excess / self.mean_excess, group.not_gross, self.of_excess);
        let start = (self.start + self.mean_excess * share.ln()).max(LEAST_START * self.start);
        GroupTail { start: start as f32, below: (self.start / start) as f32, beyond: (1.0 / excess) as f32 }
    }
}

/// The variance between groups of a ratio whose mean is 1, from what was found and expected in each group, and the variance within a
/// group times what was expected.
fn variance(groups: impl Iterator<Item = (f64, f64, f64)>) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (found, expected, within) in groups.filter(|(_, expected, _)| *expected > 0.0) {
        let weight = expected / (expected + FEW);
        sum += weight * ((found / expected - 1.0).powi(2) - within / expected);
        weights += weight;
    }
    (sum / f64::max(weights, f64::MIN_POSITIVE)).max(LEAST_VARIANCE)
}

/// The ratio of what was found to what was expected, shrunk towards 1.
fn shrunk(found: f64, expected: f64, variance: f64) -> f64 {
    (found + 1.0 / variance) / (expected + 1.0 / variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RandomStream;

    /// Scores of rows of groups, each exponential with a mean of its own.
    fn scores(means: &[f32], rows: usize, seed: u64) -> Vec<(f32, f32)> {
        let noise = RandomStream::new(seed, "scores");
        let score = |n: usize| -means[n % means.len()] * (1.0 - noise.uniform(n as u64) as f32).ln();
        (0..rows * means.len()).map(|n| (score(n), (n % means.len()) as f32)).collect()
    }

    /// The share of each group's rows beyond the score that one in a hundred of all rows is beyond.
    fn shares(scores: &[(f32, f32)], groups: usize) -> Vec<f64> {
        let mut sorted: Vec<f32> = scores.iter().map(|(score, _)| *score).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let threshold = sorted[sorted.len() * 99 / 100];
        let of = |group: usize| scores.iter().filter(move |(_, of)| *of == group as f32);
        let beyond = |group: usize| of(group).filter(|(score, _)| *score > threshold).count();
        (0..groups).map(|group| beyond(group) as f64 / of(group).count() as f64).collect()
    }

    #[test]
    fn fresh_rows_of_groups_with_other_tails_are_flagged_alike() {
        let means: Vec<f32> = (0..10).map(|group| 0.8 + 0.05 * group as f32).collect();
        let tails = GroupTails::of(0, &scores(&means, 4000, 1), 10, &[]).unwrap();
        let mut fresh = scores(&means, 20_000, 2);
        let most = |shares: Vec<f64>| shares.into_iter().fold(0.0, f64::max);
        assert!(most(shares(&fresh, 10)) > 0.02, "{:?}", shares(&fresh, 10));
        fresh.iter_mut().for_each(|(score, group)| *score = tails.compared(*score, &[*group]));
        assert!(most(shares(&fresh, 10)) < 0.015, "{:?}", shares(&fresh, 10));
    }

    #[test]
    fn groups_of_few_rows_and_of_one_tail_are_left_as_they_are() {
        let tails = GroupTails::of(0, &scores(&[1.0; 200], 30, 3), 200, &[]).unwrap();
        assert!(tails.groups.iter().all(|tail| (0.6..1.6).contains(&tail.beyond) && (0.6..1.6).contains(&tail.below)));
        assert_eq!(GroupTails::of(0, &[(1.0, 0.0); 50], 1, &[]), None, "equal scores have no tail");
    }

    #[test]
    fn gross_scores_of_a_group_do_not_hide_its_next_ones() {
        let mut scores = scores(&[1.0; 20], 500, 4);
        let clean = GroupTails::of(0, &scores, 20, &[]).unwrap();
        scores.iter_mut().filter(|(_, group)| *group == 0.0).take(5).for_each(|(score, _)| *score = 1e9);
        let gross = GroupTails::of(0, &scores, 20, &[]).unwrap();
        let [clean, gross] = [clean, gross].map(|tails| tails.groups[0].compared(12.0));
        assert!(gross > 0.9 * clean, "{gross} {clean}");
    }

    #[test]
    fn a_higher_score_stays_higher() {
        let tail = GroupTail { start: 2.0, below: 0.5, beyond: 3.0 };
        assert_eq!([-1.0, 0.0, 1.0, 2.0, 3.0].map(|score| tail.compared(score)), [-1.0, 0.0, 0.5, 1.0, 4.0]);
        assert!(tail.compared(f32::NAN).is_nan() && tail.compared(f32::MAX) == f32::MAX);
    }
}
