//! What fills a number in rows in order: what the rows before it lead to expect.

use arrow::array::BooleanArray;

use crate::numerics::{RandomStream, hash};
use crate::sequence::{Expected, Forecast, PastMeans};

/// What the rows before led to expect of a number, for some rows.
pub(super) struct RowsBefore<'a> {
    forecast: &'a Forecast,
    expected: Vec<Option<Expected>>,
    /// A hash of what is known of the rows before each: the same in any batch.
    keys: Vec<u64>,
}

impl<'a> RowsBefore<'a> {
    pub(super) fn new(forecast: &'a Forecast, history: &PastMeans) -> Self {
        let key = |means: &[f64]| hash(means.iter().map(|mean| mean.to_bits()));
        let (expected, keys) = history.means().map(|means| (forecast.expect(means), key(means))).unzip();
        Self { forecast, expected, keys }
    }

    /// Which rows of those are `wanted` for which nothing is known.
    pub(super) fn unknown(&self, wanted: &BooleanArray) -> BooleanArray {
        wanted
            .iter()
            .zip(&self.expected)
            .map(|(wanted, expected)| Some(wanted == Some(true) && expected.is_none()))
            .collect()
    }

    /// What was expected of each row; NaN if nothing is known.
    pub(super) fn values(&self) -> Vec<f64> {
        self.expected.iter().map(|expected| expected.map_or(f64::NAN, |expected| expected.value)).collect()
    }

    /// The quantile of each row's value at this rank.
    pub(super) fn quantiles(&self, rank: f64) -> Vec<f64> {
        self.at(|_| rank)
    }

    /// A value drawn for each row.
    pub(super) fn draws(&self, noise: RandomStream) -> Vec<f64> {
        self.at(|row| noise.child(self.keys[row]).uniform(0))
    }

    fn at(&self, rank: impl Fn(usize) -> f64) -> Vec<f64> {
        let of = |(row, expected): (usize, &Option<Expected>)| {
            expected.map_or(f64::NAN, |expected| self.forecast.quantile(expected, rank(row)))
        };
        self.expected.iter().enumerate().map(of).collect()
    }
}
