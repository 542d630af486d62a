//! Post-stratification: the rows of the fit are weighted so that each hour, weekday, month or group has the share of them that
//! it has of the rows they are compared with. The rows of a night are then compared with those of nights.
//!
//! The weights are those of the generalised regression estimator (Särndal, Swensson & Wretman 1992, "Model assisted survey
//! sampling", ch. 7): linear in the strata of a row, so that several divisions into strata need no table of all their
//! combinations. With one division they are the classical ones (Holt & Smith 1979, "Post stratification").

use std::ops::Range;

use super::binning::BINS;
use crate::error::ModelFault;
use crate::feature::Strata;
use crate::model::{Weight, Weights};
use crate::numerics::{cholesky, invert_lower};

/// Names of the tensors.
const SHARE: &str = "strata.share";
const COVARIANCE: &str = "strata.covariance";
const SCORE: &str = "strata.score";

/// Most covariances: with more strata and bins, rows are compared with all rows of the fit.
const MOST: usize = 1 << 19;

/// How strata and bins go together in the rows of a fit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PostStratification {
    pub(super) strata: Strata,
    /// The share of the rows in each stratum.
    shares: Vec<f32>,
    /// `[strata, strata + bins]`: the covariance of being in a stratum, and in another one or in a bin.
    covariance: Vec<f32>,
    /// `[strata, bins]`: the same of the bins of the score; empty if that was not measured.
    score: Vec<f32>,
}

/// What weighs the rows of a fit like those they are compared with.
pub(super) struct StratumWeights {
    /// By how much a row of each stratum counts more or less than 1.
    weights: Vec<f64>,
    /// The variance of a weighted mean that the weights add to that of a plain one, by the variance of a row: the inverse of the
    /// effective sample size is larger by it (Kish 1965, "Survey sampling", 11.7).
    added: f64,
}

/// The shares of strata in rows, `[rows, divisions]`, and the covariances `[strata, columns]` of being in a stratum and in a
/// column: each row is in those that `columns` appends.
fn covariances(
    strata: &Strata,
    of_rows: &[u16],
    columns: usize,
    mut columns_of: impl FnMut(usize, &mut Vec<usize>),
) -> (Vec<f64>, Vec<f32>) {
    let (divisions, count) = (strata.divisions(), strata.len());
    let rows = of_rows.len() / divisions;
    let (mut shares, mut sums, mut both) = (vec![0.0; count], vec![0.0; columns], vec![0.0; count * columns]);
    let mut of_row = Vec::new();
    for (row, strata) in of_rows.chunks_exact(divisions).enumerate() {
        of_row.clear();
        columns_of(row, &mut of_row);
        of_row.iter().for_each(|&column| sums[column] += 1.0);
        for &stratum in strata {
            shares[stratum as usize] += 1.0;
            of_row.iter().for_each(|&column| both[stratum as usize * columns + column] += 1.0);
        }
    }
    let all = rows.max(1) as f64;
    shares.iter_mut().chain(&mut sums).chain(&mut both).for_each(|count| *count /= all);
    let covariance = both.iter().enumerate().map(|(n, both)| (both - shares[n / columns] * sums[n % columns]) as f32);
    let covariance = covariance.collect();
    (shares, covariance)
}

impl PostStratification {
    /// Counts rows in these strata, `[rows, divisions]`, and in bins, `[rows, binnings]`, of so many; `None` if there are no
    /// strata or too many.
    pub(super) fn fit(strata: &Strata, of_rows: &[u16], bins: &[usize], all_bins: usize) -> Option<Self> {
        let (divisions, count) = (strata.divisions(), strata.len());
        let rows = of_rows.len().checked_div(divisions).filter(|&rows| rows > 0)?;
        let (columns, binnings) = (count + all_bins, bins.len() / rows);
        if count * columns > MOST {
            return None;
        }
        let (shares, covariance) = covariances(strata, of_rows, columns, |row, to| {
            to.extend(of_rows[row * divisions..][..divisions].iter().map(|&stratum| stratum as usize));
            to.extend(bins[row * binnings..][..binnings].iter().map(|bin| count + bin));
        });
        let shares = shares.iter().map(|&share| share as f32).collect();
        Some(Self { strata: strata.clone(), shares, covariance, score: Vec::new() })
    }

    /// With the bins of the scores of rows in these strata; a row without a score has none.
    pub(super) fn with_score(self, of_rows: &[u16], bins: &[Option<usize>]) -> Self {
        let (_, score) = covariances(&self.strata, of_rows, BINS + 1, |row, to| to.extend(bins[row]));
        Self { score, ..self }
    }

    /// Without those.
    pub(super) fn without_score(self) -> Self {
        Self { score: Vec::new(), ..self }
    }

    /// The weights of `rows` rows of the fit for rows whose strata were counted.
    pub(super) fn weights(&self, counts: &[u64], rows: f64) -> StratumWeights {
        let (count, width) = (self.shares.len(), self.covariance.len() / self.shares.len());
        let mut off = Vec::with_capacity(count);
        for division in self.strata.ranges() {
            let (shares, counts) = (&self.shares[division.clone()], &counts[division]);
            let all = counts.iter().sum::<u64>().max(1) as f64;
            // Rows of a stratum that the fit has no row of count as rows of any.
            let elsewhere: u64 =
                shares.iter().zip(counts).filter(|(share, _)| **share == 0.0).map(|(_, count)| count).sum();
            let known = 1.0 - elsewhere as f64 / all;
            off.extend(shares.iter().zip(counts).map(|(&share, &count)| match share {
                0.0 => 0.0,
                share => count as f64 / all - known * f64::from(share),
            }));
        }
        // As if one more row had an average weight: few rows of a stratum say little.
        let of_strata = |n: usize| {
            let covariance = f64::from(self.covariance[n / count * width + n % count]);
            covariance + if n / count == n % count { 1.0 / rows } else { 0.0 }
        };
        let inverse = invert_lower(&cholesky((0..count * count).map(of_strata).collect(), count, 1e-9), count);
        // A⁻¹ d = L⁻ᵀ L⁻¹ d.
        let half: Vec<f64> =
            inverse.chunks_exact(count).map(|row| row.iter().zip(&off).map(|(a, d)| a * d).sum()).collect();
        let weights = (0..count).map(|n| (n..count).map(|m| inverse[m * count + n] * half[m]).sum());
        StratumWeights { weights: weights.collect(), added: half.iter().map(|half| half * half).sum::<f64>() / rows }
    }

    /// The counts of bins of weighted rows of the fit, as many as their effective sample size, from those of its rows.
    pub(super) fn weighted(&self, counts: &[f64], bins: Range<usize>, weights: &StratumWeights) -> Vec<f64> {
        let count = self.shares.len();
        let width = self.covariance.len() / count;
        self.by(counts, weights, |stratum| &self.covariance[stratum * width + count..][bins.clone()])
    }

    /// The same of the bins of the score.
    pub(super) fn weighted_score(&self, counts: &[f64], weights: &StratumWeights) -> Vec<f64> {
        match self.score.is_empty() {
            true => counts.to_vec(),
            false => self.by(counts, weights, |stratum| &self.score[stratum * (BINS + 1)..][..BINS + 1]),
        }
    }

    fn by<'a>(&self, counts: &[f64], weights: &StratumWeights, covariance: impl Fn(usize) -> &'a [f32]) -> Vec<f64> {
        let all: f64 = counts.iter().sum();
        let mut shares: Vec<f64> = counts.iter().map(|count| count / all.max(1.0)).collect();
        for (stratum, weight) in weights.weights.iter().enumerate() {
            shares.iter_mut().zip(covariance(stratum)).for_each(|(share, it)| *share += weight * f64::from(*it));
        }
        // A linear weight may be negative.
        let known: f64 = shares.iter().map(|share| share.max(0.0)).sum();
        let effective = 1.0 / (1.0 / all.max(1.0) + weights.added) / known.max(f64::MIN_POSITIVE);
        shares.iter().map(|share| share.max(0.0) * effective).collect()
    }

    /// As tensors, by name after a prefix.
    pub(super) fn tensors(&self) -> Weights {
        let count = self.shares.len();
        let tensor = |name: &str, values: &[f32]| {
            let shape = if name == SHARE { vec![count] } else { vec![count, values.len() / count] };
            (name.to_owned(), Weight { shape, values: values.to_vec() })
        };
        let all = [(SHARE, &self.shares), (COVARIANCE, &self.covariance), (SCORE, &self.score)];
        all.into_iter().filter(|(_, values)| !values.is_empty()).map(|(name, values)| tensor(name, values)).collect()
    }

    /// Takes the tensors named so after a prefix; `None` if there are none.
    ///
    /// # Errors
    /// A [`ModelFault`] if a tensor is missing, has another shape or is invalid.
    pub(super) fn take(
        tensors: &mut Weights,
        prefix: &str,
        strata: Strata,
        all_bins: usize,
    ) -> Result<Option<Self>, ModelFault> {
        let count = strata.len();
        let mut take = |name: &str, shape: &[usize]| {
            let name = format!("{prefix}{name}");
            let tensor = tensors.remove(&name);
            tensor.map(|tensor| tensor.check(&name, shape).map(|()| tensor.values)).transpose()
        };
        let [shares, covariance, score] =
            [take(SHARE, &[count])?, take(COVARIANCE, &[count, count + all_bins])?, take(SCORE, &[count, BINS + 1])?];
        let score = score.unwrap_or_default();
        let (shares, covariance) = match (shares, covariance) {
            (Some(shares), Some(covariance)) if count > 0 => (shares, covariance),
            (None, None) if score.is_empty() => return Ok(None),
            _ => return Err(invalid()),
        };
        let is_valid = shares.iter().all(|share| (0.0..=1.0).contains(share))
            && covariance.iter().chain(&score).all(|it| (-1.0..=1.0).contains(it));
        if is_valid { Ok(Some(Self { strata, shares, covariance, score })) } else { Err(invalid()) }
    }
}

fn invalid() -> ModelFault {
    ModelFault::Contradiction("the drift baseline is invalid".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2,400 rows, 100 of each of 24 hours, in groups that are `a` at night; a bin of two that is 1 by day.
    fn fitted() -> PostStratification {
        let strata = Strata::of_hours_and_groups();
        let (mut of_rows, mut bins) = (Vec::new(), Vec::new());
        for row in 0..2400 {
            let (hour, day) = (row % 24, usize::from(row % 24 >= 12));
            of_rows.extend([hour as u16, 25 + u16::from(day == 1 && row % 5 > 0)]);
            bins.push(usize::from(row / 24 % 10 < 1 + 8 * day));
        }
        PostStratification::fit(&strata, &of_rows, &bins, 2).unwrap()
    }

    #[test]
    fn rows_are_weighted_like_those_they_are_compared_with() {
        let fitted = fitted();
        let (plain, all) = ([1200.0, 1200.0], 0..2);
        let like = |hours: Range<usize>, of_a: u64| {
            let mut counts = vec![0; fitted.strata.len()];
            let hours_count = hours.len() as u64;
            hours.for_each(|hour| counts[hour] = 1000);
            (counts[25], counts[26]) = (of_a, hours_count * 1000 - of_a);
            let weights = fitted.weights(&counts, 2400.0);
            fitted.weighted(&plain, all.clone(), &weights)
        };
        // As many of each: nothing changes. Nights alone: nine tenths are in the other bin, of half of the rows.
        let same = like(0..24, 14_400);
        assert!(same.iter().all(|count| (count - 1200.0).abs() < 1.0), "{same:?}");
        let night = like(0..12, 12_000);
        let share = night[0] / (night[0] + night[1]);
        assert!((share - 0.9).abs() < 0.01 && (night[0] + night[1] - 1200.0).abs() < 50.0, "{night:?}");
        // The hour says all that the group says.
        let day = like(12..24, 2_400);
        assert!((day[1] / (day[0] + day[1]) - 0.9).abs() < 0.01, "{day:?}");
    }

    #[test]
    fn strata_without_rows_say_nothing() {
        let fitted = fitted();
        let mut counts = vec![0; fitted.strata.len()];
        (counts[24], counts[27]) = (500, 500);
        let weights = fitted.weights(&counts, 2400.0);
        let weighted = fitted.weighted(&[1200.0, 1200.0], 0..2, &weights);
        assert!(weighted.iter().all(|count| (count - 1200.0).abs() < 1.0), "{weighted:?}");
        assert!(PostStratification::fit(&Strata::default(), &[], &[], 2).is_none());
    }
}
