//! The distributions of a column's values in a file and in training, the latter from stored quantiles.

use crate::analysis::figure::Distribution;

/// Number of bins for continuous values.
const BINS: usize = 32;

/// Shares in even bins over the range of both, in the column's unit. `ranks` are quantiles at evenly spaced ranks.
pub(super) fn distribution_of(values: &[f32], ranks: &[f32], in_unit: &impl Fn(f32) -> f64) -> Distribution {
    let far = |values: &[f32]| [values[values.len() / 100], values[values.len() - 1 - values.len() / 100]].map(in_unit);
    let (here, there) = (far(values), [ranks[1], ranks[ranks.len() - 2]].map(in_unit));
    let (low, high) = (here[0].min(there[0]), here[1].max(there[1]));
    let is_whole = |value: &f32| (in_unit(*value) - in_unit(*value).round()).abs() < 1e-3;
    let (range, count) = match values.iter().all(is_whole) && high - low < 60.0 {
        // One bin per integer.
        true => (low.round() - 0.5..high.round() + 0.5, (high.round() - low.round()) as usize + 1),
        false => {
            let margin = 0.02 * (high - low).max(low.abs() * 1e-6).max(1e-9);
            (low - margin..high + margin, BINS)
        }
    };
    let at = |bin: usize| range.start + (range.end - range.start) * bin as f64 / count as f64;
    let bins =
        |below: &dyn Fn(f64) -> f64| (0..count).map(|bin| (below(at(bin + 1)) - below(at(bin))).max(0.0)).collect();
    let here = bins(&|x| values.partition_point(|value| in_unit(*value) <= x) as f64 / values.len() as f64);
    let training = bins(&|x| cumulative(ranks, x, in_unit));
    Distribution { range, here, training }
}

/// The share of values up to `x`, by linear interpolation of the quantiles.
fn cumulative(ranks: &[f32], x: f64, in_unit: &impl Fn(f32) -> f64) -> f64 {
    let above = ranks.partition_point(|value| in_unit(*value) <= x);
    if above == 0 || above == ranks.len() {
        return if above == 0 { 0.0 } else { 1.0 };
    }
    let (low, high) = (in_unit(ranks[above - 1]), in_unit(ranks[above]));
    (above as f64 - 1.0 + (x - low) / (high - low)) / (ranks.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_bins_sum_to_nearly_all() {
        let ranks: Vec<f32> = (0..=64).map(|n| n as f32 / 64.0).collect();
        let values: Vec<f32> = (0..1000).map(|n| n as f32 / 1000.0).collect();
        let distribution = distribution_of(&values, &ranks, &|x| f64::from(x));
        for shares in [&distribution.here, &distribution.training] {
            assert!((0.95..=1.0).contains(&shares.iter().sum::<f64>()), "{shares:?}");
            assert!(shares[5..25].iter().all(|share| (0.02..0.045).contains(share)), "{shares:?}");
        }
    }
}
