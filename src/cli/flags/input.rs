//! The flags that decide which rows are read.

use std::path::PathBuf;

use clap::Args;
use vaepipe::{Error, Source, SourceConfig, Stop};

/// Flags that decide which rows are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rows")]
pub(crate) struct InputFlags {
    /// Read only the rows for which this SQL condition on their columns holds: "amount > 100 AND country = 'DE'"
    #[cfg(feature = "analysis")]
    #[arg(long = "where", id = "where", allow_hyphen_values = true, value_name = "SQL")]
    predicate: Option<String>,
    /// Take an Arrow stream that ends without its end-of-stream marker for a whole one
    #[arg(long)]
    allow_missing_eos: bool,
}

impl InputFlags {
    /// Opens what rows are read from.
    pub(crate) fn open(self, inputs: &[PathBuf], stop: &Stop) -> Result<Source, Error> {
        let mut config = SourceConfig::new();
        #[cfg(feature = "analysis")]
        {
            config.predicate = self.predicate;
        }
        config.allow_missing_eos = self.allow_missing_eos;
        Source::open(inputs, &config, stop)
    }
}
