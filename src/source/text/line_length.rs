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

    /// Adds a line.
    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_max(bytes as u64, Ordering::Relaxed);
    }
}

/// Checks the length of a line, or of a record of several lines.
///
/// # Errors
/// If it is too long.
pub(super) fn check_line_length(bytes: u64) -> io::Result<()> {
    if bytes > MAX_LINE_BYTES {
        let what = format!("a line of more than {} MiB", MAX_LINE_BYTES >> 20);
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(())
}

/// A reader that measures lines and fails at one that is too long.
pub(super) struct LineLimiter<R> {
    from: R,
    /// Bytes of the current line so far.
    length: usize,
    longest: LongestLine,
}

impl<R> LineLimiter<R> {
    pub(super) fn new(from: R, longest: &LongestLine) -> Self {
        Self { from, length: 0, longest: longest.clone() }
    }
}

impl<R: Read> Read for LineLimiter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        for part in buffer[..read].split_inclusive(|&byte| byte == b'\n') {
            self.length += part.len();
            check_line_length(self.length as u64)?;
            if part.ends_with(b"\n") {
                self.longest.add(self.length);
                self.length = 0;
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_line_is_known() {
        let longest = LongestLine::default();
        io::copy(&mut LineLimiter::new(&b"ab\ncdef\ng\n"[..], &longest), &mut io::sink()).unwrap();
        assert_eq!(longest.0.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn an_endless_line_is_rejected() {
        let error =
            io::copy(&mut LineLimiter::new(io::repeat(b'7'), &LongestLine::default()), &mut io::sink()).unwrap_err();
        assert_eq!(error.to_string(), "a line of more than 256 MiB");
    }

    #[test]
    fn long_rows_are_read_a_few_at_a_time() {
        let rows = |length: u64| LongestLine(Arc::new(length.into())).batch_rows(8192);
        assert_eq!((rows(0), rows(100), rows(1 << 20), rows(1 << 30)), (8192, 8192, 64, 1));
    }
}
