//! What the rows before lead to expect of a number: the value one row before, and shares of the steps from it to the older means.
//! Since it is about steps, it follows a level that moves.

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use crate::numerics::{cholesky, invert_lower};

/// Ranks of the residuals that are kept.
const RANKS: [f64; 21] = [
    0.0, 0.0005, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995,
    0.9975, 0.9995, 1.0,
];

/// Rounds of the regression.
const ROUNDS: usize = 20;

/// The share of its variance that each predictor has more in the regression, so that equal ones share a weight.
const RIDGE: f64 = 1e-3;

/// How a number follows from the rows before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Forecast {
    /// Shares of the steps from the value one row before to the means over older rows, `[lags - 1]`.
    weights: Vec<f64>,
    /// Quantiles of value less expectation, `[lags, 21]`: where one row before is known, where only 2 to 3 rows before are, and
    /// so on.
    residuals: Vec<f64>,
}

/// A number, with its means over the rows before.
pub(crate) struct PastMeans {
    /// `[rows]`, NaN where missing.
    values: Vec<f64>,
    /// `[rows, lags]`, NaN where missing.
    means: Vec<f64>,
    lags: usize,
}

/// What was expected of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Expected {
    pub(crate) value: f64,
    /// The latest lag with a known mean.
    lag: usize,
}

impl PastMeans {
    /// Of the values of a column and of its windows.
    ///
    /// # Errors
    /// If one is no number.
    pub(super) fn new(values: &ArrayRef, windows: &[&ArrayRef]) -> Result<Self, ArrowError> {
        let (values, lags) = (numbers(values)?, windows.len());
        let windows = windows.iter().map(|window| numbers(window)).collect::<Result<Vec<_>, _>>()?;
        let means = (0..values.len()).flat_map(|row| windows.iter().map(move |window| window[row])).collect();
        Ok(Self { values, means, lags })
    }

    /// The means before each row, `[lags]`.
    pub(crate) fn means(&self) -> impl Iterator<Item = &[f64]> {
        self.means.chunks_exact(self.lags)
    }
}

impl Forecast {
    /// The forecast that fits some rows best.
    pub(super) fn of(history: &PastMeans) -> Self {
        let (mut steps, mut targets) = (Vec::new(), Vec::new());
        for (means, value) in history.means().zip(&history.values) {
            if !value.is_nan() && !means[0].is_nan() {
                steps.extend(steps_from(means));
                targets.push(value - means[0]);
            }
        }
        let mut forecast = Self { weights: huber(&steps, &targets, history.lags - 1), residuals: Vec::new() };
        for lag in 0..history.lags {
            // As if the rows since were not known.
            let residual = |(means, value): (&[f64], &f64)| {
                let since: Vec<f64> = (0..history.lags).map(|n| if n < lag { f64::NAN } else { means[n] }).collect();
                Some(value - forecast.expect(&since).filter(|expected| expected.lag == lag)?.value)
            };
            let mut found: Vec<f64> = history.means().zip(&history.values).filter_map(residual).collect();
            found.retain(|residual| !residual.is_nan());
            found.sort_unstable_by(f64::total_cmp);
            let at = |rank: f64| match found.len() {
                0 => 0.0,
                rows => interpolate(&found, rank * (rows - 1) as f64),
            };
            forecast.residuals.extend(RANKS.map(at));
        }
        forecast
    }

    /// What rows with these means before, `[lags]`, lead to expect; `None` if none is known.
    pub(crate) fn expect(&self, means: &[f64]) -> Option<Expected> {
        let lag = means.iter().position(|mean| !mean.is_nan())?;
        let steps = steps_from(means).zip(&self.weights).filter(|_| lag == 0);
        Some(Expected { value: means[lag] + steps.map(|(step, weight)| step * weight).sum::<f64>(), lag })
    }

    /// The quantile of a value that was expected, at this rank.
    pub(crate) fn quantile(&self, expected: Expected, rank: f64) -> f64 {
        let residuals = &self.residuals[expected.lag * RANKS.len()..][..RANKS.len()];
        let above = RANKS.partition_point(|&at| at <= rank).clamp(1, RANKS.len() - 1);
        let share = (rank - RANKS[above - 1]) / (RANKS[above] - RANKS[above - 1]);
        expected.value + interpolate(residuals, (above - 1) as f64 + share)
    }

    /// Whether it is for so many lags: a model file may be damaged.
    pub(super) fn is_valid(&self, lags: usize) -> bool {
        self.weights.len() + 1 == lags && self.residuals.len() == lags * RANKS.len()
    }
}

/// The steps from the first mean to the others; 0 where one is not known.
fn steps_from(means: &[f64]) -> impl Iterator<Item = f64> + '_ {
    means[1..].iter().map(|mean| mean - means[0]).map(|step| if step.is_nan() { 0.0 } else { step })
}

/// The value between those of sorted or ranked values at this place.
fn interpolate(values: &[f64], place: f64) -> f64 {
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    values[low] + (values[high] - values[low]) * place.fract()
}

/// The weights of `n` predictors, `[rows, n]`, that make the absolute errors of the targets small, and the squares of those
/// below the median (Huber 1964, "Robust estimation of a location parameter"), by least squares with other weights of the rows in
/// each round.
fn huber(predictors: &[f64], targets: &[f64], n: usize) -> Vec<f64> {
    let mut weights = vec![0.0; n];
    if n == 0 || targets.is_empty() {
        return weights;
    }
    for _ in 0..ROUNDS {
        let of_row = |x: &[f64]| x.iter().zip(&weights).map(|(x, weight)| x * weight).sum::<f64>();
        let errors: Vec<f64> =
            predictors.chunks_exact(n).zip(targets).map(|(x, target)| (target - of_row(x)).abs()).collect();
        let mut sorted = errors.clone();
        let middle = sorted.len() / 2;
        let (_, &mut median, rest) = sorted.select_nth_unstable_by(middle, f64::total_cmp);
        let largest = rest.iter().copied().fold(median, f64::max);
        // Most errors may be 0, as of a number that seldom moves.
        let scale = median.max(largest * 1e-6);
        if scale == 0.0 {
            break;
        }
        let (mut gram, mut sums) = (vec![0.0; n * n], vec![0.0; n]);
        for ((x, target), error) in predictors.chunks_exact(n).zip(targets).zip(&errors) {
            let weight = scale / error.max(scale);
            for i in 0..n {
                sums[i] += weight * x[i] * target;
                (0..=i).for_each(|j| gram[i * n + j] += weight * x[i] * x[j]);
            }
        }
        (0..n).for_each(|i| gram[i * n + i] *= 1.0 + RIDGE);
        let smallest = f64::MIN_POSITIVE + (0..n).map(|i| gram[i * n + i]).sum::<f64>() * 1e-12;
        let inverse = invert_lower(&cholesky(gram, n, smallest), n);
        let half: Vec<f64> = (0..n).map(|i| (0..=i).map(|j| inverse[i * n + j] * sums[j]).sum()).collect();
        weights = (0..n).map(|j| (j..n).map(|i| inverse[i * n + j] * half[i]).sum()).collect();
    }
    weights
}

/// Numbers, NaN where missing or not finite.
pub(super) fn numbers(array: &ArrayRef) -> Result<Vec<f64>, ArrowError> {
    let array = cast(array, &DataType::Float64)?;
    let finite = |number: Option<f64>| number.filter(|number| number.is_finite()).unwrap_or(f64::NAN);
    Ok(array.as_primitive::<Float64Type>().iter().map(finite).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Float64Array;

    use super::*;
    use crate::numerics::RandomStream;

    /// A number that goes half of the way from the value before to the mean of rows 2 to 3 before, with noise and outliers.
    fn history(level: f64) -> PastMeans {
        let noise = RandomStream::new(1, "test");
        let mut values = vec![level; 4];
        for row in 4..4000 {
            let mut normal = [0.0];
            noise.child(row as u64).normals(&mut normal);
            let outlier = if row % 50 == 0 { 400.0 } else { 0.0 };
            let mean = (values[row - 2] + values[row - 3]) / 2.0;
            values.push(0.5 * values[row - 1] + 0.5 * mean + f64::from(normal[0]) + outlier);
        }
        let before = |lag: usize| -> ArrayRef {
            let mean = |row: usize| {
                (1 << lag..2 << lag).map(|n| values[row.saturating_sub(n)]).sum::<f64>() / f64::from(1 << lag)
            };
            Arc::new((0..values.len()).map(mean).collect::<Float64Array>())
        };
        let windows: Vec<ArrayRef> = (0..3).map(before).collect();
        let values: ArrayRef = Arc::new(Float64Array::from(values));
        PastMeans::new(&values, &windows.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_step_is_found_among_outliers_and_follows_a_level() {
        let forecast = Forecast::of(&history(0.0));
        assert!((forecast.weights[0] - 0.5).abs() < 0.03 && forecast.weights[1].abs() < 0.03, "{:?}", forecast.weights);
        let expected = forecast.expect(&[1e6, 1e6 + 2.0, 1e6]).unwrap();
        assert!((expected.value - 1e6 - 1.0).abs() < 0.1, "{expected:?}");
        let [low, high] = [0.05, 0.95].map(|rank| forecast.quantile(expected, rank) - expected.value);
        assert!(
            (low + 1.69).abs() < 0.2 && (1.6..2.4).contains(&high),
            "{low} {high}: 5 and 95 % of a standard normal"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out_and_intervals_widen() {
        let forecast = Forecast::of(&history(0.0));
        assert_eq!(forecast.expect(&[f64::NAN; 3]), None);
        let last = forecast.expect(&[3.0, f64::NAN, f64::NAN]).unwrap();
        let older = forecast.expect(&[f64::NAN, 3.0, 9.0]).unwrap();
        assert_eq!((last.value, older.value), (3.0, 3.0));
        let width = |expected| forecast.quantile(expected, 0.9) - forecast.quantile(expected, 0.1);
        assert!(width(older) > width(last));
    }

    #[test]
    fn a_number_that_never_moves_is_expected_to_stay() {
        let values: ArrayRef = Arc::new(Float64Array::from(vec![7.0; 100]));
        let forecast = Forecast::of(&PastMeans::new(&values, &[&values, &values]).unwrap());
        let expected = forecast.expect(&[7.0, 7.0]).unwrap();
        assert_eq!([0.0, 0.025, 1.0].map(|rank| forecast.quantile(expected, rank)), [7.0; 3]);
    }
}
