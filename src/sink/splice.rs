//! Parquet output by splicing: carried column chunks are copied byte for byte, row group by row group, and only the new
//! columns are encoded. Columns of any type are carried, including types that cannot be read.
//!
//! # Memory usage
//! The encoded new columns of one row group up to a limit; the rest goes to a scratch file next to the output.

use std::io::BufWriter;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use ::parquet::basic::{Compression, LogicalType, ZstdLevel};
use ::parquet::column::writer::ColumnCloseResult;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{FileMetaData, SortingColumn};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::{ColumnPath, Type, TypePtr};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};

use super::column_orders::{TYPE_ORDER, set_column_orders};
use super::page_store::RowGroupPages;
use super::parquet_schema::{parquet_schema, replacement_field};
use super::{NewColumns, metadata};
use crate::error::{Error, Foreign, Place, Result, Unsupported};
use crate::pipeline::{Background, Stop};
use crate::source::{
    ParquetFile, ParquetSource, StoredType, catch_decoder_panic, check_values, chunk_range, convert_unit,
};
use crate::storage::{FileRange, Target, TemporaryFile};

/// A row group of the output that is being written.
type OutputRowGroup<'a> = SerializedRowGroupWriter<'a, SpliceFile>;

/// The output's temporary file, written in large pieces.
type SpliceFile = BufWriter<TemporaryFile>;

/// A top-level column of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputColumn {
    /// A column of the input, by index; it is copied.
    Carried(usize),
    /// A new column, by index.
    New(usize),
}

/// What a splice writes.
#[derive(Debug)]
pub(crate) struct Splice<'a> {
    /// The columns of the output in order; each new one once, in the order of `new`.
    pub(crate) columns: Vec<OutputColumn>,
    /// The new columns; one with the name of an input column replaces it.
    pub(crate) new: SchemaRef,
    /// This program's key-value metadata.
    pub(crate) metadata: &'a [(String, String)],
}

/// Bytes between background syncs, so that the final sync is short.
const SYNC_BYTES: u64 = 32 << 20;

/// Largest size in memory of a row group's encoded new columns.
const PAGES_BYTES: usize = 64 << 20;

/// A sink that writes a Parquet file from the column chunks of the input and new columns.
pub(crate) struct SpliceSink {
    input: ParquetFile,
    /// The leaf columns of the output: the index in the input, or `None` for a new one.
    leaves: Vec<Option<usize>>,
    new: SchemaRef,
    factory: ArrowRowGroupWriterFactory,
    pages: RowGroupPages,
    /// Taken at the start of writing.
    writer: Option<SerializedFileWriter<SpliceFile>>,
    sync: Background<std::io::Error>,
    target: Target,
    stop: Stop,
}

impl SpliceSink {
    /// Opens the output's temporary file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created, [`Error::Damaged`] if the input's column chunks lie outside its file.
    pub(crate) fn create(source: &ParquetSource, splice: &Splice<'_>, target: Target, stop: Stop) -> Result<Self> {
        let [input] = source.files() else {
            return Err(Error::Unsupported { place: Place::file(source.path()), what: Unsupported::ManyFilesIntoOne });
        };
        let input = &input.with_page_indexes();
        let file = target.create()?;
        let written = file.file().try_clone().map_err(Error::io("write", target.path()))?;
        let sync = Background::new("sync", move || written.sync_data())?;
        let write = |source: ParquetError| Error::Write { path: target.path().to_owned(), source: source.into() };

        let from = input.metadata().file_metadata().schema_descr();
        let replaced = replaced(input, splice);
        let new =
            splice.new.fields().iter().zip(&replaced).map(|(field, stored)| replacement_field(field, stored.as_ref()));
        let new: SchemaRef = Schema::new(new.collect::<Vec<_>>()).into();
        let of_new = parquet_schema(&new, &replaced).map_err(write)?.descriptor;
        let added = of_new.root_schema_ptr();
        let leaves_of = |column: &OutputColumn| -> Vec<Option<usize>> {
            match *column {
                OutputColumn::Carried(root) => {
                    let leaves = (0..from.num_columns()).filter(|&leaf| from.get_column_root_idx(leaf) == root);
                    leaves.map(Some).collect()
                }
                OutputColumn::New(root) => {
                    let leaves = (0..of_new.num_columns()).filter(|&leaf| of_new.get_column_root_idx(leaf) == root);
                    leaves.map(|_| None).collect()
                }
            }
        };
        let leaves: Vec<Option<usize>> = splice.columns.iter().flat_map(leaves_of).collect();
        check_chunks(input, &leaves)?;
        check_annotations(input, &splice.columns)?;
        let field = |column: &OutputColumn| match *column {
            OutputColumn::Carried(root) => from.root_schema().get_fields()[root].clone(),
            OutputColumn::New(root) => added.get_fields()[root].clone(),
        };
        let fields: Vec<TypePtr> = splice.columns.iter().map(field).collect();
        let schema = Type::group_type_builder(from.root_schema().name()).with_fields(fields).build().map_err(write)?;

        let properties = properties(input, splice, &new, &leaves);
        let file = BufWriter::with_capacity(FileRange::BUFFER_BYTES, file);
        let writer = SerializedFileWriter::new(file, schema.into(), properties.clone()).map_err(write)?;
        // Column writers need a file with their schema; this one has the new columns only and is discarded.
        let of_new = SerializedFileWriter::new(std::io::sink(), added, properties).map_err(write)?;
        let pages = RowGroupPages::new(PAGES_BYTES, target.folder());
        let factory = ArrowRowGroupWriterFactory::new(&of_new, new.clone());
        let factory = factory.with_page_store_factory(Arc::new(pages.clone()));
        Ok(Self { input: input.clone(), leaves, new, factory, pages, writer: Some(writer), sync, target, stop })
    }

    /// Copies carried chunks of a row group.
    fn copy(&self, row_group: usize, leaves: &[Option<usize>], output: &mut OutputRowGroup<'_>) -> Result<()> {
        let write = |source: ParquetError| Error::Write { path: self.target.path().to_owned(), source: source.into() };
        let metadata = self.input.metadata().row_group(row_group);
        let blooms =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.input.file.clone(), self.input.arrow().clone());
        let indexes = self.input.metadata().page_index_for_row_group(row_group);
        let mut bytes = 0;
        for &leaf in leaves.iter().flatten() {
            self.stop.check()?;
            let chunk = fixed_chunk(metadata.column(leaf)).map_err(write)?;
            let place = || Place {
                column: Some(chunk.column_path().string()),
                ..Place::row_group(&self.input.path, row_group)
            };
            // A bloom filter only saves reading: a damaged one can be left out.
            let bloom_filter = catch_decoder_panic(place, || blooms.get_row_group_column_bloom_filter(row_group, leaf));
            let bloom_filter = bloom_filter.unwrap_or_else(|error| {
                tracing::warn!("{error}: its bloom filter, which is left out");
                None
            });
            let close = ColumnCloseResult {
                bytes_written: chunk.compressed_size().unsigned_abs(),
                rows_written: metadata.num_rows().unsigned_abs(),
                metadata: chunk.clone(),
                bloom_filter,
                column_index: indexes.column_index(leaf).cloned(),
                offset_index: indexes.offset_index(leaf).cloned(),
            };
            let bytes_of_chunk = close.bytes_written;
            bytes += bytes_of_chunk;
            output.append_column(&FileRange::new(&self.input.file, bytes_of_chunk), close).map_err(write)?;
            if bytes >= SYNC_BYTES {
                self.sync.ask();
                bytes = 0;
            }
        }
        Ok(())
    }

    /// Encodes the new columns of a row group.
    fn encode(
        &self,
        row_group: usize,
        columns: &mut dyn Iterator<Item = Result<NewColumns>>,
    ) -> Result<Vec<ArrowColumnWriter>> {
        let write = |source: ParquetError| Error::Write { path: self.target.path().to_owned(), source: source.into() };
        let mut writers = self.factory.create_column_writers(row_group).map_err(write)?;
        let mut rest = self.input.metadata().row_group(row_group).num_rows().unsigned_abs();
        while rest > 0 {
            let columns = columns.next().expect("rows in = rows out")?;
            assert_eq!(columns.row_group, row_group, "batches arrive in order and end with their row group");
            let mut writers = writers.iter_mut();
            for (field, array) in self.new.fields().iter().zip(columns.batch.columns()) {
                let same = array.data_type() == field.data_type();
                let array = if same { array.clone() } else { convert_unit(array, field, &self.input.path)? };
                for leaf in compute_leaves(field, &array).map_err(write)? {
                    let writer = writers.next().expect("one writer a leaf of the same schema");
                    writer.write(&leaf).map_err(write)?;
                }
            }
            rest -= columns.batch.num_rows() as u64;
        }
        Ok(writers)
    }

    /// The column order of each output column, if the input declares any.
    fn column_orders(&self) -> Option<Vec<i16>> {
        let orders = self.input.footer.column_orders.as_ref()?;
        self.leaves.iter().map(|leaf| leaf.map_or(Some(TYPE_ORDER), |leaf| orders.get(leaf).copied())).collect()
    }
}

impl SpliceSink {
    /// Writes the new columns of all rows, in row order, then commits the output as a whole.
    ///
    /// # Errors
    /// The first error of `columns`, or an error of writing; the output is then removed.
    pub(crate) fn write(mut self, columns: &mut dyn Iterator<Item = Result<NewColumns>>) -> Result<()> {
        let path = self.target.path().to_owned();
        let write = |source: Foreign| Error::Write { path: path.clone(), source };
        let mut writer = self.writer.take().expect("taken here, once");
        let mut seq = 0;
        let mut columns = columns.inspect(|columns| {
            if let Ok(columns) = columns {
                assert_eq!(columns.seq, seq, "batches arrive in order");
                seq += 1;
            }
        });
        for (row_group, metadata) in self.input.metadata().row_groups().iter().enumerate() {
            if metadata.num_rows() == 0 {
                // Some readers cannot open a file with an empty row group.
                continue;
            }
            // The model computes new columns during the copy; the first new column waits for them.
            let mut output = writer.next_row_group().map_err(|source| write(source.into()))?;
            let mut encoded = None;
            for run in self.leaves.chunk_by(|a, b| a.is_some() == b.is_some()) {
                self.copy(row_group, run, &mut output)?;
                for _ in run.iter().filter(|leaf| leaf.is_none()) {
                    let encoded = match &mut encoded {
                        Some(encoded) => encoded,
                        none => none.insert(self.encode(row_group, &mut columns)?.into_iter()),
                    };
                    let column = encoded.next().expect("one writer a new leaf of the same schema");
                    let appended = column.close().and_then(|chunk| chunk.append_to_row_group(&mut output));
                    appended.map_err(|source| write(source.into()))?;
                }
            }
            if encoded.is_none() {
                self.encode(row_group, &mut columns)?;
            }
            output.close().map_err(|source| write(source.into()))?;
            self.pages.next_row_group();
            self.sync.ask();
        }
        if let Some(columns) = columns.next() {
            columns?;
            unreachable!("rows in = rows out");
        }
        let file = writer.into_inner().map_err(|source| write(source.into()))?;
        let file = file.into_inner().map_err(|source| write(source.into_error().into()))?;
        set_column_orders(file.file(), self.column_orders().as_deref()).map_err(|source| write(source.into()))?;
        let Self { input, sync, target, .. } = self;
        input.check_length()?;
        sync.finish().map_err(Error::io("write", &path))?;
        target.commit(file)
    }
}

/// The writer properties: those of the input, and defaults for the new columns.
fn properties(
    input: &ParquetFile,
    splice: &Splice<'_>,
    new: &SchemaRef,
    leaves: &[Option<usize>],
) -> WriterPropertiesPtr {
    let from = input.metadata().file_metadata();
    let field = |column: &OutputColumn| match *column {
        // The type that the input's writer stored, not the one it is read as here.
        OutputColumn::Carried(root) => {
            input.stored_type(root).arrow.unwrap_or_else(|| input.schema().fields()[root].clone())
        }
        OutputColumn::New(root) => new.fields()[root].clone(),
    };
    let output =
        Schema::new_with_metadata(splice.columns.iter().map(field).collect::<Vec<_>>(), input.stored_metadata());
    let added = splice.new.fields().iter().filter(|field| input.schema().field_with_name(field.name()).is_err());
    let added = Schema::new(added.cloned().collect::<Vec<_>>());
    let none = Vec::new();
    let keys = metadata::update(from.key_value_metadata().unwrap_or(&none), &output, &added, splice.metadata);
    let properties = WriterProperties::builder()
        // Readers use the writer's name to ignore statistics known to be wrong.
        .set_created_by(from.created_by().unwrap_or("unknown").to_owned())
        .set_writer_version(writer_version(from))
        .set_key_value_metadata(Some(keys))
        .set_sorting_columns(sorting(input, leaves))
        // Latents rarely repeat, so that a dictionary would cost time and save nothing.
        .set_dictionary_enabled(false)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page);
    // A column that replaces an input column may repeat; some readers of dictionary columns accept dictionary pages
    // only.
    let in_place = splice.new.fields().iter().filter(|field| input.schema().field_with_name(field.name()).is_ok());
    let properties = in_place.fold(properties, |properties, field| {
        properties.set_column_dictionary_enabled(ColumnPath::new(vec![field.name().clone()]), true)
    });
    Arc::new(properties.build())
}

/// The stored types of the input columns that new ones replace.
fn replaced(input: &ParquetFile, splice: &Splice<'_>) -> Vec<Option<StoredType>> {
    let stored = |field: &FieldRef| {
        let root = input.schema().index_of(field.name()).ok()?;
        (input.schema().field(root).data_type() == field.data_type()).then(|| input.stored_type(root))
    };
    splice.new.fields().iter().map(stored).collect()
}

/// The format version of the input. It is 1 for old parquet-cpp, since readers take all its version 2 pages to be
/// compressed, whatever the page headers say.
fn writer_version(input: &FileMetaData) -> WriterVersion {
    let misread = input.created_by().is_some_and(|writer| writer.starts_with("parquet-cpp version 1."));
    if input.version() == 2 && !misread { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 }
}

/// The sort order that all row groups share, up to the first column that is not kept.
fn sorting(input: &ParquetFile, leaves: &[Option<usize>]) -> Option<Vec<SortingColumn>> {
    let mut orders = input.metadata().row_groups().iter().map(|row_group| row_group.sorting_columns());
    let first = orders.next()??;
    if !orders.all(|order| order == Some(first)) {
        return None;
    }
    let kept = |column: &SortingColumn| {
        let leaf =
            leaves.iter().position(|leaf| leaf.is_some_and(|leaf| i32::try_from(leaf) == Ok(column.column_idx)))?;
        Some(SortingColumn { column_idx: i32::try_from(leaf).ok()?, ..*column })
    };
    let order: Vec<_> = first.iter().map_while(kept).collect();
    (!order.is_empty()).then_some(order)
}

/// A chunk's metadata without the dictionary offset 0, which some old writers store for "none".
fn fixed_chunk(
    chunk: &::parquet::file::metadata::ColumnChunkMetaData,
) -> std::result::Result<::parquet::file::metadata::ColumnChunkMetaData, ParquetError> {
    match chunk.dictionary_page_offset() {
        Some(0) => chunk.clone().into_builder().set_dictionary_page_offset(None).build(),
        _ => Ok(chunk.clone()),
    }
}

/// Rejects columns to copy that have an annotation the library cannot write.
fn check_annotations(input: &ParquetFile, columns: &[OutputColumn]) -> Result<()> {
    fn is_unknown(column: &Type) -> bool {
        let unknown = matches!(column.get_basic_info().logical_type_ref(), Some(LogicalType::_Unknown { .. }));
        unknown || (column.is_group() && column.get_fields().iter().any(|column| is_unknown(column)))
    }
    let roots = input.metadata().file_metadata().schema_descr().root_schema().get_fields();
    for column in columns {
        let &OutputColumn::Carried(root) = column else { continue };
        if is_unknown(&roots[root]) {
            return Err(Error::Unsupported {
                place: Place::column(&input.path, roots[root].name()),
                what: Unsupported::UnknownLogicalType,
            });
        }
    }
    Ok(())
}

/// Rejects an input if a column chunk to copy lies outside its file or has a wrong number of values.
fn check_chunks(input: &ParquetFile, leaves: &[Option<usize>]) -> Result<()> {
    for (row_group, metadata) in input.metadata().row_groups().iter().enumerate() {
        for chunk in leaves.iter().flatten().map(|&leaf| metadata.column(leaf)) {
            let sound = check_values(chunk, metadata.num_rows()).and_then(|()| chunk_range(&input.file, chunk));
            sound.map_err(|what| Error::Damaged {
                place: Place { column: Some(chunk.column_path().string()), ..Place::row_group(&input.path, row_group) },
                what,
            })?;
        }
    }
    Ok(())
}
