//! How long the lines of a text are: few bytes of gzip may be one of any length, and a reader holds all of it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest line that is read, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// The text that a batch is made of, in bytes, if its rows are not longer.
const BATCH_BYTES: u64 = 64 << 20;

/// The longest line so far, in bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Longest(Arc<AtomicU64>);

impl Longest {
    /// Rows to read at once, `most` of them if they are short.
    pub(super) fn rows(&self, most: usize) -> usize {
        let rows = BATCH_BYTES / self.0.load(Ordering::Relaxed).max(1);
        usize::try_from(rows).unwrap_or(most).clamp(1, most)
    }
}

/// Bytes whose lines are looked at, and refused if they are too long.
pub(super) struct Lines<R> {
    from: R,
    /// Whether it is CSV: within quotes a line goes on beyond its end.
    csv: bool,
    state: LineState,
    /// Bytes of the line so far.
    length: u64,
    longest: Longest,
}

/// Where in a line a byte is, as the CSV reader has it: quotes are quotes only where a field begins with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineState {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote within quotes: the end of these, or the first of two that mean one.
    QuoteInQuotes,
}

impl LineState {
    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::QuoteInQuotes,
            (Self::Quoted, _) | (Self::QuoteInQuotes | Self::FieldStart, b'"') => Self::Quoted,
            (_, b',' | b'\n' | b'\r') => Self::FieldStart,
            _ => Self::Unquoted,
        }
    }
}

impl<R> Lines<R> {
    pub(super) fn new(from: R, csv: bool, longest: &Longest) -> Self {
        Self { from, csv, state: LineState::FieldStart, length: 0, longest: longest.clone() }
    }

    fn look(&mut self, byte: u8) {
        // A line of CSV may end in a carriage return alone.
        if self.state != LineState::Quoted && (byte == b'\n' || (byte == b'\r' && self.csv)) {
            self.longest.0.fetch_max(self.length, Ordering::Relaxed);
            self.length = 0;
        }
        if self.csv {
            self.state = self.state.next(byte);
        }
        self.length += 1;
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        buffer[..read].iter().for_each(|&byte| self.look(byte));
        if self.length > MOST_BYTES {
            let what = format!("a line of more than {} MiB", MOST_BYTES >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(text: &str, quotes: bool) -> u64 {
        let longest = Longest::default();
        io::copy(&mut Lines::new(text.as_bytes(), quotes, &longest), &mut io::sink()).unwrap();
        longest.0.load(Ordering::Relaxed)
    }

    #[test]
    fn a_line_ends_outside_quotes() {
        assert_eq!(longest("ab\ncdef\ng\n", true), 5);
        assert_eq!(longest("a,\"b\nc\"\n", true), 7);
        assert_eq!(longest("a,\"b\nc\"\n", false), 4);
        assert_eq!(longest("a,\"b\"\"\nc\"\nd\n", true), 9);
        // A quote within a word is none, nor are two.
        assert_eq!(longest("5\" pipe\n7\" pipe, longer\n", true), 16);
        assert_eq!(longest("5\"\",a\nb,c\n\"d\"\"\",e\"\"\ng\n", true), 10);
        assert_eq!(longest("a\rbcd\re\r", true), 4);
    }

    #[test]
    fn lines_end_where_the_csv_reader_ends_them() {
        use proptest::prelude::*;
        let byte = prop::sample::select(b"a,\"\r\n".to_vec());
        proptest!(|(bytes in prop::collection::vec(byte, 0..24))| {
            let text = String::from_utf8(bytes).unwrap();
            let state = text.bytes().fold(LineState::FieldStart, LineState::next);
            let text = format!("{text}\nz");
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let last = reader.records().last().unwrap().unwrap();
            prop_assert_eq!(state != LineState::Quoted, last.iter().eq(["z"]), "{:?}", text);
        });
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let error =
            io::copy(&mut Lines::new(io::repeat(b'7'), true, &Longest::default()), &mut io::sink()).unwrap_err();
        assert_eq!(error.to_string(), "a line of more than 256 MiB");
    }

    #[test]
    fn long_rows_are_read_a_few_at_a_time() {
        let rows = |length: u64| Longest(Arc::new(length.into())).rows(8192);
        assert_eq!((rows(0), rows(100), rows(1 << 20), rows(1 << 30)), (8192, 8192, 64, 1));
    }
}
