//! What the name of a column hints at: an identifier, or the order of the rows. A hint never decides alone.

/// Words of identifiers.
const IDENTIFIER: [&str; 9] = ["id", "ids", "uid", "uuid", "guid", "key", "index", "idx", "rownames"];

/// Words of what numbers rows or times in their order.
const ORDER: [&str; 12] = ["year", "month", "week", "day", "date", "time", "t", "nr", "case", "row", "seq", "rank"];

/// Whether the name ends with a word of identifiers: `id`, `customer_id`, `customerId`, `Customer ID`.
pub(super) fn says_identifier(name: &str) -> bool {
    last_word(name).is_some_and(|word| IDENTIFIER.contains(&word.as_str()))
}

/// Words of what tells batches of rows apart.
const BATCH: [&str; 10] =
    ["batch", "run", "job", "file", "filename", "path", "version", "snapshot", "quarter", "timestamp"];

/// Whether the name ends with a word of identifiers, of an order or of batches: `run_id`, `month`, `source_file`.
pub(super) fn says_batch(name: &str) -> bool {
    says_order(name) || last_word(name).is_some_and(|word| BATCH.contains(&word.as_str()))
}

/// Whether the name ends with a word of identifiers or of an order: `year`, `row nr`.
pub(super) fn says_order(name: &str) -> bool {
    says_identifier(name) || last_word(name).is_some_and(|word| ORDER.contains(&word.as_str()))
}

/// The last word of a name, in lower case: words end at marks, and where a capital follows a small letter.
fn last_word(name: &str) -> Option<String> {
    let field = name.rsplit('.').next()?;
    let mut word = String::new();
    for character in field.chars() {
        let starts = character.is_uppercase() && word.chars().last().is_some_and(char::is_lowercase);
        if starts || (!character.is_alphanumeric() && !word.is_empty()) {
            word.clear();
        }
        word.extend(Some(character).filter(|character| character.is_alphanumeric()));
    }
    Some(word.to_lowercase()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_name_hints() {
        for name in ["id", "ID", "customer_id", "customerId", "Customer ID", "bookpageID", "a.id", "row-key", "uuid"] {
            assert!(says_identifier(name), "{name}");
        }
        for name in ["humid", "acid", "idea", "id_count", "valid", "", "_", "width"] {
            assert!(!says_identifier(name), "{name}");
        }
        assert!(says_batch("run_id") && says_batch("sourceFile") && says_batch("month") && !says_batch("status"));
        assert!(says_order("Year") && says_order("row nr") && says_order("t") && !says_order("height"));
    }
}
