//! What becomes of a source: a spliced file, a file or stream of rows encoded anew, or a directory of files.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::datatypes::{Schema, SchemaRef};

use super::new_columns::NewColumnMaker;
use super::pass::{PassOutput, TransformedBatch, pass, rank};
use super::totals::TransformTotals;
use super::{Transformed, batch_rows, columns};
use crate::artifact::Model;
use crate::config::{Encoding, TransformConfig};
use crate::error::{Error, Result};
use crate::pipeline::{self, Stage, Stop, StreamWriter};
use crate::sink::{Destination, Medium, RowWriter, is_ipc};
use crate::source::Source;
use crate::storage::{Target, check_outside};

/// Where transformed rows go.
#[non_exhaustive]
pub enum Output {
    /// One file: Arrow IPC if it is called `*.arrow`, `*.feather` or `*.ipc`, else Parquet.
    File(PathBuf),
    /// A directory with a file for each of the source's, in the same place below it.
    Folder(PathBuf),
    /// An Arrow IPC stream, flushed after each batch. After an error it has no end-of-stream marker.
    Stream(Box<dyn Write + Send>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl From<&Path> for Output {
    /// A directory if it is one or ends in a slash, else a file.
    fn from(path: &Path) -> Self {
        let is_folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if is_folder { Self::Folder(path.to_owned()) } else { Self::File(path.to_owned()) }
    }
}

impl From<PathBuf> for Output {
    fn from(path: PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&PathBuf> for Output {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&str> for Output {
    fn from(path: &str) -> Self {
        Path::new(path).into()
    }
}

impl Model {
    /// Writes the rows of `source` with the new columns to `output`; a file whole or not at all. From one Parquet file
    /// to another the carried columns are copied byte for byte.
    ///
    /// # Memory usage
    /// From Parquet to Parquet, the row vectors of one row group, up to 256 MiB (those of a larger one are in a scratch
    /// file beside the output), and the new columns of one row group; else about 64 MiB of rows, or one batch, if that
    /// is larger.
    ///
    /// # Errors
    /// [`MissingFeature`](crate::Error::MissingFeature) and [`WrongType`](crate::Error::WrongType) if the source is not
    /// what the model learned from; [`OptionRange`](crate::Error::OptionRange),
    /// [`UnknownColumn`](crate::Error::UnknownColumn) and [`NameClash`](crate::Error::NameClash) for options that do
    /// not fit it; [`TargetExists`](crate::Error::TargetExists) and other errors of the output;
    /// [`TargetInInput`](crate::Error::TargetInInput); [`Read`](crate::Error::Read),
    /// [`Damaged`](crate::Error::Damaged), [`Write`](crate::Error::Write); [`Unfinished`](crate::Error::Unfinished) if
    /// some files of a directory are written and another failed.
    pub fn transform_to(
        &self,
        source: &Source,
        output: impl Into<Output>,
        config: &TransformConfig,
        stop: &Stop,
    ) -> Result<Transformed> {
        self.transform_to_watched(source, output, config, stop, &mut |_| {})
    }

    /// The same, with a call after each batch that gets the number of rows written so far.
    ///
    /// # Errors
    /// As [`transform_to`](Self::transform_to).
    pub fn transform_to_watched(
        &self,
        source: &Source,
        output: impl Into<Output>,
        config: &TransformConfig,
        stop: &Stop,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<Transformed> {
        config.check()?;
        let decides = NewColumnMaker::new(self, config)?.decides();
        let (source, mut total) = (&self.typed(source), TransformTotals::new(self.sketch().cloned()));
        match output.into() {
            Output::Folder(folder) => self.mirror(source, &folder, config, stop, &mut total, on_rows)?,
            Output::Stream(to) => {
                let to = Destination::Stream(Box::new(StreamWriter::new(to, stop)?));
                let written = self.general(source, to, false, config, stop, &mut total, on_rows);
                if let Err(Error::Io { .. } | Error::Write { .. }) = written {
                    // A stop ends a stream whose target takes nothing by an error of the write.
                    stop.check()?;
                }
                written?;
                total.files = 1;
            }
            Output::File(path) if config.leaves(&path, source.paths())? => total.skipped = 1,
            Output::File(path) => {
                check_outside(&path, source.roots())?;
                let target = Target::check(&path, config.replaces(), source.paths())?;
                self.transform_one(source, target, false, config, stop, &mut total, on_rows)?;
                total.files = 1;
            }
        }
        Ok(total.finish(self.features().kinds(), self.metadata().provenance.rows, decides))
    }

    /// The columns of an Arrow IPC stream of `source` with the new ones, which a transform with these options writes.
    ///
    /// # Errors
    /// Those of [`transform_to`](Self::transform_to) about columns.
    pub fn output_schema(&self, source: &Source, config: &TransformConfig) -> Result<SchemaRef> {
        config.check()?;
        let source = &self.typed(source);
        Ok(self.columns(source, false, config, Medium::Ipc)?.schema)
    }

    /// The columns that are carried and needed.
    fn columns(&self, source: &Source, mirrored: bool, config: &TransformConfig, medium: Medium) -> Result<PassOutput> {
        let input = source.schema()?;
        let kept = self.kept(source, &input, mirrored, config)?;
        PassOutput::new(self, (&input, source.name()), &kept, config, medium)
    }

    /// The columns of `input` that are carried, by index: in a mirrored directory those of a path stay in it.
    pub(super) fn kept(
        &self,
        source: &Source,
        input: &Schema,
        mirrored: bool,
        config: &TransformConfig,
    ) -> Result<Vec<usize>> {
        self.features().check(input, source.path()).map_err(|error| source.explained(error))?;
        let new = self.new_columns(config)?;
        let mut kept = columns::kept(config, input, source.path(), &self.features().columns(), &new)?;
        if mirrored {
            let keys = source.keys();
            kept.retain(|&place| !keys.contains(input.field(place).name()));
        }
        Ok(kept)
    }

    /// Writes one file.
    #[expect(clippy::too_many_arguments, reason = "what a transform is given, taken apart")]
    pub(super) fn transform_one(
        &self,
        source: &Source,
        target: Target,
        mirrored: bool,
        config: &TransformConfig,
        stop: &Stop,
        total: &mut TransformTotals,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let copies =
            !is_ipc(target.path()) && config.encoding == Encoding::default() && (mirrored || source.keys().is_empty());
        match source.one_parquet_file().filter(|_| copies) {
            Some(file) => {
                let kept = self.kept(source, &file.schema(), true, config)?;
                self.splice(&file, target, kept, config, stop, total, on_rows)
            }
            None => self.general(source, Destination::File(target), mirrored, config, stop, total, on_rows),
        }
    }

    /// Writes rows of any source, encoded anew.
    #[expect(clippy::too_many_arguments, reason = "what a transform is given, taken apart")]
    fn general(
        &self,
        source: &Source,
        destination: Destination,
        mirrored: bool,
        config: &TransformConfig,
        stop: &Stop,
        total: &mut TransformTotals,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let medium = match &destination {
            Destination::File(target) => Medium::of(target.path()),
            Destination::Stream(_) => Medium::Ipc,
        };
        let columns = self.columns(source, mirrored, config, medium)?;
        let rows = batch_rows(self.features());
        let mut added = NewColumnMaker::new(self, config)?;
        if let Some(mut levels) = added.levels() {
            let learned = source.twice()?.stream(&self.features().columns(), rows)?;
            rank(self, &added, learned.batches, config, stop, &mut levels)?;
            added.discover(&levels);
        }
        let stream = source.stream(&columns.needed, rows)?;
        let stored = match medium {
            Medium::Parquet => source.stored(columns.carried()),
            Medium::Ipc | Medium::Memory => Vec::new(),
        };
        let mut writer = RowWriter::create(destination, columns.schema.clone(), &stored, &config.encoding)?;
        let [read, model, write] = ["read", "model", "write"].map(Stage::new);
        let first = Some(total.rows());
        let mut rows = pass(self, &columns, added, (stream.batches, first), config, stop, [&read, &model])?;
        write.run(|| -> Result<()> {
            for done in &mut rows {
                stop.check()?;
                let TransformedBatch { batch, tally, found, .. } = done?;
                writer.write(&batch)?;
                on_rows(total.add(batch.num_rows(), tally, &found));
            }
            stop.check()?;
            writer.finish()
        })?;
        drop(rows);
        pipeline::report(&[&read, &model, &write]);
        Ok(())
    }

    /// The source with text columns of the types the model learned.
    pub(super) fn typed(&self, source: &Source) -> Source {
        source.with_types(|name| self.features().type_of(name))
    }
}
