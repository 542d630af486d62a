//! Writes a column of ordered categories so that readers see all of them in order.
//!
//! Readers take the order of categories from the dictionary page, which the writer fills in row order. So all categories are
//! written first, as a data page that is then left out of the file.

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

/// Most rows of a page, unless there are more categories.
const PAGE_ROWS: usize = 20_000;

/// Most bytes of the dictionary. Beyond the limit the writer would drop the dictionary and with it the categories.
const MAX_DICTIONARY_BYTES: usize = 1 << 30;

/// Whether a column has ordered categories, whose order readers take from the dictionary.
pub(crate) fn is_ordered(field: &Field) -> bool {
    let has_byte_values = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, values) => {
            matches!(**values, DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary)
        }
        _ => false,
    };
    field.dict_is_ordered() == Some(true) && has_byte_values(field.data_type())
}

/// Writes the column chunk of ordered categories.
pub(super) struct OrderedColumnWriter {
    descriptor: ColumnDescPtr,
    compression: Compression,
    writer: ColumnWriterImpl<'static, ByteArrayType>,
    pages: ChunkPageWriter,
    rows: u64,
}

/// Writes the pages of a chunk to memory.
#[derive(Clone)]
struct ChunkPageWriter(Arc<Mutex<EncodedPages>>);

struct EncodedPages {
    bytes: TrackedWrite<Vec<u8>>,
    /// Values of data pages that are still to be left out.
    skipped_values: u32,
}

impl OrderedColumnWriter {
    /// Starts a chunk with these categories.
    pub(super) fn new(descriptor: ColumnDescPtr, compression: Compression, categories: &[Bytes]) -> Result<Self> {
        let page_rows = categories.len().max(PAGE_ROWS);
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_dictionary_page_size_limit(MAX_DICTIONARY_BYTES)
            .set_data_page_row_count_limit(page_rows)
            .set_write_batch_size(page_rows);
        let skipped_values = if categories.is_empty() { 0 } else { page_rows };
        let skipped_values =
            u32::try_from(skipped_values).map_err(|_| ParquetError::General("too many categories".to_owned()))?;
        let pages = ChunkPageWriter(Arc::new(Mutex::new(EncodedPages {
            bytes: TrackedWrite::new(Vec::new()),
            skipped_values,
        })));
        let mut writer =
            ColumnWriterImpl::new(descriptor.clone(), Arc::new(properties.build()), Box::new(pages.clone()));
        if let Some(last) = categories.last() {
            let padding = std::iter::repeat_n(last, page_rows - categories.len());
            let values: Vec<ByteArray> = categories.iter().chain(padding).map(|value| value.clone().into()).collect();
            let levels = vec![1; page_rows];
            writer.write_batch(&values, (descriptor.max_def_level() > 0).then_some(&levels), None)?;
        }
        Ok(Self { descriptor, compression, writer, pages, rows: 0 })
    }

    /// Writes rows; `dictionary` has the values of their keys.
    pub(super) fn write(&mut self, array: &ArrayRef, dictionary: &[Option<Bytes>]) -> Result<()> {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let keys =
            if dictionary.is_empty() { vec![0; array.len()] } else { array.as_any_dictionary().normalized_keys() };
        for (row, key) in keys.into_iter().enumerate() {
            let value = dictionary.get(key).and_then(Option::as_ref).filter(|_| array.is_valid(row));
            levels.push(i16::from(value.is_some()));
            values.extend(value.map(|value| ByteArray::from(value.clone())));
        }
        let is_nullable = self.descriptor.max_def_level() > 0;
        if !is_nullable && values.len() < array.len() {
            return Err(ParquetError::General("a null in a column that has none".to_owned()));
        }
        self.writer.write_batch(&values, is_nullable.then_some(&levels), None)?;
        self.rows += array.len() as u64;
        Ok(())
    }

    /// Finishes the chunk; returns its bytes and metadata.
    pub(super) fn close(self) -> Result<(Bytes, ColumnCloseResult)> {
        let Self { descriptor, compression, writer, pages, rows } = self;
        let close = writer.close()?;
        let mut chunk = pages.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = std::mem::replace(&mut chunk.bytes, TrackedWrite::new(Vec::new())).into_inner()?;
        let all = &close.metadata;
        // Statistics and value lengths are dropped, since they include the page that is left out.
        let metadata = ColumnChunkMetaData::builder(descriptor)
            .set_encodings_mask(*all.encodings_mask())
            .set_compression(compression)
            .set_num_values(all.num_values())
            .set_total_compressed_size(all.compressed_size())
            .set_total_uncompressed_size(all.uncompressed_size())
            .set_data_page_offset(all.data_page_offset())
            .set_dictionary_page_offset(all.dictionary_page_offset())
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

    /// Upper bound of the bytes of the rows so far.
    pub(super) fn bytes(&self) -> usize {
        /// Bytes of a dictionary index.
        const INDEX_BYTES: u64 = 4;
        (self.rows * INDEX_BYTES) as usize
    }
}

impl PageWriter for ChunkPageWriter {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec> {
        let mut chunk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if chunk.skipped_values == 0 || !page.compressed_page().is_data_page() {
            return SerializedPageWriter::new(&mut chunk.bytes).write_page(page);
        }
        let rest = chunk.skipped_values.checked_sub(page.num_values());
        let mixed = || ParquetError::General("a page holds categories and rows".to_owned());
        chunk.skipped_values = rest.ok_or_else(mixed)?;
        let mut skipped = PageWriteSpec::new();
        skipped.page_type = page.page_type();
        skipped.offset = chunk.bytes.bytes_written() as u64;
        Ok(skipped)
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}
