//! How the values of one column are written into the row vector, and read back from it.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::exact::Exact;
use super::scalar::Scalar;
use super::{Column, Shape, ValueIssues};
use crate::config::LogicalType;

/// One fitted column: how its values are written into the row vector, and read back from it.
pub(crate) trait Feature: Send + Sync {
    /// The column it encodes.
    fn column(&self) -> &Column;

    /// The same, to be read as another type.
    fn column_mut(&mut self) -> &mut Column;

    /// The columns it accepts, as a phrase for messages: `a number`.
    fn expects(&self) -> &'static str;

    /// How a value enters the row vector, as a phrase.
    fn describe(&self) -> String;

    /// Whether it can encode a column of this type.
    fn accepts(&self, data_type: &DataType) -> bool;

    /// What its values are, so that columns of other types can be read as it.
    fn meaning(&self) -> Option<LogicalType> {
        None
    }

    /// The type of the column at fit, as Arrow writes it.
    fn data_type(&self) -> &str;

    /// Its elements in the row vector and their likelihood.
    fn shape(&self) -> Shape;

    /// The number of missing values at fit.
    fn missing(&self) -> u64;

    /// Writes `array` into its elements, one row per value; NaN where the value is missing or not usable.
    ///
    /// # Errors
    /// If the array cannot be read as [`accepts`](Self::accepts) promises.
    fn write(&self, array: &ArrayRef, elements: &mut FeatureCells<'_>) -> Result<ValueIssues, ArrowError>;

    /// The values that `elements`, `[rows, elements]`, stand for, as a column of a type it accepts: within the range
    /// and of the categories seen at fit; null where NaN.
    ///
    /// # Errors
    /// If the type cannot hold such values.
    fn read(&self, elements: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError>;

    /// Its values as numbers that can be compared, if it has one a row.
    fn scalar(&self) -> Option<&dyn Scalar> {
        None
    }

    /// The part of the value that a decoder output stands for, as a phrase; `None` if it is the whole value.
    fn part(&self, _output: usize) -> Option<String> {
        None
    }

    /// The expectation of a decoder output, given on the model's scale, as a value of the column, not clamped to the
    /// range at fit. A probability stays one.
    fn in_unit(&self, _output: usize, expected: f64) -> f64 {
        expected
    }

    /// The unit of [`in_unit`](Self::in_unit), if it is not the column's own.
    fn unit(&self, _output: usize) -> Option<&'static str> {
        None
    }

    /// The index in the list of the number that an element encodes; `None` if the column is not a list.
    fn place(&self, _element: usize) -> Option<usize> {
        None
    }

    /// The numbers that `elements` of the list index `place` stand for, of the item type of `data_type`.
    ///
    /// # Errors
    /// If the type cannot hold such values, or no element encodes that index.
    fn read_place(&self, _place: usize, elements: &[f32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        self.read(elements, data_type)
    }

    /// What the last elements of a given value say to the digit, if they do; [`write`](Self::write) leaves them.
    fn exact(&self) -> Option<Exact> {
        None
    }

    /// Leading elements that say how much time has passed, which is no circumstance.
    fn elapsed(&self) -> usize {
        usize::from(self.grows_over_time())
    }

    /// The parts that are told apart of each circle its elements are on, two elements a circle after the elapsed ones.
    fn circles(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Whether values of later rows are larger by nature, as times are, so that this is no drift.
    fn grows_over_time(&self) -> bool {
        false
    }

    /// A phrase for its unusable values, to follow `2 values are`.
    fn unusable(&self) -> &'static str {
        "NaN, infinite or beyond f32, and count as missing"
    }

    /// A phrase for values that do not occur at fit, to follow `2 values are`.
    fn unseen(&self) -> &'static str {
        "of categories the training data lacks"
    }

    /// Whether [`write`](Self::write) and [`read`](Self::read) can work with its numbers: a model file may be damaged.
    fn is_valid(&self) -> bool {
        true
    }

    /// Whether a class can be read back as a value.
    fn reads(&self, _: usize) -> bool {
        true
    }

    /// Whether values of a class can be drawn.
    fn draws(&self, class: usize) -> bool {
        self.reads(class)
    }

    /// The element that a drawn class becomes, with a uniform number to choose among its values.
    fn drawn(&self, class: f32, _uniform: f64) -> f32 {
        class
    }
}

/// One feature's elements in a row-major block `[rows, inputs]`.
pub(crate) struct FeatureCells<'a> {
    pub(super) block: &'a mut [f32],
    pub(super) inputs: usize,
    pub(super) at: usize,
    /// The surprise of each row; empty if it is not wanted.
    pub(super) surprise: &'a mut [u64],
    /// The surprise of a value that the fit did not see.
    pub(super) unseen: u64,
}

impl FeatureCells<'_> {
    /// Adds the surprise of a value that the fit did not see to a row's.
    pub(crate) fn add_unseen(&mut self, row: usize) {
        self.surprise.get_mut(row).into_iter().for_each(|units| *units += self.unseen);
    }

    /// Adds it to those of rows where any of the feature's `elements` elements is missing.
    pub(super) fn add_unseen_missing(&mut self, elements: usize) {
        let rows = self.block.chunks_exact(self.inputs).map(|row| &row[self.at..][..elements]);
        let missing = self.surprise.iter_mut().zip(rows).filter(|(_, row)| row.iter().any(|value| value.is_nan()));
        missing.for_each(|(units, _)| *units += self.unseen);
    }

    /// Sets the feature's first element in `row`.
    #[inline]
    pub(crate) fn set(&mut self, row: usize, value: f32) {
        self.set_at(row, 0, value);
    }

    /// Sets the feature's first element in every row.
    pub(crate) fn set_all(&mut self, values: &[f32]) {
        let rows = self.block.iter_mut().skip(self.at).step_by(self.inputs);
        rows.zip(values).for_each(|(element, value)| *element = *value);
    }

    /// Sets the first of the feature's elements in `row`.
    #[inline]
    pub(crate) fn set_each(&mut self, row: usize, values: &[f32]) {
        self.block[row * self.inputs + self.at..][..values.len()].copy_from_slice(values);
    }

    /// Sets any of the feature's elements in `row`.
    #[inline]
    pub(crate) fn set_at(&mut self, row: usize, element: usize, value: f32) {
        self.block[row * self.inputs + self.at + element] = value;
    }
}
