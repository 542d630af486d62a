//! Reads an Arrow IPC stream, which may be cut short or damaged.
//!
//! Messages are parsed here, since the arrow crate's reader takes any end of input for the end of the stream, even inside a
//! message, and trusts the claimed size of a compressed buffer.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::{read_dictionary, read_record_batch};
use arrow::ipc::{self, MessageHeader, root_as_message};

use crate::error::{Error, Place, Result, Unsupported};
use crate::pipeline::Stop;
use crate::source::decoder_panic::catch_decoder_panic;
use crate::source::wide_keys::{wide_batch, wide_schema};

/// The continuation marker before a message, since format version 0.15.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The metadata key for compressed buffers before the format had a field for them.
const EXPERIMENTAL_COMPRESSION: &str = "ARROW:experimental_compression";

/// Most memory allocated before the bytes are read.
const MAX_PREALLOCATION: u64 = 64 << 20;

/// Most uncompressed bytes of a message: this many, or this factor times its size. LZ4 makes at most 255 bytes of one; zstd
/// can make 32,768.
const MAX_UNCOMPRESSED: u64 = 1 << 30;
const MAX_EXPANSION: u64 = 256;

/// A reader of an Arrow IPC stream.
pub(crate) struct IpcReader {
    path: PathBuf,
    from: Box<dyn Read + Send>,
    /// The schema in the stream.
    schema: SchemaRef,
    /// The schema of the batches, with wide dictionary keys.
    columns: SchemaRef,
    /// Values of dictionary columns, by the dictionary's id.
    dictionaries: HashMap<i64, ArrayRef>,
    allow_missing_eos: bool,
    stop: Stop,
    /// Number of batches read.
    batches: u64,
    ended: bool,
}

/// What follows in a stream.
pub(super) enum StreamItem {
    Message(IpcMessage),
    /// The end-of-stream marker.
    EndOfStream,
    /// The input ends between two messages.
    EndOfInput,
    /// The input ends inside a message.
    Truncated,
}

/// A message: its metadata, a checked flatbuffer, and its body.
pub(super) struct IpcMessage {
    metadata: Vec<u8>,
    body: Buffer,
}

impl IpcMessage {
    /// Whether it replaces a dictionary that was read before.
    pub(super) fn replaces_dictionary(&self, dictionaries: &HashMap<i64, ArrayRef>) -> bool {
        let dictionary = parse(&self.metadata).ok().and_then(|message| {
            let dictionary = message.header_as_dictionary_batch()?;
            Some((dictionary.id(), dictionary.isDelta()))
        });
        dictionary.is_some_and(|(id, is_delta)| !is_delta && dictionaries.contains_key(&id))
    }
}

impl IpcReader {
    /// Opens a stream and reads its schema.
    ///
    /// # Errors
    /// [`Error::Read`] if the input does not begin with a schema.
    pub(crate) fn new(path: &Path, from: Box<dyn Read + Send>, allow_missing_eos: bool, stop: &Stop) -> Result<Self> {
        let mut reader = Self {
            path: path.to_owned(),
            from,
            schema: Arc::new(Schema::empty()),
            columns: Arc::new(Schema::empty()),
            dictionaries: HashMap::new(),
            allow_missing_eos,
            stop: stop.clone(),
            batches: 0,
            ended: false,
        };
        let place = || Place::file(path);
        let schema = catch_decoder_panic(place, || match read_message(&mut reader.from)? {
            StreamItem::Message(IpcMessage { metadata, .. }) => match parse(&metadata)?.header_as_schema() {
                Some(schema) => parse_schema(schema),
                None => Err(ArrowError::IpcError("a stream begins with its schema".to_owned())),
            },
            StreamItem::EndOfStream | StreamItem::EndOfInput | StreamItem::Truncated => {
                Err(ArrowError::IpcError("the bytes end before the schema does".to_owned()))
            }
        });
        // A stop request ends the input early.
        stop.check()?;
        reader.schema = schema?;
        reader.columns = wide_schema(&reader.schema);
        Ok(reader)
    }

    /// The schema of the batches.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.columns.clone()
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.stop.check()?;
            let item = catch_decoder_panic(|| Place::file(&self.path), || read_message(&mut self.from));
            // A stop request ends the input early.
            self.stop.check()?;
            let message = match item? {
                StreamItem::Message(message) => message,
                StreamItem::EndOfStream => return Ok(None),
                StreamItem::EndOfInput if self.allow_missing_eos => return Ok(None),
                StreamItem::EndOfInput => return Err(self.truncated("without its end-of-stream marker", true)),
                StreamItem::Truncated => return Err(self.truncated("within a message", false)),
            };
            let Self { path, schema, columns, dictionaries, .. } = self;
            let decoded = || {
                let batch = decode(&message, schema, dictionaries)?;
                batch.map(|batch| wide_batch(batch, columns)).transpose()
            };
            if let Some(batch) = catch_decoder_panic(|| Place::file(&*path), decoded)? {
                self.batches += 1;
                return Ok(Some(batch));
            }
        }
    }

    /// The error for a stream that ends early.
    fn truncated(&self, how: &str, only_marker: bool) -> Error {
        let what = format!("the Arrow stream ends {how}, after {} batches", self.batches);
        Error::Truncated { place: Place::file(&self.path), what, only_marker }
    }
}

impl Iterator for IpcReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Decodes the rows of a message, if it has any; stores a dictionary for later messages.
pub(super) fn decode(
    IpcMessage { metadata, body }: &IpcMessage,
    schema: &SchemaRef,
    dictionaries: &mut HashMap<i64, ArrayRef>,
) -> Result<Option<RecordBatch>, ArrowError> {
    let message = parse(metadata)?;
    check_layout(&message)?;
    if let Some(batch) = message.header_as_record_batch() {
        check_claimed_size(&batch, body)?;
        return read_record_batch(body, batch, schema.clone(), dictionaries, None, &message.version()).map(Some);
    }
    if let Some(dictionary) = message.header_as_dictionary_batch() {
        if let Some(values) = dictionary.data() {
            check_claimed_size(&values, body)?;
        }
        read_dictionary(body, dictionary, schema, dictionaries, &message.version())?;
        return Ok(None);
    }
    match message.header_type() {
        MessageHeader::NONE => Ok(None),
        other => Err(ArrowError::IpcError(format!("an unexpected message: {other:?}"))),
    }
}

/// Parses a schema; the other byte order is unsupported.
pub(super) fn parse_schema(schema: ipc::Schema<'_>) -> Result<SchemaRef, ArrowError> {
    if !schema.endianness().equals_to_target_endianness() {
        return Err(not_supported(Unsupported::ByteOrder));
    }
    try_fb_to_schema(schema).map(Arc::new)
}

/// An error that [`catch_decoder_panic`] converts.
fn not_supported(what: Unsupported) -> ArrowError {
    ArrowError::ExternalError(Box::new(what))
}

/// Rejects buffer layouts of old format versions, which the reader would misread.
fn check_layout(message: &ipc::Message<'_>) -> Result<(), ArrowError> {
    if message.version() < ipc::MetadataVersion::V4 {
        return Err(not_supported(Unsupported::OldArrow));
    }
    let mut keys = message.custom_metadata().into_iter().flatten().filter_map(|entry| entry.key());
    if keys.any(|key| key == EXPERIMENTAL_COMPRESSION) {
        return Err(not_supported(Unsupported::OldCompression));
    }
    Ok(())
}

/// Rejects compressed buffers that claim an implausible size, which the reader would allocate.
fn check_claimed_size(batch: &ipc::RecordBatch<'_>, body: &[u8]) -> Result<(), ArrowError> {
    if batch.compression().is_none() {
        return Ok(());
    }
    // The reader rejects a buffer outside the body.
    let claim = |buffer: &ipc::Buffer| -> Option<u64> {
        let (start, length) = (usize::try_from(buffer.offset()).ok()?, usize::try_from(buffer.length()).ok()?);
        let length = body.get(start..)?.get(..length)?.first_chunk()?;
        // Negative for a buffer that is not compressed.
        Some(i64::from_le_bytes(*length).try_into().unwrap_or(0))
    };
    let claimed = batch.buffers().into_iter().flatten().filter_map(claim).fold(0, u64::saturating_add);
    let most = MAX_UNCOMPRESSED.max(MAX_EXPANSION * body.len() as u64);
    if claimed > most {
        let what = format!("its compressed buffers claim to hold {claimed} bytes, more than {most}");
        return Err(ArrowError::IpcError(what));
    }
    Ok(())
}

/// Reads the next message. <https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format>
pub(super) fn read_message(from: &mut dyn Read) -> Result<StreamItem, ArrowError> {
    let mut word = [0; 4];
    match read_word(from, &mut word)? {
        0 => return Ok(StreamItem::EndOfInput),
        4 => {}
        _ => return Ok(StreamItem::Truncated),
    }
    if word == CONTINUATION && read_word(from, &mut word)? < 4 {
        return Ok(StreamItem::Truncated);
    }
    let length = u32::from_le_bytes(word);
    if length == 0 {
        return Ok(StreamItem::EndOfStream);
    }
    let Some(metadata) = read_exactly(from, length.into())? else { return Ok(StreamItem::Truncated) };
    let body = parse(&metadata)?.bodyLength();
    let body = u64::try_from(body).map_err(|_| ArrowError::IpcError(format!("a message of {body} bytes")))?;
    let Some(body) = read_exactly(from, body)? else { return Ok(StreamItem::Truncated) };
    Ok(StreamItem::Message(IpcMessage { metadata, body: Buffer::from_vec(body) }))
}

fn parse(metadata: &[u8]) -> Result<ipc::Message<'_>, ArrowError> {
    root_as_message(metadata).map_err(|error| ArrowError::ParseError(error.to_string()))
}

/// Fills `buffer` as far as the input goes; returns the number of bytes.
fn read_word(from: &mut dyn Read, buffer: &mut [u8; 4]) -> io::Result<usize> {
    let mut read = Vec::with_capacity(buffer.len());
    from.take(buffer.len() as u64).read_to_end(&mut read)?;
    buffer[..read.len()].copy_from_slice(&read);
    Ok(read.len())
}

/// Reads `length` bytes; `None` if the input is shorter. Memory grows with the bytes read, not with the claimed length.
fn read_exactly(from: &mut dyn Read, length: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(length.min(MAX_PREALLOCATION) as usize);
    from.take(length).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 == length).then_some(bytes))
}
