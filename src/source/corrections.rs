//! Repairs two known footer errors: column chunk sizes without the dictionary page header, and a row count of 0.

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::column_chunk::chunk_start;
use super::footer::of_so_many_rows;
use super::page_head::PageHead;
use crate::storage::PositionalFile;

/// The metadata of a file whose footer begins at `footer` and whose row groups have `rows` rows; `None` if it is right.
///
/// # Errors
/// If the corrected metadata contradicts itself.
pub(super) fn corrected(
    file: &PositionalFile,
    metadata: &ParquetMetaData,
    footer: u64,
    rows: i64,
) -> Result<Option<ParquetMetaData>, ParquetError> {
    let whole = with_whole_chunks(file, metadata, footer)?;
    Ok(of_so_many_rows(whole.as_ref().unwrap_or(metadata), rows).or(whole))
}

/// The metadata with the sizes that its chunks have by their pages; `None` if they are those of the footer, which begins at
/// `footer`.
///
/// Only a chunk with a gap after it can be longer than it says, so that of an ordinary file no page is looked at. What is
/// wrong with pages is for their reader to say.
fn with_whole_chunks(
    file: &PositionalFile,
    metadata: &ParquetMetaData,
    footer: u64,
) -> Result<Option<ParquetMetaData>, ParquetError> {
    let chunks = || metadata.row_groups().iter().flat_map(|row_group| row_group.columns());
    let mut starts: Vec<u64> = chunks().flat_map(starts_of).chain([footer]).collect();
    starts.sort_unstable();
    let missing: Vec<u64> = chunks().map(|chunk| missing(file, chunk, &starts).unwrap_or(0)).collect();
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

/// Where a chunk and what belongs to it begin; `file_offset` is that of its metadata, which some writers put after it.
fn starts_of(chunk: &ColumnChunkMetaData) -> impl Iterator<Item = u64> + use<> {
    let others = [chunk.bloom_filter_offset(), chunk.column_index_offset(), chunk.offset_index_offset()];
    let others = others.into_iter().flatten().chain([chunk.file_offset()]);
    chunk_start(chunk).into_iter().chain(others.filter_map(|offset| u64::try_from(offset).ok()))
}

/// Bytes of the last pages of a chunk that its size leaves out; `None` if that is not to be found out.
fn missing(file: &PositionalFile, chunk: &ColumnChunkMetaData, starts: &[u64]) -> Option<u64> {
    let start = chunk_start(chunk).ok()?;
    let end = start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?;
    if start == end || starts.binary_search(&end).is_ok() {
        return None;
    }
    let limit = *starts.get(starts.partition_point(|&other| other <= end))?;
    let (mut position, mut values) = (start, u64::try_from(chunk.num_values()).ok()?);
    while values > 0 && position < limit {
        let page = PageHead::read(file, position).ok()?;
        values = values.saturating_sub(page.values);
        position = page.end();
    }
    (values == 0 && (end + 1..=limit).contains(&position)).then(|| position - end)
}
