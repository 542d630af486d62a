//! Parsing of Arrow types in a model file, with a limit on their nesting.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// Deepest nesting accepted: Arrow's parser recurses for each level, and a damaged file may have any number of them.
const MAX_LEVELS: usize = 128;

/// Parses an Arrow type.
///
/// # Errors
/// If the text is not a type, or nests deeper than 128 levels.
pub(super) fn parse(text: &str) -> Result<DataType, ArrowError> {
    if nesting_depth(text) > MAX_LEVELS {
        return Err(ArrowError::ParseError(format!("a type is nested more than {MAX_LEVELS} levels deep")));
    }
    text.parse()
}

/// The depth of nested parentheses; those in quoted names do not count.
fn nesting_depth(text: &str) -> usize {
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

    fn nested(nesting_depth: usize) -> String {
        "List(".repeat(nesting_depth) + "Int8" + &")".repeat(nesting_depth)
    }

    #[test]
    fn a_type_nested_too_deeply_is_rejected() {
        assert_eq!(parse(&nested(MAX_LEVELS)).unwrap().to_string(), nested(MAX_LEVELS));
        for nesting_depth in [MAX_LEVELS + 1, 300_000] {
            assert!(parse(&nested(nesting_depth)).unwrap_err().to_string().contains("128 levels"));
        }
        // Unclosed parentheses count, too.
        assert!(parse(&"Struct(\"a\": ".repeat(300_000)).is_err());
    }

    #[test]
    fn parentheses_in_names_do_not_count() {
        let text = format!("Struct({:?}: Int8)", "\"(".repeat(200));
        assert_eq!(nesting_depth(&text), 1);
    }
}
