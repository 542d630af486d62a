//! Repairs two known errors in footers: chunk sizes that omit the dictionary page header, and a row count of 0.

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::column_chunk::chunk_start;
use super::footer::with_row_count;
use super::page_header::PageHeader;
use crate::storage::PositionalFile;

/// Repairs the metadata of a file whose footer begins at `footer` and whose row groups have `rows` rows; `None` if it is
/// correct.
///
/// # Errors
/// If the repaired metadata contradicts itself.
pub(super) fn repaired(
    file: &PositionalFile,
    metadata: &ParquetMetaData,
    footer: u64,
    rows: i64,
) -> Result<Option<ParquetMetaData>, ParquetError> {
    let resized = with_chunk_sizes(file, metadata, footer)?;
    Ok(with_row_count(resized.as_ref().unwrap_or(metadata), rows).or(resized))
}

/// Corrects the sizes of chunks by their pages; `None` if they are correct. The footer begins at `footer`.
///
/// Only a chunk with a gap after it can be longer than its size, so no page of an ordinary file is read. Invalid pages are
/// left for their reader to report.
fn with_chunk_sizes(
    file: &PositionalFile,
    metadata: &ParquetMetaData,
    footer: u64,
) -> Result<Option<ParquetMetaData>, ParquetError> {
    let chunks = || metadata.row_groups().iter().flat_map(|row_group| row_group.columns());
    let mut starts: Vec<u64> = chunks().flat_map(start_offsets).chain([footer]).collect();
    starts.sort_unstable();
    let missing: Vec<u64> = chunks().map(|chunk| missing_bytes(file, chunk, &starts).unwrap_or(0)).collect();
    if missing.iter().all(|&bytes| bytes == 0) {
        return Ok(None);
    }
    let mut missing = missing.into_iter().map(|bytes| bytes as i64);
    let mut corrected = metadata.clone().into_builder();
    let mut row_groups = corrected.take_row_groups();
    for row_group in &mut row_groups {
        let mut builder = row_group.clone().into_builder();
        let longer = |(chunk, bytes): (ColumnChunkMetaData, i64)| {
            let (compressed, uncompressed) = (chunk.compressed_size() + bytes, chunk.uncompressed_size() + bytes);
            let builder = chunk.into_builder().set_total_compressed_size(compressed);
            builder.set_total_uncompressed_size(uncompressed).build()
        };
        let columns = builder.take_columns().into_iter().zip(missing.by_ref()).map(longer);
        *row_group = builder.set_column_metadata(columns.collect::<Result<_, _>>()?).build()?;
    }
    Ok(Some(corrected.set_row_groups(row_groups).build()))
}

/// The offsets of a chunk, its filter and its indexes; `file_offset` is that of its metadata, which some writers put after it.
fn start_offsets(chunk: &ColumnChunkMetaData) -> impl Iterator<Item = u64> + use<> {
    let others = [chunk.bloom_filter_offset(), chunk.column_index_offset(), chunk.offset_index_offset()];
    let others = others.into_iter().flatten().chain([chunk.file_offset()]);
    chunk_start(chunk).into_iter().chain(others.filter_map(|offset| u64::try_from(offset).ok()))
}

/// The bytes of a chunk's last pages that its size omits; `None` if that is unknown.
fn missing_bytes(file: &PositionalFile, chunk: &ColumnChunkMetaData, starts: &[u64]) -> Option<u64> {
    let start = chunk_start(chunk).ok()?;
    let end = start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?;
    if start == end || starts.binary_search(&end).is_ok() {
        return None;
    }
    let limit = *starts.get(starts.partition_point(|&other| other <= end))?;
    let (mut position, mut values) = (start, u64::try_from(chunk.num_values()).ok()?);
    while values > 0 && position < limit {
        let page = PageHeader::read(file, position).ok()?;
        values = values.saturating_sub(page.values);
        position = page.end();
    }
    (values == 0 && (end + 1..=limit).contains(&position)).then(|| position - end)
}
