//! What is asked of a source.

/// Which rows are read, and how strictly.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SourceConfig {
    /// Read only the rows for which this SQL condition on their columns holds; where it is null it does not. Needs the
    /// feature `analysis`.
    pub predicate: Option<String>,
    /// Take an Arrow stream that just ends, at the end of a message, for a whole one. Without this it is taken for one cut
    /// short, since nothing tells the two apart.
    pub allow_missing_eos: bool,
}

impl SourceConfig {
    /// All rows.
    pub fn new() -> Self {
        Self::default()
    }
}
