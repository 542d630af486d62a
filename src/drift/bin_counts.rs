//! What was seen of the rows of a transform, and how it differs from the fit.

use super::divergence::{chance, even, frequent, kolmogorov_smirnov, merged, psi};
use super::sketch::{Binning, Sketch};
use super::{Drift, Shift};
use crate::feature::{Kind, ValueIssues};
use crate::score::EncodedBatch;

/// Rows that all count; and of those after them, one in so many, for as many.
const FIRST: u64 = 4096;
const EVERY: u64 = 17;

/// For how many rows the one of this number counts, over all files; 0 if it is not looked at.
fn weight(row: u64) -> u64 {
    match row {
        0..FIRST => 1,
        _ if row.is_multiple_of(EVERY) => EVERY,
        _ => 0,
    }
}

/// Counts of the rows looked at. Sums of whole numbers: no order of the rows changes them.
#[derive(Debug, Clone, Default)]
pub(crate) struct BinCounts {
    counts: Vec<u64>,
    rows: u64,
    weights: u64,
    squares: u64,
}

impl Sketch {
    /// The bins that those of scored rows fall into that are looked at; the first of all has this number.
    pub(crate) fn bins(&self, rows: &EncodedBatch<'_>, scores: &[Option<f32>], first: u64) -> Vec<u16> {
        let (gauges, seen) = (self.gauges(), rows.first());
        let (batch, encoded) = (seen.batch, &seen.encoded);
        let (inputs, k) = (encoded.features, encoded.latent_dim);
        let mut bins = Vec::new();
        for (row, &score) in scores.iter().enumerate().filter(|(row, _)| weight(first + *row as u64) > 0) {
            let known = batch.known.as_ref().map(|known| &known[row * inputs..][..inputs]);
            let (x, mean) = (&batch.x[row * inputs..][..inputs], &encoded.mean[row * k..][..k]);
            gauges.bins(x, known, mean, score, &mut bins);
        }
        bins
    }
}

impl BinCounts {
    /// Adds the bins of the rows from number `first` on that are looked at.
    pub(crate) fn add(&mut self, sketch: &Sketch, first: u64, bins: &[u16]) {
        let gauges = sketch.gauges();
        self.counts.resize(sketch.counts.len(), 0);
        let weights = (first..).map(weight).filter(|&weight| weight > 0);
        for (weight, bins) in weights.zip(bins.chunks_exact(gauges.len())) {
            self.rows += 1;
            self.weights += weight;
            self.squares += weight * weight;
            for (n, &bin) in bins.iter().enumerate() {
                self.counts[gauges.counts(n).start + bin as usize] += weight;
            }
        }
    }

    /// What differs from the fit, whose rows were `at_fit`; `found` is of all `rows` now. `None` if no row was seen.
    pub(crate) fn finish(
        self,
        sketch: &Sketch,
        kinds: &[Kind],
        found: &[ValueIssues],
        rows: u64,
        at_fit: u64,
    ) -> Option<Drift> {
        if self.rows == 0 {
            return None;
        }
        let gauges = sketch.gauges();
        let effective_sample_size = effective_sample_size(self.weights, self.squares);
        let scale = effective_sample_size / self.weights as f64;
        let shift = |n: usize| {
            let range = gauges.counts(n);
            let fit: Vec<f64> = sketch.counts[range.clone()].iter().map(|&count| count.into()).collect();
            let now: Vec<f64> = self.counts[range].iter().map(|&count| count as f64 * scale).collect();
            let shift = compare(gauges.gauge(n), &fit, &now, effective_sample_size, gauges.len());
            (n, shift)
        };
        let most = |n: usize| gauges.of(n).map(shift).reduce(|most, it| if it.1.psi > most.1.psi { it } else { most });
        let column = |(feature, kind): (usize, &Kind)| {
            let found = Shift::found(kind, &found.get(feature).copied().unwrap_or_default(), rows, at_fit);
            let Some((n, Shift { psi, chance, ks, .. })) = most(feature) else { return found };
            let first = gauges.of(feature).start;
            let part = gauges.element(n).and_then(|_| kind.feature().place(n - first));
            let part = part.map_or(String::new(), |place| format!("[{place}]"));
            Shift { name: format!("{}{part}", found.name), psi, chance, ks, ..found }
        };
        let columns = kinds.iter().enumerate().map(column).collect();
        let latents = gauges.of(kinds.len()).map(shift).enumerate();
        let latents = latents.map(|(i, (_, shift))| Shift { name: format!("z_{i}"), ..shift }).collect();
        let score = most(kinds.len() + 1).map(|(_, shift)| Shift { name: "anomaly_score".to_owned(), ..shift });
        Some(Drift { sampled: self.rows, columns, latents, score })
    }
}

/// The effective sample size (Kish 1965, "Survey sampling", 11.7), from the sums of the weights and of their squares.
fn effective_sample_size(weights: u64, squares: u64) -> f64 {
    weights as f64 * weights as f64 / squares as f64
}

fn compare(gauge: &Binning, fit: &[f64], now: &[f64], rows: f64, tests: usize) -> Shift {
    let known = fit.len() - 1;
    let mut bins = match gauge {
        Binning::Number(_) => even(&fit[..known]),
        _ => frequent(&fit[..known]),
    };
    bins.push(bins.iter().max().map_or(0, |last| last + 1));
    let [a, b] = [fit, now].map(|counts| merged(counts, &bins));
    let ks = matches!(gauge, Binning::Number(_)).then(|| kolmogorov_smirnov(&fit[..known], &now[..known]));
    Shift { psi: psi(&a, &b), chance: chance(a.len(), fit.iter().sum(), rows, tests), ks, ..Shift::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_equal_weight_are_effective_sample_size_they_are_many() {
        // Also if the square of their number is no number of 64 bits.
        for rows in [1, 4096, 1 << 31, 1 << 32, (1 << 32) + 4096, 1 << 40, 1 << 52] {
            assert_eq!(effective_sample_size(rows, rows), rows as f64);
            assert_eq!(effective_sample_size(EVERY * rows, EVERY * EVERY * rows), rows as f64);
        }
        // 4,096 that count once, and of 2^36 after them one in 17 for as many.
        let (first, others) = (FIRST, (1_u64 << 36) / EVERY);
        let (weights, squares) = (first + EVERY * others, first + EVERY * EVERY * others);
        let exact = u128::from(weights).pow(2) as f64 / squares as f64;
        assert!((effective_sample_size(weights, squares) - exact).abs() < 1e-9 * exact);
    }
}
