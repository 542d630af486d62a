//! The rows of inputs in any supported format, from any number of files or stdin.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};

use super::arrow_ipc::IpcReader;
use super::column_types::ColumnTypes;
use super::inputs::{FileFormat, find_files, output_path};
use super::open_input::{InputContent, OpenInput, read_from_start, unify_text_types};
use super::open_inputs::OpenInputs;
use super::scratch_file::{BATCH_ROWS, ScratchPurpose, write_scratch_file};
use super::table_schema::{TableFile, TableSchema};
use super::{ParquetFile, ParquetSource, Predicate, RowGroup, StoredType, split_by_encoded_size};
use crate::config::{Encoding, LogicalType, SourceConfig, TypeOf};
use crate::error::{Error, Place, Result, Unsupported};
use crate::pipeline::Stop;

/// An input table: files in Parquet, Arrow IPC, CSV or NDJSON, directories and globs of these, or an Arrow IPC stream on
/// stdin, named `-`. Formats are detected by content. Directories named `key=value` become columns.
///
/// ```no_run
/// # fn main() -> vaepipe::Result<()> {
/// use vaepipe::{Source, SourceConfig, Stop};
/// let source = Source::open(["flights/", "more.csv.gz"], &SourceConfig::new(), &Stop::new())?;
/// for field in source.schema().fields() {
///     println!("{}: {}", field.name(), field.data_type());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Source {
    pub(super) inputs: Vec<Arc<OpenInput>>,
    pub(super) table: TableSchema,
    pub(super) predicate: Option<Predicate>,
    /// See [`unreadable`](Self::unreadable).
    pub(super) unreadable: Arc<[(PathBuf, Error)]>,
    /// The options that it was opened with.
    pub(super) config: Arc<SourceConfig>,
    pub(super) stop: Stop,
}

/// An iterator over batches of rows.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Some columns of a source, read in row order.
pub(crate) struct ColumnStream {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Batches,
}

impl Source {
    /// Opens files in the order given; those of a directory or glob are sorted by path. A text file is read whole to infer its
    /// types; from stdin the schema is read.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::NoFiles`], [`Error::Read`], [`Error::Damaged`] and [`Error::Unsupported`] for inputs that cannot
    /// be read; [`Error::Predicate`] and [`Error::UnknownColumn`] for a predicate that does not fit their columns.
    pub fn open<P: AsRef<Path>>(
        names: impl IntoIterator<Item = P>,
        config: &SourceConfig,
        stop: &Stop,
    ) -> Result<Self> {
        let OpenInputs { mut inputs, unreadable } = OpenInputs::open(find_files(names)?, config, stop)?;
        unify_text_types(&mut inputs);
        let predicate = config.predicate.as_deref().map(Predicate::parse).transpose()?;
        let source = Self::of(inputs.into_iter().map(Arc::new).collect(), predicate, stop);
        let source = source.with_logical_types(&config.types)?;
        source.check_partition_values()?;
        source.table.tell();
        if let Some(predicate) = &source.predicate {
            predicate.columns().iter().try_for_each(|column| source.table.check(column))?;
            predicate.check(source.table.columns(), source.path())?;
        }
        Ok(Self { unreadable: unreadable.into(), config: config.clone().into(), ..source })
    }

    /// The rows of inputs for which a predicate is true.
    pub(super) fn of(inputs: Vec<Arc<OpenInput>>, predicate: Option<Predicate>, stop: &Stop) -> Self {
        let (table, unreadable) = (table_of(&inputs), Arc::default());
        Self { inputs, table, predicate, unreadable, config: Arc::default(), stop: stop.clone() }
    }

    /// The files that were left out since they cannot be read, each with the error.
    pub(crate) fn unreadable(&self) -> &[(PathBuf, Error)] {
        &self.unreadable
    }

    /// The options that it was opened with; the defaults if it is no file.
    pub(crate) fn config(&self) -> &SourceConfig {
        &self.config
    }

    /// Whether no row is read.
    ///
    /// # Errors
    /// Those of reading rows up to the first.
    pub(crate) fn has_no_rows(&self) -> Result<bool> {
        let Some(predicate) = &self.predicate else { return Ok(false) };
        let columns: Vec<String> = predicate.columns().to_vec();
        Ok(self.stream(&columns, BATCH_ROWS)?.batches.next().transpose()?.is_none())
    }

    /// The columns: the union of those of all files by name, each with a type that holds the values of all files, partition
    /// columns last. A column that a file lacks is null there. Types that do not meet are an error once the column is read.
    pub fn schema(&self) -> SchemaRef {
        self.table.columns().clone()
    }

    /// The logical types of columns.
    pub(crate) fn types(&self) -> &ColumnTypes {
        self.table.types()
    }

    /// The columns of the first file, without those that only others have.
    pub(crate) fn first_schema(&self) -> SchemaRef {
        self.inputs.first().map_or_else(|| self.schema(), |input| input.schema())
    }

    /// How each column is stored, if all files are Parquet and store it alike. Values are of the table's type: where that is not
    /// the type of each file, it stands for the Arrow type.
    pub(crate) fn stored_types(&self, columns: &[String]) -> Vec<Option<StoredType>> {
        let of = |input: &Arc<OpenInput>, name: &String| match &input.content {
            // The encoding of a scratch file is chosen for speed.
            InputContent::Parquet(file) if !file.is_scratch() => {
                file.schema().index_of(name).ok().map(|root| file.stored_type(root))
            }
            _ => None,
        };
        let stored = |name: &String| {
            let (first, others) = self.inputs.split_first()?;
            let stored = of(first, name)?;
            let alike = |other: StoredType| other.is_like(&stored);
            others.iter().all(|input| of(input, name).is_some_and(alike)).then_some(())?;
            let read_as = Arc::new(self.table.columns().field_with_name(name).ok()?.clone());
            let has_type =
                |own: &Schema| own.field_with_name(name).is_ok_and(|it| it.data_type() == read_as.data_type());
            let is_own = self.inputs.iter().all(|input| has_type(&input.file_schema()));
            let arrow = stored.arrow.map(|own| if is_own { own } else { read_as });
            Some(StoredType { arrow, ..stored })
        };
        columns.iter().map(stored).collect()
    }

    /// Whether all files are Parquet.
    pub(crate) fn is_parquet(&self) -> bool {
        self.inputs.iter().all(|input| matches!(input.content, InputContent::Parquet(_)))
    }

    /// Number of rows, if it is known before they are read.
    pub fn rows(&self) -> Option<u64> {
        let rows = |input: &Arc<OpenInput>| match &input.content {
            InputContent::Parquet(file) if self.predicate.is_none() => Some(file.rows()),
            InputContent::Mapped(file) if self.predicate.is_none() => Some(file.rows()),
            _ => None,
        };
        self.inputs.iter().map(rows).sum()
    }

    /// The first file, for messages.
    pub fn path(&self) -> &Path {
        self.inputs.first().map_or(Path::new(""), |input| &input.path)
    }

    /// What messages about a row of any file call its place.
    pub(crate) fn display_name(&self) -> &Path {
        if self.inputs.len() > 1 { Path::new("the input") } else { self.path() }
    }

    /// The paths of the files in order, without stdin and record batches.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.inputs.iter().filter(|input| input.format.is_some()).map(|input| input.path.as_path())
    }

    /// The directories given as inputs: a new file there would become an input.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.inputs.iter().filter_map(|input| input.directory.as_deref())
    }

    /// The names of the partition columns: those in the path and not in a file.
    pub(crate) fn partition_columns(&self) -> Vec<String> {
        let in_a_file = |name: &str| self.inputs.iter().any(|it| it.file_schema().field_with_name(name).is_ok());
        let keys = self.inputs.first().map(|input| input.added_columns()).unwrap_or_default();
        keys.fields().iter().map(|field| field.name().clone()).filter(|name| !in_a_file(name)).collect()
    }

    /// The columns that the first file stores, in its order: no keys of its path.
    pub(crate) fn stored_in_file(&self) -> Vec<String> {
        let (keys, columns) = (self.partition_columns(), self.first_schema());
        columns.fields().iter().map(|field| field.name().clone()).filter(|name| !keys.contains(name)).collect()
    }

    /// Each file as a source of its own, with the relative path of its output in a mirrored directory.
    pub(crate) fn files_with_output_paths(&self) -> impl Iterator<Item = (Self, PathBuf)> + '_ {
        self.inputs.iter().map(|input| {
            (Self { inputs: vec![input.clone()], ..self.clone() }, output_path(&input.relative, input.format))
        })
    }

    /// The one Parquet file whose columns an output with this encoding copies. Keys of its path have to be written beside
    /// them, unless the output is `in_directory`.
    pub(crate) fn copied_parquet_file(&self, encoding: &Encoding, in_directory: bool) -> Option<ParquetSource> {
        let copies = *encoding == Encoding::default() && (in_directory || self.partition_columns().is_empty());
        self.one_parquet_file().filter(|_| copies)
    }

    /// The source as one Parquet file, if it is exactly that and every row is read.
    pub(crate) fn one_parquet_file(&self) -> Option<ParquetSource> {
        match self.inputs.as_slice() {
            [input] if self.predicate.is_none() => match &input.content {
                // The encoding of a scratch file is chosen for speed.
                InputContent::Parquet(file) if file.is_whole() && !file.is_scratch() => {
                    ParquetSource::of_table(vec![file.as_ref().clone()], self.table.clone()).ok()
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The same rows, readable any number of times: stdin is copied to a temporary Parquet file in `folder`, which is removed
    /// with the last clone of the source.
    ///
    /// # Errors
    /// Errors of stdin, [`Error::Io`] if the disk is full, and [`Error::Unsupported`] for a column that Parquet cannot hold.
    pub fn spooled(&self, folder: &Path) -> Result<Self> {
        let spooled = |input: &Arc<OpenInput>| -> Result<_> {
            let InputContent::Once { .. } = &input.content else { return Ok(input.clone()) };
            let content =
                InputContent::Parquet(self.copy_to_scratch(input, folder, ScratchPurpose::PassThrough)?.into());
            Ok(Arc::new(OpenInput { content, ..input.as_ref().clone() }))
        };
        let inputs = self.inputs.iter().map(spooled).collect::<Result<_>>()?;
        Ok(Self { inputs, ..self.clone() })
    }

    /// The rows as a table of Parquet files for training, readable in any order. Other formats are copied to a temporary file
    /// in `folder`, without columns of types that Parquet cannot hold, which no model learns.
    ///
    /// # Errors
    /// Errors of the files, and [`Error::Io`] if the disk is full.
    pub fn table(&self, folder: &Path) -> Result<ParquetSource> {
        self.table_of_columns(folder, &|_| true)
    }

    /// The same, but of rows copied to a temporary file only the `needed` columns can be read.
    ///
    /// # Errors
    /// As [`table`](Self::table).
    pub(crate) fn table_of_columns(&self, folder: &Path, needed: &dyn Fn(&str) -> bool) -> Result<ParquetSource> {
        let file = |input: &Arc<OpenInput>| -> Result<ParquetFile> {
            match (&input.content, &self.predicate) {
                (InputContent::Parquet(file), None) => Ok(file.as_ref().clone()),
                (InputContent::Parquet(file), Some(predicate)) => {
                    predicate.select_rows(&file.as_ref().clone().with_columns(self.table.columns()), &self.stop)
                }
                _ => self.copy_to_scratch(input, folder, ScratchPurpose::Training(needed)),
            }
        };
        ParquetSource::of_table(self.inputs.iter().map(file).collect::<Result<_>>()?, self.table.clone())
    }

    /// Copies the selected rows of an input to a temporary file in `folder`.
    fn copy_to_scratch(
        &self,
        input: &Arc<OpenInput>,
        folder: &Path,
        purpose: ScratchPurpose<'_>,
    ) -> Result<ParquetFile> {
        let alone = Self { inputs: vec![input.clone()], ..self.clone() };
        let mut own: Vec<String> = input.file_schema().fields().iter().map(|field| field.name().clone()).collect();
        if let ScratchPurpose::Training(needed) = purpose {
            own.retain(|name| needed(name) || self.table.check(name).is_ok());
        }
        let file = write_scratch_file(&input.path, folder, alone.stream(&own, BATCH_ROWS)?, purpose)?;
        Ok(file.with_partition_columns(&input.partition_columns))
    }

    /// The source itself, if its rows can be read twice.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for stdin and record batches.
    pub(crate) fn rereadable(&self) -> Result<&Self> {
        match self.inputs.iter().find(|input| matches!(input.content, InputContent::Once { .. })) {
            Some(input) => Err(Error::Unsupported { place: Place::file(&input.path), what: Unsupported::RowsTwice }),
            None => Ok(self),
        }
    }

    /// The same rows, whose columns are read as these logical types.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] and [`Error::BadPattern`].
    pub fn with_logical_types(self, types: &[TypeOf]) -> Result<Self> {
        if types.is_empty() {
            return Ok(self);
        }
        let types = ColumnTypes::parse(types)?;
        types.check(self.table.columns())?;
        Ok(Self { table: self.table.with_logical_types(types), ..self }.with_types(|_| None))
    }

    /// The same rows, with a column of text files read as the `wanted` type, if it has one that holds every value as written.
    pub(crate) fn with_types(&self, wanted: impl Fn(&str) -> Option<DataType>) -> Self {
        let with_types = |input: &Arc<OpenInput>| match &input.content {
            InputContent::Text(text) => {
                let is_text = |name: &str| self.table.types().of(name) == Some(LogicalType::String);
                let wanted = |name: &str| if is_text(name) { Some(DataType::Utf8) } else { wanted(name) };
                let content = InputContent::Text(text.with_types(wanted));
                Arc::new(OpenInput { content, ..input.as_ref().clone() })
            }
            _ => input.clone(),
        };
        let inputs: Vec<_> = self.inputs.iter().map(with_types).collect();
        let table = table_of(&inputs).with_logical_types(self.table.types().clone());
        Self { table, inputs, ..self.clone() }
    }

    /// Reads `columns` of every row in order, about `batch_rows` at a time where the format allows it; no batch is empty.
    ///
    /// # Errors
    /// [`Error::TypesDiffer`] if the types of a column do not meet; [`Error::Unsupported`] if two columns have one name.
    pub(crate) fn stream(&self, columns: &[String], batch_rows: usize) -> Result<ColumnStream> {
        let all = self.schema();
        columns.iter().try_for_each(|column| self.table.check(column))?;
        let place = |name: &String| all.index_of(name).ok();
        let places: Vec<usize> = columns.iter().filter_map(place).collect();
        let fields = places.iter().map(|&place| all.fields()[place].clone()).collect::<Vec<_>>();
        let schema = Arc::new(Schema::new_with_metadata(fields, all.metadata().clone()));
        let read = {
            let (source, columns, schema) = (self.clone(), columns.to_vec(), schema.clone());
            move |input: Arc<OpenInput>| match source.read(&input, &columns, &schema, batch_rows) {
                Ok(batches) => batches,
                Err(error) => Box::new(std::iter::once(Err(error))) as Batches,
            }
        };
        let batches = self.inputs.clone().into_iter().flat_map(read);
        Ok(ColumnStream { schema, batches: Box::new(batches) })
    }

    /// Reads one input.
    fn read(
        &self,
        input: &Arc<OpenInput>,
        columns: &[String],
        schema: &SchemaRef,
        batch_rows: usize,
    ) -> Result<Batches> {
        let predicate = self.predicate.clone();
        let mut needed = columns.to_vec();
        let of_predicate = predicate.iter().flat_map(Predicate::columns);
        needed.extend(of_predicate.filter(|column| !columns.contains(column)).cloned());
        let batches: Batches = match &input.content {
            InputContent::Parquet(file) => {
                let wanted = |group: &RowGroup| {
                    group.rows > 0 && !predicate.as_ref().is_some_and(|it| it.excludes_group(file, group.number))
                };
                let there = file.columns();
                needed.retain(|column| there.field_with_name(column).is_ok());
                let scan =
                    ParquetSource::from_files(vec![file.as_ref().clone()])?.scan_groups(&needed, batch_rows, wanted);
                Box::new(scan.map(|batch| batch.map(|(_, batch)| batch)))
            }
            InputContent::Mapped(file) => file.batches(&needed, batch_rows)?,
            InputContent::IpcFile(file) => Box::new(file.batches(&self.stop)?),
            InputContent::IpcStream { file, allow_missing_eos, .. } => {
                let from = read_from_start(file, &input.path)?;
                Box::new(IpcReader::new(&input.path, from, *allow_missing_eos, &self.stop)?)
            }
            InputContent::Text(text) => Box::new(text.batches(batch_rows, &self.stop)?),
            InputContent::Once { batches, .. } => {
                let batches = batches.lock().unwrap_or_else(PoisonError::into_inner).take();
                let twice = || Error::Unsupported { place: Place::file(&input.path), what: Unsupported::StreamTwice };
                batches.ok_or_else(twice)?
            }
        };
        let (input, stop, schema) = (input.clone(), self.stop.clone(), schema.clone());
        let of_predicate = predicate.as_ref().map(|predicate| self.table.project(predicate.columns()));
        let finish = move |batch: Result<RecordBatch>| -> Result<RecordBatch> {
            stop.check()?;
            let batch = batch?;
            let batch = match predicate.as_ref().zip(of_predicate.as_ref()) {
                Some((predicate, columns)) => predicate.filter(&input.project(&batch, columns)?, batch, &input.path)?,
                None => batch,
            };
            input.project(&batch, &schema)
        };
        Ok(Box::new(split_by_encoded_size(batches.map(finish))))
    }
}

impl From<ParquetSource> for Source {
    fn from(table: ParquetSource) -> Self {
        let input = |file: &ParquetFile| OpenInput {
            path: file.path.clone(),
            relative: file.path.file_name().unwrap_or_default().into(),
            directory: None,
            partition_columns: file.partition_columns.clone(),
            in_log: false,
            format: Some(FileFormat::Parquet),
            content: InputContent::Parquet(Box::new(file.clone().alone())),
        };
        let inputs = table.files().iter().map(input).map(Arc::new).collect();
        Self { table: table.columns().clone(), ..Self::of(inputs, None, &Stop::new()) }
    }
}

/// The columns of inputs as one table.
fn table_of(inputs: &[Arc<OpenInput>]) -> TableSchema {
    TableSchema::of(inputs.iter().map(|input| TableFile {
        path: &input.path,
        columns: input.schema(),
        partition_columns: input.added_columns().fields().len(),
    }))
}
