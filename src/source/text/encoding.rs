//! The encoding of a text, by its byte order mark: UTF-8, or UTF-16, which becomes UTF-8.

use std::io::{self, Cursor, Read};

/// Removes the byte order mark of a text, and decodes UTF-16.
pub(super) fn decode(mut from: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut start = Vec::new();
    from.by_ref().take(3).read_to_end(&mut start)?;
    let (mark, utf16) = match start.as_slice() {
        [0xef, 0xbb, 0xbf] => (3, None),
        [0xff, 0xfe, ..] => (2, Some(u16::from_le_bytes as fn([u8; 2]) -> u16)),
        [0xfe, 0xff, ..] => (2, Some(u16::from_be_bytes as fn([u8; 2]) -> u16)),
        _ => (0, None),
    };
    let rest = Cursor::new(start.split_off(mark)).chain(from);
    Ok(match utf16 {
        Some(unit) => Box::new(Utf16Reader { from: rest, unit, high: None, text: Vec::new(), at: 0 }),
        None => Box::new(rest),
    })
}

/// A reader of UTF-16 that gives UTF-8.
struct Utf16Reader<R> {
    from: R,
    /// A unit from its two bytes.
    unit: fn([u8; 2]) -> u16,
    /// The first half of a pair, at the end of a block.
    high: Option<u16>,
    text: Vec<u8>,
    at: usize,
}

impl<R: Read> Utf16Reader<R> {
    /// Decodes the next block; the text is empty at the end.
    fn decode_block(&mut self) -> io::Result<()> {
        const BLOCK_BYTES: u64 = 1 << 14;
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut block = Vec::new();
        self.from.by_ref().take(BLOCK_BYTES).read_to_end(&mut block)?;
        let (pairs, odd) = block.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(invalid("a text of UTF-16 that ends in the middle of a character"));
        }
        let mut units: Vec<u16> =
            self.high.take().into_iter().chain(pairs.iter().map(|&pair| (self.unit)(pair))).collect();
        if !block.is_empty() {
            self.high = units.pop_if(|last| (0xd800..0xdc00).contains(last));
        }
        let text = String::from_utf16(&units).map_err(|_| invalid("a text that is not valid UTF-16"))?;
        (self.text, self.at) = (text.into_bytes(), 0);
        Ok(())
    }
}

impl<R: Read> Read for Utf16Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A block of one half of a pair has no text yet.
        while self.at == self.text.len() {
            self.decode_block()?;
            if self.text.is_empty() && self.high.is_none() {
                return Ok(0);
            }
        }
        let read = (&self.text[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        decode(Cursor::new(bytes.to_vec()))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn a_byte_order_mark_says_the_encoding() {
        let text = "größe,😀\n".repeat(5000);
        let utf16 = |mark: u16, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            std::iter::once(mark).chain(text.encode_utf16()).flat_map(bytes).collect()
        };
        assert_eq!(decoded(&utf16(0xfeff, u16::to_le_bytes)).unwrap(), text);
        assert_eq!(decoded(&utf16(0xfeff, u16::to_be_bytes)).unwrap(), text);
        assert_eq!(decoded(format!("\u{feff}{text}").as_bytes()).unwrap(), text);
        assert_eq!(decoded(text.as_bytes()).unwrap(), text);
        assert_eq!((decoded(b"").unwrap(), decoded(b"x").unwrap()), (String::new(), "x".to_owned()));
        assert_eq!(decoded(&[0xff, 0xfe]).unwrap(), "");
    }

    #[test]
    fn a_torn_character_is_an_error() {
        for torn in [&[0xff, 0xfe, 0x41][..], &[0xff, 0xfe, 0x3d, 0xd8], &[0xfe, 0xff, 0xdc, 0x00]] {
            assert_eq!(decoded(torn).unwrap_err().kind(), io::ErrorKind::InvalidData, "{torn:?}");
        }
    }
}
