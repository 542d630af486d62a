//! The encoding of a text: by its first bytes UTF-8 or UTF-16, or another that is known. It becomes UTF-8.

use std::io::{self, Cursor, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

/// Removes the byte order mark of a text, and decodes UTF-16, which has a mark or begins with two characters of ASCII. Another text
/// is in `encoding`.
pub(super) fn decode(
    mut from: impl Read + Send + 'static,
    encoding: &'static Encoding,
) -> io::Result<Box<dyn Read + Send>> {
    let mut start = Vec::new();
    from.by_ref().take(4).read_to_end(&mut start)?;
    let [little, big] = [u16::from_le_bytes, u16::from_be_bytes].map(|unit: fn([u8; 2]) -> u16| Some(unit));
    let (mark, utf16) = match start.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => (3, None),
        [0xff, 0xfe, ..] => (2, little),
        [0xfe, 0xff, ..] => (2, big),
        [1..=127, 0, 1..=127, 0] => (0, little),
        [0, 1..=127, 0, 1..=127] => (0, big),
        _ => (0, None),
    };
    let rest = Cursor::new(start.split_off(mark)).chain(from);
    Ok(match utf16 {
        Some(unit) => Box::new(Utf16Reader { from: rest, unit, high: None, text: Vec::new(), at: 0 }),
        // Whoever reads it says where it is not valid.
        None if mark > 0 || encoding == UTF_8 => Box::new(rest),
        None => Box::new(DecodedReader {
            from: rest,
            decoder: encoding.new_decoder_without_bom_handling(),
            text: Vec::new(),
            at: 0,
            ended: false,
        }),
    })
}

/// Whether a text has no character beyond ASCII that is valid UTF-8.
pub(super) fn is_ascii_or_invalid(mut from: impl Read) -> io::Result<bool> {
    let (mut block, mut held) = (vec![0; BLOCK_BYTES as usize], 0);
    loop {
        let read = from.read(&mut block[held..])?;
        let mut chunks = block[..held + read].utf8_chunks().peekable();
        let mut rest = 0;
        while let Some(chunk) = chunks.next() {
            if !chunk.valid().is_ascii() {
                return Ok(false);
            }
            // A character that goes on in the next block.
            rest = if chunks.peek().is_none() && read > 0 { chunk.invalid().len() } else { 0 };
        }
        if read == 0 {
            return Ok(true);
        }
        let end = held + read;
        block.copy_within(end - rest..end, 0);
        held = rest;
    }
}

/// Bytes that are decoded at once.
const BLOCK_BYTES: u64 = 1 << 14;

/// A reader of another encoding that gives UTF-8.
struct DecodedReader<R> {
    from: R,
    decoder: Decoder,
    text: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> Read for DecodedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() && !self.ended {
            let mut block = Vec::new();
            self.from.by_ref().take(BLOCK_BYTES).read_to_end(&mut block)?;
            let invalid = || io::Error::new(io::ErrorKind::InvalidData, "a text that is not valid in its encoding");
            let bytes = self.decoder.max_utf8_buffer_length(block.len()).ok_or_else(invalid)?;
            let mut text = String::with_capacity(bytes);
            self.ended = block.is_empty();
            match self.decoder.decode_to_string_without_replacement(&block, &mut text, self.ended).0 {
                DecoderResult::Malformed(..) => return Err(invalid()),
                DecoderResult::InputEmpty | DecoderResult::OutputFull => (self.text, self.at) = (text.into_bytes(), 0),
            }
        }
        let read = (&self.text[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
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
        decode(Cursor::new(bytes.to_vec()), UTF_8)?.read_to_string(&mut text)?;
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
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let unmarked: Vec<u8> = "x,ö\n".encode_utf16().flat_map(bytes).collect();
            assert_eq!(decoded(&unmarked).unwrap(), "x,ö\n");
        }
    }

    #[test]
    fn another_encoding_becomes_utf_8() {
        let text = "größe,Ÿ€\n".repeat(5000);
        let (bytes, ..) = encoding_rs::WINDOWS_1252.encode(&text);
        let mut read = String::new();
        let from = Cursor::new(bytes.to_vec());
        decode(from, encoding_rs::WINDOWS_1252).unwrap().read_to_string(&mut read).unwrap();
        assert!(read == text);
        assert!(is_ascii_or_invalid(&*bytes).unwrap());
        // A valid character on the border of two blocks.
        for before in 16_380..16_390 {
            let text = "x".repeat(before) + "ö\u{ff}";
            assert!(!is_ascii_or_invalid(text.as_bytes()).unwrap());
            let bytes = [text.as_bytes()[..before].to_vec(), vec![0xf6, b'x']].concat();
            assert!(is_ascii_or_invalid(&bytes[..]).unwrap());
        }
        let mut torn = decode(&[0x81_u8][..], encoding_rs::SHIFT_JIS).unwrap();
        assert!(torn.read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn a_torn_character_is_an_error() {
        for torn in [&[0xff, 0xfe, 0x41][..], &[0xff, 0xfe, 0x3d, 0xd8], &[0xfe, 0xff, 0xdc, 0x00]] {
            assert_eq!(decoded(torn).unwrap_err().kind(), io::ErrorKind::InvalidData, "{torn:?}");
        }
    }
}
