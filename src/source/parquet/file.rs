//! One opened and checked Parquet file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use arrow::datatypes::{Metadata, Schema, SchemaRef};

use super::arrow_type::{StoredType, TypedMetadata, stored_field, with_arrow_types};
use super::column_chunk::{check_offset_index, check_values, chunk_range};
use super::file_columns::FileColumns;
use super::footer::Footer;
use super::footer_repair::repaired;
use super::page_header::{PageFault, check_pages, longest_dictionary_value};
use super::scratch_schema::ScratchSchema;
use crate::error::{Error, Foreign, Place, Result, Unsupported};
use crate::source::catch_decoder_panic;
use crate::source::inputs::PartitionColumns;
use crate::source::schema_mapping::string_views;
use crate::storage::PositionalFile;

/// Most bytes of dictionary values in a batch once each row has its own copy, unless a single value takes more.
const MAX_VALUE_BYTES: u64 = 64 << 20;

/// A dictionary counts as small if this many copies of it stay within that limit.
const SMALL_DICTIONARY_ROWS: u64 = 8192;

/// One opened Parquet file.
#[derive(Debug, Clone)]
pub(crate) struct ParquetFile {
    pub(crate) path: PathBuf,
    pub(crate) file: PositionalFile,
    /// Number of its first row across all files.
    pub(crate) first_row: u64,
    pub(crate) footer: Footer,
    metadata: Arc<ParquetMetaData>,
    /// The Arrow schema that the writer stored.
    stored: Option<SchemaRef>,
    /// The metadata with Arrow types, for the reader.
    arrow: ArrowReaderMetadata,
    /// The input's columns, if this is a scratch file.
    pub(super) scratch: Option<ScratchSchema>,
    options: ArrowReaderOptions,
    /// Whether strings are read as views.
    string_views: bool,
    /// Most bytes of a page, if limited.
    max_page_bytes: Option<u64>,
    pub(crate) partition_columns: PartitionColumns,
    /// The columns of the table that it is part of, if they are not its own.
    pub(super) table: Option<FileColumns>,
    /// The selected rows of each row group and their number; `None` selects all.
    selections: Option<Arc<Vec<(RowSelection, u64)>>>,
}

impl ParquetFile {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Read`], [`Error::Damaged`] or [`Error::Unsupported`] if it is not
    /// a valid Parquet file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::read(path, PositionalFile::open(path)?)
    }

    /// Reads the footer of an open file; `path` is for messages.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn read(path: &Path, file: PositionalFile) -> Result<Self> {
        let place = || Place::file(path);
        let footer = Footer::read(path, &file)?;
        tracing::trace!("{}: open", path.display());
        // The stored Arrow schema is applied later: a damaged or contradictory one does not make a valid file unreadable.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
        let options = options.with_skip_arrow_metadata(true);
        let arrow = catch_decoder_panic(place, || ArrowReaderMetadata::load(&file, options.clone()))?;
        let roots = arrow.parquet_schema().root_schema().get_fields();
        if !roots.iter().map(|root| root.name()).eq(arrow.schema().fields().iter().map(|field| field.name())) {
            // Columns are identified by index, which would shift.
            return Err(Error::Unsupported { place: place(), what: Unsupported::EmptyGroup });
        }
        let mut rows = 0_i64;
        for (row_group, metadata) in arrow.metadata().row_groups().iter().enumerate() {
            let damaged =
                |what: &str| Error::Damaged { place: Place::row_group(path, row_group), what: what.to_owned() };
            if metadata.num_rows() < 0 {
                return Err(damaged("it has a negative number of rows"));
            }
            rows = rows.checked_add(metadata.num_rows()).ok_or_else(|| damaged("its number of rows overflows"))?;
            if metadata.columns().iter().any(|chunk| chunk.file_path().is_some()) {
                return Err(Error::Unsupported { place: place(), what: Unsupported::ChunkElsewhere });
            }
        }
        let repair = |arrow: ArrowReaderMetadata, options: &ArrowReaderOptions| {
            catch_decoder_panic(place, || match repaired(&file, arrow.metadata(), footer.start, rows)? {
                Some(metadata) => ArrowReaderMetadata::try_new(metadata.into(), options.clone()),
                None => Ok(arrow),
            })
        };
        let arrow = repair(arrow, &options)?;
        let metadata = arrow.metadata().clone();
        let TypedMetadata { stored, arrow, options } = with_arrow_types(&file, arrow, &options, place)?;
        // Plain bytes for some columns required reading the footer again, which undid the repair.
        let arrow = if Arc::ptr_eq(&metadata, arrow.metadata()) { arrow } else { repair(arrow, &options)? };
        Ok(Self {
            path: path.to_owned(),
            file,
            first_row: 0,
            footer,
            metadata,
            stored,
            scratch: None,
            arrow,
            options,
            string_views: false,
            max_page_bytes: None,
            partition_columns: PartitionColumns::default(),
            table: None,
            selections: None,
        })
    }

    /// The same file with partition columns after its own columns.
    pub(crate) fn with_partition_columns(mut self, columns: &PartitionColumns) -> Self {
        self.partition_columns = columns.without(|name| self.schema().field_with_name(name).is_ok());
        self
    }

    /// The same file read as part of a table with these columns: by name, as the table's types, and null where it has none.
    pub(crate) fn with_columns(mut self, columns: &SchemaRef) -> Self {
        self = self.alone();
        let own = self.columns();
        if own.fields() != columns.fields() {
            self.table = Some(FileColumns::new(columns, &own));
        }
        self
    }

    /// The same file with its own columns only.
    pub(crate) fn alone(self) -> Self {
        Self { table: None, ..self }
    }

    /// The same file restricted to selected rows; for each row group the selection and its number of rows.
    #[cfg(any(feature = "analysis", feature = "delta"))]
    pub(crate) fn with_selections(mut self, selections: Vec<(RowSelection, u64)>) -> Self {
        self.selections = Some(Arc::new(selections));
        self
    }

    /// The rows of a row group that are selected, if not all are.
    #[cfg(feature = "analysis")]
    pub(crate) fn selection(&self, row_group: usize) -> Option<&RowSelection> {
        self.selections.as_ref().map(|selections| &selections[row_group].0)
    }

    /// The same file, with an error for pages of more than so many bytes.
    pub(crate) fn with_max_page_bytes(&self, bytes: u64) -> Self {
        Self { max_page_bytes: Some(bytes), ..self.clone() }
    }

    /// Whether every row is read.
    pub(crate) fn is_whole(&self) -> bool {
        self.selections.is_none()
    }

    /// Checks that the file was not truncated since it was opened; a seemingly invalid part may only be gone.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub(crate) fn check_length(&self) -> Result<()> {
        if self.file.is_truncated().map_err(Error::io("read", &self.path))? {
            let what = "it was truncated while being read".to_owned();
            return Err(Error::Truncated { place: Place::file(&self.path), what, only_marker: false });
        }
        Ok(())
    }

    /// The same file with its page indexes, if they are valid. They only speed up reading.
    pub(crate) fn with_page_indexes(&self) -> Self {
        let read = || -> std::result::Result<ParquetMetaData, String> {
            for chunk in self.metadata().row_groups().iter().flat_map(|row_group| row_group.columns()) {
                check_offset_index(&self.file, chunk)?;
            }
            let message = |error: ParquetError| error.to_string();
            let metadata = ParquetMetaData::clone(self.metadata());
            let mut reader =
                ParquetMetaDataReader::new_with_metadata(metadata).with_page_index_policy(PageIndexPolicy::Optional);
            reader.read_page_indexes(&self.file).map_err(message)?;
            let metadata = reader.finish().map_err(message)?;
            self.check_page_locations(&metadata)?;
            Ok(metadata)
        };
        match catch_decoder_panic(|| Place::file(&self.path), read) {
            Ok(metadata) => Self { metadata: metadata.into(), ..self.clone() },
            Err(error) => {
                let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!("{}: its page indexes are invalid and left out: {why}", self.path.display());
                self.clone()
            }
        }
    }

    /// Checks that page locations lie in their chunk and in order; others would lead to wrong rows.
    fn check_page_locations(&self, metadata: &ParquetMetaData) -> std::result::Result<(), String> {
        for (n, row_group) in metadata.row_groups().iter().enumerate() {
            let indexes = metadata.page_index_for_row_group(n);
            for (leaf, chunk) in row_group.columns().iter().enumerate() {
                let Some(index) = indexes.offset_index(leaf) else { continue };
                let (bytes, mut next) = (chunk_range(&self.file, chunk)?, 0);
                for page in index.page_locations() {
                    let size = u64::try_from(page.compressed_page_size).ok();
                    let end = u64::try_from(page.offset).ok().filter(|&start| start >= bytes.start).zip(size);
                    let within = end.is_some_and(|(start, size)| start + size <= bytes.end);
                    if !within || !(next..row_group.num_rows()).contains(&page.first_row_index) {
                        return Err(format!("a page of row group {n} has an invalid location"));
                    }
                    next = page.first_row_index + 1;
                }
            }
        }
        Ok(())
    }

    /// The same file with strings, also in structs, read as views: a repeated value is in memory once.
    pub(crate) fn with_string_views(&self) -> Self {
        let schema = string_views(self.arrow.schema());
        let options = self.options.clone().with_schema(schema.into());
        let load = || ArrowReaderMetadata::try_new(self.arrow.metadata().clone(), options.clone());
        match catch_decoder_panic(|| Place::file(&self.path), load) {
            Ok(arrow) => {
                let scratch = self.scratch.as_ref().map(ScratchSchema::with_string_views);
                let table = self.table.as_ref().map(|table| table.with_columns(string_views(&table.schema)));
                Self { arrow, options, string_views: true, scratch, table, ..self.clone() }
            }
            // Views only save memory.
            Err(_) => self.clone(),
        }
    }

    /// The chunks of the columns `roots` in a row group.
    fn chunks_of(&self, roots: &[usize], row_group: usize) -> impl Iterator<Item = &ColumnChunkMetaData> {
        let chunks = self.metadata().row_group(row_group).columns().iter().enumerate();
        let is_of = |leaf| roots.contains(&self.arrow.parquet_schema().get_column_root_idx(leaf));
        chunks.filter_map(move |(leaf, chunk)| is_of(leaf).then_some(chunk))
    }

    /// The number of rows, at least one, of a row group that take about `bytes` in the columns `roots`, and at most
    /// [`MAX_VALUE_BYTES`] of copied dictionary values.
    pub(crate) fn max_batch_rows(&self, bytes: u64, roots: &[usize], row_group: usize) -> usize {
        /// Bytes of a number in memory.
        const NUMBER_BYTES: u64 = size_of::<f64>() as u64;
        let (mut all_bytes, mut value_bytes) = (0_u64, 0_u64);
        // Many small dictionaries add up.
        let small = MAX_VALUE_BYTES / SMALL_DICTIONARY_ROWS / (roots.len() as u64).max(1);
        for chunk in self.chunks_of(roots, row_group) {
            let values = chunk.num_values().unsigned_abs();
            let numbers = values.saturating_mul(NUMBER_BYTES);
            all_bytes = all_bytes.saturating_add(numbers.max(chunk.uncompressed_size().unsigned_abs()));
            // Views share one copy of a value.
            if !self.string_views {
                let read = || Ok::<_, Foreign>(longest_dictionary_value(&self.file, chunk, small));
                let longest = catch_decoder_panic(|| Place::file(&self.path), read).ok().flatten().unwrap_or_default();
                value_bytes = value_bytes.saturating_add(longest.saturating_mul(values));
            }
        }
        let rows =
            |bytes: u64, of: u64| u128::from(self.rows_of_group(row_group)) * u128::from(bytes) / u128::from(of.max(1));
        usize::try_from(rows(bytes, all_bytes).min(rows(MAX_VALUE_BYTES, value_bytes))).unwrap_or(usize::MAX).max(1)
    }

    /// The file's own metadata.
    pub(crate) fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.metadata
    }

    /// How a top-level column of the file is stored.
    pub(crate) fn stored_type(&self, root: usize) -> StoredType {
        let parquet = self.metadata.file_metadata().schema_descr().root_schema().get_fields()[root].clone();
        let arrow = self.stored.as_ref().and_then(|stored| stored_field(stored, root, parquet.name()).cloned());
        StoredType { parquet, arrow }
    }

    /// The metadata of the Arrow schema that the writer stored.
    pub(crate) fn stored_metadata(&self) -> Metadata {
        self.stored.as_ref().map(|stored| stored.metadata().clone()).unwrap_or_default()
    }

    /// The metadata with Arrow types, for the reader.
    pub(crate) fn arrow(&self) -> &ArrowReaderMetadata {
        &self.arrow
    }

    /// The file's top-level columns, without partition columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.scratch.as_ref().map_or_else(|| self.arrow.schema(), |scratch| &scratch.columns)
    }

    /// The same file read as the input's columns.
    pub(crate) fn with_scratch_schema(self, scratch: ScratchSchema) -> Self {
        Self { scratch: Some(scratch), ..self }
    }

    /// Whether this is a temporary copy of rows of another input.
    pub(crate) fn is_scratch(&self) -> bool {
        self.scratch.is_some()
    }

    /// The columns of its table: if it is alone, its top-level columns, then its partition columns.
    pub(crate) fn columns(&self) -> SchemaRef {
        if let Some(table) = &self.table {
            return table.schema.clone();
        }
        if self.partition_columns.is_empty() {
            return self.schema().clone();
        }
        let fields = self.schema().fields().iter().chain(self.partition_columns.fields()).cloned().collect::<Vec<_>>();
        Arc::new(Schema::new_with_metadata(fields, self.schema().metadata().clone()))
    }

    /// Number of selected rows of a row group.
    pub(crate) fn rows_of_group(&self, row_group: usize) -> u64 {
        match &self.selections {
            Some(selections) => selections[row_group].1,
            None => self.metadata().row_group(row_group).num_rows().unsigned_abs(),
        }
    }

    /// Number of selected rows.
    pub(crate) fn rows(&self) -> u64 {
        (0..self.metadata().num_row_groups()).map(|row_group| self.rows_of_group(row_group)).sum()
    }

    /// Reads the columns `roots` of one row group in batches of `batch_rows`.
    pub(crate) fn reader(
        &self,
        roots: &[usize],
        row_group: usize,
        batch_rows: usize,
    ) -> Result<ParquetRecordBatchReader> {
        tracing::trace!("{}: row group {row_group}, {} columns", self.path.display(), roots.len());
        catch_decoder_panic(
            || Place::row_group(&self.path, row_group),
            || {
                let mask = ProjectionMask::roots(self.arrow.parquet_schema(), roots.iter().copied());
                let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.arrow.clone())
                    .with_row_groups(vec![row_group])
                    .with_projection(mask)
                    .with_batch_size(batch_rows);
                match &self.selections {
                    Some(selections) => reader.with_row_selection(selections[row_group].0.clone()).build(),
                    None => reader.build(),
                }
            },
        )
    }

    /// Checks the chunks of `roots` in a row group: their number of values fits the rows, and no page takes more memory than
    /// allowed.
    pub(crate) fn check_chunks_of(&self, roots: &[usize], row_group: usize) -> Result<()> {
        let rows = self.metadata().row_group(row_group).num_rows();
        for chunk in self.chunks_of(roots, row_group) {
            let checked = check_values(chunk, rows).map_err(PageFault::Damaged);
            checked.and_then(|()| check_pages(&self.file, chunk, self.max_page_bytes)).map_err(|fault| {
                let column = Some(chunk.column_path().string());
                let place = Place { column, ..Place::row_group(&self.path, row_group) };
                match fault {
                    PageFault::Damaged(what) => Error::Damaged { place, what },
                    PageFault::TooLarge(bytes) => {
                        Error::PageTooLarge { place, bytes, most: self.max_page_bytes.unwrap_or_default() }
                    }
                }
            })?;
        }
        Ok(())
    }
}
