//! How the fields of a CSV file are written: delimiter, quote, header, decimal mark, and what is null.

use std::borrow::Cow;

use super::text_value::{TextValue, with_seconds};

/// Words for null, in columns whose other values are not text.
const NULL_WORDS: [&str; 26] = [
    "", "NA", "N/A", "n/a", "na", "n.a.", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-NaN", "-nan", "NaT", "null",
    "Null", "NULL", "\\N", "None", "none", "nil", "-", "--", ".", "?",
];

/// Whether a text means null where other values are no texts.
pub(crate) fn is_null_word(text: &str) -> bool {
    NULL_WORDS.contains(&text.trim_ascii())
}

/// How a CSV file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CsvFormat {
    pub(super) delimiter: u8,
    /// Whether the first line is `sep=;` or the like, which Excel writes to name the delimiter.
    pub(super) names_delimiter: bool,
    pub(super) quote: u8,
    pub(super) has_header: bool,
    /// Whether the first field of a row has no name, and the header one field fewer.
    pub(super) has_row_names: bool,
    /// What lines that are comments begin with.
    pub(super) comment: Option<u8>,
    /// Whether the decimal mark is a comma; `None` while it is not known, as if it were a point.
    pub(super) decimal_comma: Option<bool>,
    /// Words that are null in every column; if there are any, no others are.
    pub(super) null: Vec<String>,
    /// Whether lines that are not rows are left out.
    pub(super) skips_bad_lines: bool,
}

impl CsvFormat {
    /// The plainest format, with commas, points and a header.
    #[cfg(test)]
    pub(super) fn plain_csv() -> Self {
        Self::find(b"", false, &crate::config::CsvConfig::default())
    }

    /// Whether a field is null in a column of any type.
    pub(super) fn is_null(&self, text: &str) -> bool {
        text.is_empty() || self.null.iter().any(|word| word == text)
    }

    /// Whether a field is null in a column that is not text.
    pub(super) fn is_null_word(&self, text: &str) -> bool {
        let text = text.trim_ascii();
        // No word is longer, or ends with a digit.
        let may_be = text.len() <= 4 && !text.ends_with(|last: char| last.is_ascii_digit());
        may_be && self.null.is_empty() && is_null_word(text)
    }

    /// A value that is not text as readers know it: without spaces around it, with a decimal point, and of a time with seconds.
    pub(super) fn plain<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = text.trim_matches(' ');
        if self.decimal_comma == Some(true) && has_decimal_comma(text) {
            Cow::Owned(text.replace(',', "."))
        } else {
            with_seconds(text)
        }
    }

    /// Whether a number has a point in a file of decimal commas.
    pub(super) fn has_other_mark(&self, number: &str) -> bool {
        self.decimal_comma == Some(true) && number.contains('.')
    }
}

/// Whether a field is a number that is none, in a column of floating point numbers; elsewhere it is null.
pub(super) fn is_nan(text: &str) -> bool {
    text.trim_ascii().eq_ignore_ascii_case("nan")
}

/// Whether a number is rather a code, such as `12E4`: an exponent stands after one digit, a point, or before a sign.
pub(super) fn is_code(number: &str) -> bool {
    let Some((mantissa, exponent)) = number.trim().split_once(['e', 'E']) else { return false };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    mantissa.len() > 1 && all_digits(mantissa) && all_digits(exponent)
}

/// Whether a text is a number with a decimal comma.
pub(super) fn has_decimal_comma(text: &str) -> bool {
    // No double has more digits.
    text.len() < 400
        && text.contains(',')
        && !text.contains('.')
        && matches!(TextValue::parse(&text.replace(',', ".")), TextValue::Decimal(_))
}
