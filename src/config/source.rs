//! Options of a source.

/// Options of a source.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SourceConfig {
    /// Read only the rows for which this SQL condition is true, not false or null. Needs the feature `analysis`.
    pub predicate: Option<String>,
    /// Accept an Arrow stream without an end marker that ends after a complete message. By default it is rejected, since it
    /// may be cut short.
    pub allow_missing_eos: bool,
}

impl SourceConfig {
    /// The defaults: all rows.
    pub fn new() -> Self {
        Self::default()
    }
}
