//! An Arrow IPC file, read by the table of contents at its end: not every writer puts the schema at the beginning, too.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::file::reader::{ChunkReader, Length};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::{Block, root_as_footer};

use super::guarded;
use super::ipc::{Message, Next, columns, decode, message};
use super::wide_keys::{wide_batch, wide_schema};
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;
use crate::storage::PositionalFile;

/// What a file ends with: the length of its table of contents, and a word.
const END: (u64, &[u8]) = (10, b"ARROW1");

/// An opened file.
#[derive(Debug, Clone)]
pub(super) struct IpcFile {
    path: PathBuf,
    file: PositionalFile,
    /// As it is in the table of contents.
    stored: SchemaRef,
    /// As its rows are read.
    schema: SchemaRef,
    dictionaries: Arc<[Block]>,
    batches: Arc<[Block]>,
}

impl IpcFile {
    /// Reads the table of contents.
    ///
    /// # Errors
    /// [`Error::Truncated`] if there is none, [`Error::Read`] if it is not sound.
    pub(super) fn open(path: &Path, file: PositionalFile) -> Result<Self> {
        let cut = || Error::Truncated {
            place: Place::file(path),
            what: "it begins as an Arrow file and does not end as one".to_owned(),
            only_marker: false,
        };
        let bytes = |start: u64, length: usize| guarded(|| Place::file(path), || file.get_bytes(start, length));
        let end = file.len().checked_sub(END.0).ok_or_else(cut)?;
        let trailer = bytes(end, END.0 as usize)?;
        if &trailer[4..] != END.1 {
            return Err(cut());
        }
        let length = u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
        let contents = bytes(end.checked_sub(length.into()).ok_or_else(cut)?, length as usize)?;
        let damaged = |what: &str| ArrowError::ParseError(what.to_owned());
        guarded(
            || Place::file(path),
            || -> Result<Self, ArrowError> {
                let footer = root_as_footer(&contents).map_err(|error| damaged(&error.to_string()))?;
                let schema = footer.schema().ok_or_else(|| damaged("its table of contents has no schema"))?;
                let stored = columns(schema)?;
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

    /// The columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Every batch in order.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Damaged`] for dictionaries that are not sound.
    pub(super) fn batches(&self, stop: &Stop) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let (file, stop, mut dictionaries) = (self.clone(), stop.clone(), HashMap::new());
        for block in self.dictionaries.iter() {
            stop.check()?;
            let message = guarded(|| Place::file(&self.path), || self.message(block))?;
            if message.replaces(&dictionaries) {
                let what = "it replaces a dictionary, which only an Arrow stream may".to_owned();
                return Err(Error::Damaged { place: Place::file(&self.path), what });
            }
            guarded(|| Place::file(&self.path), || decode(&message, &self.stored, &mut dictionaries))?;
        }
        let mut left = 0..self.batches.len();
        Ok(std::iter::from_fn(move || {
            let block = &file.batches[left.next()?];
            let read = || {
                let none = || ArrowError::ParseError("a batch of its table of contents is none".to_owned());
                let batch = decode(&file.message(block)?, &file.stored, &mut dictionaries)?;
                wide_batch(batch.ok_or_else(none)?, &file.schema)
            };
            let batch = stop.check().and_then(|()| guarded(|| Place::file(&file.path), read));
            if batch.is_err() {
                left = 0..0;
            }
            Some(batch)
        }))
    }

    /// The message of a block, which says itself how long it is.
    fn message(&self, block: &Block) -> Result<Message, ArrowError> {
        let missing = || ArrowError::ParseError(format!("there is no batch at byte {}", block.offset()));
        let start = u64::try_from(block.offset()).map_err(|_| missing())?;
        let mut from = self.file.get_read(start).map_err(|error| ArrowError::ExternalError(error.into()))?;
        match message(&mut from)? {
            Next::Message(message) => Ok(message),
            Next::Mark | Next::Nothing | Next::Cut => Err(missing()),
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
