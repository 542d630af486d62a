//! One Parquet file, opened and checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Metadata, Schema, SchemaRef};

use super::arrow_type::{StoredType, TypedColumn, all_viewed, hint, typed};
use super::column_chunk::{check_offset_index, check_values, chunk_range};
use super::corrections::corrected;
use super::footer::Footer;
use super::page_head::{PageFault, check_pages, longest_word};
use super::scratch_schema::ScratchSchema;
use super::{Keys, guarded, near_names};
use crate::error::{Error, Foreign, Place, Result};
use crate::storage::PositionalFile;

/// Bytes of the words of dictionaries that rows read at once take at most, unless a single one takes more; and rows that
/// take no more of words of any length if a dictionary is that much smaller.
const WORD_BYTES: u64 = 64 << 20;
const SHORT_ROWS: u64 = 8192;

/// One opened Parquet file.
#[derive(Debug, Clone)]
pub(crate) struct ParquetFile {
    pub(crate) path: PathBuf,
    pub(crate) file: PositionalFile,
    /// Number of its first row, counted over all files.
    pub(super) first_row: u64,
    pub(crate) footer: Footer,
    metadata: Arc<ParquetMetaData>,
    /// The Arrow schema that its writer stored.
    stored: Option<SchemaRef>,
    /// The metadata as the reader takes it.
    arrow: ArrowReaderMetadata,
    /// Of a scratch file, its columns as they were given.
    given: Option<ScratchSchema>,
    options: ArrowReaderOptions,
    /// Whether strings are read as views.
    views: bool,
    /// Bytes that a page may take, if there is a bound.
    most_page_bytes: Option<u64>,
    /// The columns its path has.
    pub(super) keys: Keys,
    /// The rows of each row group to read, and how many they are; all if there is no word of it.
    kept: Option<Arc<Vec<(RowSelection, u64)>>>,
}

impl ParquetFile {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Read`], [`Error::Damaged`] or [`Error::Unsupported`] if it is not
    /// a sound Parquet file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::read(path, PositionalFile::open(path)?)
    }

    /// Reads the footer of an open file; `path` is what messages call it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn read(path: &Path, file: PositionalFile) -> Result<Self> {
        let place = || Place::file(path);
        let footer = Footer::read(path, &file)?;
        // The stored Arrow schema is looked at here: a damaged or contradicting one is no reason to refuse sound Parquet.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
        let options = options.with_skip_arrow_metadata(true);
        let arrow = guarded(place, || ArrowReaderMetadata::load(&file, options.clone()))?;
        let roots = arrow.parquet_schema().root_schema().get_fields();
        if !roots.iter().map(|root| root.name()).eq(arrow.schema().fields().iter().map(|field| field.name())) {
            // Columns are told apart by their place, which would shift.
            return Err(Error::Unsupported { place: place(), what: "a group without columns" });
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
                return Err(Error::Unsupported { place: place(), what: "a column chunk in another file" });
            }
        }
        let correct = |arrow: ArrowReaderMetadata, options: &ArrowReaderOptions| {
            guarded(place, || match corrected(&file, arrow.metadata(), footer.start, rows)? {
                Some(metadata) => ArrowReaderMetadata::try_new(metadata.into(), options.clone()),
                None => Ok(arrow),
            })
        };
        let arrow = correct(arrow, &options)?;
        let metadata = arrow.metadata().clone();
        let TypedColumn { stored, arrow, options } = typed(&file, arrow, &options, place)?;
        // Columns of other types than the footer's come with that footer once more.
        let arrow = if Arc::ptr_eq(&metadata, arrow.metadata()) { arrow } else { correct(arrow, &options)? };
        let keys = Keys::default();
        Ok(Self {
            path: path.to_owned(),
            file,
            first_row: 0,
            footer,
            metadata,
            stored,
            given: None,
            arrow,
            options,
            views: false,
            most_page_bytes: None,
            keys,
            kept: None,
        })
    }

    /// The same file with the columns of its path after its own.
    pub(super) fn with_keys(mut self, keys: &Keys) -> Self {
        self.keys = keys.without(|name| self.schema().field_with_name(name).is_ok());
        self
    }

    /// The same file of which only some rows are read: a selection, and how many it selects, of each row group.
    #[cfg(feature = "analysis")]
    pub(super) fn with_kept(mut self, kept: Vec<(RowSelection, u64)>) -> Self {
        self.kept = Some(Arc::new(kept));
        self
    }

    /// The same file, of which no page that is read may take more than so many bytes.
    pub(super) fn with_most_page_bytes(&self, bytes: u64) -> Self {
        Self { most_page_bytes: Some(bytes), ..self.clone() }
    }

    /// Whether every row is read.
    pub(super) fn is_whole(&self) -> bool {
        self.kept.is_none()
    }

    /// Refuses a file that has become shorter since it was opened: what was left out as not sound may only be gone.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub(crate) fn check_length(&self) -> Result<()> {
        if self.file.is_cut().map_err(Error::io("read", &self.path))? {
            let what = "it has become shorter while it was read".to_owned();
            return Err(Error::Truncated { place: Place::file(&self.path), what, only_marker: false });
        }
        Ok(())
    }

    /// The same file with its page indexes read, as far as they are sound: they speed reading up and decide nothing.
    pub(crate) fn with_page_indexes(&self) -> Self {
        let read = || -> std::result::Result<ParquetMetaData, String> {
            for chunk in self.metadata().row_groups().iter().flat_map(|row_group| row_group.columns()) {
                check_offset_index(&self.file, chunk)?;
            }
            let words = |error: ParquetError| error.to_string();
            let metadata = ParquetMetaData::clone(self.metadata());
            let mut reader =
                ParquetMetaDataReader::new_with_metadata(metadata).with_page_index_policy(PageIndexPolicy::Optional);
            reader.read_page_indexes(&self.file).map_err(words)?;
            let metadata = reader.finish().map_err(words)?;
            self.check_pages(&metadata)?;
            Ok(metadata)
        };
        match guarded(|| Place::file(&self.path), read) {
            Ok(metadata) => Self { metadata: metadata.into(), ..self.clone() },
            Err(error) => {
                let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!("{}: its page indexes are not sound and are left out: {why}", self.path.display());
                self.clone()
            }
        }
    }

    /// Refuses page locations outside their chunk, or out of order: rows would be read or copied from elsewhere.
    fn check_pages(&self, metadata: &ParquetMetaData) -> std::result::Result<(), String> {
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
                        return Err(format!("a page of row group {n} is said to lie where it cannot"));
                    }
                    next = page.first_row_index + 1;
                }
            }
        }
        Ok(())
    }

    /// The same file with its strings, those in structs too, read as views: one that comes a million times takes the room
    /// of one.
    pub(crate) fn with_views(&self) -> Self {
        let schema = all_viewed(self.arrow.schema());
        let options = self.options.clone().with_schema(schema.into());
        let load = || ArrowReaderMetadata::try_new(self.arrow.metadata().clone(), options.clone());
        match guarded(|| Place::file(&self.path), load) {
            Ok(arrow) => {
                let given = self.given.as_ref().map(ScratchSchema::viewed);
                Self { arrow, options, views: true, given, ..self.clone() }
            }
            // It is only a way to read.
            Err(_) => self.clone(),
        }
    }

    /// The chunks of the columns `roots` in a row group.
    fn chunks_of(&self, roots: &[usize], row_group: usize) -> impl Iterator<Item = &ColumnChunkMetaData> {
        let chunks = self.metadata().row_group(row_group).columns().iter().enumerate();
        let is_of = |leaf| roots.contains(&self.arrow.parquet_schema().get_column_root_idx(leaf));
        chunks.filter_map(move |(leaf, chunk)| is_of(leaf).then_some(chunk))
    }

    /// Rows of a row group, one at least, that take about `bytes` in the columns `roots`, and at most [`WORD_BYTES`] of the
    /// words that their dictionaries hold once.
    pub(super) fn rows_in(&self, bytes: u64, roots: &[usize], row_group: usize) -> usize {
        /// Bytes of a number as it is worked with.
        const NUMBER: u64 = size_of::<f64>() as u64;
        let (mut all, mut words) = (0_u64, 0_u64);
        // Of many columns, small dictionaries together are a large one.
        let few = WORD_BYTES / SHORT_ROWS / (roots.len() as u64).max(1);
        for chunk in self.chunks_of(roots, row_group) {
            let values = chunk.num_values().unsigned_abs();
            let numbers = values.saturating_mul(NUMBER);
            all = all.saturating_add(numbers.max(chunk.uncompressed_size().unsigned_abs()));
            // As a view a word is there once, however often it is meant.
            if !self.views {
                let read = || Ok::<_, Foreign>(longest_word(&self.file, chunk, few));
                let longest = guarded(|| Place::file(&self.path), read).ok().flatten().unwrap_or_default();
                words = words.saturating_add(longest.saturating_mul(values));
            }
        }
        let rows =
            |bytes: u64, of: u64| u128::from(self.rows_of(row_group)) * u128::from(bytes) / u128::from(of.max(1));
        usize::try_from(rows(bytes, all).min(rows(WORD_BYTES, words))).unwrap_or(usize::MAX).max(1)
    }

    /// The file's own metadata.
    pub(crate) fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.metadata
    }

    /// How a top-level column of the file itself is stored.
    pub(crate) fn stored(&self, root: usize) -> StoredType {
        let parquet = self.metadata.file_metadata().schema_descr().root_schema().get_fields()[root].clone();
        let arrow = self.stored.as_ref().and_then(|stored| hint(stored, root, parquet.name()).cloned());
        StoredType { parquet, arrow }
    }

    /// The metadata of the Arrow schema that its writer stored.
    pub(crate) fn stored_metadata(&self) -> Metadata {
        self.stored.as_ref().map(|stored| stored.metadata().clone()).unwrap_or_default()
    }

    /// The same as the reader takes it.
    pub(crate) fn arrow(&self) -> &ArrowReaderMetadata {
        &self.arrow
    }

    /// The top-level columns of the file itself.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.given.as_ref().map_or_else(|| self.arrow.schema(), |given| &given.columns)
    }

    /// The same file read as what was given to be kept in it.
    pub(super) fn with_given(self, given: ScratchSchema) -> Self {
        Self { given: Some(given), ..self }
    }

    /// Whether rows of other files were written to it for this run alone.
    pub(super) fn is_scratch(&self) -> bool {
        self.given.is_some()
    }

    /// The same, and those of its path.
    pub(super) fn columns(&self) -> SchemaRef {
        if self.keys.is_empty() {
            return self.schema().clone();
        }
        let fields = self.schema().fields().iter().chain(self.keys.fields()).cloned().collect::<Vec<_>>();
        Arc::new(Schema::new_with_metadata(fields, self.schema().metadata().clone()))
    }

    /// Rows to read of a row group.
    pub(super) fn rows_of(&self, row_group: usize) -> u64 {
        match &self.kept {
            Some(kept) => kept[row_group].1,
            None => self.metadata().row_group(row_group).num_rows().unsigned_abs(),
        }
    }

    pub(super) fn rows(&self) -> u64 {
        (0..self.metadata().num_row_groups()).map(|row_group| self.rows_of(row_group)).sum()
    }

    /// The places of columns, those of the path after the file's own.
    pub(super) fn roots(&self, columns: &[String]) -> Result<Vec<usize>> {
        let schema = self.columns();
        columns
            .iter()
            .map(|column| {
                schema.index_of(column).map_err(|_| Error::MissingFeature {
                    path: self.path.clone(),
                    column: column.clone(),
                    near: near_names(column, schema.fields().iter().map(|field| field.name().as_str())),
                })
            })
            .collect()
    }

    /// A reader of `roots` over one row group, in batches of `batch_rows`.
    pub(super) fn reader(
        &self,
        roots: &[usize],
        row_group: usize,
        batch_rows: usize,
    ) -> Result<ParquetRecordBatchReader> {
        guarded(
            || Place::row_group(&self.path, row_group),
            || {
                let own = roots.iter().copied().filter(|&root| root < self.own());
                let mask = ProjectionMask::roots(self.arrow.parquet_schema(), own);
                let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.arrow.clone())
                    .with_row_groups(vec![row_group])
                    .with_projection(mask)
                    .with_batch_size(batch_rows);
                match &self.kept {
                    Some(kept) => reader.with_row_selection(kept[row_group].0.clone()).build(),
                    None => reader.build(),
                }
            },
        )
    }

    /// Refuses a row group in which a chunk of `roots` does not hold the values of its rows, or a page takes more memory than
    /// it should.
    pub(super) fn check_chunks_of(&self, roots: &[usize], row_group: usize) -> Result<()> {
        let rows = self.metadata().row_group(row_group).num_rows();
        for chunk in self.chunks_of(roots, row_group) {
            let checked = check_values(chunk, rows).map_err(PageFault::Damaged);
            checked.and_then(|()| check_pages(&self.file, chunk, self.most_page_bytes)).map_err(|fault| {
                let column = Some(chunk.column_path().string());
                let place = Place { column, ..Place::row_group(&self.path, row_group) };
                match fault {
                    PageFault::Damaged(what) => Error::Damaged { place, what },
                    PageFault::TooLarge(bytes) => {
                        Error::PageTooLarge { place, bytes, most: self.most_page_bytes.unwrap_or_default() }
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Puts the columns of a projected batch, which arrive in file order, into the order of `roots`, and those of the path
    /// beside them.
    pub(super) fn reorder(&self, batch: RecordBatch, roots: &[usize], row_group: usize) -> Result<RecordBatch> {
        let mut in_file_order: Vec<usize> = roots.iter().copied().filter(|&root| root < self.own()).collect();
        in_file_order.sort_unstable();
        in_file_order.dedup();
        guarded(
            || Place::row_group(&self.path, row_group),
            || {
                // Every own root is in the list it was copied from.
                let place = |root: &usize| in_file_order.binary_search(root);
                let batch = match &self.given {
                    Some(given) => given.restored(&batch, &in_file_order)?,
                    None => batch,
                };
                if self.keys.is_empty() {
                    let order: Vec<usize> = roots.iter().filter_map(|root| place(root).ok()).collect();
                    return batch.project(&order);
                }
                let (schema, rows) = (batch.schema(), batch.num_rows());
                let (mut fields, mut arrays) = (Vec::new(), Vec::new());
                for root in roots {
                    let (field, array) = match place(root) {
                        Ok(place) => (schema.fields()[place].clone(), batch.column(place).clone()),
                        Err(_) => {
                            let key = root - self.own();
                            (self.keys.fields()[key].clone(), self.keys.column(key, rows)?)
                        }
                    };
                    fields.push(field);
                    arrays.push(array);
                }
                let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
                RecordBatch::try_new_with_options(schema.into(), arrays, &with_rows(rows))
            },
        )
    }

    /// Number of columns of the file itself.
    fn own(&self) -> usize {
        self.schema().fields().len()
    }
}

fn with_rows(rows: usize) -> RecordBatchOptions {
    RecordBatchOptions::new().with_row_count(Some(rows))
}
