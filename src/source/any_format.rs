//! Rows of any format, from any number of files or stdin.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};

use super::find::{InputFile, find};
use super::format::{FileFormat, mirrored};
use super::ipc::IpcReader;
use super::open_input::{InputContent, OpenInput, positional, settle};
use super::oversized::written_out;
use super::partition_keys::keys;
use super::spool::{BATCH_ROWS, Use, spool};
use super::wide_keys::{wide_batch, wide_schema};
use super::{Keys, ParquetFile, ParquetSource, Predicate, RowGroup, StoredType, guarded, near_names};
use crate::config::SourceConfig;
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;

/// Rows to be read, as one table: Parquet, Arrow IPC files and streams, CSV and NDJSON, told apart by their content;
/// directories and globs of them; and an Arrow IPC stream on stdin, which is called `-`. Directories called `key=value` are
/// columns.
///
/// ```no_run
/// # fn main() -> vaepipe::Result<()> {
/// use vaepipe::{Source, SourceConfig, Stop};
/// let source = Source::open(["flights/", "more.csv.gz"], &SourceConfig::new(), &Stop::new())?;
/// for field in source.schema()?.fields() {
///     println!("{}: {}", field.name(), field.data_type());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Source {
    inputs: Vec<Arc<OpenInput>>,
    predicate: Option<Predicate>,
    stop: Stop,
}

/// Batches of rows.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Some columns of a source, read from the first row to the last.
pub(crate) struct ColumnStream {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Batches,
}

impl Source {
    /// Opens files in the order given, those of directories and globs in the order of their paths. Of a file of text all
    /// rows are looked at, for its types; of stdin the schema is read.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::NoFiles`], [`Error::Read`], [`Error::Damaged`] and [`Error::Unsupported`] for what cannot be
    /// read; [`Error::Predicate`] and [`Error::UnknownColumn`] for a predicate that is none of these rows.
    pub fn open<P: AsRef<Path>>(
        names: impl IntoIterator<Item = P>,
        config: &SourceConfig,
        stop: &Stop,
    ) -> Result<Self> {
        let found = find(names)?;
        let keys = keys(found.iter().map(|found| found.path.as_path()));
        let open = |(found, keys): (InputFile, Keys)| OpenInput::open(found, keys, config, stop);
        let mut inputs = found.into_iter().zip(keys).map(open).collect::<Result<Vec<_>>>()?;
        settle(&mut inputs);
        let predicate = config.predicate.as_deref().map(Predicate::parse).transpose()?;
        if let Some(predicate) = &predicate {
            for input in &inputs {
                predicate.check(&input.schema(), &input.path)?;
            }
        }
        Ok(Self { inputs: inputs.into_iter().map(Arc::new).collect(), predicate, stop: stop.clone() })
    }

    /// The rows of a record-batch reader. They come once: [`table`](Self::table) keeps them in a temporary file.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use vaepipe::Source;
    /// use vaepipe::arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchIterator};
    /// let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    /// let rows = RecordBatch::try_from_iter([("x", x)])?;
    /// let source = Source::from_batches(RecordBatchIterator::new([Ok(rows.clone())], rows.schema()));
    /// assert_eq!(source.table(&std::env::temp_dir())?.rows(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_batches(reader: impl RecordBatchReader + Send + 'static) -> Self {
        let path = Path::new("record batches");
        let schema = wide_schema(&reader.schema());
        let wide = schema.clone();
        let batches = reader.map(move |batch| guarded(|| Place::file(path), || wide_batch(batch?, &wide)));
        let input = OpenInput::once(path.to_owned(), schema, Box::new(batches));
        Self { inputs: vec![Arc::new(input)], predicate: None, stop: Stop::new() }
    }

    /// The columns, those of the path last.
    ///
    /// # Errors
    /// [`Error::MissingColumn`] and [`Error::WrongType`] if the files do not have the same ones, in any order.
    pub fn schema(&self) -> Result<SchemaRef> {
        let Some((first, others)) = self.inputs.split_first() else { return Ok(Arc::new(Schema::empty())) };
        let schema = first.schema();
        let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
        for other in others {
            let found = other.schema();
            let missing = |path: &Path, column: &str, first: &Path, there: &Schema| Error::MissingColumn {
                path: path.to_owned(),
                column: column.to_owned(),
                first: first.to_owned(),
                near: near_names(column, there.fields().iter().map(|field| field.name().as_str())),
            };
            for field in &mut fields {
                let Ok(here) = found.field_with_name(field.name()) else {
                    return Err(missing(&other.path, field.name(), &first.path, &found));
                };
                if here.data_type() != field.data_type() {
                    return Err(Error::WrongType {
                        place: Place::column(&other.path, field.name()),
                        found: here.data_type().to_string().into(),
                        expected: format!("{}, as in {}", field.data_type(), first.path.display()).into(),
                    });
                }
                if here.is_nullable() && !field.is_nullable() {
                    *field = Arc::new(field.as_ref().clone().with_nullable(true));
                }
            }
            for field in found.fields() {
                if schema.field_with_name(field.name()).is_err() {
                    return Err(missing(&first.path, field.name(), &other.path, &schema));
                }
            }
        }
        Ok(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())))
    }

    /// The columns of the first file and its path.
    pub(crate) fn first_schema(&self) -> SchemaRef {
        self.inputs.first().map_or_else(|| Arc::new(Schema::empty()), |input| input.schema())
    }

    /// How columns are stored, if all the files are Parquet and store them alike.
    pub(crate) fn stored(&self, columns: &[String]) -> Vec<Option<StoredType>> {
        let of = |input: &Arc<OpenInput>, name: &String| match &input.content {
            // A scratch file has what it is quick to write.
            InputContent::Parquet(file) if !file.is_scratch() => {
                file.schema().index_of(name).ok().map(|root| file.stored(root))
            }
            _ => None,
        };
        let stored = |name: &String| {
            let (first, others) = self.inputs.split_first()?;
            let stored = of(first, name)?;
            let alike = |other: StoredType| other.is_like(&stored);
            others.iter().all(|input| of(input, name).is_some_and(alike)).then_some(stored)
        };
        columns.iter().map(stored).collect()
    }

    /// Rows of all files, if that is known before they are read.
    pub fn rows(&self) -> Option<u64> {
        let rows = |input: &Arc<OpenInput>| match &input.content {
            InputContent::Parquet(file) if self.predicate.is_none() => Some(file.rows()),
            _ => None,
        };
        self.inputs.iter().map(rows).sum()
    }

    /// The first file, for messages.
    pub fn path(&self) -> &Path {
        self.inputs.first().map_or(Path::new(""), |input| &input.path)
    }

    /// What messages about a row of any of the files call where it is.
    pub(crate) fn name(&self) -> &Path {
        if self.inputs.len() > 1 { Path::new("the input") } else { self.path() }
    }

    /// The files' paths, in order, without stdin and record batches.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.inputs.iter().filter(|input| input.format.is_some()).map(|input| input.path.as_path())
    }

    /// The directories that were named, in which new files would be found.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Path> {
        self.inputs.iter().filter_map(|input| input.root.as_deref())
    }

    /// The columns that are in the path and not in the files.
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys =
            |input: &Arc<OpenInput>| input.own_keys().fields().iter().map(|field| field.name().clone()).collect();
        self.inputs.first().map(keys).unwrap_or_default()
    }

    /// Each file by itself, and where its counterpart is in a directory that mirrors this one.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Self, PathBuf)> + '_ {
        self.inputs
            .iter()
            .map(|input| (Self { inputs: vec![input.clone()], ..self.clone() }, mirrored(&input.within, input.format)))
    }

    /// The one Parquet file it is, if every row of it is read and nothing else.
    pub(crate) fn one_parquet_file(&self) -> Option<ParquetSource> {
        match self.inputs.as_slice() {
            [input] if self.predicate.is_none() => match &input.content {
                // Not a scratch file: its encoding is chosen for speed.
                InputContent::Parquet(file) if file.is_whole() && !file.is_scratch() => {
                    ParquetSource::of(vec![file.as_ref().clone()]).ok()
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The same rows, to be read as often as need be: stdin is read to its end, into a temporary Parquet file in `folder`,
    /// which goes with the last clone of the source.
    ///
    /// # Errors
    /// Those of stdin, [`Error::Io`] if there is no room, and [`Error::Unsupported`] for a column that the file cannot hold.
    pub fn spooled(&self, folder: &Path) -> Result<Self> {
        let spooled = |input: &Arc<OpenInput>| -> Result<_> {
            let InputContent::Once { .. } = &input.content else { return Ok(input.clone()) };
            let content = InputContent::Parquet(self.spool(input, folder, Use::Carrying)?.into());
            Ok(Arc::new(OpenInput { content, ..input.as_ref().clone() }))
        };
        let inputs = self.inputs.iter().map(spooled).collect::<Result<_>>()?;
        Ok(Self { inputs, ..self.clone() })
    }

    /// The same as one table of Parquet files, to be learned from, whose rows are read in any order: those of other formats
    /// are written to a temporary file in `folder`, but for columns of types that no Parquet file holds, which nothing learns.
    ///
    /// # Errors
    /// Those of the files, and [`Error::Io`] if there is no room.
    pub fn table(&self, folder: &Path) -> Result<ParquetSource> {
        self.table_of(folder, &|_| true)
    }

    /// The same, in which only the columns that are `needed` can be read of what was written to a temporary file.
    ///
    /// # Errors
    /// As [`table`](Self::table).
    pub(crate) fn table_of(&self, folder: &Path, needed: &dyn Fn(&str) -> bool) -> Result<ParquetSource> {
        let file = |input: &Arc<OpenInput>| -> Result<ParquetFile> {
            match (&input.content, &self.predicate) {
                (InputContent::Parquet(file), None) => Ok(file.as_ref().clone()),
                (InputContent::Parquet(file), Some(predicate)) => predicate.keep(file, &self.stop),
                _ => self.spool(input, folder, Use::Learning(needed)),
            }
        };
        ParquetSource::of(self.inputs.iter().map(file).collect::<Result<_>>()?)
    }

    /// The rows of an input that are read, in a temporary file in `folder`.
    fn spool(&self, input: &Arc<OpenInput>, folder: &Path, to: Use<'_>) -> Result<ParquetFile> {
        let alone = Self { inputs: vec![input.clone()], ..self.clone() };
        let own: Vec<String> = input.own().fields().iter().map(|field| field.name().clone()).collect();
        Ok(spool(&input.path, folder, alone.stream(&own, BATCH_ROWS)?, to)?.with_keys(&input.keys))
    }

    /// The source, if its rows can be read twice: those of stdin come once.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub(crate) fn twice(&self) -> Result<&Self> {
        match self.inputs.iter().find(|input| input.format.is_none()) {
            Some(input) => {
                Err(Error::Unsupported { place: Place::file(&input.path), what: "what takes two passes over the rows" })
            }
            None => Ok(self),
        }
    }

    /// The same rows, those of text files read as `wanted` says of a column, if it does and every value there is of that
    /// type as it is written.
    pub(crate) fn with_types(&self, wanted: impl Fn(&str) -> Option<DataType>) -> Self {
        let typed = |input: &Arc<OpenInput>| match &input.content {
            InputContent::Text(text) => {
                let content = InputContent::Text(text.with_types(&wanted));
                Arc::new(OpenInput { content, ..input.as_ref().clone() })
            }
            _ => input.clone(),
        };
        Self { inputs: self.inputs.iter().map(typed).collect(), ..self.clone() }
    }

    /// An error about the type of a column, with the value of a text file that is why it has not the type wanted of it.
    pub(crate) fn explained(&self, error: Error) -> Error {
        let Error::WrongType { place, found, expected } = error else { return error };
        let stranger = |input: &'_ Arc<OpenInput>| match &input.content {
            InputContent::Text(text) => {
                let (line, value, lacks) = text.stranger(place.column.as_deref()?)?;
                Some((line.path.to_path_buf(), format!("{found} (line {} has {value:?}{lacks})", line.number).into()))
            }
            _ => None,
        };
        match self.inputs.iter().find_map(stranger) {
            Some((path, found)) => Error::WrongValue { place: Place { path, ..place }, found, expected },
            None => Error::WrongType { place, found, expected },
        }
    }

    /// Reads `columns` of every row in order, about `batch_rows` at a time where the format leaves a choice; no batch is
    /// empty.
    ///
    /// # Errors
    /// Those of [`schema`](Self::schema); [`Error::Unsupported`] if there are two columns of one name.
    pub(crate) fn stream(&self, columns: &[String], batch_rows: usize) -> Result<ColumnStream> {
        let all = self.schema()?;
        for (n, field) in all.fields().iter().enumerate() {
            if all.fields()[..n].iter().any(|other| other.name() == field.name()) && columns.contains(field.name()) {
                return Err(Error::Unsupported {
                    place: Place::column(self.path(), field.name()),
                    what: "two columns of one name, in an output that is not a copy of the input,",
                });
            }
        }
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

    /// Reads one of the inputs.
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
                    group.rows > 0 && !predicate.as_ref().is_some_and(|it| it.never(file, group.number))
                };
                let scan = ParquetSource::of(vec![file.as_ref().clone()])?.scan_some(&needed, batch_rows, wanted);
                Box::new(scan.map(|batch| batch.map(|(_, batch)| batch)))
            }
            InputContent::IpcFile(file) => Box::new(file.batches(&self.stop)?),
            InputContent::IpcStream { file, allow_missing_eos, .. } => {
                let from = positional(file, &input.path)?;
                Box::new(IpcReader::new(&input.path, from, *allow_missing_eos, &self.stop)?)
            }
            InputContent::Text(text) => Box::new(text.batches(batch_rows, &self.stop)?),
            InputContent::Once { batches, .. } => {
                let batches = batches.lock().unwrap_or_else(PoisonError::into_inner).take();
                let twice = || Error::Unsupported { place: Place::file(&input.path), what: "reading a stream twice" };
                batches.ok_or_else(twice)?
            }
        };
        let (input, stop, schema) = (input.clone(), self.stop.clone(), schema.clone());
        let finish = move |batch: Result<RecordBatch>| -> Result<RecordBatch> {
            stop.check()?;
            let batch = batch?;
            let batch = match &predicate {
                Some(predicate) => {
                    predicate.filter(&input.with_keys(&batch, predicate.columns())?, batch, &input.path)?
                }
                None => batch,
            };
            input.project(&batch, &schema)
        };
        Ok(Box::new(written_out(batches.map(finish))))
    }
}

impl From<ParquetSource> for Source {
    fn from(table: ParquetSource) -> Self {
        let input = |file: &ParquetFile| OpenInput {
            path: file.path.clone(),
            within: file.path.file_name().unwrap_or_default().into(),
            root: None,
            keys: file.keys.clone(),
            format: Some(FileFormat::Parquet),
            content: InputContent::Parquet(Box::new(file.clone())),
        };
        let inputs = table.files().iter().map(input).map(Arc::new).collect();
        Self { inputs, predicate: None, stop: Stop::new() }
    }
}
