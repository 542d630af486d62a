//! The curve a heavily skewed number is bent by before it is scaled.

use serde::{Deserialize, Serialize};

use super::statistics::{Readings, Statistics};
use crate::config::Map;
use crate::numerics::{normal_quantile, normal_rank};

/// A fitted curve: it rises everywhere, so that there is a way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Curve {
    /// asinh((x - center) / scale): straight near the center, logarithmic far from it.
    Asinh {
        /// The median.
        center: f64,
        /// The distance between the quartiles, divided by that of a normal distribution; else the standard deviation.
        scale: f64,
    },
    /// sign(x) · ln(1 + |x|).
    Log1p,
    /// The normal quantile of x's rank, between values of evenly spaced ranks.
    Quantile {
        /// Values at ranks 0, 1/n, …, 1, ascending.
        values: Vec<f64>,
    },
}

/// Ranks a quantile curve goes through.
const RANKS: usize = 128;

/// Ranks at which the mean and spread of bent values are taken.
const SAMPLES: usize = 1024;

/// Nats a value by which a curve must be likelier than none to be worth it.
const LEAST_GAIN: f64 = 0.1;

impl Curve {
    /// The curve of a kind for values with these statistics; `None` for none, or if the values give no curve.
    pub(super) fn fit(map: Map, statistics: &Statistics) -> Option<Self> {
        let readings = statistics.readings();
        match map {
            Map::None => None,
            Map::Log1p => Some(Self::Log1p),
            Map::Auto => Self::likeliest(statistics),
            Map::Asinh => {
                let [lower, median, upper] = readings.quartiles;
                let width = (upper - lower) / 1.349;
                let scale = if width.is_normal() { width } else { readings.std };
                scale.is_normal().then_some(Self::Asinh { center: median, scale })
            }
            Map::Quantile => {
                let ranks: Vec<f64> = (0..=RANKS).map(|n| n as f64 / RANKS as f64).collect();
                let mut values = statistics.quantiles(&ranks)?;
                let last = values.last_mut()?;
                *last = readings.max;
                *values.first_mut()? = readings.min;
                values.sort_by(f64::total_cmp);
                Some(Self::Quantile { values })
            }
        }
    }

    /// Which it is.
    pub(super) fn kind(&self) -> Map {
        match self {
            Self::Asinh { .. } => Map::Asinh,
            Self::Log1p => Map::Log1p,
            Self::Quantile { .. } => Map::Quantile,
        }
    }

    /// The curve on which the values are most likely under a normal distribution fitted to them, if that is worth one
    /// (Box & Cox 1964, "An analysis of transformations", section 3). Ranks are not asked: they make any values normal.
    fn likeliest(statistics: &Statistics) -> Option<Self> {
        let values = statistics.quantiles(&middles())?;
        // Of a value, but for what all of them share: minus the log-deviation of the bent ones, plus the log of their slope.
        let likelihood = |curve: Option<&Self>| -> f64 {
            let bent = values.iter().map(|&x| curve.map_or(x, |curve| curve.bend(x))).collect::<Vec<_>>();
            let slopes = values.iter().map(|&x| curve.map_or(0.0, |curve| curve.log_slope(x))).sum::<f64>();
            slopes / values.len() as f64 - moments(&bent).1.ln()
        };
        let straight = likelihood(None);
        let curves = [Map::Asinh, Map::Log1p].into_iter().filter_map(|map| Self::fit(map, statistics));
        let gains = curves.map(|curve| (likelihood(Some(&curve)) - straight, curve));
        let best = gains.reduce(|best, other| if other.0 > best.0 { other } else { best });
        best.filter(|(gain, _)| *gain > LEAST_GAIN).map(|(_, curve)| curve)
    }

    /// The logarithm of the slope at a value; of ranks, which have steps, 0.
    fn log_slope(&self, x: f64) -> f64 {
        match self {
            Self::Asinh { center, scale } => -scale.ln() - ((x - center) / scale).powi(2).ln_1p() / 2.0,
            Self::Log1p => -x.abs().ln_1p(),
            Self::Quantile { .. } => 0.0,
        }
    }

    /// Bends a value.
    pub(super) fn bend(&self, x: f64) -> f64 {
        match self {
            Self::Asinh { center, scale } => ((x - center) / scale).asinh(),
            Self::Log1p => x.abs().ln_1p().copysign(x),
            Self::Quantile { values } => normal_quantile(rank(values, x)),
        }
    }

    /// The value that is bent to `y`.
    pub(super) fn straighten(&self, y: f64) -> f64 {
        match self {
            Self::Asinh { center, scale } => y.sinh() * scale + center,
            Self::Log1p => y.abs().exp_m1().copysign(y),
            Self::Quantile { values } => at_rank(values, normal_rank(y)),
        }
    }

    /// Readings of the bent values: mean and spread over evenly spaced ranks of the sketch, the rest exactly.
    pub(super) fn readings(&self, statistics: &Statistics) -> Readings {
        let straight = statistics.readings();
        let values = statistics.quantiles(&middles()).unwrap_or_default();
        let (mean, std) = moments(&values.into_iter().map(|x| self.bend(x)).collect::<Vec<_>>());
        let bend = |x| self.bend(x);
        Readings {
            min: bend(straight.min),
            max: bend(straight.max),
            mean,
            std,
            quartiles: straight.quartiles.map(bend),
        }
    }

    /// Whether the numbers are ones to work with.
    pub(super) fn is_sound(&self) -> bool {
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

    /// In words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Asinh { center, scale } => format!("asinh((x - {center:.4}) / {scale:.4})"),
            Self::Log1p => "sign(x) ln(1 + |x|)".to_owned(),
            Self::Quantile { .. } => "the normal quantile of its rank".to_owned(),
        }
    }
}

/// Evenly spaced ranks.
fn middles() -> Vec<f64> {
    (0..SAMPLES).map(|n| (n as f64 + 0.5) / SAMPLES as f64).collect()
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n).sqrt())
}

/// The share of values below `x`, between the known ranks in proportion; in the middle of those that share a value.
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

/// The value at a rank.
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
        let mut statistics = Statistics::new(true);
        (0..5000).for_each(|n| statistics.push((f64::from(n % 1000) / 100.0).exp()));
        statistics.finish();
        statistics
    }

    #[test]
    fn every_curve_goes_there_and_back() {
        let statistics = skewed();
        for map in [Map::Asinh, Map::Log1p, Map::Quantile] {
            let curve = Curve::fit(map, &statistics).unwrap();
            let mut last = f64::NEG_INFINITY;
            for n in 1..99 {
                let x = (f64::from(n) / 10.0).exp();
                let y = curve.bend(x);
                assert!(y > last, "{curve:?} at {x}");
                assert!((curve.straighten(y) - x).abs() < 1e-3 * x, "{map:?} {x} {}", curve.straighten(y));
                last = y;
            }
            assert!(curve.is_sound());
        }
        assert_eq!(Curve::Log1p.bend(-3.0), -(4.0_f64.ln()));
        assert_eq!(Curve::fit(Map::None, &statistics), None);
    }

    #[test]
    fn the_likeliest_curve_is_none_for_what_is_normal_and_the_logarithm_for_what_is_skewed() {
        let of = |x: fn(f64) -> f64| {
            let mut statistics = Statistics::new(true);
            (1..2000).for_each(|n| statistics.push(x(normal_quantile(f64::from(n) / 2000.0))));
            statistics.finish();
            Curve::fit(Map::Auto, &statistics)
        };
        assert_eq!((of(|y| y), of(|y| 7.0 + 1e-3 * y)), (None, None));
        assert_eq!(of(|y| (8.0 + 2.0 * y).exp()), Some(Curve::Log1p));
        // Long tails on both sides of 300: there log1p is straight.
        assert!(matches!(of(|y| 300.0 + (2.0 * y).sinh()), Some(Curve::Asinh { .. })));
    }

    #[test]
    fn a_quantile_curve_makes_a_standard_normal() {
        let statistics = skewed();
        let readings = Curve::fit(Map::Quantile, &statistics).unwrap().readings(&statistics);
        assert!(readings.mean.abs() < 0.02 && (readings.std - 1.0).abs() < 0.02, "{readings:?}");
        assert!((readings.quartiles[2] - 0.6745).abs() < 0.03, "{readings:?}");
    }

    #[test]
    fn a_value_that_is_often_there_is_bent_to_the_middle_of_its_ranks() {
        assert_eq!(rank(&[0.0, 0.0, 0.0, 4.0, 5.0], 0.0), 0.25);
        assert_eq!((rank(&[0.0, 1.0], -1.0), rank(&[0.0, 1.0], 2.0), rank(&[0.0, 4.0], 1.0)), (0.0, 1.0, 0.25));
    }
}
