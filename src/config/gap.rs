//! The largest step between two rows of one sequence.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A step in the column that orders rows: a time, as in `10m`, or a number.
///
/// ```
/// use vaepipe::Gap;
/// assert_eq!("10m".parse(), Ok(Gap::Seconds(600.0)));
/// assert_eq!("2.5".parse(), Ok(Gap::Number(2.5)));
/// assert_eq!(Gap::Seconds(5400.0).to_string(), "90m");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Gap {
    /// Seconds, between times.
    Seconds(f64),
    /// A difference of numbers.
    Number(f64),
}

/// The units of a time, the longest first, in seconds.
const UNITS: [(&str, f64); 6] =
    [("w", 604_800.0), ("d", 86_400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001)];

/// A text is no step between rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither a time, as in 90s, 10m, 1h or 2d, nor a number above 0")]
pub struct ParseGapError {
    text: String,
}

impl FromStr for Gap {
    type Err = ParseGapError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.trim().parse().ok().filter(|number: &f64| *number > 0.0 && number.is_finite());
        let with_unit =
            |(unit, seconds): &(&str, f64)| Some(Self::Seconds(number(text.strip_suffix(unit)?)? * seconds));
        let found = number(text).map(Self::Number).or_else(|| UNITS.iter().find_map(with_unit));
        found.ok_or_else(|| ParseGapError { text: text.to_owned() })
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = match *self {
            Self::Seconds(seconds) => seconds,
            Self::Number(number) => return write!(f, "{number}"),
        };
        let whole = UNITS.iter().find(|(_, unit)| (seconds / unit).fract() == 0.0);
        let (name, unit) = whole.unwrap_or(&("s", 1.0));
        write!(f, "{}{name}", seconds / unit)
    }
}

impl TryFrom<String> for Gap {
    type Error = ParseGapError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Gap> for String {
    fn from(gap: Gap) -> Self {
        gap.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_reads_as_it_is_written() {
        for text in ["1w", "2d", "36h", "10m", "45s", "20ms", "7", "0.25"] {
            assert_eq!(text.parse::<Gap>().unwrap().to_string(), text);
        }
        for (text, written) in [("60s", "1m"), ("1.5s", "1500ms"), (" 2 h", "2h")] {
            assert_eq!(text.parse::<Gap>().unwrap().to_string(), written);
        }
        for text in ["", "m", "-1s", "0", "1 year", "inf", "nan"] {
            assert!(text.parse::<Gap>().is_err(), "{text}");
        }
    }
}
