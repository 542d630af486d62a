//! Arrow IPC, read from its first byte to its last: a stream, or the stream that a file holds.
//!
//! The library takes the end of the bytes for the end of the stream, also after a few stray ones: whether the mark that
//! ends a stream was there is seen here.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;

use super::guarded;
use crate::error::{Error, Place, Result};
use crate::stop::Stop;

/// A stream being read.
pub(super) struct IpcReader {
    path: PathBuf,
    reader: StreamReader<Counted>,
    allow_missing_eos: bool,
    stop: Stop,
    /// Batches read.
    batches: u64,
    ended: bool,
}

/// Counts the bytes read, and sees their end.
struct Counted {
    from: Box<dyn Read + Send>,
    bytes: u64,
    at_end: bool,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.bytes += read as u64;
        self.at_end |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

impl IpcReader {
    /// Reads the schema.
    ///
    /// # Errors
    /// [`Error::Read`] if the bytes do not begin as a stream.
    pub(super) fn new(path: &Path, from: Box<dyn Read + Send>, allow_missing_eos: bool, stop: &Stop) -> Result<Self> {
        let counted = Counted { from, bytes: 0, at_end: false };
        let reader = guarded(|| Place::file(path), || StreamReader::try_new(counted, None));
        // Asked to stop, the bytes end.
        stop.check()?;
        Ok(Self {
            path: path.to_owned(),
            reader: reader?,
            allow_missing_eos,
            stop: stop.clone(),
            batches: 0,
            ended: false,
        })
    }

    /// The columns.
    pub(super) fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        self.stop.check()?;
        let place = Place::file(&self.path);
        let before = self.reader.get_ref().bytes;
        let reader = &mut self.reader;
        let next = guarded(|| place.clone(), || reader.next().transpose());
        self.stop.check()?;
        let next = next.map_err(|error| match error {
            Error::Read { source, .. } if is_early_end(&*source) => self.cut("within a message"),
            error => error,
        })?;
        let &Counted { bytes, at_end, .. } = self.reader.get_ref();
        match next {
            Some(batch) => {
                self.batches += 1;
                Ok(Some(batch))
            }
            None if !at_end => Ok(None),
            None if bytes > before => Err(self.cut("within a message")),
            None if self.allow_missing_eos => Ok(None),
            None => Err(self.cut("without its end-of-stream marker")),
        }
    }

    /// The stream is cut short.
    fn cut(&self, how: &str) -> Error {
        let what = format!("the Arrow stream ends {how}, after {} batches", self.batches);
        Error::Truncated { place: Place::file(&self.path), what }
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

/// Whether the bytes ended where there had to be more.
fn is_early_end(error: &(dyn std::error::Error + 'static)) -> bool {
    match error.downcast_ref::<ArrowError>() {
        Some(ArrowError::IoError(_, source)) => source.kind() == io::ErrorKind::UnexpectedEof,
        Some(ArrowError::ParseError(text)) => text.contains("Unexpected end of stream"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::ipc::writer::StreamWriter;

    use super::*;

    fn stream(batches: usize) -> (Vec<u8>, usize) {
        let batch = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef)]).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        let schema = writer.get_ref().len();
        (0..batches).for_each(|_| writer.write(&batch).unwrap());
        (writer.into_inner().unwrap(), schema)
    }

    fn read(bytes: &[u8], allow_missing_eos: bool) -> Result<usize> {
        let from = Box::new(io::Cursor::new(bytes.to_vec()));
        let reader = IpcReader::new(Path::new("-"), from, allow_missing_eos, &Stop::new())?;
        reader.map(|batch| batch.map(|batch| batch.num_rows())).sum()
    }

    #[test]
    fn a_stream_cut_anywhere_is_an_error() {
        for batches in [0, 2] {
            let (bytes, _) = stream(batches);
            assert_eq!(read(&bytes, false).unwrap(), 3 * batches);
            for end in 0..bytes.len() {
                assert!(read(&bytes[..end], false).is_err(), "{end} of {} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn only_a_missing_mark_can_be_allowed() {
        let (bytes, schema) = stream(2);
        let batch = (bytes.len() - 8 - schema) / 2;
        for end in schema..bytes.len() {
            let whole = (end - schema) % batch == 0;
            assert_eq!(read(&bytes[..end], true).is_ok(), whole, "{end}");
            if whole {
                assert_eq!(read(&bytes[..end], true).unwrap(), (end - schema) / batch * 3);
            }
        }
    }
}
