//! Limits the length of text lines: a few bytes of gzip can expand to a line of any length, which a reader holds in memory.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most bytes of a line.
const MAX_LINE_BYTES: u64 = 256 << 20;

/// Most bytes of text in a batch, unless a single row is longer.
const BATCH_BYTES: u64 = 64 << 20;

/// Bytes of the longest line so far, shared by all readers of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct LongestLine(Arc<AtomicU64>);

impl LongestLine {
    /// Rows of a batch: `most`, or fewer if lines are long.
    pub(super) fn batch_rows(&self, most: usize) -> usize {
        let rows = BATCH_BYTES / self.0.load(Ordering::Relaxed).max(1);
        usize::try_from(rows).unwrap_or(most).clamp(1, most)
    }
}

/// A reader that measures lines and fails at one that is too long.
pub(super) struct LineLimiter<R> {
    from: R,
    /// Whether the text is CSV, in which quoted fields may contain line breaks.
    csv: bool,
    state: LineState,
    /// Bytes of the current line so far.
    length: u64,
    longest: LongestLine,
}

/// The state of the CSV parser: a quote opens a quoted field only at the start of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineState {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote in a quoted field: its end, or the first of an escaped pair.
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

impl<R> LineLimiter<R> {
    pub(super) fn new(from: R, csv: bool, longest: &LongestLine) -> Self {
        Self { from, csv, state: LineState::FieldStart, length: 0, longest: longest.clone() }
    }

    fn count(&mut self, byte: u8) {
        // A CSV line may end in a lone carriage return.
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

impl<R: Read> Read for LineLimiter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        buffer[..read].iter().for_each(|&byte| self.count(byte));
        if self.length > MAX_LINE_BYTES {
            let what = format!("a line of more than {} MiB", MAX_LINE_BYTES >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(text: &str, quotes: bool) -> u64 {
        let longest = LongestLine::default();
        io::copy(&mut LineLimiter::new(text.as_bytes(), quotes, &longest), &mut io::sink()).unwrap();
        longest.0.load(Ordering::Relaxed)
    }

    #[test]
    fn a_line_ends_outside_quotes() {
        assert_eq!(longest("ab\ncdef\ng\n", true), 5);
        assert_eq!(longest("a,\"b\nc\"\n", true), 7);
        assert_eq!(longest("a,\"b\nc\"\n", false), 4);
        assert_eq!(longest("a,\"b\"\"\nc\"\nd\n", true), 9);
        // Quotes inside an unquoted field are literal.
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
    fn an_endless_line_is_rejected() {
        let error = io::copy(&mut LineLimiter::new(io::repeat(b'7'), true, &LongestLine::default()), &mut io::sink())
            .unwrap_err();
        assert_eq!(error.to_string(), "a line of more than 256 MiB");
    }

    #[test]
    fn long_rows_are_read_a_few_at_a_time() {
        let rows = |length: u64| LongestLine(Arc::new(length.into())).batch_rows(8192);
        assert_eq!((rows(0), rows(100), rows(1 << 20), rows(1 << 30)), (8192, 8192, 64, 1));
    }
}
