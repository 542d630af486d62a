//! Streaming statistics of one column, in memory that does not grow with the rows.
//!
//! The result depends on the values and their order alone, never on how they were cut into batches: moments are taken
//! over fixed blocks of values and merged in order, and the sketch is fed value by value.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use datasketches::tdigest::TDigestMut;
use serde::Serialize;

/// Values whose moments are taken at once.
const BLOCK: usize = 1024;

/// Compression of the quantile sketch: about 2k centroids, well under 1 % of rank error at the quartiles.
const SKETCH_K: u16 = 200;

/// What a first pass learns about a column.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    /// Values that are there and usable.
    count: u64,
    nulls: u64,
    /// Values that are there, but NaN, infinite or beyond f32.
    unusable: u64,
    min: f64,
    max: f64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
    block: Vec<f64>,
    sketch: Option<TDigestMut>,
    order: Order,
}

/// What a pass over a column's values found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Values {
    /// Values that are there and usable.
    pub known: u64,
    /// Missing values.
    pub null: u64,
    /// Values that are NaN, infinite or beyond the range of f32; taken as missing.
    pub unusable: u64,
    /// Smallest known value; a Boolean is 0 or 1.
    pub min: Option<f64>,
    /// Mean of the known values.
    pub mean: Option<f64>,
    /// Largest known value.
    pub max: Option<f64>,
    /// Standard deviation of the known values (population).
    pub std: Option<f64>,
}

/// Whether a column's integers, in row order, only ever rise or only ever fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Unknown,
    One(i128),
    Rising(i128),
    Falling(i128),
    Neither,
}

impl Statistics {
    /// Starts empty; quantiles cost a sketch and are kept only on request.
    pub(crate) fn new(quantiles: bool) -> Self {
        Self {
            count: 0,
            nulls: 0,
            unusable: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            mean: 0.0,
            squares: 0.0,
            block: Vec::with_capacity(BLOCK),
            sketch: quantiles.then(|| TDigestMut::new(SKETCH_K).expect("the compression is within its range")),
            order: Order::Unknown,
        }
    }

    /// Takes in the next rows of a number or Boolean column.
    pub(crate) fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        self.update_order(array)?;
        let values = cast(array, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        self.nulls += values.null_count() as u64;
        for value in values.iter().flatten() {
            if (value as f32).is_finite() {
                self.push(value);
            } else {
                self.unusable += 1;
            }
        }
        Ok(())
    }

    fn push(&mut self, value: f64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if let Some(sketch) = &mut self.sketch {
            sketch.update(value);
        }
        self.block.push(value);
        if self.block.len() == BLOCK {
            self.merge_block();
        }
    }

    /// Merges the block's moments (Chan, Golub & LeVeque 1983, eq. 2.1).
    fn merge_block(&mut self) {
        let n = self.block.len() as f64;
        if n > 0.0 {
            let mean = self.block.iter().sum::<f64>() / n;
            let squares = self.block.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
            let before = self.count as f64;
            let (delta, total) = (mean - self.mean, before + n);
            self.mean += delta * n / total;
            self.squares += squares + delta * delta * before * n / total;
            self.count += self.block.len() as u64;
            self.block.clear();
        }
    }

    fn update_order(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        if !array.data_type().is_integer() || array.null_count() > 0 {
            self.order = Order::Neither;
        } else if self.order != Order::Neither {
            if *array.data_type() == DataType::UInt64 {
                array.as_primitive::<UInt64Type>().values().iter().for_each(|&value| self.order.next(value.into()));
            } else {
                let wide = cast(array, &DataType::Int64)?;
                wide.as_primitive::<Int64Type>().values().iter().for_each(|&value| self.order.next(value.into()));
            }
        }
        Ok(())
    }

    /// Ends the pass; the readings below are those of all rows.
    pub(crate) fn finish(mut self) -> Self {
        self.merge_block();
        self
    }

    /// The readings of general interest.
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

    /// Smallest usable value.
    pub(crate) fn min(&self) -> f64 {
        self.min
    }

    /// Largest usable value.
    pub(crate) fn max(&self) -> f64 {
        self.max
    }

    /// Mean of the usable values.
    pub(crate) fn mean(&self) -> f64 {
        self.mean
    }

    /// Standard deviation of the usable values (population).
    pub(crate) fn std(&self) -> f64 {
        (self.squares / self.count.max(1) as f64).sqrt()
    }

    /// Lower quartile, median, upper quartile, to the accuracy of the sketch; NaN without one.
    pub(crate) fn quartiles(&self) -> [f64; 3] {
        let quantiles = self.sketch.clone().and_then(|mut sketch| sketch.quantiles(&[0.25, 0.5, 0.75]).ok().flatten());
        quantiles.and_then(|quantiles| quantiles.try_into().ok()).unwrap_or([f64::NAN; 3])
    }

    /// Whether the column holds integers that are all there and strictly rise, or strictly fall, row by row.
    pub(crate) fn counts_rows(&self) -> bool {
        matches!(self.order, Order::Rising(_) | Order::Falling(_))
    }
}

impl Order {
    fn next(&mut self, value: i128) {
        *self = match *self {
            Self::Unknown => Self::One(value),
            Self::One(last) | Self::Rising(last) if value > last => Self::Rising(value),
            Self::One(last) | Self::Falling(last) if value < last => Self::Falling(value),
            _ => Self::Neither,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array};
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[Option<f64>], cut: usize) -> Statistics {
        let mut statistics = Statistics::new(true);
        for part in values.chunks(cut) {
            statistics.update(&(Arc::new(Float64Array::from(part.to_vec())) as ArrayRef)).unwrap();
        }
        statistics.finish()
    }

    proptest! {
        #[test]
        fn the_cut_into_batches_does_not_change_a_bit(
            values in prop::collection::vec(prop::option::weighted(0.9, -1e6..1e6), 1..5000),
            cut in 1_usize..3000,
        ) {
            let (whole, parts) = (of(&values, values.len()), of(&values, cut));
            prop_assert_eq!(whole.mean().to_bits(), parts.mean().to_bits());
            prop_assert_eq!(whole.std().to_bits(), parts.std().to_bits());
            prop_assert_eq!(whole.quartiles().map(f64::to_bits), parts.quartiles().map(f64::to_bits));
        }

        #[test]
        fn moments_match_two_passes_in_memory(values in prop::collection::vec(-1e3..1e3, 2..4000), offset in -1e9..1e9) {
            let values: Vec<f64> = values.into_iter().map(|value: f64| value + offset).collect();
            let statistics = of(&values.iter().copied().map(Some).collect::<Vec<_>>(), 700);
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
            prop_assert!((statistics.mean() - mean).abs() <= 1e-12 * mean.abs().max(1e3));
            prop_assert!((statistics.std() - std).abs() <= 1e-6 * std.max(1.0));
        }

        #[test]
        fn quartiles_are_within_one_percent_of_rank(mut values in prop::collection::vec(-1e3..1e3, 1000..9000)) {
            let quartiles = of(&values.iter().copied().map(Some).collect::<Vec<_>>(), 700).quartiles();
            values.sort_by(f64::total_cmp);
            for (quartile, rank) in quartiles.into_iter().zip([0.25, 0.5, 0.75]) {
                let below = values.partition_point(|&value| value < quartile) as f64 / values.len() as f64;
                prop_assert!((below - rank).abs() < 0.01, "{below} for {rank}");
            }
        }
    }

    #[test]
    fn nulls_and_unusable_values_are_counted_and_left_out() {
        let statistics = of(&[Some(1.0), None, Some(f64::NAN), Some(f64::INFINITY), Some(1e300), Some(3.0)], 2);
        assert_eq!((statistics.count(), statistics.nulls(), statistics.unusable()), (2, 1, 3));
        assert_eq!((statistics.min(), statistics.max(), statistics.mean()), (1.0, 3.0, 2.0));
    }

    #[test]
    fn integers_that_only_rise_or_only_fall_count_rows() {
        let counts = |values: Vec<Option<i64>>| {
            let mut statistics = Statistics::new(false);
            statistics.update(&(Arc::new(Int64Array::from(values)) as ArrayRef)).unwrap();
            statistics.finish().counts_rows()
        };
        // Neighbours that f64 cannot tell apart.
        assert!(counts(vec![Some(1 << 60), Some((1 << 60) + 1), Some((1 << 60) + 2)]));
        assert!(counts(vec![Some(9), Some(4), Some(-2)]));
        assert!(!counts(vec![Some(1), Some(2), Some(2)]));
        assert!(!counts(vec![Some(1), Some(3), Some(2)]));
        assert!(!counts(vec![Some(1), None, Some(2)]));
    }
}
