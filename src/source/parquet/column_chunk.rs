//! Checks column chunks before they are read: the parquet crate trusts offsets and sizes in the footer and its indexes.
//!
//! Errors are messages without a place, which the caller adds.

use std::ops::Range;

use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use thrift::protocol::TInputProtocol;

use super::footer::{compact_protocol, read_struct};
use crate::storage::PositionalFile;

/// Bytes before all column chunks: the signature.
const HEADER_BYTES: u64 = 4;

/// Least bytes after all column chunks: the footer length and the signature.
const TRAILER_BYTES: u64 = 8;

const OUTSIDE: &str = "its column chunk lies outside the file";

/// Offset of a chunk: that of its dictionary, if it has one. Some old writers put 0 for no dictionary.
pub(super) fn chunk_start(chunk: &ColumnChunkMetaData) -> Result<u64, String> {
    let dictionary = chunk.dictionary_page_offset().filter(|&offset| offset != 0);
    u64::try_from(dictionary.unwrap_or(chunk.data_page_offset())).map_err(|_| OUTSIDE.to_owned())
}

/// Checks that a chunk has one value for each of `rows` rows, or at least one for a repeated column.
pub(crate) fn check_values(chunk: &ColumnChunkMetaData, rows: i64) -> Result<(), String> {
    let values = chunk.num_values();
    let is_valid = if chunk.column_descr().max_rep_level() == 0 { values == rows } else { values >= rows };
    if is_valid { Ok(()) } else { Err(format!("its column chunk holds {values} values, the row group {rows} rows")) }
}

/// The byte range of a chunk, checked to lie in the file.
pub(crate) fn chunk_range(file: &PositionalFile, chunk: &ColumnChunkMetaData) -> Result<Range<u64>, String> {
    let outside = || OUTSIDE.to_owned();
    let offset = |offset: i64| u64::try_from(offset).map_err(|_| outside());
    let length = offset(chunk.compressed_size())?;
    if length == 0 {
        return Ok(0..0);
    }
    let (data, start) = (offset(chunk.data_page_offset())?, chunk_start(chunk)?);
    let end = start.checked_add(length).ok_or_else(outside)?;
    if start < HEADER_BYTES || end > file.len().saturating_sub(TRAILER_BYTES) {
        return Err(outside());
    }
    // A chunk without values may have only a dictionary.
    if !(start..end).contains(&data) && chunk.num_values() > 0 {
        return Err("its first page lies outside its column chunk".to_owned());
    }
    Ok(start..end)
}

/// Rejects an offset index that claims more pages than its bytes can hold.
pub(super) fn check_offset_index(file: &PositionalFile, chunk: &ColumnChunkMetaData) -> Result<(), String> {
    let (Some(start), Some(length)) = (chunk.offset_index_offset(), chunk.offset_index_length()) else { return Ok(()) };
    let start = u64::try_from(start).map_err(|error| error.to_string())?;
    let length = usize::try_from(length).map_err(|error| error.to_string())?;
    let bytes = file.get_bytes(start, length).map_err(|error| error.to_string())?;
    let scanned = compact_protocol(&bytes[..], length)
        .and_then(|mut from| read_struct(&mut from, |from, _, kind| from.skip(kind)));
    scanned.map_err(|error| error.to_string())
}
