//! Distances between two histograms, and their distribution under no change.

use crate::numerics::normal_upper_quantile;

/// Without drift, one transform in this many exceeds the limit of chance.
const ONCE_IN: f64 = 1000.0;

/// Pseudocount of each bin, so that an empty bin has a finite logarithm.
const PRIOR: f64 = 0.5;

/// Target share of a merged bin; and the share below which the last bin joins its neighbour.
const TARGET_SHARE: f64 = 0.1;
const MIN_SHARE: f64 = 0.05;

/// Share at fit below which categories are merged into one bin.
const RARE_SHARE: f64 = 0.01;

/// The population stability index of two histograms over the same bins.
pub(super) fn psi(fit: &[f64], now: &[f64]) -> f64 {
    let share = |of: &[f64]| {
        let all: f64 = of.iter().sum::<f64>() + PRIOR * of.len() as f64;
        of.iter().map(|count| (count + PRIOR) / all).collect::<Vec<_>>()
    };
    share(fit).into_iter().zip(share(now)).map(|(a, b)| (b - a) * (b / a).ln()).sum()
}

/// The index that is exceeded by chance in one of [`ONCE_IN`] transforms, for `fit` and `now` rows in `bins` bins and
/// `tests` simultaneous tests.
pub(super) fn chance(bins: usize, fit: f64, now: f64, tests: usize) -> f64 {
    let z = normal_upper_quantile(1.0 / ONCE_IN / tests.max(1) as f64);
    // Wilson & Hilferty 1931: the cube root of χ² is approximately normal.
    let degrees = bins.saturating_sub(1).max(1) as f64;
    let root = 1.0 - 2.0 / (9.0 * degrees) + z * (2.0 / (9.0 * degrees)).sqrt();
    degrees * root.powi(3) * (1.0 / fit + 1.0 / now)
}

/// The Kolmogorov-Smirnov distance of two histograms over the same ordered bins; 0 without rows.
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

/// Merges many ordered bins into about ten of even shares at fit: the merged bin of each.
pub(super) fn even_bins(fit: &[f64]) -> Vec<usize> {
    let all = fit.iter().sum::<f64>().max(1.0);
    let (mut bin, mut share, mut bins) = (0, 0.0, Vec::with_capacity(fit.len()));
    for count in fit {
        // A bin with the target share by itself is not merged with those before it.
        if share >= TARGET_SHARE - 1e-9 || (share >= MIN_SHARE && count / all >= TARGET_SHARE) {
            (bin, share) = (bin + 1, 0.0);
        }
        bins.push(bin);
        share += count / all;
    }
    if share < MIN_SHARE && bin > 0 {
        bins.iter_mut().filter(|of| **of == bin).for_each(|of| *of -= 1);
    }
    bins
}

/// The merged bin of each class: its own, or the shared one of rare classes.
pub(super) fn class_bins(fit: &[f64]) -> Vec<usize> {
    let all = fit.iter().sum::<f64>().max(1.0);
    let mut next = 0;
    let bin = |count: &f64| {
        next += 1;
        if count / all >= RARE_SHARE {
            return next;
        }
        next -= 1;
        0
    };
    fit.iter().map(bin).collect()
}

/// Sums the counts of merged bins.
pub(super) fn merge_bins(counts: &[f64], bins: &[usize]) -> Vec<f64> {
    let mut sums = vec![0.0; bins.iter().max().map_or(0, |last| last + 1)];
    counts.iter().zip(bins).for_each(|(count, &bin)| sums[bin] += count);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_follow_their_formulas() {
        // (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5) = 0.040547; the pseudocount is negligible.
        assert!((psi(&[5e6, 5e6], &[6e6, 4e6]) - 0.040_547).abs() < 1e-5);
        assert_eq!(psi(&[3.0, 4.0], &[3.0, 4.0]), 0.0);
        assert!((kolmogorov_smirnov(&[1.0, 1.0, 2.0], &[2.0, 0.0, 2.0]) - 0.25).abs() < 1e-12);
        assert_eq!(kolmogorov_smirnov(&[1.0], &[0.0]), 0.0);
    }

    #[test]
    fn chance_is_a_quantile_of_chi_square() {
        // scipy.stats.chi2.ppf(1 - 0.001, 10) = 29.588, chi2.ppf(1 - 1e-6, 10) = 46.863. So far out the approximation
        // is a fiftieth too high.
        assert!((chance(11, 100.0, f64::INFINITY, 1) * 100.0 - 29.588).abs() < 0.3);
        assert!((chance(11, 100.0, f64::INFINITY, 1000) * 100.0 - 46.863).abs() < 1.2);
    }

    #[test]
    fn bins_have_even_shares_and_frequent_values_their_own() {
        assert_eq!(even_bins(&[1.0; 32]), (0..32).map(|n| if n < 28 { n / 4 } else { 7 }).collect::<Vec<_>>());
        assert_eq!(even_bins(&[90.0, 6.0, 0.0, 4.0]), [0, 1, 1, 1]);
        assert_eq!(even_bins(&[8.0, 90.0, 2.0]), [0, 1, 1]);
        assert_eq!(class_bins(&[500.0, 1.0, 499.0, 0.0]), [1, 0, 2, 0]);
        assert_eq!(merge_bins(&[500.0, 1.0, 499.0, 7.0], &[1, 0, 2, 0]), [8.0, 500.0, 499.0]);
    }
}
