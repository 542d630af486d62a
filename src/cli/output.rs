//! What stdout gets.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::Value;

use super::Common;
use super::exit::Failure;

/// The form of the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Summary {
    /// A few lines to read.
    Text,
    /// One JSON object on the last line.
    Json,
}

/// Prints a command's summary as the flags say: `lines` of (label, text), or `json`.
pub(super) fn print(common: &Common, lines: &[(&str, String)], json: &Value) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = match common.summary {
        Summary::Json => writeln!(stdout, "{json}"),
        Summary::Text if common.quiet => Ok(()),
        Summary::Text => lines.iter().try_for_each(|(label, text)| writeln!(stdout, "{label:<9} {text}")),
    };
    written.and_then(|()| stdout.flush()).map_err(Failure::Stdout)
}

/// A count with its thousands apart.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds to a millisecond.
pub(super) fn seconds(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
