//! An Arrow IPC stream, read from its first byte to its last.
//!
//! Messages are taken from the bytes here, since the library's reader takes the end of the bytes for the end of the
//! stream, also after a few stray ones, and believes what a compressed buffer says of its size.

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

use super::guard::{NotSupported, guarded};
use super::wide_keys::{wide_batch, wide_schema};
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;

/// What a message begins with, since format version 0.15.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The key by which a message said that its buffers are compressed, before the format had a field for it.
const EXPERIMENTAL_COMPRESSION: &str = "ARROW:experimental_compression";

/// Memory taken for bytes before they are there.
const AT_ONCE: u64 = 64 << 20;

/// What the buffers of one message may hold uncompressed: so many bytes, or so many times theirs, which is more than LZ4
/// can make of them. zstd can make 32,768 bytes of one.
const MOST_BYTES: u64 = 1 << 30;
const MOST_TIMES: u64 = 256;

/// A stream being read.
pub(super) struct IpcReader {
    path: PathBuf,
    from: Box<dyn Read + Send>,
    /// As it is in the stream.
    schema: SchemaRef,
    /// As its rows are read.
    columns: SchemaRef,
    /// Values of dictionary columns, by the dictionary's id.
    dictionaries: HashMap<i64, ArrayRef>,
    allow_missing_eos: bool,
    stop: Stop,
    /// Batches read.
    batches: u64,
    ended: bool,
}

/// What comes next in a stream.
pub(super) enum Next {
    Message(Message),
    /// The mark that nothing follows.
    Mark,
    /// The bytes end between two messages.
    Nothing,
    /// The bytes end within a message.
    Cut,
}

/// What a message says of itself, a checked flatbuffer, and the bytes it speaks of.
pub(super) struct Message {
    about: Vec<u8>,
    body: Buffer,
}

impl Message {
    /// Whether it holds a dictionary in place of one that is there.
    pub(super) fn replaces(&self, dictionaries: &HashMap<i64, ArrayRef>) -> bool {
        let dictionary = parse(&self.about).ok().and_then(|message| {
            let dictionary = message.header_as_dictionary_batch()?;
            Some((dictionary.id(), dictionary.isDelta()))
        });
        dictionary.is_some_and(|(id, is_delta)| !is_delta && dictionaries.contains_key(&id))
    }
}

impl IpcReader {
    /// Reads the schema.
    ///
    /// # Errors
    /// [`Error::Read`] if the bytes do not begin as a stream.
    pub(super) fn new(path: &Path, from: Box<dyn Read + Send>, allow_missing_eos: bool, stop: &Stop) -> Result<Self> {
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
        let schema = guarded(place, || match message(&mut reader.from)? {
            Next::Message(Message { about, .. }) => match parse(&about)?.header_as_schema() {
                Some(schema) => columns(schema),
                None => Err(ArrowError::IpcError("a stream begins with its schema".to_owned())),
            },
            Next::Mark | Next::Nothing | Next::Cut => {
                Err(ArrowError::IpcError("the bytes end before the schema does".to_owned()))
            }
        });
        // Asked to stop, the bytes end.
        stop.check()?;
        reader.schema = schema?;
        reader.columns = wide_schema(&reader.schema);
        Ok(reader)
    }

    /// The columns.
    pub(super) fn schema(&self) -> SchemaRef {
        self.columns.clone()
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.stop.check()?;
            let next = guarded(|| Place::file(&self.path), || message(&mut self.from));
            // Asked to stop, the bytes end.
            self.stop.check()?;
            let message = match next? {
                Next::Message(message) => message,
                Next::Mark => return Ok(None),
                Next::Nothing if self.allow_missing_eos => return Ok(None),
                Next::Nothing => return Err(self.cut("without its end-of-stream marker", true)),
                Next::Cut => return Err(self.cut("within a message", false)),
            };
            let Self { path, schema, columns, dictionaries, .. } = self;
            let decoded = || {
                let batch = decode(&message, schema, dictionaries)?;
                batch.map(|batch| wide_batch(batch, columns)).transpose()
            };
            if let Some(batch) = guarded(|| Place::file(&*path), decoded)? {
                self.batches += 1;
                return Ok(Some(batch));
            }
        }
    }

    /// The stream is truncated.
    fn cut(&self, how: &str, only_marker: bool) -> Error {
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

/// The rows of a message, if it holds any; a dictionary's values are kept for those to come.
pub(super) fn decode(
    Message { about, body }: &Message,
    schema: &SchemaRef,
    dictionaries: &mut HashMap<i64, ArrayRef>,
) -> Result<Option<RecordBatch>, ArrowError> {
    let message = parse(about)?;
    check_layout(&message)?;
    if let Some(batch) = message.header_as_record_batch() {
        check_growth(&batch, body)?;
        return read_record_batch(body, batch, schema.clone(), dictionaries, None, &message.version()).map(Some);
    }
    if let Some(dictionary) = message.header_as_dictionary_batch() {
        if let Some(values) = dictionary.data() {
            check_growth(&values, body)?;
        }
        read_dictionary(body, dictionary, schema, dictionaries, &message.version())?;
        return Ok(None);
    }
    match message.header_type() {
        MessageHeader::NONE => Ok(None),
        other => Err(ArrowError::IpcError(format!("a message that is none of rows: {other:?}"))),
    }
}

/// The columns of a schema whose numbers can be read.
pub(super) fn columns(schema: ipc::Schema<'_>) -> Result<SchemaRef, ArrowError> {
    if !schema.endianness().equals_to_target_endianness() {
        return Err(not_supported("the other byte order"));
    }
    try_fb_to_schema(schema).map(Arc::new)
}

/// For [`guarded`], which says where.
fn not_supported(what: &'static str) -> ArrowError {
    ArrowError::ExternalError(Box::new(NotSupported(what)))
}

/// Refuses buffers that are laid out as the format had it once: the reader takes them for what they are now.
fn check_layout(message: &ipc::Message<'_>) -> Result<(), ArrowError> {
    if message.version() < ipc::MetadataVersion::V4 {
        return Err(not_supported("an Arrow format version before 0.8"));
    }
    let mut keys = message.custom_metadata().into_iter().flatten().filter_map(|entry| entry.key());
    if keys.any(|key| key == EXPERIMENTAL_COMPRESSION) {
        return Err(not_supported("the experimental compression of Arrow 0.17"));
    }
    Ok(())
}

/// Refuses compressed buffers that say they hold more than such buffers do: memory is taken by their word.
fn check_growth(batch: &ipc::RecordBatch<'_>, body: &[u8]) -> Result<(), ArrowError> {
    if batch.compression().is_none() {
        return Ok(());
    }
    // Whatever is not within the body is refused by the reader.
    let claim = |buffer: &ipc::Buffer| -> Option<u64> {
        let (start, length) = (usize::try_from(buffer.offset()).ok()?, usize::try_from(buffer.length()).ok()?);
        let length = body.get(start..)?.get(..length)?.first_chunk()?;
        // Negative for a buffer that is not compressed.
        Some(i64::from_le_bytes(*length).try_into().unwrap_or(0))
    };
    let claimed = batch.buffers().into_iter().flatten().filter_map(claim).fold(0, u64::saturating_add);
    let most = MOST_BYTES.max(MOST_TIMES * body.len() as u64);
    if claimed > most {
        let said = format!("its compressed buffers say they hold {claimed} bytes, more than {most}");
        return Err(ArrowError::IpcError(said));
    }
    Ok(())
}

/// The next message. <https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format>
pub(super) fn message(from: &mut dyn Read) -> Result<Next, ArrowError> {
    let mut word = [0; 4];
    match fill(from, &mut word)? {
        0 => return Ok(Next::Nothing),
        4 => {}
        _ => return Ok(Next::Cut),
    }
    if word == CONTINUATION && fill(from, &mut word)? < 4 {
        return Ok(Next::Cut);
    }
    let length = u32::from_le_bytes(word);
    if length == 0 {
        return Ok(Next::Mark);
    }
    let Some(about) = bytes(from, length.into())? else { return Ok(Next::Cut) };
    let body = parse(&about)?.bodyLength();
    let body = u64::try_from(body).map_err(|_| ArrowError::IpcError(format!("a message of {body} bytes")))?;
    let Some(body) = bytes(from, body)? else { return Ok(Next::Cut) };
    Ok(Next::Message(Message { about, body: Buffer::from_vec(body) }))
}

fn parse(about: &[u8]) -> Result<ipc::Message<'_>, ArrowError> {
    root_as_message(about).map_err(|error| ArrowError::ParseError(error.to_string()))
}

/// As much of `buffer` as there are bytes for.
fn fill(from: &mut dyn Read, buffer: &mut [u8; 4]) -> io::Result<usize> {
    let mut there = Vec::with_capacity(buffer.len());
    from.take(buffer.len() as u64).read_to_end(&mut there)?;
    buffer[..there.len()].copy_from_slice(&there);
    Ok(there.len())
}

/// `length` bytes, if there are as many; memory is taken as they come, whatever a message says of itself.
fn bytes(from: &mut dyn Read, length: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(length.min(AT_ONCE) as usize);
    from.take(length).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 == length).then_some(bytes))
}
