//! A column of ordered categories, written so that readers see each of them, and in their order.
//!
//! Readers take the order of categories from the dictionary page. The writer fills it in row order. So all categories are
//! written first, as a page that is left out of the file.

use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::basic::Compression;
use ::parquet::column::page::{CompressedPage, PageWriteSpec, PageWriter};
use ::parquet::column::writer::{ColumnCloseResult, ColumnWriterImpl};
use ::parquet::data_type::{ByteArray, ByteArrayType};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use ::parquet::schema::types::ColumnDescPtr;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field};
use bytes::Bytes;

/// Rows of a page, unless there are more categories.
const PAGE_ROWS: usize = 20_000;

/// Bytes that the dictionary may take: without it there would be no categories.
const DICTIONARY_BYTES: usize = 1 << 30;

/// Whether a column has categories whose order a reader takes from the dictionary.
pub(crate) fn is_ordered(field: &Field) -> bool {
    let of_words = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, words) => {
            matches!(**words, DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary)
        }
        _ => false,
    };
    field.dict_is_ordered() == Some(true) && of_words(field.data_type())
}

/// The chunk of such a column, being written.
pub(super) struct OrderedColumn {
    descriptor: ColumnDescPtr,
    compression: Compression,
    writer: ColumnWriterImpl<'static, ByteArrayType>,
    pages: ChunkPageReader,
    rows: u64,
}

/// The pages of a chunk.
#[derive(Clone)]
struct ChunkPageReader(Arc<Mutex<OrderedChunk>>);

struct OrderedChunk {
    bytes: TrackedWrite<Vec<u8>>,
    /// Values that are still to be left out.
    left_out: u32,
}

impl OrderedColumn {
    /// Begins a chunk of these categories.
    pub(super) fn new(descriptor: ColumnDescPtr, compression: Compression, categories: &[Bytes]) -> Result<Self> {
        let page_rows = categories.len().max(PAGE_ROWS);
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_data_page_row_count_limit(page_rows)
            .set_write_batch_size(page_rows);
        let left_out = if categories.is_empty() { 0 } else { page_rows };
        let left_out = u32::try_from(left_out).map_err(|_| ParquetError::General("too many categories".to_owned()))?;
        let pages =
            ChunkPageReader(Arc::new(Mutex::new(OrderedChunk { bytes: TrackedWrite::new(Vec::new()), left_out })));
        let mut writer =
            ColumnWriterImpl::new(descriptor.clone(), Arc::new(properties.build()), Box::new(pages.clone()));
        if let Some(last) = categories.last() {
            let missing = std::iter::repeat_n(last, page_rows - categories.len());
            let values: Vec<ByteArray> = categories.iter().chain(missing).map(|word| word.clone().into()).collect();
            let levels = vec![1; page_rows];
            writer.write_batch(&values, (descriptor.max_def_level() > 0).then_some(&levels), None)?;
        }
        Ok(Self { descriptor, compression, writer, pages, rows: 0 })
    }

    /// Writes rows, whose dictionary has these words.
    pub(super) fn write(&mut self, array: &ArrayRef, words: &[Option<Bytes>]) -> Result<()> {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let keys = if words.is_empty() { vec![0; array.len()] } else { array.as_any_dictionary().normalized_keys() };
        for (row, key) in keys.into_iter().enumerate() {
            let word = words.get(key).and_then(Option::as_ref).filter(|_| array.is_valid(row));
            levels.push(i16::from(word.is_some()));
            values.extend(word.map(|word| ByteArray::from(word.clone())));
        }
        let is_nullable = self.descriptor.max_def_level() > 0;
        if !is_nullable && values.len() < array.len() {
            return Err(ParquetError::General("a null in a column that has none".to_owned()));
        }
        self.writer.write_batch(&values, is_nullable.then_some(&levels), None)?;
        self.rows += array.len() as u64;
        Ok(())
    }

    /// The bytes of the chunk, and what is to be said of it.
    pub(super) fn close(self) -> Result<(Bytes, ColumnCloseResult)> {
        let Self { descriptor, compression, writer, pages, rows } = self;
        let close = writer.close()?;
        let mut chunk = pages.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = std::mem::replace(&mut chunk.bytes, TrackedWrite::new(Vec::new())).into_inner()?;
        let of_all = &close.metadata;
        // Without what was counted of the page that is left out: statistics, and the lengths of its words.
        let metadata = ColumnChunkMetaData::builder(descriptor)
            .set_encodings_mask(*of_all.encodings_mask())
            .set_compression(compression)
            .set_num_values(of_all.num_values())
            .set_total_compressed_size(of_all.compressed_size())
            .set_total_uncompressed_size(of_all.uncompressed_size())
            .set_data_page_offset(of_all.data_page_offset())
            .set_dictionary_page_offset(of_all.dictionary_page_offset())
            .build()?;
        let bytes_written = bytes.len() as u64;
        let close = ColumnCloseResult {
            bytes_written,
            rows_written: rows,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((bytes.into(), close))
    }

    /// Bytes that the rows so far take, or a few more.
    pub(super) fn bytes(&self) -> usize {
        /// Bytes of a category's number.
        const NUMBER: u64 = 4;
        (self.rows * NUMBER) as usize
    }
}

impl PageWriter for ChunkPageReader {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec> {
        let mut chunk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if chunk.left_out == 0 || !page.compressed_page().is_data_page() {
            return SerializedPageWriter::new(&mut chunk.bytes).write_page(page);
        }
        let left_out = chunk.left_out.checked_sub(page.num_values());
        let shared = || ParquetError::General("a page holds categories and rows".to_owned());
        chunk.left_out = left_out.ok_or_else(shared)?;
        let mut left_out = PageWriteSpec::new();
        left_out.page_type = page.page_type();
        left_out.offset = chunk.bytes.bytes_written() as u64;
        Ok(left_out)
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}
