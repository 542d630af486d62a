//! Column chunks, looked at before they are read: the library makes room for what an index says of itself.

use std::ops::Range;

use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use thrift::protocol::TInputProtocol;

use super::footer::{fields, protocol};
use crate::storage::PositionalFile;

/// The least of a Parquet file that is not column chunks: magic before them; footer length and magic after.
const FRAME: (u64, u64) = (4, 8);

const OUTSIDE: &str = "its column chunk lies outside the file";

/// What is wrong, to be said with the chunk's place.
pub(super) type Checked<T> = std::result::Result<T, String>;

/// Where a chunk begins: with its dictionary, if it has one, which some old writers put at 0 for none.
pub(super) fn chunk_start(chunk: &ColumnChunkMetaData) -> Checked<u64> {
    let dictionary = chunk.dictionary_page_offset().filter(|&offset| offset != 0);
    u64::try_from(dictionary.unwrap_or(chunk.data_page_offset())).map_err(|_| OUTSIDE.to_owned())
}

/// Refuses a chunk that does not hold the values of `rows` rows: one a row, or of a repeated column at least one.
pub(crate) fn check_values(chunk: &ColumnChunkMetaData, rows: i64) -> Checked<()> {
    let values = chunk.num_values();
    let holds = if chunk.column_descr().max_rep_level() == 0 { values == rows } else { values >= rows };
    if holds { Ok(()) } else { Err(format!("its column chunk holds {values} values, the row group {rows} rows")) }
}

/// The bytes of a chunk.
pub(crate) fn chunk_range(file: &PositionalFile, chunk: &ColumnChunkMetaData) -> Checked<Range<u64>> {
    let outside = || OUTSIDE.to_owned();
    let offset = |offset: i64| u64::try_from(offset).map_err(|_| outside());
    let length = offset(chunk.compressed_size())?;
    if length == 0 {
        return Ok(0..0);
    }
    let (data, start) = (offset(chunk.data_page_offset())?, chunk_start(chunk)?);
    let end = start.checked_add(length).ok_or_else(outside)?;
    if start < FRAME.0 || end > file.len().saturating_sub(FRAME.1) {
        return Err(outside());
    }
    // Of a chunk without values only the dictionary may be there.
    if !(start..end).contains(&data) && chunk.num_values() > 0 {
        return Err("its first page lies outside its column chunk".to_owned());
    }
    Ok(start..end)
}

/// Refuses an offset index that says it holds more pages than its bytes can.
pub(super) fn check_offset_index(file: &PositionalFile, chunk: &ColumnChunkMetaData) -> Checked<()> {
    let (Some(start), Some(length)) = (chunk.offset_index_offset(), chunk.offset_index_length()) else { return Ok(()) };
    let start = u64::try_from(start).map_err(|error| error.to_string())?;
    let length = usize::try_from(length).map_err(|error| error.to_string())?;
    let bytes = file.get_bytes(start, length).map_err(|error| error.to_string())?;
    let walked = protocol(&bytes[..], length).and_then(|mut from| fields(&mut from, |from, _, kind| from.skip(kind)));
    walked.map_err(|error| error.to_string())
}
