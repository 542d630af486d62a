//! Whole lines of a text, as many at a time as can be read without waiting.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::line_length::check_line_length;
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;

/// Neighbouring lines of a text.
pub(crate) struct LineChunk {
    pub(crate) path: Arc<Path>,
    pub(crate) text: Vec<u8>,
    /// The number of the first line, from 1.
    pub(crate) first_line: u64,
}

impl LineChunk {
    /// Number of lines.
    pub(crate) fn lines(&self) -> u64 {
        let ends = self.text.iter().filter(|&&byte| byte == b'\n').count();
        ends as u64 + u64::from(!self.text.ends_with(b"\n"))
    }
}

/// An iterator over the lines of a text.
pub(super) struct LineChunks<R> {
    path: Arc<Path>,
    from: R,
    /// The start of a line whose end is not read yet.
    rest: Vec<u8>,
    next_line: u64,
    ended: bool,
    stop: Stop,
}

impl<R: Read> LineChunks<R> {
    /// Most bytes that are read at once.
    const READ_BYTES: usize = 1 << 16;

    pub(super) fn new(path: &Path, from: R, stop: &Stop) -> Self {
        Self { path: path.into(), from, rest: Vec::new(), next_line: 1, ended: false, stop: stop.clone() }
    }

    /// Reads until there is a whole line; empty at the end.
    fn read_lines(&mut self) -> Result<Vec<u8>> {
        let mut text = std::mem::take(&mut self.rest);
        loop {
            let before = text.len();
            text.resize(before + Self::READ_BYTES, 0);
            let read = self.from.read(&mut text[before..]).and_then(|read| {
                check_line_length((before + read) as u64)?;
                Ok(read)
            });
            self.stop.check()?;
            let read = match read {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    text.truncate(before);
                    continue;
                }
                read => read.map_err(|error| Error::Read { place: Place::file(&*self.path), source: error.into() })?,
            };
            text.truncate(before + read);
            if read == 0 {
                self.ended = true;
                return Ok(text);
            }
            if let Some(end) = text[before..].iter().rposition(|&byte| byte == b'\n') {
                self.rest = text.split_off(before + end + 1);
                return Ok(text);
            }
        }
    }
}

impl<R: Read> Iterator for LineChunks<R> {
    type Item = Result<LineChunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let text = self.read_lines();
        self.ended |= text.is_err();
        let chunk = text.map(|text| {
            let chunk = LineChunk { path: self.path.clone(), text, first_line: self.next_line };
            self.next_line += chunk.lines();
            chunk
        });
        Some(chunk).filter(|chunk| !chunk.as_ref().is_ok_and(|chunk| chunk.text.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one piece a read.
    struct Pieces(Vec<&'static str>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0).as_bytes();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn lines_come_whole_and_as_soon_as_they_are_read() {
        let pieces = Pieces(vec!["a\n", "b", "c\nd\ne", "f", "\n", "g"]);
        let chunks = LineChunks::new(Path::new("x"), pieces, &Stop::new());
        let chunks: Vec<_> = chunks.map(|chunk| chunk.unwrap()).map(|it| (it.first_line, it.text)).collect();
        let expected = [(1, "a\n"), (2, "bc\nd\n"), (4, "ef\n"), (5, "g")];
        assert_eq!(chunks, expected.map(|(line, text)| (line, text.as_bytes().to_vec())));
        assert!(LineChunks::new(Path::new("x"), Pieces(vec![]), &Stop::new()).next().is_none());
    }
}
