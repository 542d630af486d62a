//! The options of CSV files.

#[cfg(feature = "cli")]
use super::flags;
use super::{BadLines, DecimalMark};

/// How CSV files are written. What is `None` is found by looking at each file.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "CSV"))]
#[non_exhaustive]
pub struct CsvConfig {
    /// Character between CSV fields, or tab [default: tab in *.tsv; else comma, semicolon, tab or |, whichever gives all
    /// lines the same number of fields]
    #[cfg_attr(feature = "cli", arg(long = "csv-delimiter", id = "csv_delimiter", value_name = "CHAR", value_parser = flags::byte))]
    pub delimiter: Option<u8>,
    /// Character around CSV fields that hold delimiters or line breaks [default: "]
    #[cfg_attr(feature = "cli", arg(long = "csv-quote", id = "csv_quote", value_name = "CHAR", value_parser = flags::byte))]
    pub quote: Option<u8>,
    /// Encoding of CSV, such as windows-1252 or shift_jis [default: UTF-8, or UTF-16 with a byte order mark; windows-1252 if
    /// no character beyond ASCII is valid UTF-8]
    #[cfg_attr(feature = "cli", arg(long = "csv-encoding", id = "csv_encoding", value_name = "NAME", value_parser = flags::encoding))]
    pub encoding: Option<String>,
    /// Skip CSV lines that begin with this character [default: none]
    #[cfg_attr(feature = "cli", arg(long = "csv-comment", id = "csv_comment", value_name = "CHAR", value_parser = flags::byte))]
    pub comment: Option<u8>,
    /// Decimal mark of CSV: point or comma [default: comma in a file without decimal points whose fields are not separated by
    /// commas]
    #[cfg_attr(feature = "cli", arg(long = "csv-decimal", id = "csv_decimal", value_name = "MARK", value_parser = flags::words::<DecimalMark>(DecimalMark::WORDS)))]
    pub decimal: Option<DecimalMark>,
    /// Words that mean null in every CSV column [default: NA, NULL, None, -, ? and others, in columns whose other values are
    /// numbers, Booleans, dates or times]
    #[cfg_attr(
        feature = "cli",
        arg(
            long = "csv-null",
            id = "csv_null",
            value_name = "WORD,...",
            value_delimiter = ',',
            allow_hyphen_values = true
        )
    )]
    pub null: Vec<String>,
    /// Whether the first CSV line holds the column names [default: true, unless it looks like the lines below it]
    #[cfg_attr(feature = "cli", arg(long = "csv-header", id = "csv_header", value_name = "true|false"))]
    pub header: Option<bool>,
    /// What to do with a CSV line that is not a row, or with --lines a line that is not a JSON object: error, or skip and
    /// count [default: error]
    #[cfg_attr(feature = "cli", arg(long = "csv-bad-lines", id = "csv_bad_lines", value_name = "WHAT", value_parser = flags::words::<BadLines>(BadLines::WORDS)))]
    pub bad_lines: Option<BadLines>,
}
