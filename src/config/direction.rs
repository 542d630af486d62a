//! In which direction a column is odd.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::ParseChoiceError;

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

impl FromStr for DirectionOf {
    type Err = ParseChoiceError;

    fn from_str(text: &str) -> Result<Self, ParseChoiceError> {
        let Some((columns, direction)) = text.rsplit_once('=') else {
            return Err(ParseChoiceError::new(text, "of the form COL=high or COL=low"));
        };
        Ok(Self { columns: columns.to_owned(), direction: direction.parse()? })
    }
}

impl fmt::Display for DirectionOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.columns, self.direction)
    }
}

impl Serialize for DirectionOf {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
