//! How far the values of a column are from those it had in training, of which the values at even ranks are known.

use crate::analysis::figure::Spread;

/// Bars of a distribution.
const BINS: usize = 32;

/// The greatest gap between the cumulative shares of sorted `values` and of what has the values `ranks` at even ranks.
pub(super) fn shift(values: &[f32], ranks: &[f32]) -> f64 {
    let gap = |(rank, &at): (usize, &f32)| {
        // Of equal values, the last rank is the share of those up to it.
        if ranks.get(rank + 1) == Some(&at) || values.is_empty() {
            return 0.0;
        }
        let here = values.partition_point(|value| *value <= at) as f64 / values.len() as f64;
        (here - rank as f64 / (ranks.len() - 1) as f64).abs()
    };
    // At the first rank there is a single value, unless there are more of it.
    ranks.iter().enumerate().skip(1).map(gap).fold(0.0, f64::max)
}

/// Shares of even bins over the range of both, in the column's unit.
pub(super) fn spread_of(values: &[f32], ranks: &[f32], in_unit: &impl Fn(f32) -> f64) -> Spread {
    let far = |values: &[f32]| [values[values.len() / 100], values[values.len() - 1 - values.len() / 100]].map(in_unit);
    let (here, there) = (far(values), [ranks[1], ranks[ranks.len() - 2]].map(in_unit));
    let (low, high) = (here[0].min(there[0]), here[1].max(there[1]));
    let is_whole = |value: &f32| (in_unit(*value) - in_unit(*value).round()).abs() < 1e-3;
    let (range, count) = match values.iter().all(is_whole) && high - low < 60.0 {
        // A bar each whole number.
        true => (low.round() - 0.5..high.round() + 0.5, (high.round() - low.round()) as usize + 1),
        false => {
            let room = 0.02 * (high - low).max(low.abs() * 1e-6).max(1e-9);
            (low - room..high + room, BINS)
        }
    };
    let at = |bin: usize| range.start + (range.end - range.start) * bin as f64 / count as f64;
    let bins =
        |below: &dyn Fn(f64) -> f64| (0..count).map(|bin| (below(at(bin + 1)) - below(at(bin))).max(0.0)).collect();
    let here = bins(&|x| values.partition_point(|value| in_unit(*value) <= x) as f64 / values.len() as f64);
    let training = bins(&|x| cumulative(ranks, x, in_unit));
    Spread { range, here, training }
}

/// The share of values up to `x`, between ranks in proportion.
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
    fn a_shift_is_the_greatest_gap_of_cumulative_shares() {
        let ranks: Vec<f32> = (0..=64).map(|n| n as f32).collect();
        let alike: Vec<f32> = (1..=640).map(|n| n as f32 / 10.0).collect();
        assert!(shift(&alike, &ranks) < 1e-9);
        // scipy.stats.ks_2samp of uniforms on [0, 64] and [16, 80]: 0.25
        let off: Vec<f32> = alike.iter().map(|value| value + 16.0).collect();
        assert!((shift(&off, &ranks) - 0.25).abs() < 0.01);
        assert!((shift(&[999.0], &ranks) - 1.0).abs() < 1e-9);
        // Two values of even share, as in training and not.
        let coin: Vec<f32> = (0..65).map(|n| f32::from(n > 32)).collect();
        assert!(shift(&[0.0, 1.0], &coin) < 0.02);
        assert!((shift(&[1.0, 1.0], &coin) - 0.5).abs() < 0.02);
    }

    #[test]
    fn shares_of_bins_sum_to_nearly_all() {
        let ranks: Vec<f32> = (0..=64).map(|n| n as f32 / 64.0).collect();
        let values: Vec<f32> = (0..1000).map(|n| n as f32 / 1000.0).collect();
        let spread = spread_of(&values, &ranks, &|x| f64::from(x));
        for shares in [&spread.here, &spread.training] {
            assert!((0.95..=1.0).contains(&shares.iter().sum::<f64>()), "{shares:?}");
            assert!(shares[5..25].iter().all(|share| (0.02..0.045).contains(share)), "{shares:?}");
        }
    }
}
