//! Opens the files that names lead to. What a directory holds beside rows is left alone.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Scalar};
use arrow::compute::cast;
use arrow::compute::kernels::cmp::distinct;
use arrow::error::ArrowError;

use super::any_format::Source;
use super::inputs::{InputFile, PartitionColumns, partition_columns};
use super::open_input::OpenInput;
use super::scratch_file::BATCH_ROWS;
use crate::config::SourceConfig;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::pipeline::Stop;

/// What key-value metadata of an output begins with.
const OUTPUT_KEY: &str = "vaepipe.";

/// The opened files.
pub(super) struct OpenInputs {
    pub(super) inputs: Vec<OpenInput>,
    /// Files of directories that cannot be read, each with what is wrong.
    pub(super) unreadable: Vec<(PathBuf, Error)>,
}

impl OpenInputs {
    /// Opens files in their order.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub(super) fn open(found: Vec<InputFile>, config: &SourceConfig, stop: &Stop) -> Result<Self> {
        let partitions = partition_columns(found.iter().map(|found| found.path.as_path()));
        let first = found.first().and_then(|found| found.directory.clone()).unwrap_or_default();
        let (mut inputs, mut unreadable, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (file, partition) in found.into_iter().zip(partitions) {
            stop.check()?;
            let (path, in_directory) = (file.path.clone(), file.directory.is_some());
            match Self::open_file(file, partition, config, stop) {
                Ok(Some(input)) => inputs.push(input),
                Ok(None) => others.push(path),
                Err(error) if config.keep_going && in_directory && error.kind() == ErrorKind::Data => {
                    tracing::warn!("{error}; it is left out");
                    unreadable.push((path, error));
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(one) = others.first() {
            tracing::info!("files that hold no rows are left alone: {}, as {}", others.len(), one.display());
        }
        leave_out_outputs(&mut inputs);
        match inputs.is_empty() {
            false => Ok(Self { inputs, unreadable }),
            true => Err(unreadable.pop().map_or(Error::NoFiles { path: first }, |(_, error)| error)),
        }
    }

    /// Opens one; `None` if it is in a directory and holds no rows.
    fn open_file(
        file: InputFile,
        partition: PartitionColumns,
        config: &SourceConfig,
        stop: &Stop,
    ) -> Result<Option<OpenInput>> {
        let input = OpenInput::open(file, partition, config, stop)?;
        if let Some(input) = &input {
            check_partition_values(input, stop)?;
        }
        Ok(input)
    }
}

/// Leaves out the outputs of this program that lie in a directory among other files: their rows are there twice.
fn leave_out_outputs(inputs: &mut Vec<OpenInput>) {
    let is_output = |input: &OpenInput| {
        let in_directory = input.directory.is_some();
        in_directory && input.metadata_keys().iter().any(|key| key.starts_with(OUTPUT_KEY))
    };
    let outputs = inputs.iter().filter(|input| is_output(input)).count();
    if outputs == 0 || outputs == inputs.len() {
        return;
    }
    let one = inputs.iter().find(|input| is_output(input)).map(|input| input.path.clone()).unwrap_or_default();
    tracing::warn!("outputs of vaepipe in an input directory are left out: {outputs}, as {}", one.display());
    inputs.retain(|input| !is_output(input));
}

/// Checks that a file whose path has a value for one of its own columns has no other value there.
///
/// # Errors
/// [`Error::Damaged`] with the column, and those of reading it.
fn check_partition_values(input: &OpenInput, stop: &Stop) -> Result<()> {
    let (own, keys) = (input.file_schema(), &input.partition_columns);
    for (n, key) in keys.fields().iter().enumerate().filter(|(_, key)| own.field_with_name(key.name()).is_ok()) {
        let contradiction = || Error::Damaged {
            place: Place::column(&input.path, key.name()),
            what: format!("it has other values than the path, where {:?} is a directory's key", key.name()),
        };
        let alone = Source::of(vec![Arc::new(input.clone())], None, stop);
        for batch in alone.stream(std::slice::from_ref(key.name()), BATCH_ROWS)?.batches {
            let batch = batch?;
            let differ = |column: &ArrayRef| -> Result<bool, ArrowError> {
                let value = cast(&keys.array(n, 1)?, column.data_type())?;
                Ok(distinct(column, &Scalar::new(value))?.true_count() > 0)
            };
            if differ(batch.column(0)).unwrap_or(true) {
                return Err(contradiction());
            }
        }
    }
    Ok(())
}
