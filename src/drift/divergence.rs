//! Distances between two histograms, and what chance makes of them.

use crate::numerics::normal_upper_quantile;

/// Rows like those of the fit exceed chance in one transform of this many.
const ONCE_IN: f64 = 1000.0;

/// Added to each count, so that an empty bin has a logarithm.
const PRIOR: f64 = 0.5;

/// Share of the bins that are merged to, and below which the last one joins its neighbour.
const SHARE: f64 = 0.1;
const LEAST: f64 = 0.05;

/// Share at fit below which categories are taken together.
const RARE: f64 = 0.01;

/// The population stability index of two histograms over the same bins, each of a number of rows.
pub(super) fn psi(fit: &[f64], now: &[f64]) -> f64 {
    let share = |of: &[f64]| {
        let all: f64 = of.iter().sum::<f64>() + PRIOR * of.len() as f64;
        of.iter().map(|count| (count + PRIOR) / all).collect::<Vec<_>>()
    };
    share(fit).into_iter().zip(share(now)).map(|(a, b)| (b - a) * (b / a).ln()).sum()
}

/// The index that `fit` and `now` rows of one kind stay below in `bins` bins, if `tests` of them are looked at together.
pub(super) fn chance(bins: usize, fit: f64, now: f64, tests: usize) -> f64 {
    let z = normal_upper_quantile(1.0 / ONCE_IN / tests.max(1) as f64);
    // Wilson & Hilferty 1931: the cube root of χ² is about normal.
    let freedom = bins.saturating_sub(1).max(1) as f64;
    let root = 1.0 - 2.0 / (9.0 * freedom) + z * (2.0 / (9.0 * freedom)).sqrt();
    freedom * root.powi(3) * (1.0 / fit + 1.0 / now)
}

/// The greatest distance of two cumulative shares over the same ordered bins; 0 without rows.
pub(super) fn kolmogorov_smirnov(fit: &[f64], now: &[f64]) -> f64 {
    let (a, b) = (fit.iter().sum::<f64>(), now.iter().sum::<f64>());
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    let (mut below, mut most) = ((0.0, 0.0), 0.0_f64);
    for (fit, now) in fit.iter().zip(now) {
        below = (below.0 + fit / a, below.1 + now / b);
        most = most.max((below.0 - below.1).abs());
    }
    most
}

/// Which bin of about ten each of many ordered ones is merged into, so that they had even shares at fit.
pub(super) fn even(fit: &[f64]) -> Vec<usize> {
    let all = fit.iter().sum::<f64>().max(1.0);
    let (mut bin, mut share, mut bins) = (0, 0.0, Vec::with_capacity(fit.len()));
    for count in fit {
        // An amount that makes a bin of its own does not share one with what came before.
        if share >= SHARE - 1e-9 || (share >= LEAST && count / all >= SHARE) {
            (bin, share) = (bin + 1, 0.0);
        }
        bins.push(bin);
        share += count / all;
    }
    if share < LEAST && bin > 0 {
        bins.iter_mut().filter(|of| **of == bin).for_each(|of| *of -= 1);
    }
    bins
}

/// Which bin each class is merged into: its own, or that of all rare ones.
pub(super) fn frequent(fit: &[f64]) -> Vec<usize> {
    let all = fit.iter().sum::<f64>().max(1.0);
    let mut next = 0;
    let bin = |count: &f64| {
        next += 1;
        if count / all >= RARE {
            return next;
        }
        next -= 1;
        0
    };
    fit.iter().map(bin).collect()
}

/// Counts, merged.
pub(super) fn merged(counts: &[f64], bins: &[usize]) -> Vec<f64> {
    let mut merged = vec![0.0; bins.iter().max().map_or(0, |last| last + 1)];
    counts.iter().zip(bins).for_each(|(count, &bin)| merged[bin] += count);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_a_hand() {
        // (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5) = 0.040547 where half a row does not matter.
        assert!((psi(&[5e6, 5e6], &[6e6, 4e6]) - 0.040_547).abs() < 1e-5);
        assert_eq!(psi(&[3.0, 4.0], &[3.0, 4.0]), 0.0);
        assert!((kolmogorov_smirnov(&[1.0, 1.0, 2.0], &[2.0, 0.0, 2.0]) - 0.25).abs() < 1e-12);
        assert_eq!(kolmogorov_smirnov(&[1.0], &[0.0]), 0.0);
    }

    #[test]
    fn chance_is_a_quantile_of_chi_square() {
        // scipy.stats.chi2.ppf(1 - 0.001, 10) = 29.588, chi2.ppf(1 - 1e-6, 10) = 46.863. So far out the approximation is a
        // fiftieth too high.
        assert!((chance(11, 100.0, f64::INFINITY, 1) * 100.0 - 29.588).abs() < 0.3);
        assert!((chance(11, 100.0, f64::INFINITY, 1000) * 100.0 - 46.863).abs() < 1.2);
    }

    #[test]
    fn bins_have_even_shares_and_what_is_frequent_one_of_its_own() {
        assert_eq!(even(&[1.0; 32]), (0..32).map(|n| if n < 28 { n / 4 } else { 7 }).collect::<Vec<_>>());
        assert_eq!(even(&[90.0, 6.0, 0.0, 4.0]), [0, 1, 1, 1]);
        assert_eq!(even(&[8.0, 90.0, 2.0]), [0, 1, 1]);
        assert_eq!(frequent(&[500.0, 1.0, 499.0, 0.0]), [1, 0, 2, 0]);
        assert_eq!(merged(&[500.0, 1.0, 499.0, 7.0], &[1, 0, 2, 0]), [8.0, 500.0, 499.0]);
    }
}
