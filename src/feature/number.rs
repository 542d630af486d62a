//! A number: one scaled element, Gaussian.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::{Cells, Feature, Statistics};
use crate::config::Scale;
use crate::layout::Likelihood;

/// Standard deviations of a normal distribution between its quartiles: what makes the IQR comparable with one.
const IQR_OF_NORMAL: f64 = 1.349;

/// Where scaled values are clipped, so that one wild value cannot decide a gradient or overflow a square.
const CLIP: f64 = 20.0;

/// The same for values that are not scaled: only a guard against overflow.
const CLIP_UNSCALED: f64 = 1e15;

/// The widest half range that counts, in standard deviations.
const MOST_STDS: f64 = 50.0;

/// A fitted number: `clamp((x - center) / scale, -clip, clip)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    column: String,
    /// The column's type at fit, for the reader of the model; any numeric type is accepted later.
    #[serde(rename = "type")]
    data_type: String,
    center: f64,
    scale: f64,
    clip: f64,
}

/// How the numbers of a table are scaled: the method, and the unit all of them share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scaler {
    scale: Scale,
    unit: f64,
}

impl Scaler {
    /// A scaler for numbers with these statistics.
    pub(crate) fn new<'a>(scale: Scale, numbers: impl Iterator<Item = &'a Statistics>) -> Self {
        let variance = |statistics: &Statistics| (statistics.std() / half_range(statistics)).powi(2);
        let (sum, count) = numbers
            .map(variance)
            .filter(|variance| variance.is_normal())
            .fold((0.0, 0), |(sum, count), variance| (sum + variance, count + 1));
        let unit = if scale == Scale::Minmax && count > 0 { (sum / f64::from(count)).sqrt() } else { 1.0 };
        Self { scale, unit }
    }

    /// Center, width and clip of one number.
    fn of(&self, statistics: &Statistics) -> (f64, f64, f64) {
        match self.scale {
            Scale::None => (0.0, 1.0, CLIP_UNSCALED),
            Scale::Standard => (statistics.mean(), statistics.std(), CLIP),
            Scale::Minmax => (statistics.mean(), half_range(statistics) * self.unit, CLIP),
            Scale::Robust => {
                let [lower, median, upper] = statistics.quartiles();
                let width = (upper - lower) / IQR_OF_NORMAL;
                (median, if width.is_normal() { width } else { statistics.std() }, CLIP)
            }
        }
    }
}

/// Half the range, but not so much that a few wild values leave nothing of the rest.
fn half_range(statistics: &Statistics) -> f64 {
    (statistics.max() / 2.0 - statistics.min() / 2.0).min(MOST_STDS * statistics.std())
}

impl Number {
    /// Whether this kind learns columns of `data_type`.
    pub(crate) fn learns(data_type: &DataType) -> bool {
        data_type.is_numeric()
    }

    /// Fits the scaling, or says why there is nothing to learn.
    pub(crate) fn fit(
        column: &str,
        data_type: &DataType,
        statistics: &Statistics,
        scaler: &Scaler,
    ) -> Result<Self, String> {
        let (center, scale, clip) = scaler.of(statistics);
        if !scale.is_normal() {
            return Err("varies too little to be scaled".to_owned());
        }
        Ok(Self { column: column.to_owned(), data_type: data_type.to_string(), center, scale, clip })
    }

    /// Whether the numbers are ones that [`write`](Feature::write) can work with.
    pub(crate) fn is_sound(&self) -> bool {
        self.center.is_finite()
            && self.scale.is_normal()
            && self.scale > 0.0
            && self.clip > 0.0
            && self.clip <= CLIP_UNSCALED
    }
}

/// A number to read.
fn digits(value: f64) -> String {
    if value == 0.0 || (1e-2..1e9).contains(&value) { format!("{value:.4}") } else { format!("{value:.4e}") }
}

impl Feature for Number {
    fn column(&self) -> &str {
        &self.column
    }

    fn expects(&self) -> &'static str {
        "a number"
    }

    fn describe(&self) -> String {
        let Self { center, scale, clip, .. } = self;
        if *clip >= CLIP_UNSCALED {
            return "number as it is".to_owned();
        }
        let sign = if *center < 0.0 { '+' } else { '-' };
        format!("number (x {sign} {}) / {}, within ±{clip}", digits(center.abs()), digits(*scale))
    }

    fn accepts(&self, data_type: &DataType) -> bool {
        Self::learns(data_type)
    }

    fn shape(&self) -> (usize, usize, Likelihood) {
        (1, 1, Likelihood::Gaussian)
    }

    fn write(&self, array: &ArrayRef, cells: &mut Cells<'_>) -> Result<u64, ArrowError> {
        let array = cast(array, &DataType::Float64)?;
        let array = array.as_primitive::<Float64Type>();
        let mut masked = 0;
        for (row, &value) in array.values().iter().enumerate() {
            let known = array.is_valid(row);
            let usable = (value as f32).is_finite();
            masked += u64::from(known && !usable);
            let scaled = ((value - self.center) / self.scale).clamp(-self.clip, self.clip);
            cells.set(row, if known && usable { scaled as f32 } else { f32::NAN });
        }
        Ok(masked)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Float64Array;

    use super::*;

    fn statistics(values: &[f64]) -> Statistics {
        let mut statistics = Statistics::new(true);
        statistics.update(&(Arc::new(Float64Array::from(values.to_vec())) as ArrayRef)).unwrap();
        statistics.finish()
    }

    fn scaled(scale: Scale, columns: &[&[f64]]) -> Vec<(f64, f64)> {
        let statistics: Vec<_> = columns.iter().map(|column| statistics(column)).collect();
        let scaler = Scaler::new(scale, statistics.iter());
        let fit = |statistics| Number::fit("x", &DataType::Float64, statistics, &scaler).unwrap();
        statistics.iter().map(fit).map(|number| (number.center, number.scale)).collect()
    }

    #[test]
    fn scalings_follow_their_definitions() {
        let column: &[f64] = &[0.0, 2.0, 4.0, 10.0];
        let std = 14_f64.sqrt();
        assert_eq!(scaled(Scale::None, &[column]), [(0.0, 1.0)]);
        assert_eq!(scaled(Scale::Standard, &[column]), [(4.0, std)]);
        // Half ranges 5 and 1, standard deviations √14 and 1: variances 14/25 and 1, of mean 0.78.
        let unit = 0.78_f64.sqrt();
        let pair = scaled(Scale::Minmax, &[column, &[1.0, 3.0, 3.0, 1.0]]);
        for ((center, scale), expected) in pair.into_iter().zip([(4.0, 5.0 * unit), (2.0, unit)]) {
            assert!(center == expected.0 && (scale - expected.1).abs() < 1e-12);
        }
    }

    #[test]
    fn robust_scaling_falls_back_to_the_standard_deviation() {
        let (center, scale) = scaled(Scale::Robust, &[&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0]])[0];
        assert_eq!((center, scale), (1.0, 7_f64.sqrt()));
    }

    #[test]
    fn a_scaling_reads_like_one_does_sums() {
        let describe = |center, scale| {
            Number { column: "x".to_owned(), data_type: "Float64".to_owned(), center, scale, clip: 20.0 }.describe()
        };
        assert_eq!(describe(2.5, 30.0), "number (x - 2.5000) / 30.0000, within ±20");
        assert_eq!(describe(-0.01, 2e-12), "number (x + 0.0100) / 2.0000e-12, within ±20");
    }

    #[test]
    fn one_wild_value_does_not_squeeze_the_rest_to_nothing() {
        let mut column = vec![0.0; 1000];
        column.iter_mut().enumerate().for_each(|(row, x)| *x = (row % 7) as f64);
        column[0] = 1e12;
        let (_, scale) = scaled(Scale::Minmax, &[&column])[0];
        assert!(scale <= MOST_STDS * statistics(&column).std());
    }
}
