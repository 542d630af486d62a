//! Whether files whose paths have a value for one of their own columns have another value there.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Scalar};
use arrow::compute::cast;
use arrow::compute::kernels::cmp::distinct;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;

use super::any_format::Source;
use super::open_input::OpenInput;
use super::scratch_file::BATCH_ROWS;
use crate::error::{Error, Place, Result};

impl Source {
    /// Checks that every column that is also a key of its file's path has the value of the path; times may be any of the day
    /// there.
    ///
    /// # Errors
    /// [`Error::WrongValue`] with the column, and those of reading it.
    pub(super) fn check_partition_values(&self) -> Result<()> {
        self.inputs.iter().try_for_each(|input| self.check_file(input))
    }

    fn check_file(&self, input: &Arc<OpenInput>) -> Result<()> {
        let (own, keys) = (input.file_schema(), &input.partition_columns);
        for (n, key) in keys.fields().iter().enumerate().filter(|(_, key)| own.field_with_name(key.name()).is_ok()) {
            let alone = Self::of(vec![input.clone()], None, &self.stop);
            for batch in alone.stream(std::slice::from_ref(key.name()), BATCH_ROWS)?.batches {
                let (batch, place) = (batch?, Place::column(&input.path, key.name()));
                let read = |source: ArrowError| Error::Read { place: place.clone(), source: source.into() };
                let (column, value) = (batch.column(0), keys.array(n, 1).map_err(read)?);
                // A value of another type that is not that of the path differs from every value.
                let others = other_values(column, &value).unwrap_or_else(|_| vec![true; column.len()].into());
                let Some(row) = others.iter().position(|differs| differs == Some(true)) else { continue };
                let show = |array: &ArrayRef, row| match array.is_null(row) {
                    true => Ok("null".to_owned()),
                    false => array_value_to_string(array, row).map_err(read),
                };
                let (found, expected) =
                    (show(column, row)?.into(), format!("{} as in the path", show(&value, 0)?).into());
                return Err(Error::WrongValue { place, found, expected });
            }
        }
        Ok(())
    }
}

/// Which rows of a column have another value than the key of the path. Times have that of a date if they are in its day.
fn other_values(column: &ArrayRef, key: &ArrayRef) -> Result<BooleanArray, ArrowError> {
    let is_time = matches!(column.data_type(), DataType::Timestamp(..) | DataType::Date64);
    let of_days = key.data_type() == &DataType::Date32 && is_time;
    let (column, key) = match of_days {
        true => (cast(column, &DataType::Date32)?, key.clone()),
        false => (column.clone(), cast(key, column.data_type())?),
    };
    distinct(&column, &Scalar::new(key))
}
