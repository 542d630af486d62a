//! Curves that transform heavily skewed numbers before they are scaled.

use serde::{Deserialize, Serialize};

use super::statistics::{NumberSummary, Statistics};
use crate::config::Map;
use crate::numerics::{asinh_f64, normal_quantile, normal_rank};

/// A fitted curve. It rises everywhere, so that it has an inverse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Curve {
    /// asinh((x - center) / scale): linear near the center, logarithmic far from it.
    Asinh {
        /// The median.
        center: f64,
        /// The interquartile range / 1.349, that of a standard normal distribution; if it is 0, the standard deviation.
        scale: f64,
    },
    /// sign(x) · ln(1 + |x|).
    Log1p,
    /// The normal quantile of the rank of x, interpolated between values at evenly spaced ranks.
    Quantile {
        /// Values at ranks 0, 1/n, …, 1, ascending.
        values: Vec<f64>,
    },
}

/// Intervals of a quantile curve.
const RANKS: usize = 128;

/// Ranks at which the moments of transformed values are estimated.
const SAMPLES: usize = 1024;

/// Smallest gain in log-likelihood, in nats per value, for which a curve is chosen.
const MIN_GAIN: f64 = 0.1;

impl Curve {
    /// Fits a curve of a kind; `None` for [`Map::None`], or if the values do not determine one.
    pub(super) fn fit(map: Map, statistics: &Statistics) -> Option<Self> {
        let summary = statistics.summary();
        match map {
            Map::None => None,
            Map::Log1p => Some(Self::Log1p),
            Map::Auto => Self::likeliest(statistics),
            Map::Asinh => {
                let scale = summary.robust_std();
                scale.is_normal().then_some(Self::Asinh { center: summary.quartiles[1], scale })
            }
            Map::Quantile => {
                let ranks: Vec<f64> = (0..=RANKS).map(|n| n as f64 / RANKS as f64).collect();
                let mut values = statistics.quantiles(&ranks)?;
                let last = values.last_mut()?;
                *last = summary.max;
                *values.first_mut()? = summary.min;
                values.sort_by(f64::total_cmp);
                Some(Self::Quantile { values })
            }
        }
    }

    /// The kind of curve.
    pub(super) fn kind(&self) -> Map {
        match self {
            Self::Asinh { .. } => Map::Asinh,
            Self::Log1p => Map::Log1p,
            Self::Quantile { .. } => Map::Quantile,
        }
    }

    /// The curve under which a normal distribution fits the values best, if it gains more than [`MIN_GAIN`] (Box & Cox
    /// 1964, "An analysis of transformations", section 3). Quantile curves do not compete: they make any values normal.
    fn likeliest(statistics: &Statistics) -> Option<Self> {
        let values = statistics.quantiles(&midpoints())?;
        // Log-likelihood per value up to a constant: mean log slope minus the log standard deviation after the curve.
        let likelihood = |curve: Option<&Self>| -> f64 {
            let transformed = values.iter().map(|&x| curve.map_or(x, |curve| curve.apply(x))).collect::<Vec<_>>();
            let slopes = values.iter().map(|&x| curve.map_or(0.0, |curve| curve.log_slope(x))).sum::<f64>();
            slopes / values.len() as f64 - moments(&transformed).1.ln()
        };
        let original = likelihood(None);
        let curves = [Map::Asinh, Map::Log1p].into_iter().filter_map(|map| Self::fit(map, statistics));
        let gains = curves.map(|curve| (likelihood(Some(&curve)) - original, curve));
        let best = gains.reduce(|best, other| if other.0 > best.0 { other } else { best });
        best.filter(|(gain, _)| *gain > MIN_GAIN).map(|(_, curve)| curve)
    }

    /// The logarithm of the slope at a value; 0 for quantile curves.
    fn log_slope(&self, x: f64) -> f64 {
        match self {
            Self::Asinh { center, scale } => -scale.ln() - ((x - center) / scale).powi(2).ln_1p() / 2.0,
            Self::Log1p => -x.abs().ln_1p(),
            Self::Quantile { .. } => 0.0,
        }
    }

    /// Transforms a value.
    pub(super) fn apply(&self, x: f64) -> f64 {
        match self {
            Self::Asinh { center, scale } => asinh_f64((x - center) / scale),
            Self::Log1p => x.abs().ln_1p().copysign(x),
            Self::Quantile { values } => normal_quantile(rank(values, x)),
        }
    }

    /// The value that the curve transforms to `y`.
    pub(super) fn invert(&self, y: f64) -> f64 {
        match self {
            Self::Asinh { center, scale } => y.sinh() * scale + center,
            Self::Log1p => y.abs().exp_m1().copysign(y),
            Self::Quantile { values } => at_rank(values, normal_rank(y)),
        }
    }

    /// The summary of the transformed values: mean and standard deviation over evenly spaced ranks of the sketch, the
    /// rest exact.
    pub(super) fn summary(&self, statistics: &Statistics) -> NumberSummary {
        let original = statistics.summary();
        let values = statistics.quantiles(&midpoints()).unwrap_or_default();
        let (mean, std) = moments(&values.into_iter().map(|x| self.apply(x)).collect::<Vec<_>>());
        let apply = |x| self.apply(x);
        NumberSummary {
            min: apply(original.min),
            max: apply(original.max),
            mean,
            std,
            quartiles: original.quartiles.map(apply),
        }
    }

    /// Whether the parameters are finite and in order.
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Self::Asinh { center, scale } => center.is_finite() && scale.is_normal() && *scale > 0.0,
            Self::Log1p => true,
            Self::Quantile { values } => {
                values.len() > 1
                    && values.iter().all(|value| value.is_finite())
                    && values.windows(2).all(|pair| pair[0] <= pair[1])
            }
        }
    }

    /// The formula as text.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Asinh { center, scale } => format!("asinh((x - {center:.4}) / {scale:.4})"),
            Self::Log1p => "sign(x) ln(1 + |x|)".to_owned(),
            Self::Quantile { .. } => "the normal quantile of its rank".to_owned(),
        }
    }
}

/// The midpoints of evenly spaced intervals of ranks.
fn midpoints() -> Vec<f64> {
    (0..SAMPLES).map(|n| (n as f64 + 0.5) / SAMPLES as f64).collect()
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n).sqrt())
}

/// The rank of `x`, linear between the known ranks; the middle of the ranks that share the value `x`.
fn rank(values: &[f64], x: f64) -> f64 {
    let (below, to) = (values.partition_point(|&value| value < x), values.partition_point(|&value| value <= x));
    let steps = (values.len() - 1) as f64;
    if below < to {
        return (below + to - 1) as f64 / 2.0 / steps;
    }
    if below == 0 || below == values.len() {
        return if below == 0 { 0.0 } else { 1.0 };
    }
    let (left, right) = (values[below - 1], values[below]);
    ((below - 1) as f64 + (x - left) / (right - left)) / steps
}

/// The value at a rank, by linear interpolation.
fn at_rank(values: &[f64], rank: f64) -> f64 {
    let place = rank.clamp(0.0, 1.0) * (values.len() - 1) as f64;
    let left = (place as usize).min(values.len() - 2);
    let share = place - left as f64;
    values[left] * (1.0 - share) + values[left + 1] * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skewed() -> Statistics {
        let mut statistics = Statistics::new(Some(0));
        (0..5000).for_each(|n| statistics.push((f64::from(n % 1000) / 100.0).exp()));
        statistics.finish();
        statistics
    }

    #[test]
    fn every_curve_has_an_inverse() {
        let statistics = skewed();
        for map in [Map::Asinh, Map::Log1p, Map::Quantile] {
            let curve = Curve::fit(map, &statistics).unwrap();
            let mut last = f64::NEG_INFINITY;
            for n in 1..99 {
                let x = (f64::from(n) / 10.0).exp();
                let y = curve.apply(x);
                assert!(y > last, "{curve:?} at {x}");
                assert!((curve.invert(y) - x).abs() < 1e-3 * x, "{map:?} {x} {}", curve.invert(y));
                last = y;
            }
            assert!(curve.is_valid());
        }
        assert_eq!(Curve::Log1p.apply(-3.0), -(4.0_f64.ln()));
        assert_eq!(Curve::fit(Map::None, &statistics), None);
    }

    #[test]
    fn the_likeliest_curve_is_none_for_normal_values_and_the_logarithm_for_skewed_ones() {
        let of = |x: fn(f64) -> f64| {
            let mut statistics = Statistics::new(Some(0));
            (1..2000).for_each(|n| statistics.push(x(normal_quantile(f64::from(n) / 2000.0))));
            statistics.finish();
            Curve::fit(Map::Auto, &statistics)
        };
        assert_eq!((of(|y| y), of(|y| 7.0 + 1e-3 * y)), (None, None));
        assert_eq!(of(|y| (8.0 + 2.0 * y).exp()), Some(Curve::Log1p));
        // Long tails on both sides of 300, where log1p is almost linear.
        assert!(matches!(of(|y| 300.0 + (2.0 * y).sinh()), Some(Curve::Asinh { .. })));
    }

    #[test]
    fn a_quantile_curve_makes_a_standard_normal() {
        let statistics = skewed();
        let summary = Curve::fit(Map::Quantile, &statistics).unwrap().summary(&statistics);
        assert!(summary.mean.abs() < 0.02 && (summary.std - 1.0).abs() < 0.02, "{summary:?}");
        assert!((summary.quartiles[2] - 0.6745).abs() < 0.03, "{summary:?}");
    }

    #[test]
    fn a_repeated_value_gets_the_middle_of_its_ranks() {
        assert_eq!(rank(&[0.0, 0.0, 0.0, 4.0, 5.0], 0.0), 0.25);
        assert_eq!((rank(&[0.0, 1.0], -1.0), rank(&[0.0, 1.0], 2.0), rank(&[0.0, 4.0], 1.0)), (0.0, 1.0, 0.25));
    }
}
