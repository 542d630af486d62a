//! The options of rows in order.

/// How rows in order are read. For a model of such rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Order"))]
#[non_exhaustive]
pub struct OrderConfig {
    /// Earlier rows of the same sequences, whose windows go on into each input: files, directories or globs, read in this
    /// order and not written. For a model of rows in order.
    #[cfg_attr(feature = "cli", arg(long, value_delimiter = ',', value_name = "FILE,..."))]
    pub history: Vec<String>,
    /// Sort the rows of each file first; they are written in this order. For a model of rows in order.
    #[cfg_attr(feature = "cli", arg(long))]
    pub sort: bool,
    /// Memory for the rows that are sorted; more wait in scratch files. Never changes a result. Default: 256 MiB.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub memory: Option<u64>,
}
