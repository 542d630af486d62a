//! Scaling of numbers to the model's scale.

use arrow::array::{Array, Float64Array};
use serde::{Deserialize, Serialize};

use super::map::Curve;
use super::statistics::NumberSummary;
use crate::config::Scale;
use crate::numerics::{asinh_f64, vectorized};

/// Bound of scaled values, so that one outlier cannot dominate a gradient or overflow a square.
const CLIP: f64 = 20.0;

/// Bound of values that are not scaled: only a guard against overflow.
const CLIP_UNSCALED: f64 = 1e15;

/// Upper bound of the half range, in standard deviations.
const MAX_HALF_RANGE_STDS: f64 = 50.0;

/// A linear scaling with clipping: `clamp((x - center) / scale, -clip, clip)`, and the range of x at fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// The value that becomes 0.
    pub center: f64,
    /// The difference that becomes 1.
    pub scale: f64,
    /// Bound of the scaled values.
    pub clip: f64,
    /// Smallest value at fit.
    pub min: f64,
    /// Largest value at fit.
    pub max: f64,
}

/// Chooses scalings: the method, and the unit that all numbers of the table share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scaler {
    scale: Scale,
    unit: f64,
}

impl Scaler {
    /// Makes a scaler from the summaries of all numbers of a table.
    pub(crate) fn new(scale: Scale, numbers: impl Iterator<Item = NumberSummary>) -> Self {
        let variance = |summary: NumberSummary| (summary.std / half_range(&summary)).powi(2);
        let (sum, count) = numbers
            .map(variance)
            .filter(|variance| variance.is_normal())
            .fold((0.0, 0), |(sum, count), variance| (sum + variance, count + 1));
        let unit = if scale == Scale::Minmax && count > 0 { (sum / f64::from(count)).sqrt() } else { 1.0 };
        Self { scale, unit }
    }

    /// The scaling of one number; `None` if it varies too little.
    pub(crate) fn of(&self, summary: &NumberSummary) -> Option<Scaling> {
        let NumberSummary { min, max, mean, std, quartiles } = *summary;
        let (center, scale, clip) = match self.scale {
            Scale::None => (0.0, 1.0, CLIP_UNSCALED),
            Scale::Standard => (mean, std, CLIP),
            Scale::Minmax => (mean, half_range(summary) * self.unit, CLIP),
            Scale::Robust | Scale::Asinh => (quartiles[1], summary.robust_std(), CLIP),
        };
        scale.is_normal().then_some(Scaling { center, scale, clip, min, max })
    }

    /// The scaling of a number after its curve; `None` if it varies too little. The asinh curve of the asinh scale is
    /// already on the model's scale.
    pub(super) fn of_transformed(&self, curve: Option<&Curve>, summary: &NumberSummary) -> Option<Scaling> {
        let scaling = self.of(summary)?;
        let is_scaled = self.scale == Scale::Asinh && matches!(curve, Some(Curve::Asinh { .. }));
        Some(if is_scaled { Scaling { center: 0.0, scale: 1.0, ..scaling } } else { scaling })
    }
}

/// Half the range, bounded so that a few outliers do not squeeze all other values together.
fn half_range(summary: &NumberSummary) -> f64 {
    (summary.max / 2.0 - summary.min / 2.0).min(MAX_HALF_RANGE_STDS * summary.std)
}

/// Numbers on the model's scale.
pub(super) struct ScaledNumbers {
    /// NaN where a number is missing or unusable.
    pub(super) scaled: Vec<f32>,
    /// Those that are NaN, infinite or beyond f32.
    pub(super) unusable: u64,
    /// Those outside the range at fit.
    pub(super) out_of_range: u64,
}

impl Scaling {
    /// Scales numbers after their curve, if they have one.
    pub(super) fn scale(&self, numbers: &Float64Array, curve: Option<&Curve>) -> ScaledNumbers {
        let values = numbers.values();
        let mut scaled = vec![0.0; values.len()];
        vectorized(
            #[inline(always)]
            || {
                let each = scaled.iter_mut().zip(values);
                match curve {
                    None => each.for_each(|(scaled, value)| *scaled = self.apply(*value)),
                    // Apart from the other curves, for the compiler to vectorize it.
                    Some(Curve::Asinh { center, scale }) => {
                        each.for_each(|(scaled, value)| *scaled = self.apply(asinh_f64((value - center) / scale)));
                    }
                    Some(curve) => each.for_each(|(scaled, value)| *scaled = self.apply(curve.apply(*value))),
                }
            },
        );
        let [unusable, out_of_range] = match numbers.nulls() {
            None => self.hide_unusable(values, &mut scaled, |_| true),
            Some(nulls) => self.hide_unusable(values, &mut scaled, |row| nulls.is_valid(row)),
        };
        ScaledNumbers { scaled, unusable, out_of_range }
    }

    /// Makes the scaled values NaN that are not known or not usable; counts known values that are not usable, and those out of
    /// range.
    fn hide_unusable(&self, values: &[f64], scaled: &mut [f32], is_known: impl Fn(usize) -> bool) -> [u64; 2] {
        vectorized(
            #[inline(always)]
            || {
                let mut counts = [0; 2];
                for (row, (&value, scaled)) in values.iter().zip(scaled).enumerate() {
                    let (known, usable) = (is_known(row), (value as f32).is_finite());
                    counts[0] += u64::from(known & !usable);
                    counts[1] += u64::from(known & usable & self.is_out_of_range(value));
                    *scaled = if known & usable { *scaled } else { f32::NAN };
                }
                counts
            },
        )
    }

    /// Scales a value.
    #[inline]
    pub(crate) fn apply(&self, value: f64) -> f32 {
        ((value - self.center) / self.scale).clamp(-self.clip, self.clip) as f32
    }

    /// Reverses the scaling, without a clamp.
    pub(crate) fn unscale(&self, scaled: f64) -> f64 {
        scaled * self.scale + self.center
    }

    /// Clamps a value to the range at fit.
    pub(crate) fn within_range(&self, value: f64) -> f64 {
        value.clamp(self.min, self.max)
    }

    /// Whether a value lies outside the range at fit.
    #[inline]
    pub(crate) fn is_out_of_range(&self, value: f64) -> bool {
        value < self.min || value > self.max
    }

    /// Whether no value at fit was negative, zero, or positive. Of values on both sides of zero it is not known whether one was zero.
    pub(crate) fn unseen_signs(&self) -> [bool; 3] {
        [self.min >= 0.0, self.min > 0.0 || self.max < 0.0, self.max <= 0.0]
    }

    /// Whether no value at fit had the sign of this one; never of one that counts as missing.
    pub(super) fn has_unseen_sign(&self, value: f64) -> bool {
        let [negative, zero, positive] = self.unseen_signs();
        let has_unseen_sign = value < 0.0 && negative || value == 0.0 && zero || value > 0.0 && positive;
        has_unseen_sign && (value as f32).is_finite()
    }

    /// Whether the parameters are finite and in their ranges.
    pub(crate) fn is_valid(&self) -> bool {
        let Self { center, scale, clip, min, max } = *self;
        center.is_finite()
            && scale.is_normal()
            && scale > 0.0
            && clip > 0.0
            && clip <= CLIP_UNSCALED
            && min.is_finite()
            && max.is_finite()
            && min <= max
    }

    /// The formula as text.
    pub(crate) fn describe(&self) -> String {
        let Self { center, scale, clip, .. } = self;
        if *clip >= CLIP_UNSCALED {
            return "as it is".to_owned();
        }
        let sign = if *center < 0.0 { '+' } else { '-' };
        format!("(x {sign} {}) / {}, within ±{clip}", digits(center.abs()), digits(*scale))
    }
}

/// A number for people, with four decimals.
fn digits(value: f64) -> String {
    if value == 0.0 || (1e-2..1e9).contains(&value) { format!("{value:.4}") } else { format!("{value:.4e}") }
}

#[cfg(test)]
mod tests {
    use super::super::statistics::Statistics;
    use super::*;

    fn summary(values: &[f64]) -> NumberSummary {
        let mut statistics = Statistics::new(Some(0));
        values.iter().for_each(|&value| statistics.push(value));
        statistics.finish();
        statistics.summary()
    }

    fn scaled(scale: Scale, columns: &[&[f64]]) -> Vec<(f64, f64)> {
        let summary: Vec<_> = columns.iter().map(|column| summary(column)).collect();
        let scaler = Scaler::new(scale, summary.iter().copied());
        summary.iter().map(|summary| scaler.of(summary).unwrap()).map(|it| (it.center, it.scale)).collect()
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
    fn one_outlier_does_not_squeeze_the_other_values_together() {
        let mut column = vec![0.0; 1000];
        column.iter_mut().enumerate().for_each(|(row, x)| *x = (row % 7) as f64);
        column[0] = 1e12;
        let (_, scale) = scaled(Scale::Minmax, &[&column])[0];
        assert!(scale <= MAX_HALF_RANGE_STDS * summary(&column).std);
    }

    #[test]
    fn a_scaling_is_inverted_within_the_range_at_fit() {
        let scaling = Scaling { center: 3.0, scale: 2.0, clip: 20.0, min: -1.0, max: 9.0 };
        let inverted = |scaled: f64| scaling.within_range(scaling.unscale(scaled));
        assert_eq!((scaling.apply(7.0), inverted(2.0)), (2.0, 7.0));
        assert_eq!((scaling.apply(1e9), inverted(20.0), inverted(-20.0)), (20.0, 9.0, -1.0));
        assert!(scaling.is_out_of_range(9.5) && !scaling.is_out_of_range(9.0) && !scaling.is_out_of_range(f64::NAN));
        assert!(scaling.is_valid() && !Scaling { scale: 0.0, ..scaling }.is_valid());
        assert!(!Scaling { min: 10.0, ..scaling }.is_valid() && !Scaling { center: f64::NAN, ..scaling }.is_valid());
    }

    #[test]
    fn a_scaling_is_described_by_its_formula() {
        let describe = |center, scale| Scaling { center, scale, clip: 20.0, min: 0.0, max: 1.0 }.describe();
        assert_eq!(describe(2.5, 30.0), "(x - 2.5000) / 30.0000, within ±20");
        assert_eq!(describe(-0.01, 2e-12), "(x + 0.0100) / 2.0000e-12, within ±20");
    }
}
