//! Reads an Arrow IPC file by its footer: some writers omit the schema at the beginning.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::file::reader::{ChunkReader, Length};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::{Block, root_as_footer};

use super::stream::{IpcMessage, StreamItem, decode, parse_schema, read_message};
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;
use crate::source::catch_decoder_panic;
use crate::source::wide_keys::{wide_batch, wide_schema};
use crate::storage::PositionalFile;

/// The signature at the end of a file.
const SIGNATURE: &[u8] = b"ARROW1";

/// Bytes of the trailer: the length of the footer and the signature.
const TRAILER_BYTES: usize = 4 + SIGNATURE.len();

/// An opened Arrow IPC file.
#[derive(Debug, Clone)]
pub(crate) struct IpcFile {
    path: PathBuf,
    file: PositionalFile,
    /// The schema in the footer.
    stored: SchemaRef,
    /// The schema of the batches, with wide dictionary keys.
    schema: SchemaRef,
    dictionaries: Arc<[Block]>,
    batches: Arc<[Block]>,
}

impl IpcFile {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// [`Error::Truncated`] if there is none, [`Error::Read`] if it is invalid.
    pub(crate) fn open(path: &Path, file: PositionalFile) -> Result<Self> {
        let truncated = || Error::Truncated {
            place: Place::file(path),
            what: "it begins as an Arrow file and does not end as one".to_owned(),
            only_marker: false,
        };
        let bytes =
            |start: u64, length: usize| catch_decoder_panic(|| Place::file(path), || file.get_bytes(start, length));
        let end = file.len().checked_sub(TRAILER_BYTES as u64).ok_or_else(truncated)?;
        let trailer = bytes(end, TRAILER_BYTES)?;
        if &trailer[4..] != SIGNATURE {
            return Err(truncated());
        }
        let length = u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
        let footer = bytes(end.checked_sub(length.into()).ok_or_else(truncated)?, length as usize)?;
        let damaged = |what: &str| ArrowError::ParseError(what.to_owned());
        catch_decoder_panic(
            || Place::file(path),
            || -> Result<Self, ArrowError> {
                let footer = root_as_footer(&footer).map_err(|error| damaged(&error.to_string()))?;
                let schema = footer.schema().ok_or_else(|| damaged("its footer has no schema"))?;
                let stored = parse_schema(schema)?;
                let blocks = |blocks: Option<_>| blocks.into_iter().flatten().copied().collect();
                Ok(Self {
                    path: path.to_owned(),
                    file: file.clone(),
                    schema: wide_schema(&stored),
                    stored,
                    dictionaries: blocks(footer.dictionaries()),
                    batches: blocks(footer.recordBatches()),
                })
            },
        )
    }

    /// The schema of the batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads all batches in order.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Damaged`] for invalid dictionaries.
    pub(crate) fn batches(&self, stop: &Stop) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let (file, stop, mut dictionaries) = (self.clone(), stop.clone(), HashMap::new());
        for block in self.dictionaries.iter() {
            stop.check()?;
            let message = catch_decoder_panic(|| Place::file(&self.path), || self.read_message(block))?;
            if message.replaces_dictionary(&dictionaries) {
                let what = "it replaces a dictionary, which only an Arrow stream may".to_owned();
                return Err(Error::Damaged { place: Place::file(&self.path), what });
            }
            catch_decoder_panic(|| Place::file(&self.path), || decode(&message, &self.stored, &mut dictionaries))?;
        }
        let mut blocks = 0..self.batches.len();
        Ok(std::iter::from_fn(move || {
            let block = &file.batches[blocks.next()?];
            let read = || {
                let no_rows = || ArrowError::ParseError("a batch in its footer is not a batch".to_owned());
                let batch = decode(&file.read_message(block)?, &file.stored, &mut dictionaries)?;
                wide_batch(batch.ok_or_else(no_rows)?, &file.schema)
            };
            let batch = stop.check().and_then(|()| catch_decoder_panic(|| Place::file(&file.path), read));
            if batch.is_err() {
                blocks = 0..0;
            }
            Some(batch)
        }))
    }

    /// Reads the message of a block; the message has its own length.
    fn read_message(&self, block: &Block) -> Result<IpcMessage, ArrowError> {
        let missing = || ArrowError::ParseError(format!("there is no batch at byte {}", block.offset()));
        let start = u64::try_from(block.offset()).map_err(|_| missing())?;
        let mut from = self.file.get_read(start).map_err(|error| ArrowError::ExternalError(error.into()))?;
        match read_message(&mut from)? {
            StreamItem::Message(message) => Ok(message),
            StreamItem::EndOfStream | StreamItem::EndOfInput | StreamItem::Truncated => Err(missing()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use arrow::array::{ArrayRef, DictionaryArray, Int8Array, StringArray};
    use arrow::datatypes::Int8Type;
    use arrow::ipc::writer::FileWriter;

    use super::*;

    #[test]
    fn a_file_that_replaces_a_dictionary_is_refused() {
        let coded =
            DictionaryArray::<Int8Type>::new(Int8Array::from(vec![0, 1]), Arc::new(StringArray::from(vec!["a", "b"])));
        let batch = RecordBatch::try_from_iter([("c", Arc::new(coded) as ArrayRef)]).unwrap();
        let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        let bytes = writer.into_inner().unwrap();
        let mut to = tempfile::NamedTempFile::new().unwrap();
        to.write_all(&bytes).unwrap();
        let sound = IpcFile::open(to.path(), PositionalFile::open(to.path()).unwrap()).unwrap();
        let read =
            |file: &IpcFile| file.batches(&Stop::new())?.map(|batch| Ok(batch?.num_rows())).sum::<Result<usize>>();
        assert_eq!(read(&sound).unwrap(), 2);
        let twice = [&*sound.dictionaries, &*sound.dictionaries].concat();
        let replaced = IpcFile { dictionaries: twice.into(), ..sound };
        assert!(matches!(read(&replaced), Err(Error::Damaged { .. })));
    }
}
