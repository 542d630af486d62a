//! The level and spread of each number in each group, by which rows are standardised: a busy device is compared with
//! itself.
//!
//! Levels and spreads of groups of few rows are shrunk towards those of all groups, by empirical Bayes (Efron & Morris
//! 1975, "Data analysis using Stein's estimator"): a level as a normal mean, a spread as a normal logarithm of a variance
//! (Smyth 2004, "Linear models and empirical Bayes methods", section 6.2). What they vary by between groups is estimated by
//! moments. A row of a group that the fit did not see has the level of all groups, and a spread within which nearly all of them
//! are; of scores those of rows whose group was hidden.

#![forbid(unsafe_code)]

use std::sync::Arc;

use crate::numerics::{digamma, trigamma};

/// Most levels, groups times numbers: of more groups only the most frequent have their own. 24 bytes each during a fit, 8
/// in a model: 100 and 34 MB.
const MOST_LEVELS: usize = 1 << 22;

/// The least variance of a number in a group, of that over all rows: a hundred times the precision of f32, squared.
const LEAST_VARIANCE: f64 = 1e-10;

/// The weight of a typical group's variance, in degrees of freedom, in a group whose values are all equal: a few equal rows
/// say little, many say that the group hardly varies.
const PRIOR_DEGREES: f64 = 4.0;

/// The largest level or spread in a file.
const MOST_NORM: f32 = 1e30;

/// The number of standard deviations within which 99 % of a normal variable's values are, and 95 %.
const OF_99_PERCENT: f64 = 2.576;
const OF_95_PERCENT: f64 = 1.96;

/// The levels and spreads of the groups of one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupNorms {
    /// The given element with the number of the group.
    element: usize,
    /// The elements of the row vector that are standardised.
    numbers: Arc<[usize]>,
    /// `[groups + 1, numbers]`; the last row is for rows of no known group.
    pub(crate) level: Vec<f32>,
    pub(crate) spread: Vec<f32>,
}

/// Moments of each number in each group.
pub(crate) struct GroupMoments {
    element: usize,
    numbers: Arc<[usize]>,
    /// `[groups, numbers]`.
    moments: Vec<Moments>,
}

/// Count, mean, and sum of squared deviations from it (Welford 1962).
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

/// What is known of a number over all groups.
struct Population {
    /// The mean of the levels, and their variance.
    level: f64,
    between: f64,
    /// The mean logarithm of the variances in groups, its variance, and the mean variance.
    log_variance: f64,
    log_between: f64,
    within: f64,
    /// The least variance.
    least: f64,
}

impl GroupNorms {
    /// Norms read from a file; `None` if the sizes do not match.
    pub(crate) fn from_parts(element: usize, numbers: Arc<[usize]>, level: Vec<f32>, spread: Vec<f32>) -> Option<Self> {
        let whole = !numbers.is_empty() && level.len().is_multiple_of(numbers.len()) && level.len() == spread.len();
        let usable = !level.is_empty()
            && spread.iter().all(|spread| spread.is_normal() && (0.0..MOST_NORM).contains(spread))
            && level.iter().all(|level| level.abs() < MOST_NORM);
        (whole && usable).then_some(Self { element, numbers, level, spread })
    }

    /// Number of elements that are standardised.
    pub(crate) fn numbers(&self) -> usize {
        self.numbers.len()
    }

    /// The given element with the number of the group.
    pub(crate) fn element(&self) -> usize {
        self.element
    }

    /// Levels and spreads of `width` elements, `[groups + 1, width]` each: 0 and 1 for those that are not standardised.
    pub(crate) fn tables(&self, width: usize) -> [Vec<f32>; 2] {
        [(&self.level, 0.0), (&self.spread, 1.0)].map(|(all, without)| {
            let rows = all.chunks_exact(self.numbers.len());
            let table = rows.flat_map(|row| {
                let mut whole = vec![without; width];
                self.numbers.iter().zip(row).for_each(|(&number, &value)| whole[number] = value);
                whole
            });
            table.collect()
        })
    }

    /// The norms of a row's group.
    fn of<'a>(&'a self, elements: &[f32]) -> impl Iterator<Item = (usize, f32, f32)> + 'a {
        let (width, group) = (self.numbers.len(), elements[self.element]);
        let unknown = self.level.len() / width - 1;
        let row = if group.is_nan() { unknown } else { (group as usize).min(unknown) };
        let norms = self.level[row * width..].iter().zip(&self.spread[row * width..]);
        self.numbers.iter().zip(norms).map(|(&number, (&level, &spread))| (number, level, spread))
    }

    /// Standardises the numbers of a row, by the group that its given elements name.
    pub(crate) fn standardise(&self, x: &mut [f32], elements: &[f32]) {
        self.of(elements).for_each(|(number, level, spread)| x[number] = (x[number] - level) / spread);
    }

    /// The inverse of [`standardise`](Self::standardise).
    pub(super) fn restore(&self, x: &mut [f32], elements: &[f32]) {
        self.of(elements).for_each(|(number, level, spread)| x[number] = x[number] * spread + level);
    }
}

impl GroupMoments {
    /// Of `groups` groups, whose number is in a given element.
    pub(crate) fn new(element: usize, groups: usize, numbers: Arc<[usize]>) -> Self {
        let groups = groups.min(MOST_LEVELS / numbers.len().max(1));
        Self { element, moments: vec![Moments::default(); groups * numbers.len()], numbers }
    }

    /// The same moments, for rows that have the number of the group in another given element.
    pub(crate) fn of_element(self, element: usize) -> Self {
        Self { element, ..self }
    }

    /// Adds a row vector, whose values are all known or only those where `known` is 1, and its given elements.
    pub(crate) fn add(&mut self, x: &[f32], known: Option<&[f32]>, elements: &[f32]) {
        let group = elements[self.element];
        let start = group as usize * self.numbers.len();
        if group.is_nan() || start >= self.moments.len() {
            return;
        }
        for (moments, &number) in self.moments[start..].iter_mut().zip(&*self.numbers) {
            if known.is_none_or(|known| known[number] > 0.0) {
                moments.push(x[number].into());
            }
        }
    }

    /// Estimates the levels and spreads; for rows of no known group these moments, if they were measured.
    pub(crate) fn finish(&self, unseen: Option<&Self>) -> GroupNorms {
        let width = self.numbers.len();
        let populations: Vec<Population> = (0..width).map(|number| self.population(number)).collect();
        let mut norms = GroupNorms {
            element: self.element,
            numbers: self.numbers.clone(),
            level: Vec::with_capacity(self.moments.len() + width),
            spread: Vec::with_capacity(self.moments.len() + width),
        };
        for of_group in self.moments.chunks_exact(width) {
            for (moments, population) in of_group.iter().zip(&populations) {
                let (level, spread) = population.shrunk(moments);
                norms.level.push(level as f32);
                norms.spread.push(spread as f32);
            }
        }
        for (number, population) in populations.iter().enumerate() {
            let by_groups = || (population.level, self.spread_of_unseen(number, population));
            let measured = |unseen: &Self| {
                let moments = unseen.moments[number];
                (moments.mean, moments.variance().max(population.least).sqrt())
            };
            let (level, spread) = unseen.map_or_else(by_groups, measured);
            norms.level.push(level as f32);
            norms.spread.push(spread as f32);
        }
        norms
    }

    /// The moments of one number in every group that has a row.
    fn of_number(&self, number: usize) -> impl Iterator<Item = &Moments> + Clone {
        self.moments.iter().skip(number).step_by(self.numbers.len()).filter(|moments| moments.count > 0.0)
    }

    fn population(&self, number: usize) -> Population {
        let groups = || self.of_number(number);
        let count = (groups().count() as f64).max(1.0);
        let level = groups().map(|it| it.mean).sum::<f64>() / count;
        let rows = groups().map(|it| it.count).sum::<f64>().max(1.0);
        let total = groups().map(|it| it.squares + it.count * (it.mean - level).powi(2)).sum::<f64>() / rows;
        // A number that does not vary at all is left as it is.
        let least = if total > 0.0 { LEAST_VARIANCE * total } else { 1.0 };
        // The logarithm of a sample variance of d degrees of freedom has the mean ln σ² + ψ(d/2) - ln(d/2) and the variance ψ'(d/2).
        let varying = groups().filter(|it| it.count >= 2.0 && it.variance() > 0.0);
        let logs: Vec<(f64, f64)> = varying.map(|it| it.log_variance()).collect();
        let known = (logs.len() as f64).max(1.0);
        let log_variance =
            if logs.is_empty() { least.ln() } else { logs.iter().map(|(log, _)| log).sum::<f64>() / known };
        let around = logs.iter().map(|(log, noise)| (log - log_variance).powi(2) - noise).sum::<f64>() / known;
        let mut population =
            Population { level, between: 0.0, log_variance, log_between: around.max(0.0), within: 0.0, least };
        population.within = groups().map(|it| population.variance(it)).sum::<f64>() / count;
        let noise = groups().map(|it| population.variance(it) / it.count).sum::<f64>() / count;
        let around = groups().map(|it| (it.mean - level).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
        population.between = (around - noise).max(0.0);
        population
    }

    /// The standard deviation of a row of no known group; more than that, if levels have a heavy tail: 99 % of the groups shall
    /// be within what is likely.
    fn spread_of_unseen(&self, number: usize, population: &Population) -> f64 {
        let far = |it: &Moments| (it.mean - population.level).abs() + OF_95_PERCENT * population.variance(it).sqrt();
        let mut reach: Vec<f64> = self.of_number(number).map(far).collect();
        reach.sort_by(f64::total_cmp);
        let most = reach.get((reach.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
        (population.within + population.between).sqrt().max(most / OF_99_PERCENT)
    }
}

impl Moments {
    fn push(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }

    /// The sample variance.
    fn variance(&self) -> f64 {
        self.squares / (self.count - 1.0).max(1.0)
    }

    /// An unbiased estimate of the logarithm of the variance, and its own variance.
    fn log_variance(&self) -> (f64, f64) {
        let half = (self.count - 1.0) / 2.0;
        (self.variance().ln() - digamma(half) + half.ln(), trigamma(half))
    }
}

impl Population {
    /// The variance of the number in a group.
    fn variance(&self, group: &Moments) -> f64 {
        let log = match group {
            _ if group.count < 2.0 => self.log_variance,
            _ if group.squares <= 0.0 => self.log_variance + (PRIOR_DEGREES / (PRIOR_DEGREES + group.count - 1.0)).ln(),
            _ => {
                let (log, noise) = group.log_variance();
                let weight = self.log_between / (self.log_between + noise);
                weight * log + (1.0 - weight) * self.log_variance
            }
        };
        log.exp().max(self.least)
    }

    /// The level of a group, and the standard deviation of its next row: that of its rows, and that of the level itself.
    fn shrunk(&self, group: &Moments) -> (f64, f64) {
        let variance = self.variance(group);
        let of_mean = variance / group.count.max(f64::MIN_POSITIVE);
        let weight = if group.count > 0.0 { self.between / (self.between + of_mean) } else { 0.0 };
        let level = weight * group.mean + (1.0 - weight) * self.level;
        let of_level = if group.count > 0.0 { weight * of_mean } else { self.between };
        (level, (variance + of_level).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RandomStream;

    /// Norms of groups with these levels and spreads, with `rows` rows each.
    fn norms(groups: &[(f32, f32)], rows: usize) -> GroupNorms {
        let mut moments = GroupMoments::new(0, groups.len(), [0].into());
        for (group, (level, spread)) in groups.iter().enumerate() {
            let mut draws = vec![0.0; rows];
            RandomStream::new(1, "rows").child(group as u64).normals(&mut draws);
            draws.iter().for_each(|draw| moments.add(&[level + spread * draw], None, &[group as f32]));
        }
        moments.finish(None)
    }

    #[test]
    fn a_group_of_many_rows_has_its_own_level_and_spread() {
        let groups = [(-0.6, 1e-4), (0.0, 0.1), (5.0, 1.0)];
        let norms = norms(&groups, 2000);
        for (group, (level, spread)) in groups.into_iter().enumerate() {
            assert!((norms.level[group] - level).abs() < 0.1 * spread, "{norms:?}");
            assert!((norms.spread[group] / spread - 1.0).abs() < 0.1, "{norms:?}");
        }
        let mut x = [5.0];
        norms.standardise(&mut x, &[2.0]);
        assert!(x[0].abs() < 0.1);
        norms.restore(&mut x, &[2.0]);
        assert!((x[0] - 5.0).abs() < 1e-5);
    }

    #[test]
    fn a_group_of_few_rows_is_shrunk_towards_all() {
        let mut groups = vec![(0.0, 1.0); 200];
        let equal = norms(&groups, 5);
        // Levels that differ by no more than chance are one level: scipy's 99th percentile of t would be 1.7 standard errors.
        let (least, most) = equal.level[..200].iter().fold((0.0_f32, 0.0_f32), |(a, b), &x| (a.min(x), b.max(x)));
        assert!(most - least < 1.0 && equal.spread[..200].iter().all(|spread| (0.7..1.6).contains(spread)));
        groups.iter_mut().zip(0..).for_each(|(group, n)| group.0 = (n % 9) as f32 * 10.0);
        let apart = norms(&groups, 5);
        assert!(groups.iter().zip(&apart.level).all(|((level, _), found)| (level - found).abs() < 2.5));
    }

    #[test]
    fn a_group_that_the_fit_did_not_see_is_within_the_spread_of_all() {
        let groups: Vec<(f32, f32)> = (0..100).map(|n| (n as f32, 1.0)).collect();
        let norms = norms(&groups, 50);
        let (level, spread) = (norms.level[100], norms.spread[100]);
        assert!((level - 49.5).abs() < 1.0 && (25.0..35.0).contains(&spread), "{level} {spread}");
        let (mut unknown, mut far) = ([level + 2.0 * spread], [1e9]);
        norms.standardise(&mut unknown, &[f32::NAN]);
        norms.standardise(&mut far, &[100.0]);
        assert!((unknown[0] - 2.0).abs() < 1e-4 && far[0] > 1e6);
    }
}
