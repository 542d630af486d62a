//! How many values the learned columns miss.

#![forbid(unsafe_code)]

use crate::feature::Kind;

/// How much the learned columns miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MissingRates {
    /// Whether any value is missing.
    pub(super) any: bool,
    /// Whether so many are missing that the quality of imputation decides.
    pub(super) many: bool,
}

impl MissingRates {
    /// The rates of features of `rows` rows.
    pub(super) fn of(kinds: &[Kind], rows: u64) -> Self {
        Self::new(kinds.iter().map(|kind| kind.missing()).sum(), rows * kinds.len() as u64)
    }

    /// The rates for `missing` of `all` values; many are a twentieth.
    pub(super) fn new(missing: u64, all: u64) -> Self {
        Self { any: missing > 0, many: missing > 0 && missing >= all / 20 }
    }
}
