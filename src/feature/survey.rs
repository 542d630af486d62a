//! Surveys: the statistics of a column's values that a kind needs before it can be fitted.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use serde::Serialize;

use super::row_sample::RowSample;
use super::statistics::NumberSummary;
use super::{Column, Kind, Scaler};
use crate::config::{LogicalType, Map, VectorScale};

/// How the user wants a column to be learned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnRequest<'a> {
    /// The name of the column.
    pub(crate) name: &'a str,
    pub(crate) data_type: &'a DataType,
    /// The user said what its values are.
    pub(crate) typed: bool,
    /// The user selected it by its name, not by a pattern.
    pub(crate) named: bool,
    /// Give it to the network, rather than learn it.
    pub(crate) given: bool,
    /// Groups may be given, and other columns are judged group by group.
    pub(crate) grouped: bool,
    /// Learn it as a category.
    pub(crate) categorical: bool,
    /// The largest number of categories with a class of their own; `None` for the default.
    pub(crate) max_categories: Option<usize>,
    /// The curve that transforms a number before it is scaled.
    pub(crate) map: Map,
    /// How the elements of a vector are scaled.
    pub(crate) vector_scale: VectorScale,
    /// Whether the scaling needs quantiles.
    pub(crate) quantiles: bool,
    /// The number of rows.
    pub(crate) rows: u64,
}

/// Streaming statistics of one column's values, in memory that does not grow with the rows.
///
/// The result depends on the values and their order alone, not on how they are split into batches.
pub(crate) trait Survey: Send {
    /// Adds the next rows.
    fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError>;

    /// Ends the pass. The methods below need this first.
    fn finish(&mut self) {}

    /// The statistics for reports.
    fn values(&self) -> Values;

    /// Why the values cannot be learned; `None` if they can.
    fn rejection(&self) -> Option<Rejection>;

    /// The logical type that all its strings are of, if they are no plain words.
    fn suggested_type(&self) -> Option<LogicalType> {
        None
    }

    /// What keeps its strings from being read as numbers or times, if most of them are some.
    fn text_fault(&self) -> Option<String> {
        None
    }

    /// Whether the column would be a category.
    fn is_categorical(&self) -> bool {
        false
    }

    /// Whether the column has one number per row, so that a curve can apply to it.
    fn is_numeric_scalar(&self) -> bool {
        false
    }

    /// The values of a sample of rows, the same in every column, if it has one number per row.
    fn sample(&self) -> Option<&RowSample> {
        None
    }

    /// The same for any column of one number or time a row, as seconds since 1970, whatever the user selected.
    fn sampled_values(&self) -> Option<&[f64]> {
        None
    }

    /// Values of a sample as seconds since 1970, if they are times.
    fn times(&self, _values: &[f64]) -> Option<Vec<f64>> {
        None
    }

    /// A larger sample, of a table that is judged group by group.
    fn large_sample(&self) -> Option<&RowSample> {
        None
    }

    /// The same of the numbers of groups.
    fn groups(&self) -> Option<&RowSample> {
        None
    }

    /// Summaries of the numbers in it, to choose a scaling that all columns share.
    fn numbers(&self) -> Vec<NumberSummary> {
        Vec::new()
    }

    /// The fitted feature; needs that there is no [`rejection`](Self::rejection).
    fn fit(&self, column: Column, scaler: &Scaler) -> Result<Kind, Rejection>;
}

/// Why a column cannot be learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// A phrase with the column as its subject.
    pub(crate) reason: String,
    /// The constant value, as text.
    pub(crate) constant: Option<String>,
}

impl Rejection {
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), constant: None }
    }

    /// For a column with a single value.
    pub(crate) fn constant(value: String) -> Self {
        Self { reason: format!("is constant ({value})"), constant: Some(value) }
    }

    /// For a column without a usable value.
    pub(crate) fn no_usable_value(nulls: u64, unusable: u64) -> Self {
        Self::because(format!("has no usable value ({nulls} null, {unusable} NaN or infinite)"))
    }
}

/// Statistics of a column's values. For a vector, all elements together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Values {
    /// Values that are neither missing nor unusable.
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

/// The first non-null value of an array, as text.
pub(super) fn first_as_text(array: &dyn Array) -> Result<Option<String>, ArrowError> {
    let first = (0..array.len()).find(|&row| array.is_valid(row));
    first.map(|row| array_value_to_string(array, row)).transpose()
}
