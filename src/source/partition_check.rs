//! Whether files whose paths have a value for one of their own columns have another value there.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Scalar};
use arrow::compute::cast;
use arrow::compute::kernels::cmp::distinct;
use arrow::error::ArrowError;

use super::any_format::Source;
use super::open_input::OpenInput;
use super::scratch_file::BATCH_ROWS;
use crate::error::{Error, Place, Result};

impl Source {
    /// Checks that every column that is also a key of its file's path has the value of the path.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the column, and those of reading it.
    pub(super) fn check_partition_values(&self) -> Result<()> {
        self.inputs.iter().try_for_each(|input| self.check_file(input))
    }

    fn check_file(&self, input: &Arc<OpenInput>) -> Result<()> {
        let (own, keys) = (input.file_schema(), &input.partition_columns);
        for (n, key) in keys.fields().iter().enumerate().filter(|(_, key)| own.field_with_name(key.name()).is_ok()) {
            let alone = Self::of(vec![input.clone()], None, &self.stop);
            for batch in alone.stream(std::slice::from_ref(key.name()), BATCH_ROWS)?.batches {
                let batch = batch?;
                let differ = |column: &ArrayRef| -> Result<bool, ArrowError> {
                    let value = cast(&keys.array(n, 1)?, column.data_type())?;
                    Ok(distinct(column, &Scalar::new(value))?.true_count() > 0)
                };
                if differ(batch.column(0)).unwrap_or(true) {
                    let what =
                        format!("it has other values than the path, where {:?} is a directory's key", key.name());
                    return Err(Error::Damaged { place: Place::column(&input.path, key.name()), what });
                }
            }
        }
        Ok(())
    }
}
