//! Pages of a column chunk, looked at before they are read: the library makes room for what one says of itself, or for
//! what its codec makes of it.

use std::io::{self, Read};
use std::sync::Arc;

use ::parquet::basic::{Compression, Type};
use ::parquet::column::page::PageReader;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use ::parquet::file::serialized_reader::SerializedPageReader;
use flate2::read::MultiGzDecoder;
use thrift::protocol::{TInputProtocol, TType};

use super::column_chunk::{Checked, chunk_range};
use super::footer::{fields, protocol};
use crate::storage::PositionalFile;

/// What a compressed page may grow by: LZ4's 255 and Snappy's 21, and room for a page of a few bytes.
const MOST_GROWTH: (u64, u64) = (256, 4096);

/// What deflate grows by at most.
const DEFLATE_GROWTH: u64 = 1032;

/// Bytes beyond what a page says it holds that are put up with unseen.
const UNSEEN: u64 = 1 << 30;

/// What an LZ4 frame begins with.
const LZ4_FRAME: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// What is wrong with a chunk's pages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PageFault {
    Damaged(String),
    /// A page holds so many bytes.
    TooLarge(u64),
}

/// What the header of a page says.
#[derive(Debug, Default)]
pub(super) struct PageHead {
    kind: i32,
    /// Values in it, nulls too; none of a dictionary.
    pub(super) values: u64,
    /// Where its bytes begin, how many they are, and how many they become.
    at: u64,
    small: u64,
    large: u64,
    /// Bytes before those that are compressed, and whether these are.
    bare: u64,
    is_bare: bool,
}

impl PageHead {
    const DICTIONARY: i32 = 2;

    /// Reads the header at a position.
    pub(super) fn read(file: &PositionalFile, position: u64) -> Checked<Self> {
        let mut from = Counted { from: file.get_read(position).map_err(|error| error.to_string())?, bytes: 0 };
        let (mut page, mut sizes, mut bare, mut values) = (Self::default(), [0; 2], [0; 2], 0);
        let read = protocol(&mut from, file.len() as usize).and_then(|mut from| {
            fields(&mut from, |from, id, kind| match (id, kind) {
                (1, TType::I32) => from.read_i32().map(|kind| page.kind = kind),
                (2 | 3, TType::I32) => from.read_i32().map(|size| sizes[id as usize - 2] = size),
                // The headers of data pages, of the first and of the second version.
                (5, TType::Struct) => fields(from, |from, id, kind| match (id, kind) {
                    (1, TType::I32) => from.read_i32().map(|count| values = count),
                    _ => from.skip(kind),
                }),
                (8, TType::Struct) => fields(from, |from, id, kind| match (id, kind) {
                    (1, TType::I32) => from.read_i32().map(|count| values = count),
                    (5 | 6, TType::I32) => from.read_i32().map(|size| bare[id as usize - 5] = size),
                    (7, TType::Bool) => from.read_bool().map(|compressed| page.is_bare = !compressed),
                    _ => from.skip(kind),
                }),
                _ => from.skip(kind),
            })
        });
        read.map_err(|error| format!("a page header cannot be read: {error}"))?;
        let size = |size: i32| u64::try_from(size).map_err(|_| "a page has a negative size".to_owned());
        (page.large, page.small) = (size(sizes[0])?, size(sizes[1])?);
        page.values = u64::try_from(values).map_err(|_| "a page has a negative number of values".to_owned())?;
        (page.at, page.bare) = (position + from.bytes, size(bare[0])?.saturating_add(size(bare[1])?));
        Ok(page)
    }

    /// Where the next page begins.
    pub(super) fn end(&self) -> u64 {
        self.at.saturating_add(self.small)
    }

    /// Refuses one that becomes more than it says, or says more than it can become.
    fn check(&self, file: &PositionalFile, codec: Compression) -> Checked<()> {
        let Self { small, large, .. } = *self;
        match codec {
            Compression::SNAPPY | Compression::LZ4 | Compression::LZ4_RAW => {
                let (factor, room) = MOST_GROWTH;
                if large > small.saturating_mul(factor) + room {
                    return Err(format!("a page of {small} bytes says it holds {large}"));
                }
                // Of a frame, as some old writers have it, the library takes whatever comes out.
                let unseen = codec == Compression::LZ4 && small.saturating_mul(factor) > large + UNSEEN;
                if unseen && file.get_bytes(self.at, LZ4_FRAME.len()).is_ok_and(|begin| begin == LZ4_FRAME[..]) {
                    return Err(format!("a page of {small} bytes in an LZ4 frame, which may hold more than it says"));
                }
                Ok(())
            }
            Compression::GZIP(_) if small.saturating_mul(DEFLATE_GROWTH) <= large + UNSEEN => Ok(()),
            Compression::GZIP(_) | Compression::BROTLI(_) if !self.is_bare => {
                let from = file.get_read(self.at.saturating_add(self.bare)).map_err(|error| error.to_string())?;
                let from = from.take(small.saturating_sub(self.bare));
                let most = large.saturating_sub(self.bare);
                let beyond = match codec {
                    Compression::GZIP(_) => holds_more(MultiGzDecoder::new(from), most),
                    _ => holds_more(brotli::Decompressor::new(from, 4096), most),
                };
                if beyond { Err(format!("a page holds more than the {large} bytes it says")) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

/// Bytes of the longest word of a chunk that begins with a dictionary of strings or binary values: any of its rows may be
/// that. Those of the whole dictionary if they are no more than `few`. Whoever reads the chunk says what is wrong with it.
pub(super) fn longest_word(file: &PositionalFile, chunk: &ColumnChunkMetaData, few: u64) -> Option<u64> {
    if chunk.column_type() != Type::BYTE_ARRAY {
        return None;
    }
    let PageHead { kind, large, .. } = PageHead::read(file, chunk_range(file, chunk).ok()?.start).ok()?;
    if kind != PageHead::DICTIONARY || large <= few {
        return (kind == PageHead::DICTIONARY).then_some(large);
    }
    let pages = SerializedPageReader::new(Arc::new(file.clone()), chunk, 0, None);
    let dictionary = pages.and_then(|mut pages| pages.get_next_page()).ok()??;
    let (mut words, mut longest) = (&dictionary.buffer()[..], 0);
    while let Some((length, rest)) = words.split_first_chunk() {
        let length = u32::from_le_bytes(*length);
        (words, longest) = (rest.get(length as usize..).unwrap_or_default(), longest.max(length));
    }
    Some(longest.into())
}

/// Refuses a chunk with a page that takes more memory than it should: than its codec can make of it, than it says, or, if
/// there is a bound, than `most` bytes.
pub(super) fn check_pages(
    file: &PositionalFile,
    chunk: &ColumnChunkMetaData,
    most: Option<u64>,
) -> Result<(), PageFault> {
    // These two are given the room that a page says it needs, which is not touched unless it does.
    let safe = matches!(chunk.compression(), Compression::UNCOMPRESSED | Compression::ZSTD(_));
    if safe && most.is_none() {
        return Ok(());
    }
    let range = chunk_range(file, chunk).map_err(PageFault::Damaged)?;
    let mut position = range.start;
    while position < range.end {
        let page = PageHead::read(file, position).map_err(PageFault::Damaged)?;
        if most.is_some_and(|most| page.large > most) {
            return Err(PageFault::TooLarge(page.large));
        }
        page.check(file, chunk.compression()).map_err(PageFault::Damaged)?;
        position = page.end();
    }
    Ok(())
}

/// Whether there are more bytes than `most`; what cannot be decompressed is for the reader to refuse.
fn holds_more(from: impl Read, most: u64) -> bool {
    io::copy(&mut from.take(most.saturating_add(1)), &mut io::sink()).is_ok_and(|bytes| bytes > most)
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
