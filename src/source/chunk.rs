//! Column chunks, looked at before they are read: the library makes room for what a page or an index says of itself.

use std::io::Read;
use std::ops::Range;

use ::parquet::basic::Compression;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use thrift::protocol::{TInputProtocol, TType};

use super::PositionalFile;
use super::footer::{fields, protocol};

/// The least of a Parquet file that is not column chunks: magic before them; footer length and magic after.
const FRAME: (u64, u64) = (4, 8);

/// What a compressed page may grow by: LZ4's 255 and Snappy's 21, and room for a page of a few bytes.
const MOST_GROWTH: (u64, u64) = (256, 4096);

/// What is wrong, to be said with the chunk's place.
type Checked<T> = std::result::Result<T, String>;

/// The bytes of a chunk; it begins with its dictionary, if it has one, which some old writers put at 0 for none.
pub(crate) fn chunk_range(file: &PositionalFile, chunk: &ColumnChunkMetaData) -> Checked<Range<u64>> {
    let outside = || "its column chunk lies outside the file".to_owned();
    let offset = |offset: i64| u64::try_from(offset).map_err(|_| outside());
    let length = offset(chunk.compressed_size())?;
    if length == 0 {
        return Ok(0..0);
    }
    let data = offset(chunk.data_page_offset())?;
    let dictionary = chunk.dictionary_page_offset().filter(|&offset| offset != 0);
    let start = dictionary.map_or(Ok(data), offset)?;
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

/// Refuses a chunk with a page that says it grows by more than its codec can: the library makes room before it looks.
pub(super) fn check_growth(file: &PositionalFile, chunk: &ColumnChunkMetaData) -> Checked<()> {
    if !matches!(chunk.compression(), Compression::SNAPPY | Compression::LZ4 | Compression::LZ4_RAW) {
        return Ok(());
    }
    let Range { start: mut position, end } = chunk_range(file, chunk)?;
    while position < end {
        let mut from = Counted { from: file.get_read(position).map_err(|error| error.to_string())?, bytes: 0 };
        let (mut large, mut small) = (0, 0);
        let read = protocol(&mut from, file.len() as usize).and_then(|mut from| {
            fields(&mut from, |from, id, kind| match (id, kind) {
                (2, TType::I32) => from.read_i32().map(|size| large = size),
                (3, TType::I32) => from.read_i32().map(|size| small = size),
                _ => from.skip(kind),
            })
        });
        read.map_err(|error| format!("a page header cannot be read: {error}"))?;
        let (Ok(large), Ok(small)) = (u64::try_from(large), u64::try_from(small)) else {
            return Err("a page has a negative size".to_owned());
        };
        let (factor, room) = MOST_GROWTH;
        if large > small.saturating_mul(factor) + room {
            return Err(format!("a page of {small} bytes says it holds {large}"));
        }
        position += from.bytes + small;
    }
    Ok(())
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

/// Counts the bytes read.
struct Counted<R> {
    from: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
