//! The options of reading.

use std::path::PathBuf;

use super::{CsvConfig, InputFormat, TypeOf};

/// Options of a source.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Rows"))]
#[non_exhaustive]
pub struct SourceConfig {
    // Without the feature `analysis` it is an error.
    /// Read only rows for which this SQL condition on their columns is true: "amount > 100 AND country = 'DE'".
    #[cfg_attr(
        all(feature = "cli", feature = "analysis"),
        arg(long = "where", id = "where", value_name = "SQL", allow_hyphen_values = true)
    )]
    #[cfg_attr(all(feature = "cli", not(feature = "analysis")), arg(skip))]
    pub predicate: Option<String>,
    /// Format of stdin, and of files given by a name that does not tell it [default: an Arrow stream on stdin, or NDJSON if it
    /// begins with {]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FORMAT", value_parser = super::flags::words::<InputFormat>(InputFormat::WORDS)))]
    pub input_format: Option<InputFormat>,
    /// The folder of the scratch file that stdin is copied to, unless it is an Arrow stream; `None` is that of the system.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub spool_dir: Option<PathBuf>,
    /// What the values of columns are, where their stored type does not say it: COL=string, integer, float, boolean, date,
    /// timestamp, epoch_s, epoch_ms, epoch_us, epoch_ns or hhmm; the last match counts [default: what the model was fitted with]
    ///
    /// Only the model reads them as this type; outputs have the columns as they are. A value that is none of the type is an
    /// error. Times of the day as 0 to 2359 (hhmm) lie on a circle, on which 2359 is next to 0.
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL=TYPE,...", value_delimiter = ','))]
    pub types: Vec<TypeOf>,
    /// Accept an Arrow stream that ends without its end-of-stream marker.
    ///
    /// Without this option such a stream is an error, because it may have been cut short.
    #[cfg_attr(feature = "cli", arg(long))]
    pub allow_missing_eos: bool,
    /// Leave out files of a directory that cannot be read, and end with [`Error::Unfinished`](crate::Error::Unfinished) once
    /// the others are transformed.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub keep_going: bool,
    /// How CSV files are written.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub csv: CsvConfig,
}

impl SourceConfig {
    /// The defaults: all rows.
    pub fn new() -> Self {
        Self::default()
    }
}
