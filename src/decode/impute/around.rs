//! What fills a number in rows in order: what the rows on both sides of its gap lead to expect, or else those before it.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::Float64Type;

use crate::numerics::{RandomStream, hash, normal_quantile};
use crate::sequence::{Expected, Forecast, PastMeans};

/// What the rows around led to expect of a number, for some rows.
pub(super) struct RowsAround<'a> {
    forecast: &'a Forecast,
    values: Vec<ExpectedNumber>,
    /// A hash of what is known of the rows around each: the same in any batch.
    keys: Vec<u64>,
}

/// What is expected of a number.
#[derive(Clone, Copy)]
enum ExpectedNumber {
    Nothing,
    /// By the rows before.
    Before(Expected),
    /// By those on both sides: a mean and a standard deviation.
    Between([f64; 2]),
}

impl<'a> RowsAround<'a> {
    /// By the means before, and what the rows on both sides lead to expect and its standard deviation, null where nothing.
    pub(super) fn new(forecast: &'a Forecast, before: &PastMeans, between: Option<[&ArrayRef; 2]>) -> Self {
        let between = between.map(|columns| columns.map(|column| column.as_primitive::<Float64Type>()));
        let of = |(row, means): (usize, &[f64])| match between {
            Some([mean, deviation]) if mean.is_valid(row) => {
                let normal = [mean.value(row), deviation.value(row)];
                (ExpectedNumber::Between(normal), hash(normal.iter().map(|x| x.to_bits())))
            }
            _ => {
                let expected = forecast.expect(means).map_or(ExpectedNumber::Nothing, ExpectedNumber::Before);
                (expected, hash(means.iter().map(|mean| mean.to_bits())))
            }
        };
        let (values, keys) = before.means().enumerate().map(of).unzip();
        Self { forecast, values, keys }
    }

    /// Which rows of those are `wanted` for which nothing is known.
    pub(super) fn unknown(&self, wanted: &BooleanArray) -> BooleanArray {
        let is_unknown = |value: &ExpectedNumber| matches!(value, ExpectedNumber::Nothing);
        wanted.iter().zip(&self.values).map(|(wanted, value)| Some(wanted == Some(true) && is_unknown(value))).collect()
    }

    /// What was expected of each row; NaN if nothing is known.
    pub(super) fn values(&self) -> Vec<f64> {
        let value = |value: &ExpectedNumber| match *value {
            ExpectedNumber::Nothing => f64::NAN,
            ExpectedNumber::Before(expected) => expected.value,
            ExpectedNumber::Between([mean, _]) => mean,
        };
        self.values.iter().map(value).collect()
    }

    /// The quantile of each row's value at this rank.
    pub(super) fn quantiles(&self, rank: f64) -> Vec<f64> {
        let normal = normal_quantile(rank);
        self.at(|_| (rank, normal))
    }

    /// A value drawn for each row.
    pub(super) fn draws(&self, noise: RandomStream) -> Vec<f64> {
        self.at(|row| {
            let rank = noise.child(self.keys[row]).uniform(0);
            (rank, normal_quantile(rank))
        })
    }

    /// The values at a rank of each row, which is given with that quantile of the standard normal distribution.
    fn at(&self, rank: impl Fn(usize) -> (f64, f64)) -> Vec<f64> {
        let of = |(row, value): (usize, &ExpectedNumber)| match *value {
            ExpectedNumber::Nothing => f64::NAN,
            ExpectedNumber::Before(expected) => self.forecast.quantile(expected, rank(row).0),
            ExpectedNumber::Between([mean, deviation]) => mean + deviation * rank(row).1,
        };
        self.values.iter().enumerate().map(of).collect()
    }
}
