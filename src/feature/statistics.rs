//! Streaming statistics of numbers, in memory that does not grow with them.
//!
//! The result depends on the values and their order alone, not on how they are split into batches: moments are computed
//! over fixed blocks of values and merged in order, and the sketch takes one value at a time.

use arrow::array::{Array, Float64Array};
use datasketches::tdigest::TDigestMut;

use super::Values;
use crate::numerics::{RandomStream, vectorized};

/// Values per block of moments; small, since a table may have tens of thousands of numbers per row.
const BLOCK: usize = 128;

/// Sums that a block's values are added to in turns.
const LANES: usize = 8;

/// Compression of the quantile sketch: about 2k centroids, well under 1 % of rank error at the quartiles.
const SKETCH_K: u16 = 200;

/// Values beyond which a sketch takes a sample of them, this many to twice as many: their quartiles are off by another .2 % of
/// rank.
const SKETCHED: u64 = 1 << 16;

/// Streaming count, range, moments and quantiles of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    /// Usable values.
    count: u64,
    nulls: u64,
    /// Values that are NaN, infinite or beyond f32.
    unusable: u64,
    min: f64,
    max: f64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
    block: Vec<f64>,
    sketch: Option<Quantiles>,
}

/// A sketch of the quantiles of values, or of a random sample of many.
#[derive(Debug, Clone)]
struct Quantiles {
    digest: TDigestMut,
    /// Values so far, whose numbers say which are taken: those whose random bits end in so many zeros.
    values: u64,
    zeros: u32,
    random: RandomStream,
}

impl Quantiles {
    fn new(rows: u64) -> Self {
        let digest = TDigestMut::new(SKETCH_K).expect("the compression is within its range");
        let zeros = (rows / SKETCHED).max(1).ilog2();
        Self { digest, values: 0, zeros, random: RandomStream::new(0, "quantiles") }
    }

    fn push(&mut self, value: f64) {
        if self.zeros == 0 || self.random.bits(self.values).trailing_zeros() >= self.zeros {
            self.digest.update(value);
        }
        self.values += 1;
    }
}

/// Summary statistics of numbers, from which a scaling is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NumberSummary {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
    /// Standard deviation (population).
    pub(crate) std: f64,
    /// Lower quartile, median, upper quartile, to the accuracy of the sketch; NaN without one.
    pub(crate) quartiles: [f64; 3],
}

impl NumberSummary {
    /// A robust standard deviation: interquartile range / 1.349, as for a normal distribution; the plain one if that is 0.
    pub(crate) fn robust_std(&self) -> f64 {
        let [lower, _, upper] = self.quartiles;
        let robust = (upper - lower) / 1.349;
        if robust.is_normal() { robust } else { self.std }
    }
}

impl Statistics {
    /// Starts empty; keeps a sketch of the quantiles if the number of rows is given.
    pub(crate) fn new(quantiles: Option<u64>) -> Self {
        Self {
            count: 0,
            nulls: 0,
            unusable: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            mean: 0.0,
            squares: 0.0,
            block: Vec::with_capacity(BLOCK),
            sketch: quantiles.map(Quantiles::new),
        }
    }

    /// Adds the next values.
    pub(crate) fn update(&mut self, values: &Float64Array) {
        self.nulls += values.null_count() as u64;
        if values.null_count() > 0 {
            return values.iter().flatten().for_each(|value| self.push_usable(value));
        }
        // Whole blocks of usable values need no copy.
        let (first, rest) = values.values().split_at(values.len().min((BLOCK - self.block.len()) % BLOCK));
        first.iter().for_each(|&value| self.push_usable(value));
        for block in rest.chunks(BLOCK) {
            if block.len() == BLOCK && self.block.is_empty() && are_usable(block) {
                self.sketch.iter_mut().for_each(|sketch| block.iter().for_each(|&value| sketch.push(value)));
                self.merge(block);
            } else {
                block.iter().for_each(|&value| self.push_usable(value));
            }
        }
    }

    /// Adds a value, or counts it as unusable.
    pub(crate) fn push_usable(&mut self, value: f64) {
        if (value as f32).is_finite() {
            self.push(value);
        } else {
            self.unusable += 1;
        }
    }

    /// Counts missing values.
    pub(crate) fn push_nulls(&mut self, count: u64) {
        self.nulls += count;
    }

    /// Adds a usable value.
    pub(crate) fn push(&mut self, value: f64) {
        if let Some(sketch) = &mut self.sketch {
            sketch.push(value);
        }
        self.block.push(value);
        if self.block.len() == BLOCK {
            self.merge_block();
        }
    }

    /// Merges the block that is not yet merged.
    fn merge_block(&mut self) {
        let mut block = std::mem::take(&mut self.block);
        self.merge(&block);
        block.clear();
        self.block = block;
    }

    /// Merges a block's range and moments (Chan, Golub & LeVeque 1983, eq. 2.1).
    fn merge(&mut self, block: &[f64]) {
        if block.is_empty() {
            return;
        }
        let n = block.len() as f64;
        let ([min, max], mean, squares) = vectorized(
            #[inline(always)]
            || {
                let (mut least, mut most) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
                for values in block.chunks(LANES) {
                    for (value, (least, most)) in values.iter().zip(least.iter_mut().zip(&mut most)) {
                        (*least, *most) = (least.min(*value), most.max(*value));
                    }
                }
                let mean = sum(block, |value| value) / n;
                let range = [
                    least.into_iter().fold(f64::INFINITY, f64::min),
                    most.into_iter().fold(f64::NEG_INFINITY, f64::max),
                ];
                (range, mean, sum(block, |value| (value - mean) * (value - mean)))
            },
        );
        (self.min, self.max) = (self.min.min(min), self.max.max(max));
        let before = self.count as f64;
        let (delta, total) = (mean - self.mean, before + n);
        self.mean += delta * n / total;
        self.squares += squares + delta * delta * before * n / total;
        self.count += block.len() as u64;
    }

    /// Ends the pass. The methods below need this first.
    pub(crate) fn finish(&mut self) {
        self.merge_block();
        self.block = Vec::new();
    }

    /// The statistics for reports.
    pub(crate) fn values(&self) -> Values {
        let known = |value: f64| (self.count > 0).then_some(value);
        Values {
            known: self.count,
            null: self.nulls,
            unusable: self.unusable,
            min: known(self.min),
            mean: known(self.mean),
            max: known(self.max),
            std: known(self.std()),
        }
    }

    /// Usable values.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Missing values.
    pub(crate) fn nulls(&self) -> u64 {
        self.nulls
    }

    /// Values that are NaN, infinite or beyond the range of f32.
    pub(crate) fn unusable(&self) -> u64 {
        self.unusable
    }

    /// Missing or unusable values.
    pub(crate) fn missing(&self) -> u64 {
        self.nulls + self.unusable
    }

    /// Whether all usable values are equal.
    pub(crate) fn is_constant(&self) -> bool {
        self.min == self.max
    }

    /// Standard deviation of the usable values (population).
    fn std(&self) -> f64 {
        (self.squares / self.count.max(1) as f64).sqrt()
    }

    /// The summary from which a scaling is chosen.
    pub(crate) fn summary(&self) -> NumberSummary {
        let Self { min, max, mean, .. } = *self;
        let quartiles = self.quantiles(&[0.25, 0.5, 0.75]);
        let quartiles = quartiles.and_then(|quartiles| quartiles.try_into().ok()).unwrap_or([f64::NAN; 3]);
        NumberSummary { min, max, mean, std: self.std(), quartiles }
    }

    /// Quantiles at these ranks, to the accuracy of the sketch; `None` without one, or without a value.
    pub(crate) fn quantiles(&self, ranks: &[f64]) -> Option<Vec<f64>> {
        self.sketch.clone().and_then(|mut sketch| sketch.digest.quantiles(ranks).ok().flatten())
    }
}

/// Whether all values are finite as f32.
fn are_usable(values: &[f64]) -> bool {
    vectorized(
        #[inline(always)]
        || values.iter().fold(true, |usable, value| usable & (*value as f32).is_finite()),
    )
}

/// The sum of a function of values, added in lanes.
#[inline(always)]
fn sum(values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    for values in values.chunks(LANES) {
        sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += of(value));
    }
    sums.into_iter().sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[Option<f64>], cut: usize) -> Statistics {
        let mut statistics = Statistics::new(Some(values.len() as u64));
        for part in values.chunks(cut) {
            statistics.update(&Float64Array::from(part.to_vec()));
        }
        statistics.finish();
        statistics
    }

    proptest! {
        #[test]
        fn the_split_into_batches_does_not_change_a_bit(
            values in prop::collection::vec(prop::option::weighted(0.9, -1e6..1e6), 1..5000),
            cut in 1_usize..3000,
        ) {
            let (whole, parts) = (of(&values, values.len()), of(&values, cut));
            let (whole, parts) = (whole.summary(), parts.summary());
            prop_assert_eq!(whole.mean.to_bits(), parts.mean.to_bits());
            prop_assert_eq!(whole.std.to_bits(), parts.std.to_bits());
            prop_assert_eq!(whole.quartiles.map(f64::to_bits), parts.quartiles.map(f64::to_bits));
        }

        #[test]
        fn moments_match_two_passes_in_memory(values in prop::collection::vec(-1e3..1e3, 2..4000), offset in -1e9..1e9) {
            let values: Vec<f64> = values.into_iter().map(|value: f64| value + offset).collect();
            let statistics = of(&values.iter().copied().map(Some).collect::<Vec<_>>(), 700);
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
            prop_assert!((statistics.mean - mean).abs() <= 1e-12 * mean.abs().max(1e3));
            prop_assert!((statistics.std() - std).abs() <= 1e-6 * std.max(1.0));
        }

        #[test]
        fn quartiles_are_within_one_percent_of_rank(mut values in prop::collection::vec(-1e3..1e3, 1000..9000)) {
            let quartiles = of(&values.iter().copied().map(Some).collect::<Vec<_>>(), 700).summary().quartiles;
            values.sort_by(f64::total_cmp);
            for (quartile, rank) in quartiles.into_iter().zip([0.25, 0.5, 0.75]) {
                let below = values.partition_point(|&value| value < quartile) as f64 / values.len() as f64;
                prop_assert!((below - rank).abs() < 0.01, "{below} for {rank}");
            }
        }
    }

    #[test]
    fn nulls_and_unusable_values_are_counted_separately() {
        let statistics = of(&[Some(1.0), None, Some(f64::NAN), Some(f64::INFINITY), Some(1e300), Some(3.0)], 2);
        assert_eq!((statistics.count, statistics.nulls, statistics.unusable), (2, 1, 3));
        assert_eq!((statistics.min, statistics.max, statistics.mean), (1.0, 3.0, 2.0));
    }
}
