//! Columns of one number or time a row, whose values can be compared.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::precision::Rounding;

/// What a value measures; values of one quantity can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    Number,
    /// Seconds.
    Duration,
    /// Seconds since 1970.
    Time,
}

/// A feature with one number or time a row.
pub(crate) trait Scalar {
    fn quantity(&self) -> Quantity;

    /// The smallest and largest value at fit.
    fn range(&self) -> [f64; 2];

    /// The smallest difference of two values at the precision of the fit; 0 if they had none.
    fn smallest_difference(&self) -> f64;

    /// A value at the precision of the fit, within the range.
    fn rounded(&self, value: f64, rounding: Rounding) -> f64;

    /// The values that `elements`, `[rows, elements]`, stand for, rounded to the nearest; NaN where missing.
    fn values(&self, elements: &[f32]) -> Vec<f64>;

    /// Values as a column of a type that the feature accepts; null where NaN.
    ///
    /// # Errors
    /// If the type cannot hold such values.
    fn array(&self, values: &[f64], data_type: &DataType) -> Result<ArrayRef, ArrowError>;
}
