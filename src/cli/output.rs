//! What stdout gets.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use serde_json::Value;
use vaepipe::Carried;

use super::exit::Failure;

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines to read.
    Text,
    /// One JSON object on the last line.
    Json,
}

/// Prints a command's summary: `lines` of (label, text), unless that is not wanted, or `json`.
pub(super) fn print(format: Format, quiet: bool, lines: &[(&str, String)], json: &Value) -> Result<(), Failure> {
    match format {
        Format::Json => stdout(&format!("{json}\n")),
        Format::Text if quiet => Ok(()),
        Format::Text => stdout(&labelled(lines)),
    }
}

/// Writes to stdout.
pub(super) fn stdout(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::Stdout)
}

/// Lines of a label and a text; an empty label goes on with the one before.
pub(super) fn labelled(lines: &[(&str, String)]) -> String {
    lines.iter().map(|(label, text)| format!("{label:<9} {text}\n")).collect()
}

/// Names in a row, the first few if there are many.
pub(super) fn list(names: &[&str]) -> String {
    const SHOWN: usize = 6;
    match names.len() {
        0..=SHOWN => names.join(", "),
        all => format!("{}, … {} more", names[..SHOWN - 1].join(", "), all - SHOWN + 1),
    }
}

/// The carried columns, those of one reason together: (columns, reason).
pub(super) fn grouped(carried: &[Carried]) -> Vec<(String, &str)> {
    let mut by_reason = BTreeMap::<&str, Vec<&str>>::new();
    for Carried { column, reason, .. } in carried {
        by_reason.entry(reason).or_default().push(column);
    }
    by_reason.into_iter().map(|(reason, columns)| (list(&columns), reason)).collect()
}

/// A path as a shell takes it.
pub(super) fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    // Only a NUL cannot be quoted, and no path has one.
    shlex::try_quote(&text).map_or_else(|_| text.clone(), String::from)
}

/// Seconds to a millisecond.
pub(super) fn seconds(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_counted() {
        assert_eq!(list(&["a", "b"]), "a, b");
        assert_eq!(list(&["a", "b", "c", "d", "e", "f"]), "a, b, c, d, e, f");
        assert_eq!(list(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e, … 2 more");
    }

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        assert_eq!(shell(Path::new("a/b-1.parquet")), "a/b-1.parquet");
        assert_eq!(shell(Path::new("my file.parquet")), "'my file.parquet'");
    }
}
