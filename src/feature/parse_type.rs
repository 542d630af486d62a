//! Types as a model file spells them, which is arrow's own way.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// Types within types that are read: arrow's parser calls itself for each, and a file may claim any number of them.
const MOST_LEVELS: usize = 128;

/// Parses a type.
///
/// # Errors
/// If the text is not a type, or nests deeper than 128 levels.
pub(super) fn parse(text: &str) -> Result<DataType, ArrowError> {
    if levels(text) > MOST_LEVELS {
        return Err(ArrowError::ParseError(format!("a type is nested more than {MOST_LEVELS} levels deep")));
    }
    text.parse()
}

/// How deep parentheses are within each other, but for those in quoted names.
fn levels(text: &str) -> usize {
    let (mut level, mut deepest) = (0_usize, 0);
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '(') => level += 1,
            (None, ')') => level = level.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(level);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        "List(".repeat(levels) + "Int8" + &")".repeat(levels)
    }

    #[test]
    fn what_nests_too_deeply_is_no_type() {
        assert_eq!(parse(&nested(MOST_LEVELS)).unwrap().to_string(), nested(MOST_LEVELS));
        for levels in [MOST_LEVELS + 1, 300_000] {
            assert!(parse(&nested(levels)).unwrap_err().to_string().contains("128 levels"));
        }
        // Without an end it is no less deep.
        assert!(parse(&"Struct(\"a\": ".repeat(300_000)).is_err());
    }

    #[test]
    fn parentheses_in_names_are_none() {
        let text = format!("Struct({:?}: Int8)", "\"(".repeat(200));
        assert_eq!(levels(&text), 1);
    }
}
