//! Bin counts of the rows of a transform, and their comparison with the fit.

use super::binning::Binning;
use super::divergence::{chance, kolmogorov_smirnov, merge_bins, psi};
use super::post_stratification::PostStratification;
use super::sketch::Sketch;
use super::{Drift, Shift};
use crate::batch::Batch;
use crate::feature::{FeatureIssues, Kind, Strata, Watched};
use crate::score::EncodedBatch;

/// Sampling: all of the first rows, then one row in `STRIDE`, weighted by `STRIDE`.
const FIRST_ROWS: u64 = 4096;
const STRIDE: u64 = 17;

/// The sampling weight of a row by its number over all files; 0 if it is not sampled.
fn weight(row: u64) -> u64 {
    match row {
        0..FIRST_ROWS => 1,
        _ if row.is_multiple_of(STRIDE) => STRIDE,
        _ => 0,
    }
}

/// Weighted bin counts of the sampled rows. Integer sums, so that the order of the rows does not change them.
#[derive(Debug, Clone, Default)]
pub(crate) struct BinCounts {
    counts: Vec<u64>,
    /// Of each stratum.
    strata: Vec<u64>,
    rows: u64,
    weights: u64,
    squares: u64,
}

impl Sketch {
    /// The bins of the sampled rows of a scored batch whose first row has number `first`; `batch` has them as they are, with
    /// these posterior means. After the bins of a row come its strata.
    pub(crate) fn bins(
        &self,
        rows: &EncodedBatch<'_>,
        (batch, means): (&Batch, &[f32]),
        scores: &[Option<f32>],
        first: u64,
    ) -> Vec<u16> {
        let (binnings, view) = (self.binnings(), rows.first());
        let encoded = &view.encoded;
        let (inputs, k) = (encoded.features, encoded.latent_dim);
        let gaussians = view.member.heads.layout().gaussians();
        let mut bins = Vec::new();
        for (row, &score) in scores.iter().enumerate().filter(|(row, _)| weight(first + *row as u64) > 0) {
            let known = batch.known.as_ref().map(|known| &known[row * inputs..][..inputs]);
            let (x, mean) = (&batch.x[row * inputs..][..inputs], &means[row * k..][..k]);
            if let Some(effects) = &self.given {
                let (mut x, mut mean) = (x.to_vec(), mean.to_vec());
                let given = &batch.given.inputs[row * effects.inputs()..][..effects.inputs()];
                effects.take_from(x[..gaussians].iter_mut().chain(&mut mean), given);
                binnings.bins(&x, known, &mean, score, &mut bins);
            } else {
                binnings.bins(x, known, mean, score, &mut bins);
            }
            if let Some(PostStratification { strata, .. }) = &self.strata {
                strata.of(&batch.given.elements[row * strata.elements()..][..strata.elements()], &mut bins);
            }
        }
        bins
    }
}

impl BinCounts {
    /// Adds the bins of the sampled rows of a batch whose first row has number `first`.
    pub(crate) fn add(&mut self, sketch: &Sketch, first: u64, bins: &[u16]) {
        let binnings = sketch.binnings();
        let strata = sketch.strata.as_ref().map(|it| &it.strata);
        let divisions = strata.map_or(0, Strata::divisions);
        self.counts.resize(sketch.counts.len(), 0);
        self.strata.resize(strata.map_or(0, Strata::len), 0);
        let weights = (first..).map(weight).filter(|&weight| weight > 0);
        for (weight, row) in weights.zip(bins.chunks_exact(binnings.len() + divisions)) {
            let (bins, strata) = row.split_at(binnings.len());
            self.rows += 1;
            self.weights += weight;
            self.squares += weight * weight;
            for (n, &bin) in bins.iter().enumerate() {
                self.counts[binnings.counts(n).start + bin as usize] += weight;
            }
            strata.iter().for_each(|&stratum| self.strata[stratum as usize] += weight);
        }
    }

    /// The drift from a fit with `at_fit` rows; `issues` counts all `rows` of the transform. `None` if no row was
    /// sampled.
    pub(crate) fn finish(
        self,
        sketch: &Sketch,
        kinds: &[Kind],
        watched: &[Watched],
        issues: &FeatureIssues,
        rows: u64,
        at_fit: u64,
    ) -> Option<Drift> {
        if self.rows == 0 {
            return None;
        }
        let binnings = sketch.binnings();
        let tests = binnings.len() + watched.len();
        let effective_sample_size = effective_sample_size(self.weights, self.squares);
        let scale = effective_sample_size / self.weights as f64;
        let of_fit = sketch.weighted_counts(&self.strata);
        let shift = |n: usize| {
            let range = binnings.counts(n);
            let fit = of_fit(n);
            let now: Vec<f64> = self.counts[range].iter().map(|&count| count as f64 * scale).collect();
            let shift = compare(binnings.binning(n), &fit, &now, effective_sample_size, tests);
            let shift = Shift { chance: shift.chance.max(sketch.usual(n)), ..shift };
            (n, if binnings.is_inactive(n) { Shift { psi: 0.0, ks: Some(0.0), ..shift } } else { shift })
        };
        let largest = |n: usize| {
            binnings.of(n).map(shift).reduce(|largest, it| if it.1.psi > largest.1.psi { it } else { largest })
        };
        let column = |(feature, kind): (usize, &Kind)| {
            let shift_of_issues =
                Shift::from_issues(kind, &issues.learned.get(feature).copied().unwrap_or_default(), rows, at_fit);
            let Some((n, Shift { psi, chance, ks, .. })) = largest(feature) else { return shift_of_issues };
            let first = binnings.of(feature).start;
            let part = binnings.element(n).and_then(|_| kind.feature().place(n - first));
            let part = part.map_or(String::new(), |place| format!("[{place}]"));
            Shift { name: format!("{}{part}", shift_of_issues.name), psi, chance, ks, ..shift_of_issues }
        };
        let constants = watched.iter().zip(&issues.watched);
        let constants = constants.filter_map(|(watched, issues)| Shift::of_watched(watched, issues, rows, tests));
        let columns = kinds.iter().enumerate().map(column).chain(constants).collect();
        let latents = binnings.of(kinds.len()).map(shift).enumerate();
        let latents = latents.map(|(i, (_, shift))| Shift { name: format!("z_{i}"), ..shift }).collect();
        let score = largest(kinds.len() + 1).map(|(_, shift)| Shift { name: "anomaly_score".to_owned(), ..shift });
        Some(Drift { sampled: self.rows, columns, latents, score })
    }
}

/// The effective sample size, from the sums of the weights and of their squares (Kish 1965, "Survey sampling", 11.7).
fn effective_sample_size(weights: u64, squares: u64) -> f64 {
    weights as f64 * weights as f64 / squares as f64
}

/// Compares two histograms of one quantity.
fn compare(binning: &Binning, fit: &[f64], now: &[f64], rows: f64, tests: usize) -> Shift {
    let known = fit.len() - 1;
    let bins = binning.merged(fit);
    let [a, b] = [fit, now].map(|counts| merge_bins(counts, &bins));
    let ks = matches!(binning, Binning::Number(_)).then(|| kolmogorov_smirnov(&fit[..known], &now[..known]));
    Shift { psi: psi(&a, &b), chance: chance(a.len(), fit.iter().sum(), rows, tests), ks, ..Shift::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_sample_size_of_equal_weights_is_the_number_of_rows() {
        // Also if the square of their number exceeds 64 bits.
        for rows in [1, 4096, 1 << 31, 1 << 32, (1 << 32) + 4096, 1 << 40, 1 << 52] {
            assert_eq!(effective_sample_size(rows, rows), rows as f64);
            assert_eq!(effective_sample_size(STRIDE * rows, STRIDE * STRIDE * rows), rows as f64);
        }
        // 4,096 that count once, and of 2^36 after them one in 17 for as many.
        let (first, others) = (FIRST_ROWS, (1_u64 << 36) / STRIDE);
        let (weights, squares) = (first + STRIDE * others, first + STRIDE * STRIDE * others);
        let exact = u128::from(weights).pow(2) as f64 / squares as f64;
        assert!((effective_sample_size(weights, squares) - exact).abs() < 1e-9 * exact);
    }
}
