//! One opened input, a file or stdin: its format, content and columns.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ::parquet::file::reader::{ChunkReader, Length};
use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};

use super::arrow_ipc::{IpcFile, IpcReader};
use super::conform::conform;
use super::delta::{LiveContent, LiveFile, MappedFile};
use super::inputs::{FileFormat, InputFile, PartitionColumns, SIGNATURE_BYTES, is_stdin};
use super::stdin::{Stdin, open_stdin};
use super::text::{TextFile, merge_values, tell_null_words};
use super::{Batches, ParquetFile, batch_of, catch_decoder_panic};
use crate::config::SourceConfig;
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;
use crate::storage::PositionalFile;

/// One opened input: a file or stdin.
#[derive(Debug, Clone)]
pub(super) struct OpenInput {
    pub(super) path: PathBuf,
    /// Its path below the directory or glob that led to it.
    pub(super) relative: PathBuf,
    /// The input directory that it was found in, if a directory was given.
    pub(super) directory: Option<PathBuf>,
    pub(super) partition_columns: PartitionColumns,
    /// Whether it is a live file of a table with a log.
    pub(super) in_log: bool,
    /// The format as found, also after the rows were copied to a scratch file; `None` if it is not a file.
    pub(super) format: Option<FileFormat>,
    pub(super) content: InputContent,
}

/// What an input holds, by format.
#[derive(Clone)]
pub(super) enum InputContent {
    Parquet(Box<ParquetFile>),
    /// A file of a Delta table that does not store the columns of the table as they are.
    Mapped(Box<MappedFile>),
    IpcFile(IpcFile),
    IpcStream {
        file: PositionalFile,
        schema: SchemaRef,
        allow_missing_eos: bool,
    },
    Text(TextFile),
    /// Batches of stdin or of a reader, which can be read once: the first pass takes them.
    Once {
        schema: SchemaRef,
        batches: Arc<Mutex<Option<Batches>>>,
    },
}

impl fmt::Debug for InputContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet(_) => "Parquet",
            Self::Mapped(_) => "Mapped",
            Self::IpcFile(_) => "IpcFile",
            Self::IpcStream { .. } => "IpcStream",
            Self::Text(_) => "Text",
            Self::Once { .. } => "Once",
        })
    }
}

impl InputContent {
    /// Opens a file of a known format.
    fn open(
        path: &Path,
        file: PositionalFile,
        (format, partition_columns): (FileFormat, &PartitionColumns),
        config: &SourceConfig,
        stop: &Stop,
    ) -> Result<Self> {
        Ok(match format {
            FileFormat::Parquet => {
                Self::Parquet(ParquetFile::read(path, file)?.with_partition_columns(partition_columns).into())
            }
            FileFormat::IpcFile => Self::IpcFile(IpcFile::open(path, file)?),
            FileFormat::IpcStream => {
                let allow_missing_eos = config.allow_missing_eos;
                let reader = IpcReader::new(path, read_from_start(&file, path)?, allow_missing_eos, stop)?;
                Self::IpcStream { file, schema: reader.schema(), allow_missing_eos }
            }
            FileFormat::Csv { .. } | FileFormat::Tsv { .. } | FileFormat::Ndjson { .. } => {
                Self::Text(TextFile::open(path, file, format, &config.csv, stop)?)
            }
        })
    }
}

impl OpenInput {
    /// Opens a file or stdin and detects its format; `None` if a file of a directory looks like none with rows.
    ///
    /// # Errors
    /// As [`Source::open`](super::Source::open).
    pub(super) fn open(
        found: InputFile,
        partition_columns: PartitionColumns,
        config: &SourceConfig,
        stop: &Stop,
    ) -> Result<Option<Self>> {
        let InputFile { path, relative, directory } = found;
        if is_stdin(&path) {
            return Ok(Some(match open_stdin(&path, config, stop)? {
                Stdin::Stream(reader) => Self::once(path, reader.schema(), Box::new(reader)),
                Stdin::File(file, format) => {
                    let content = InputContent::open(&path, file, (format, &partition_columns), config, stop)?;
                    Self { path, relative, directory, partition_columns, in_log: false, format: None, content }
                }
            }));
        }
        let file = PositionalFile::open(&path)?;
        let length = SIGNATURE_BYTES.min(usize::try_from(file.len()).unwrap_or(SIGNATURE_BYTES));
        let start = catch_decoder_panic(|| Place::file(&path), || file.get_bytes(0, length))?;
        let is_named = directory.is_none();
        let given = config.input_format.filter(|given| is_named || FileFormat::may_be_called(*given, &path));
        let found = FileFormat::detect(&path, &start, given);
        // Whoever reads Parquet reports what is wrong with a file that was named.
        let Some(format) = found.or(is_named.then_some(FileFormat::Parquet)) else { return Ok(None) };
        if length == 0 && !is_named && format.is_text() {
            tracing::warn!("{}: the file is empty, and is skipped", path.display());
            return Ok(None);
        }
        let content = InputContent::open(&path, file, (format, &partition_columns), config, stop)?;
        Ok(Some(Self { path, relative, directory, partition_columns, in_log: false, format: Some(format), content }))
    }

    /// Opens a live file of a Delta table; `log` is what was found of the table.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn open_live(log: &InputFile, file: LiveFile) -> Result<Self> {
        let (path, relative) = (file.path().to_owned(), log.relative.with_file_name("").join(file.relative()));
        let (content, partition_columns) = file.open()?;
        let content = match content {
            LiveContent::Parquet(file) => InputContent::Parquet(file),
            LiveContent::Mapped(file) => InputContent::Mapped(file),
        };
        let (directory, format) = (log.directory.clone(), Some(FileFormat::Parquet));
        Ok(Self { path, relative, directory, partition_columns, in_log: true, format, content })
    }

    /// Wraps batches that are not in a file; `path` names them in messages.
    pub(super) fn once(path: PathBuf, schema: SchemaRef, batches: Batches) -> Self {
        let content = InputContent::Once { schema, batches: Arc::new(Mutex::new(Some(batches))) };
        let partition_columns = PartitionColumns::default();
        let (directory, relative) = (None, path.clone());
        Self { path, relative, directory, partition_columns, in_log: false, format: None, content }
    }

    /// The file's own columns.
    pub(super) fn file_schema(&self) -> SchemaRef {
        match &self.content {
            InputContent::Parquet(file) => file.schema().clone(),
            InputContent::Mapped(file) => file.schema().clone(),
            InputContent::IpcFile(file) => file.schema().clone(),
            InputContent::IpcStream { schema, .. } | InputContent::Once { schema, .. } => schema.clone(),
            InputContent::Text(text) => text.schema().clone(),
        }
    }

    /// The keys of its metadata.
    pub(super) fn metadata_keys(&self) -> Vec<String> {
        match &self.content {
            InputContent::Parquet(file) => {
                let keys = file.metadata().file_metadata().key_value_metadata();
                keys.into_iter().flatten().map(|pair| pair.key.clone()).collect()
            }
            _ => self.file_schema().metadata().keys().cloned().collect(),
        }
    }

    /// The partition columns that the file does not have itself.
    pub(super) fn added_columns(&self) -> PartitionColumns {
        let own = self.file_schema();
        self.partition_columns.without(|name| own.field_with_name(name).is_ok())
    }

    /// The file's own columns, then its partition columns.
    pub(super) fn schema(&self) -> SchemaRef {
        let (own, added) = (self.file_schema(), self.added_columns());
        let fields = own.fields().iter().chain(added.fields()).cloned().collect::<Vec<_>>();
        Arc::new(Schema::new_with_metadata(fields, own.metadata().clone()))
    }

    /// Makes the columns of `schema` of a batch, by name: partition columns are added, and those that the input lacks are null.
    pub(super) fn project(&self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        catch_decoder_panic(
            || Place::file(&self.path),
            || {
                let added = |name: &str| self.partition_columns.fields().iter().position(|field| field.name() == name);
                let column = |field: &FieldRef| match (batch.column_by_name(field.name()), added(field.name())) {
                    (Some(column), _) => conform(column, field),
                    (None, Some(column)) => conform(&self.partition_columns.array(column, batch.num_rows())?, field),
                    (None, None) => Ok(new_null_array(field.data_type(), batch.num_rows())),
                };
                let arrays = schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
                batch_of(schema.clone(), arrays, batch.num_rows())
            },
        )
    }
}

/// Gives each column of the text files one type that holds its values in all of them.
pub(super) fn unify_text_types(inputs: &mut [OpenInput]) {
    let mut columns = HashMap::new();
    for input in inputs.iter() {
        let InputContent::Text(text) = &input.content else { continue };
        merge_values(&mut columns, text.columns());
    }
    tell_null_words(&columns);
    let columns = Arc::new(columns);
    for input in inputs {
        if let InputContent::Text(text) = &input.content {
            input.content = InputContent::Text(text.with_column_values(&columns));
        }
    }
}

/// Reads a file from its first byte.
pub(super) fn read_from_start(file: &PositionalFile, path: &Path) -> Result<Box<dyn Read + Send>> {
    let read = file.get_read(0);
    Ok(Box::new(read.map_err(|source| Error::Read { place: Place::file(path), source: source.into() })?))
}
