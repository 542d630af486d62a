//! The first look at a column: what a kind has to know of its values before it can be fitted.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use serde::Serialize;

use super::statistics::Readings;
use super::{Column, Kind, Scaler};
use crate::config::{Map, VectorScale};

/// What the user wants of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnRequest<'a> {
    pub(crate) data_type: &'a DataType,
    /// It is named to be learned, not merely matched by a pattern.
    pub(crate) named: bool,
    /// It is to be learned as a category.
    pub(crate) categorical: bool,
    /// Most categories that are told apart.
    pub(crate) max_categories: usize,
    /// The curve a number is bent by before it is scaled.
    pub(crate) map: Map,
    /// How the elements of a vector are scaled.
    pub(crate) vector_scale: VectorScale,
    /// Whether the scaling needs quantiles.
    pub(crate) quantiles: bool,
}

/// The values of one column, taken in row by row in memory that does not grow with the rows.
///
/// The result depends on the values and their order alone, never on how they were cut into batches.
pub(crate) trait Survey: Send {
    /// Takes in the next rows.
    fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError>;

    /// Ends the pass; everything below is asked after it.
    fn finish(&mut self) {}

    /// What was found.
    fn values(&self) -> Values;

    /// Why the values cannot be learned; `None` if they can.
    fn unfit(&self) -> Option<Unfit>;

    /// Whether it takes words, as categories are.
    fn is_of_words(&self) -> bool {
        false
    }

    /// Whether it takes one number a row, which may lie on a curve.
    fn is_of_a_number(&self) -> bool {
        false
    }

    /// Readings of the numbers there are in it, if it can be learned.
    fn numbers(&self) -> Vec<Readings> {
        Vec::new()
    }

    /// The fitted feature; asked only if nothing is [`unfit`](Self::unfit).
    fn fit(&self, column: Column, scaler: &Scaler) -> Result<Kind, Unfit>;
}

/// Why a column is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// A phrase with the column as its subject.
    pub(crate) reason: String,
    /// The one value it has, as text.
    pub(crate) constant: Option<String>,
}

impl Unfit {
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), constant: None }
    }

    /// For a column with no value but this.
    pub(crate) fn constant(value: String) -> Self {
        Self { reason: format!("is constant ({value})"), constant: Some(value) }
    }

    /// For a column without a value.
    pub(crate) fn nothing(nulls: u64, unusable: u64) -> Self {
        Self::because(format!("has no usable value ({nulls} null, {unusable} NaN or infinite)"))
    }
}

/// What a pass over a column's values found. Of a vector it is all elements together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Values {
    /// Values that are there and usable.
    pub known: u64,
    /// Missing values.
    pub null: u64,
    /// Values that are NaN, infinite or beyond the range of f32, or a vector of another length; taken as missing.
    pub unusable: u64,
    /// Smallest known value; a Boolean is 0 or 1, a time is in seconds since 1970.
    pub min: Option<f64>,
    /// Mean of the known values.
    pub mean: Option<f64>,
    /// Largest known value.
    pub max: Option<f64>,
    /// Standard deviation of the known values (population).
    pub std: Option<f64>,
}

/// The first value of an array that is there, as text.
pub(super) fn first_as_text(array: &dyn Array) -> Result<Option<String>, ArrowError> {
    let first = (0..array.len()).find(|&row| array.is_valid(row));
    first.map(|row| array_value_to_string(array, row)).transpose()
}
