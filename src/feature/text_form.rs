//! Detection of strings that are all numbers, dates or times.

use super::logical_type::{parse_date, parse_number};
use crate::config::LogicalType;
use crate::source::{is_null_word, parse_iso_time};

/// Fewest strings to judge.
const FEWEST: u64 = 8;

/// The types that strings may be of, the narrowest first.
const TYPES: [LogicalType; 4] = [LogicalType::Integer, LogicalType::Float, LogicalType::Date, LogicalType::Timestamp];

/// The types that all strings of a column are of. Words such as `NA` are of any.
#[derive(Debug, Clone, Default)]
pub(super) struct TextForm {
    known: u64,
    refuted: [bool; TYPES.len()],
}

impl TextForm {
    /// Adds a string.
    pub(super) fn push(&mut self, text: &str) {
        if self.refuted == [true; TYPES.len()] || is_null_word(text) {
            return;
        }
        self.known += 1;
        for (logical_type, refuted) in TYPES.iter().zip(&mut self.refuted).filter(|(_, refuted)| !**refuted) {
            *refuted = !is_of(text.trim(), *logical_type);
        }
    }

    /// The narrowest type that all strings are of.
    pub(super) fn logical_type(&self) -> Option<LogicalType> {
        let first = TYPES.iter().zip(self.refuted).find(|(_, refuted)| !refuted);
        first.map(|(logical_type, _)| *logical_type).filter(|_| self.known >= FEWEST)
    }
}

/// Whether a string is of a type.
fn is_of(text: &str, logical_type: LogicalType) -> bool {
    match logical_type {
        LogicalType::Integer => parse_number(text).is_some() && text.parse::<i64>().is_ok(),
        LogicalType::Float => parse_number(text).is_some(),
        LogicalType::Date => parse_date(text).is_some(),
        _ => parse_iso_time(text).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Option<LogicalType> {
        let mut form = TextForm::default();
        (0..8).flat_map(|_| texts).for_each(|text| form.push(text));
        form.logical_type()
    }

    #[test]
    fn the_narrowest_type_of_all_strings_is_found() {
        assert_eq!(of(&["7", "NA", "-12"]), Some(LogicalType::Integer));
        assert_eq!(of(&["7", "1.5", " 2e3"]), Some(LogicalType::Float));
        assert_eq!(of(&["2024-01-31", ""]), Some(LogicalType::Date));
        assert_eq!(of(&["2024-01-31", "2024-01-31T12:00:00Z"]), Some(LogicalType::Timestamp));
        for texts in
            [&["7", "seven"][..], &["007", "12"], &["+49", "1"], &["2024-01-31", "7"], &["2024-02-30"], &["NA"]]
        {
            assert_eq!(of(texts), None, "{texts:?}");
        }
    }
}
