//! Rows that are anomalies go to a second output, with their reasons; the others to the first.

use std::borrow::Cow;
use std::path::PathBuf;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{filter_record_batch, not, prep_null_mask_filter};
use arrow::datatypes::SchemaRef;

use super::job::TransformJob;
use super::read_columns::unreadable;
use crate::config::TransformConfig;
use crate::error::{Error, Result};
use crate::sink::{Destination, Medium, RowWriter, check_output_name};
use crate::source::{Source, StoredType};
use crate::storage::{ReadyFile, Target, check_distinct, check_outside};

/// The second output of a source.
pub(super) struct Quarantine {
    target: Target,
    /// The columns that are written, all new ones included.
    pub(super) schema: SchemaRef,
}

/// Reasons of a row in quarantine, unless another number is asked for.
const REASONS: usize = 3;

impl TransformConfig {
    /// The same, with reasons for a quarantine whose format holds them.
    pub(super) fn with_reasons(&self) -> Cow<'_, Self> {
        let holds_lists = |path: &PathBuf| !matches!(Medium::of(path), Medium::Csv { .. });
        match self.explain == 0 && self.quarantine.as_ref().is_some_and(holds_lists) {
            true => Cow::Owned(Self { explain: REASONS, ..self.clone() }),
            false => Cow::Borrowed(self),
        }
    }
}

impl TransformJob<'_, '_> {
    /// Where the anomalies of `source` go, the others of which go to `destination`; `None` unless they are parted.
    ///
    /// # Errors
    /// Those of outputs; [`Error::OptionRange`] for a file beside a directory or the other way around, and if nothing decides
    /// which rows are anomalies.
    pub(super) fn quarantine(
        &self,
        source: &Source,
        destination: &Destination,
        in_directory: bool,
    ) -> Result<Option<Quarantine>> {
        let Some(path) = self.quarantine_path(source, in_directory)? else { return Ok(None) };
        if let Destination::File(output) = destination {
            check_distinct(&[output.path(), &path])?;
        }
        check_outside(&path, source.directories())?;
        if let Some(folder) = path.parent().filter(|_| in_directory) {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let target = Target::check(&path, self.config.output.replaces(), source.paths())?;
        let (config, medium) = (self.config.with_reasons(), Medium::of(&path));
        let plan = self.model.output_plan(source, in_directory, &config, medium)?;
        Ok(Some(Quarantine { target, schema: plan.schema }))
    }

    /// The file for the anomalies of `source`.
    ///
    /// # Errors
    /// As [`quarantine`](Self::quarantine).
    pub(super) fn quarantine_path(&self, source: &Source, in_directory: bool) -> Result<Option<PathBuf>> {
        let Some(path) = &self.config.quarantine else { return Ok(None) };
        let refused = |range| Error::OptionRange { option: "quarantine", value: path.display().to_string(), range };
        if path.as_os_str() == "-" {
            return Err(refused("a file or a directory"));
        }
        if !self.decides {
            return Err(refused("left out, since nothing decides which rows are anomalies"));
        }
        let is_folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let path = match (is_folder, in_directory) {
            (true, true) => {
                let relative = source.files_with_output_paths().next().map(|(_, relative)| relative);
                path.join(relative.unwrap_or_default())
            }
            (false, false) => path.clone(),
            (_, true) => return Err(refused("a directory, as the output is; a slash at its end makes one")),
            (_, false) => return Err(refused("a file, as the output is")),
        };
        check_output_name(&path)?;
        Ok(Some(path))
    }
}

impl Quarantine {
    /// A writer of its rows. `stored` has the types of the first columns that come from Parquet files.
    pub(super) fn writer(self, job: &TransformJob<'_, '_>, stored: &[Option<StoredType>]) -> Result<QuarantineWriter> {
        let mut encoding = job.config.output.encoding;
        // That of the output, if it is a stream.
        encoding.output_format = None;
        let target = self.target.clone();
        let rows = RowWriter::create(Destination::File(self.target), self.schema, stored, &encoding)?;
        Ok(QuarantineWriter { rows, target })
    }
}

/// Writes rows in quarantine.
pub(super) struct QuarantineWriter {
    rows: RowWriter,
    target: Target,
}

impl QuarantineWriter {
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows.write(batch)
    }

    /// Ends both outputs, which appear together; gives what takes this one back.
    ///
    /// # Errors
    /// Those of either; neither is there then.
    pub(super) fn finish_with(self, others: RowWriter) -> Result<Target> {
        let ready: [Option<ReadyFile>; 2] = [self.rows.ready()?, others.ready()?];
        match ready {
            [Some(odd), Some(others)] => odd.publish_with(others)?,
            ready => ready.into_iter().flatten().try_for_each(ReadyFile::publish)?,
        }
        Ok(self.target)
    }
}

/// Parts rows with these columns, by name, by whether they are anomalies: those that are not, and those that are.
pub(super) fn part(columns: &SchemaRef, arrays: Vec<ArrayRef>, is_anomaly: &str) -> Result<[RecordBatch; 2]> {
    let named = columns.fields().iter().map(|field| field.name()).zip(arrays).map(|(name, array)| (name, array, true));
    let rows = RecordBatch::try_from_iter_with_nullable(named).map_err(unreadable)?;
    let decided = rows.column_by_name(is_anomaly).and_then(|column| column.as_boolean_opt());
    let Some(decided) = decided else { return Ok([rows.clone(), rows.slice(0, 0)]) };
    // A row without a score is no anomaly.
    let odd = if decided.null_count() > 0 { prep_null_mask_filter(decided) } else { decided.clone() };
    let others = not(&odd).and_then(|others| filter_record_batch(&rows, &others)).map_err(unreadable)?;
    Ok([others, filter_record_batch(&rows, &odd).map_err(unreadable)?])
}
