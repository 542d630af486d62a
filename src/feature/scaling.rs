//! How numbers are brought to the model's scale.

use serde::{Deserialize, Serialize};

use super::map::Curve;
use super::statistics::Readings;
use crate::config::Scale;

/// Standard deviations of a normal distribution between its quartiles: what makes the IQR comparable with one.
const IQR_OF_NORMAL: f64 = 1.349;

/// Where scaled values are clipped, so that one wild value cannot decide a gradient or overflow a square.
const CLIP: f64 = 20.0;

/// The same for values that are not scaled: only a guard against overflow.
const CLIP_UNSCALED: f64 = 1e15;

/// The widest half range that counts, in standard deviations.
const MOST_STDS: f64 = 50.0;

/// `clamp((x - center) / scale, -clip, clip)`, and the range x had at fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scaling {
    /// What becomes 0.
    pub(crate) center: f64,
    /// What becomes 1 more.
    pub(crate) scale: f64,
    /// Bound of what comes out.
    pub(crate) clip: f64,
    /// Least value seen.
    pub(crate) min: f64,
    /// Greatest value seen.
    pub(crate) max: f64,
}

/// How the numbers of a table are scaled: the method, and the unit all of them share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scaler {
    scale: Scale,
    unit: f64,
}

impl Scaler {
    /// A scaler for numbers with these readings.
    pub(crate) fn new(scale: Scale, numbers: impl Iterator<Item = Readings>) -> Self {
        let variance = |readings: Readings| (readings.std / half_range(&readings)).powi(2);
        let (sum, count) = numbers
            .map(variance)
            .filter(|variance| variance.is_normal())
            .fold((0.0, 0), |(sum, count), variance| (sum + variance, count + 1));
        let unit = if scale == Scale::Minmax && count > 0 { (sum / f64::from(count)).sqrt() } else { 1.0 };
        Self { scale, unit }
    }

    /// The scaling of one number; `None` if it varies too little for any.
    pub(crate) fn of(&self, readings: &Readings) -> Option<Scaling> {
        let Readings { min, max, mean, std, quartiles } = *readings;
        let (center, scale, clip) = match self.scale {
            Scale::None => (0.0, 1.0, CLIP_UNSCALED),
            Scale::Standard => (mean, std, CLIP),
            Scale::Minmax => (mean, half_range(readings) * self.unit, CLIP),
            Scale::Robust | Scale::Asinh => {
                let [lower, median, upper] = quartiles;
                let width = (upper - lower) / IQR_OF_NORMAL;
                (median, if width.is_normal() { width } else { std }, CLIP)
            }
        };
        scale.is_normal().then_some(Scaling { center, scale, clip, min, max })
    }
}

impl Scaler {
    /// The scaling of a number that is bent by this curve; `None` if it varies too little for any. What asinh bent is on
    /// the model's scale already.
    pub(super) fn of_bent(&self, curve: Option<&Curve>, readings: &Readings) -> Option<Scaling> {
        let scaling = self.of(readings)?;
        let done = self.scale == Scale::Asinh && matches!(curve, Some(Curve::Asinh { .. }));
        Some(if done { Scaling { center: 0.0, scale: 1.0, ..scaling } } else { scaling })
    }
}

/// Half the range, but not so much that a few wild values leave nothing of the rest.
fn half_range(readings: &Readings) -> f64 {
    (readings.max / 2.0 - readings.min / 2.0).min(MOST_STDS * readings.std)
}

impl Scaling {
    /// A value on the model's scale.
    #[inline]
    pub(crate) fn apply(&self, value: f64) -> f32 {
        ((value - self.center) / self.scale).clamp(-self.clip, self.clip) as f32
    }

    /// The value a place on the model's scale stands for, within the range seen.
    pub(crate) fn invert(&self, scaled: f64) -> f64 {
        self.within_range(self.unscale(scaled))
    }

    /// The same, wherever it is.
    pub(crate) fn unscale(&self, scaled: f64) -> f64 {
        scaled * self.scale + self.center
    }

    /// The value of the range seen that is nearest.
    pub(crate) fn within_range(&self, value: f64) -> f64 {
        value.clamp(self.min, self.max)
    }

    /// Whether a value lies outside the range seen.
    #[inline]
    pub(crate) fn is_beyond(&self, value: f64) -> bool {
        value < self.min || value > self.max
    }

    /// Whether the numbers are ones to work with.
    pub(crate) fn is_sound(&self) -> bool {
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

    /// In words.
    pub(crate) fn describe(&self) -> String {
        let Self { center, scale, clip, .. } = self;
        if *clip >= CLIP_UNSCALED {
            return "as it is".to_owned();
        }
        let sign = if *center < 0.0 { '+' } else { '-' };
        format!("(x {sign} {}) / {}, within ±{clip}", digits(center.abs()), digits(*scale))
    }
}

/// A number to read.
fn digits(value: f64) -> String {
    if value == 0.0 || (1e-2..1e9).contains(&value) { format!("{value:.4}") } else { format!("{value:.4e}") }
}

#[cfg(test)]
mod tests {
    use super::super::statistics::Statistics;
    use super::*;

    fn readings(values: &[f64]) -> Readings {
        let mut statistics = Statistics::new(true);
        values.iter().for_each(|&value| statistics.push(value));
        statistics.finish();
        statistics.readings()
    }

    fn scaled(scale: Scale, columns: &[&[f64]]) -> Vec<(f64, f64)> {
        let readings: Vec<_> = columns.iter().map(|column| readings(column)).collect();
        let scaler = Scaler::new(scale, readings.iter().copied());
        readings.iter().map(|readings| scaler.of(readings).unwrap()).map(|it| (it.center, it.scale)).collect()
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
    fn one_wild_value_does_not_squeeze_the_rest_to_nothing() {
        let mut column = vec![0.0; 1000];
        column.iter_mut().enumerate().for_each(|(row, x)| *x = (row % 7) as f64);
        column[0] = 1e12;
        let (_, scale) = scaled(Scale::Minmax, &[&column])[0];
        assert!(scale <= MOST_STDS * readings(&column).std);
    }

    #[test]
    fn a_scaling_goes_there_and_back_within_the_range_seen() {
        let scaling = Scaling { center: 3.0, scale: 2.0, clip: 20.0, min: -1.0, max: 9.0 };
        assert_eq!((scaling.apply(7.0), scaling.invert(2.0)), (2.0, 7.0));
        assert_eq!((scaling.apply(1e9), scaling.invert(20.0), scaling.invert(-20.0)), (20.0, 9.0, -1.0));
        assert!(scaling.is_beyond(9.5) && !scaling.is_beyond(9.0) && !scaling.is_beyond(f64::NAN));
        assert!(scaling.is_sound() && !Scaling { scale: 0.0, ..scaling }.is_sound());
        assert!(!Scaling { min: 10.0, ..scaling }.is_sound() && !Scaling { center: f64::NAN, ..scaling }.is_sound());
    }

    #[test]
    fn a_scaling_reads_like_one_does_sums() {
        let describe = |center, scale| Scaling { center, scale, clip: 20.0, min: 0.0, max: 1.0 }.describe();
        assert_eq!(describe(2.5, 30.0), "(x - 2.5000) / 30.0000, within ±20");
        assert_eq!(describe(-0.01, 2e-12), "(x + 0.0100) / 2.0000e-12, within ±20");
    }
}
