//! In which direction a column is odd.

use serde::{Deserialize, Serialize};

/// The side of what is expected on which values of a column count as odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Direction {
    /// Only values above it.
    High,
    /// Only values below it.
    Low,
}

words!(Direction, "high" => Direction::High, "low" => Direction::Low);

impl Direction {
    /// 1 if values above the expected one count, -1 if those below do.
    pub(crate) fn sign(self) -> f32 {
        match self {
            Self::High => 1.0,
            Self::Low => -1.0,
        }
    }
}

/// A direction for some columns, written `COL=high` or `COL=low`.
///
/// ```
/// use vaepipe::{Direction, DirectionOf};
/// let of: DirectionOf = "error_*=high".parse().unwrap();
/// assert_eq!((of.columns.as_str(), of.direction), ("error_*", Direction::High));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectionOf {
    /// The columns: a name, a glob, or `re:` and a regular expression.
    pub columns: String,
    /// The side that counts.
    pub direction: Direction,
}

of_columns!(DirectionOf, direction, "COL=high or COL=low");
