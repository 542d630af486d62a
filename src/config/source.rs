//! The options of reading.

use std::path::PathBuf;

use super::{CsvConfig, InputFormat, TypeOf};

/// Options of a source.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Rows"))]
#[non_exhaustive]
pub struct SourceConfig {
    // Without the feature `analysis` it is an error.
    /// Read only rows that meet this SQL condition: "amount > 100 AND country = 'DE'".
    #[cfg_attr(
        all(feature = "cli", feature = "analysis"),
        arg(long = "where", id = "where", value_name = "SQL", allow_hyphen_values = true)
    )]
    #[cfg_attr(all(feature = "cli", not(feature = "analysis")), arg(skip))]
    pub predicate: Option<String>,
    /// Format of stdin, and of files whose name does not tell it; in a directory ndjson reads *.json, too, and csv and tsv *.txt,
    /// *.dat and *.tab [default: on stdin an Arrow stream, or NDJSON if it begins with {]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FORMAT", value_parser = super::flags::words::<InputFormat>(InputFormat::WORDS)))]
    pub input_format: Option<InputFormat>,
    /// The folder of the scratch file that stdin is copied to, unless it is an Arrow stream; `None` is that of the system.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub spool_dir: Option<PathBuf>,
    /// Read columns as these types: COL=string, integer, float, boolean, date, timestamp, epoch_s, epoch_ms, epoch_us,
    /// epoch_ns or hhmm; the last match counts [default: the types of the fit]
    ///
    /// For columns whose stored type does not say what their values are. Outputs keep the columns as they are. A value that
    /// cannot be read as the type is an error. hhmm is a time of the day from 0 to 2359, where 2359 is next to 0.
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL=TYPE,...", value_delimiter = ','))]
    pub types: Vec<TypeOf>,
    /// Accept an Arrow stream without its end-of-stream marker.
    ///
    /// Without this option such a stream is an error, because it may have been cut short.
    #[cfg_attr(feature = "cli", arg(long))]
    pub allow_missing_eos: bool,
    /// Leave out files of a directory that cannot be read. What is done then lists them, as in
    /// [`Transformed::unreadable`](crate::Transformed::unreadable).
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
