//! Column selections: names, globs and `re:` regular expressions, parsed once and matched against a schema.

use arrow::datatypes::{Field, Schema};
use globset::{GlobBuilder, GlobMatcher};
use regex::Regex;

use crate::error::{Error, Result};

/// A parsed list of names and patterns.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    kind: &'static str,
    items: Vec<Item>,
}

#[derive(Debug)]
enum Item {
    Name(String),
    Glob(GlobMatcher),
    Regex(Regex),
}

impl Selection {
    /// Parses `items`; `kind` names the option in messages.
    ///
    /// `re:` starts a regular expression; `*`, `?` or `[` make a glob; anything else is a name. A name with such a character
    /// still matches itself.
    pub(crate) fn parse(kind: &'static str, items: &[String]) -> Result<Self> {
        let parse = |item: &String| {
            let bad = |source| Error::BadPattern { selection: kind, pattern: item.clone(), source };
            if let Some(expression) = item.strip_prefix("re:") {
                Regex::new(expression).map(Item::Regex).map_err(|error| bad(error.into()))
            } else if item.contains(['*', '?', '[']) {
                let glob = GlobBuilder::new(item).literal_separator(false).build();
                glob.map(|glob| Item::Glob(glob.compile_matcher())).map_err(|error| bad(error.into()))
            } else {
                Ok(Item::Name(item.clone()))
            }
        };
        Ok(Self { kind, items: items.iter().map(parse).collect::<Result<_>>()? })
    }

    /// Whether nothing is selected.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether `column` is selected by a name or pattern.
    pub(crate) fn matches(&self, column: &str) -> bool {
        self.items.iter().any(|item| item.matches(column))
    }

    /// Whether `column` is selected by name, not by a pattern.
    pub(crate) fn names(&self, column: &str) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Name(name) if name == column))
    }

    /// Rejects names that are not among `columns`. A pattern without a match only logs a warning, since one pattern may serve
    /// many files.
    pub(crate) fn check<'a>(&self, columns: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
        self.unmatched(columns.clone()).try_for_each(|item| match item {
            Item::Name(_) => Err(self.unknown(item, columns.clone())),
            Item::Glob(_) | Item::Regex(_) => {
                tracing::warn!("{}: {:?} matches no column", self.kind, item.text());
                Ok(())
            }
        })
    }

    /// Rejects names and patterns that match none of `columns`.
    pub(crate) fn require<'a>(&self, columns: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
        self.unmatched(columns.clone()).next().map_or(Ok(()), |item| Err(self.unknown(item, columns)))
    }

    fn unmatched<'a>(&self, columns: impl Iterator<Item = &'a str> + Clone) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| !columns.clone().any(|column| item.matches(column)))
    }

    fn unknown<'a>(&self, item: &Item, columns: impl Iterator<Item = &'a str>) -> Error {
        let name = item.text();
        let near = near_names(&name, columns);
        Error::UnknownColumn { selection: self.kind, name, near }
    }
}

impl Item {
    /// As it was written.
    fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Glob(glob) => glob.glob().glob().to_owned(),
            Self::Regex(regex) => format!("re:{regex}"),
        }
    }

    fn matches(&self, column: &str) -> bool {
        match self {
            Self::Name(name) => name == column,
            Self::Glob(glob) => glob.glob().glob() == column || glob.is_match(column),
            Self::Regex(regex) => regex.is_match(column),
        }
    }
}

/// The column that a selection names.
///
/// # Errors
/// [`Error::UnknownColumn`].
pub(crate) fn named_field<'a>(schema: &'a Schema, selection: &'static str, name: &str) -> Result<&'a Field> {
    schema.field_with_name(name).map_err(|_| {
        let near = near_names(name, schema.fields().iter().map(|field| field.name().as_str()));
        Error::UnknownColumn { selection, name: name.to_owned(), near }
    })
}

/// Up to three of `columns` with names similar to `name`, the most similar first.
pub(crate) fn near_names<'a>(name: &str, columns: impl Iterator<Item = &'a str>) -> Vec<String> {
    const MIN_SIMILARITY: f64 = 0.7;
    let wanted = name.to_lowercase();
    let mut near: Vec<(f64, &str)> = columns
        .map(|column| (strsim::jaro_winkler(&wanted, &column.to_lowercase()), column))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().take(3).map(|(_, column)| column.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(items: &[&str]) -> Selection {
        Selection::parse("columns", &items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn names_globs_and_expressions_match() {
        let s = selection(&["id", "p*", "re:^x_[0-9]$"]);
        for (column, expected) in [("id", true), ("ids", false), ("p63", true), ("x_1", true), ("x_10", false)] {
            assert_eq!(s.matches(column), expected, "{column}");
        }
        assert!(s.names("id") && !s.names("p63"));
    }

    #[test]
    fn a_column_named_like_a_pattern_matches_itself() {
        assert!(selection(&["temp [K]"]).matches("temp [K]"));
    }

    #[test]
    fn an_unknown_name_lists_its_neighbours() {
        let columns = ["amount", "amounts", "country"];
        let error = selection(&["amuont"]).check(columns.into_iter()).unwrap_err();
        assert_eq!(error.to_string(), r#"no column "amuont"; did you mean "amount" or "amounts"?"#);
    }

    #[test]
    fn a_broken_pattern_is_refused() {
        assert!(matches!(Selection::parse("exclude", &["re:(".to_owned()]), Err(Error::BadPattern { .. })));
        assert!(matches!(Selection::parse("exclude", &["a[".to_owned()]), Err(Error::BadPattern { .. })));
    }
}
