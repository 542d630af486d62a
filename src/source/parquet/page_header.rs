//! Checks page headers before pages are read: the parquet crate allocates the size that a header claims, or that the codec
//! produces.

use std::io::{self, Read};
use std::sync::Arc;

use ::parquet::basic::{Compression, Type};
use ::parquet::column::page::PageReader;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use ::parquet::file::serialized_reader::SerializedPageReader;
use flate2::read::MultiGzDecoder;
use thrift::protocol::{TInputProtocol, TType};

use super::column_chunk::chunk_range;
use super::footer::{compact_protocol, read_struct};
use crate::storage::PositionalFile;

/// Most bytes per compressed byte (LZ4 makes 255, Snappy 21), and an allowance for tiny pages.
const MAX_EXPANSION: u64 = 256;
const TINY_PAGE_BYTES: u64 = 4096;

/// Most bytes that deflate makes of one byte.
const DEFLATE_EXPANSION: u64 = 1032;

/// Bytes by which a page may exceed its claimed size without being decompressed for a check.
const UNCHECKED_EXCESS: u64 = 1 << 30;

/// The magic number of an LZ4 frame.
const LZ4_FRAME: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// What is wrong with a chunk's pages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PageFault {
    Damaged(String),
    /// A page of so many bytes exceeds the limit.
    TooLarge(u64),
}

/// The header of a page.
#[derive(Debug, Default)]
pub(super) struct PageHeader {
    kind: i32,
    /// Number of values with nulls; 0 for a dictionary page.
    pub(super) values: u64,
    /// Offset of the page's bytes after the header.
    body_offset: u64,
    compressed_size: u64,
    uncompressed_size: u64,
    /// Bytes of levels, which the second version does not compress.
    level_bytes: u64,
    is_uncompressed: bool,
}

impl PageHeader {
    const DICTIONARY: i32 = 2;

    /// Reads the header at an offset.
    pub(super) fn read(file: &PositionalFile, position: u64) -> Result<Self, String> {
        let mut from = CountingReader { from: file.get_read(position).map_err(|error| error.to_string())?, bytes: 0 };
        let (mut page, mut sizes, mut level_bytes, mut values) = (Self::default(), [0; 2], [0; 2], 0);
        let read = compact_protocol(&mut from, file.len() as usize).and_then(|mut from| {
            read_struct(&mut from, |from, id, kind| match (id, kind) {
                (1, TType::I32) => from.read_i32().map(|kind| page.kind = kind),
                (2 | 3, TType::I32) => from.read_i32().map(|size| sizes[id as usize - 2] = size),
                // The headers of data pages, of the first and of the second version.
                (5, TType::Struct) => read_struct(from, |from, id, kind| match (id, kind) {
                    (1, TType::I32) => from.read_i32().map(|count| values = count),
                    _ => from.skip(kind),
                }),
                (8, TType::Struct) => read_struct(from, |from, id, kind| match (id, kind) {
                    (1, TType::I32) => from.read_i32().map(|count| values = count),
                    (5 | 6, TType::I32) => from.read_i32().map(|size| level_bytes[id as usize - 5] = size),
                    (7, TType::Bool) => from.read_bool().map(|compressed| page.is_uncompressed = !compressed),
                    _ => from.skip(kind),
                }),
                _ => from.skip(kind),
            })
        });
        read.map_err(|error| format!("a page header cannot be read: {error}"))?;
        let size = |size: i32| u64::try_from(size).map_err(|_| "a page has a negative size".to_owned());
        (page.uncompressed_size, page.compressed_size) = (size(sizes[0])?, size(sizes[1])?);
        page.values = u64::try_from(values).map_err(|_| "a page has a negative number of values".to_owned())?;
        page.body_offset = position + from.bytes;
        page.level_bytes = size(level_bytes[0])?.saturating_add(size(level_bytes[1])?);
        Ok(page)
    }

    /// Offset of the next page.
    pub(super) fn end(&self) -> u64 {
        self.body_offset.saturating_add(self.compressed_size)
    }

    /// Rejects a page that holds more than it claims, or claims more than it can hold.
    fn check(&self, file: &PositionalFile, codec: Compression) -> Result<(), String> {
        let Self { compressed_size: compressed, uncompressed_size: claimed, .. } = *self;
        match codec {
            Compression::SNAPPY | Compression::LZ4 | Compression::LZ4_RAW => {
                let most = compressed.saturating_mul(MAX_EXPANSION);
                if claimed > most + TINY_PAGE_BYTES {
                    return Err(format!("a page of {compressed} bytes claims to hold {claimed}"));
                }
                // Some old writers used LZ4 frames, which the parquet crate decompresses without a limit.
                let unlimited = codec == Compression::LZ4 && most > claimed + UNCHECKED_EXCESS;
                if unlimited
                    && file.get_bytes(self.body_offset, LZ4_FRAME.len()).is_ok_and(|begin| begin == LZ4_FRAME[..])
                {
                    return Err(format!(
                        "a page of {compressed} bytes in an LZ4 frame, which may hold more than it claims"
                    ));
                }
                Ok(())
            }
            Compression::GZIP(_) if compressed.saturating_mul(DEFLATE_EXPANSION) <= claimed + UNCHECKED_EXCESS => {
                Ok(())
            }
            Compression::GZIP(_) | Compression::BROTLI(_) if !self.is_uncompressed => {
                let start = self.body_offset.saturating_add(self.level_bytes);
                let from = file.get_read(start).map_err(|error| error.to_string())?;
                let from = from.take(compressed.saturating_sub(self.level_bytes));
                let most = claimed.saturating_sub(self.level_bytes);
                let is_more = match codec {
                    Compression::GZIP(_) => holds_more(MultiGzDecoder::new(from), most),
                    _ => holds_more(brotli::Decompressor::new(from, 4096), most),
                };
                if is_more { Err(format!("a page holds more than the {claimed} bytes it claims")) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

/// Bytes of the longest value in a chunk's dictionary of strings or binary values: any row may have it. If the whole
/// dictionary takes at most `small` bytes, its size. Errors are left for the chunk's reader to report.
pub(super) fn longest_dictionary_value(file: &PositionalFile, chunk: &ColumnChunkMetaData, small: u64) -> Option<u64> {
    if chunk.column_type() != Type::BYTE_ARRAY {
        return None;
    }
    let PageHeader { kind, uncompressed_size: size, .. } =
        PageHeader::read(file, chunk_range(file, chunk).ok()?.start).ok()?;
    if kind != PageHeader::DICTIONARY || size <= small {
        return (kind == PageHeader::DICTIONARY).then_some(size);
    }
    let pages = SerializedPageReader::new(Arc::new(file.clone()), chunk, 0, None);
    let dictionary = pages.and_then(|mut pages| pages.get_next_page()).ok()??;
    let (mut values, mut longest) = (&dictionary.buffer()[..], 0);
    while let Some((length, rest)) = values.split_first_chunk() {
        let length = u32::from_le_bytes(*length);
        (values, longest) = (rest.get(length as usize..).unwrap_or_default(), longest.max(length));
    }
    Some(longest.into())
}

/// Rejects a chunk with a page that takes more memory than its codec can produce, than it claims, or than the limit of
/// `most` bytes.
pub(super) fn check_pages(
    file: &PositionalFile,
    chunk: &ColumnChunkMetaData,
    most: Option<u64>,
) -> Result<(), PageFault> {
    // These two allocate the claimed size, but touch only what they need.
    let is_safe = matches!(chunk.compression(), Compression::UNCOMPRESSED | Compression::ZSTD(_));
    if is_safe && most.is_none() {
        return Ok(());
    }
    let range = chunk_range(file, chunk).map_err(PageFault::Damaged)?;
    let mut position = range.start;
    while position < range.end {
        let page = PageHeader::read(file, position).map_err(PageFault::Damaged)?;
        if most.is_some_and(|most| page.uncompressed_size > most) {
            return Err(PageFault::TooLarge(page.uncompressed_size));
        }
        page.check(file, chunk.compression()).map_err(PageFault::Damaged)?;
        position = page.end();
    }
    Ok(())
}

/// Whether a stream has more than `most` bytes; decompression errors are left for the reader to report.
fn holds_more(from: impl Read, most: u64) -> bool {
    io::copy(&mut from.take(most.saturating_add(1)), &mut io::sink()).is_ok_and(|bytes| bytes > most)
}

/// A reader that counts its bytes.
struct CountingReader<R> {
    from: R,
    bytes: u64,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
