//! Reading of whole columns as numbers.

use polars::prelude::{Column, DataFrame, DataType, PolarsError};

use super::label::LabelValues;
use crate::error::{Error, Place, Result};
use crate::frame::frame;
use crate::pipeline::Stop;
use crate::source::ParquetSource;

/// Rows read at once.
const BATCH_ROWS: usize = 65_536;

/// Reads whole columns of a source.
///
/// # Errors
/// The errors of the source, and [`Error::Read`] for a type that polars does not support.
pub(super) fn columns(source: &ParquetSource, names: &[String], stop: &Stop) -> Result<DataFrame> {
    let mut table: Option<DataFrame> = None;
    for batch in source.scan(names, BATCH_ROWS) {
        stop.check()?;
        let (row_group, batch) = batch?;
        let failed = |error: PolarsError| Error::Read {
            place: Place::row_group(source.path(), row_group),
            source: Box::new(error),
        };
        let batch = frame(&batch).map_err(failed)?;
        match &mut table {
            Some(table) => drop(table.vstack_mut(&batch).map_err(failed)?),
            None => table = Some(batch),
        }
    }
    Ok(table.unwrap_or_default())
}

/// The error for a requested column that was not read.
pub(super) fn missing(source: &ParquetSource, name: &str) -> Error {
    Error::MissingFeature { path: source.path().to_owned(), column: name.to_owned(), near: Vec::new() }
}

/// Whether a column holds numbers or Booleans.
pub(super) fn are_numbers(column: &Column) -> bool {
    column.dtype().is_numeric() || *column.dtype() == DataType::Boolean
}

/// The values of a column; `None` where null or NaN.
///
/// # Errors
/// [`Error::WrongType`] unless the column holds numbers or Booleans.
pub(super) fn numbers(source: &ParquetSource, column: &Column) -> Result<Vec<Option<f64>>> {
    let wrong = || Error::WrongType {
        place: Place::column(source.path(), column.name().as_str()),
        found: column.dtype().to_string().into(),
        expected: "a number or a Boolean".into(),
    };
    if !are_numbers(column) {
        return Err(wrong());
    }
    let values = column.cast(&DataType::Float64).map_err(|_| wrong())?;
    let values = values.try_f64().ok_or_else(wrong)?;
    Ok(values.iter().map(|value| value.filter(|value| !value.is_nan())).collect())
}

/// The values of a column of labels.
///
/// # Errors
/// [`Error::WrongType`] unless the column holds numbers, Booleans or strings.
pub(super) fn label_values(source: &ParquetSource, column: &Column) -> Result<LabelValues> {
    match column.try_str() {
        Some(texts) => Ok(LabelValues::Words(texts.iter().map(|text| text.map(str::to_owned)).collect())),
        None => Ok(LabelValues::Numbers(numbers(source, column)?)),
    }
}
