//! One file, or stdin, opened: what it holds and what its columns are.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ::parquet::file::reader::{ChunkReader, Length};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};

use super::find::{InputFile, is_stdin};
use super::format::{FileFormat, TELLING};
use super::ipc::IpcReader;
use super::ipc_file::IpcFile;
use super::text::{Text, join};
use super::{Batches, Keys, ParquetFile, guarded};
use crate::config::SourceConfig;
use crate::error::{Error, Place, Result};
use crate::pipeline::{InterruptibleReader, Stop};
use crate::storage::PositionalFile;

/// One file, or stdin.
#[derive(Debug, Clone)]
pub(super) struct OpenInput {
    pub(super) path: PathBuf,
    /// Its path below the directory or glob it was found by.
    pub(super) within: PathBuf,
    /// The directory it was found in, if that was named.
    pub(super) root: Option<PathBuf>,
    pub(super) keys: Keys,
    /// As it was found, whatever has become of it since; `None` if it is no file.
    pub(super) format: Option<FileFormat>,
    pub(super) content: InputContent,
}

#[derive(Clone)]
pub(super) enum InputContent {
    Parquet(Box<ParquetFile>),
    IpcFile(IpcFile),
    IpcStream {
        file: PositionalFile,
        schema: SchemaRef,
        allow_missing_eos: bool,
    },
    Text(Text),
    /// Batches that come once, of stdin or of a reader: whoever reads them takes them.
    Once {
        schema: SchemaRef,
        batches: Arc<Mutex<Option<Batches>>>,
    },
}

impl fmt::Debug for InputContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet(_) => "Parquet",
            Self::IpcFile(_) => "IpcFile",
            Self::IpcStream { .. } => "IpcStream",
            Self::Text(_) => "Text",
            Self::Once { .. } => "Once",
        })
    }
}

impl OpenInput {
    /// Looks at what it holds.
    ///
    /// # Errors
    /// As [`Source::open`](super::Source::open).
    pub(super) fn open(found: InputFile, keys: Keys, config: &SourceConfig, stop: &Stop) -> Result<Self> {
        let InputFile { path, within, root } = found;
        if is_stdin(&path) {
            let pump = InterruptibleReader::new(Box::new(std::io::stdin()), stop)?;
            let reader = IpcReader::new(&path, Box::new(pump), config.allow_missing_eos, stop)?;
            return Ok(Self::once(path, reader.schema(), Box::new(reader)));
        }
        let file = PositionalFile::open(&path)?;
        let length = TELLING.min(usize::try_from(file.len()).unwrap_or(TELLING));
        let start = guarded(|| Place::file(&path), || file.get_bytes(0, length))?;
        let format = FileFormat::of(&path, &start);
        let content = match format {
            FileFormat::Parquet => InputContent::Parquet(ParquetFile::read(&path, file)?.with_keys(&keys).into()),
            FileFormat::IpcFile => InputContent::IpcFile(IpcFile::open(&path, file)?),
            FileFormat::IpcStream => {
                let allow_missing_eos = config.allow_missing_eos;
                let reader = IpcReader::new(&path, positional(&file, &path)?, allow_missing_eos, stop)?;
                InputContent::IpcStream { file, schema: reader.schema(), allow_missing_eos }
            }
            FileFormat::Csv { .. } | FileFormat::Ndjson { .. } => {
                InputContent::Text(Text::open(&path, file, format, stop)?)
            }
        };
        Ok(Self { path, within, root, keys, format: Some(format), content })
    }

    /// Batches that are in no file; messages call them `path`.
    pub(super) fn once(path: PathBuf, schema: SchemaRef, batches: Batches) -> Self {
        let content = InputContent::Once { schema, batches: Arc::new(Mutex::new(Some(batches))) };
        Self { within: path.clone(), path, root: None, keys: Keys::default(), format: None, content }
    }

    /// The file's own columns.
    pub(super) fn own(&self) -> SchemaRef {
        match &self.content {
            InputContent::Parquet(file) => file.schema().clone(),
            InputContent::IpcFile(file) => file.schema().clone(),
            InputContent::IpcStream { schema, .. } | InputContent::Once { schema, .. } => schema.clone(),
            InputContent::Text(text) => text.schema().clone(),
        }
    }

    /// The columns only its path has.
    pub(super) fn own_keys(&self) -> Keys {
        let own = self.own();
        self.keys.without(|name| own.field_with_name(name).is_ok())
    }

    /// Its own columns, and those of its path.
    pub(super) fn schema(&self) -> SchemaRef {
        let (own, keys) = (self.own(), self.own_keys());
        let fields = own.fields().iter().chain(keys.fields()).cloned().collect::<Vec<_>>();
        Arc::new(Schema::new_with_metadata(fields, own.metadata().clone()))
    }

    /// Some columns of a batch, those of the path made for it.
    pub(super) fn with_keys(&self, batch: &RecordBatch, columns: &[String]) -> Result<RecordBatch> {
        let all = self.schema();
        let fields = columns.iter().filter_map(|column| all.field_with_name(column).ok().cloned());
        self.project(batch, &Arc::new(Schema::new(fields.collect::<Vec<Field>>())))
    }

    /// The columns of `schema`, by name.
    pub(super) fn project(&self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        guarded(
            || Place::file(&self.path),
            || {
                let column = |field: &FieldRef| match batch.column_by_name(field.name()) {
                    Some(column) => Ok(column.clone()),
                    None => {
                        let key = self.keys.fields().iter().position(|key| key.name() == field.name());
                        self.keys.column(key.unwrap_or_default(), batch.num_rows())
                    }
                };
                let arrays = schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
                let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
            },
        )
    }
}

/// Gives the columns of text files types that hold the values of all of them.
pub(super) fn settle(inputs: &mut [OpenInput]) {
    let mut columns = HashMap::new();
    for input in inputs.iter() {
        let InputContent::Text(text) = &input.content else { continue };
        join(&mut columns, text.columns());
    }
    let columns = Arc::new(columns);
    for input in inputs {
        if let InputContent::Text(text) = &input.content {
            input.content = InputContent::Text(text.settled(&columns));
        }
    }
}

/// The bytes of a file.
pub(super) fn positional(file: &PositionalFile, path: &Path) -> Result<Box<dyn Read + Send>> {
    let read = file.get_read(0);
    Ok(Box::new(read.map_err(|source| Error::Read { place: Place::file(path), source: source.into() })?))
}
