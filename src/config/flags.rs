//! How the options of the command line are parsed, where their types do not say it.

use bytesize::ByteSize;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::error::ParseChoiceError;

/// A parser of the words of a choice, which the help lists.
pub(super) fn words<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr<Err = ParseChoiceError> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// Parses a share, or `auto`.
pub(super) fn share_or_auto(text: &str) -> Result<Option<f64>, String> {
    match text {
        "auto" => Ok(None),
        share => share.parse().map(Some).map_err(|_| format!("{text:?} is neither auto nor a share")),
    }
}

/// Parses widths of layers, or `none`.
pub(super) fn widths(text: &str) -> Result<Vec<usize>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let width = |width: &str| {
        width
            .trim()
            .parse()
            .map_err(|_| format!("{width:?} is not a width; widths stand between commas, as in 256,128"))
    };
    text.split(',').map(width).collect()
}

/// Parses a number of bytes, with or without a unit.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>().map(|size| size.as_u64())
}

/// Parses the name of an encoding of text.
pub(super) fn encoding(text: &str) -> Result<String, String> {
    match encoding_rs::Encoding::for_label(text.as_bytes()) {
        Some(encoding) => Ok(encoding.name().to_lowercase()),
        None => Err(format!("{text:?} is no encoding of the web, such as utf-8, windows-1252, shift_jis or gb18030")),
    }
}

/// Parses a character of one byte that no word has, or `tab`.
pub(super) fn byte(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        &[byte] if byte == b'\t' || byte == b' ' || byte.is_ascii_punctuation() => Ok(byte),
        _ => Err(format!("{text:?} is neither a mark such as ; nor tab")),
    }
}
