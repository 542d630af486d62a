//! What stdout gets.

pub(crate) mod drift_summary;
pub(crate) mod epoch_metrics;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod table;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use serde_json::Value;
use vaepipe::{Carried, Kind, Metadata, Sequence, SourceConfig};

use crate::cli::failure::Failure;

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Lines to read.
    Text,
    /// One JSON object on the last line.
    Json,
}

/// Prints a command's summary: `lines` of (label, text), unless that is not wanted, or `json`. A log file gets the lines.
pub(crate) fn print(format: OutputFormat, quiet: bool, lines: &[(&str, String)], json: &Value) -> Result<(), Failure> {
    log::summary(lines);
    match format {
        OutputFormat::Json => stdout(&format!("{}\n", with_run_id(json))),
        OutputFormat::Text if quiet => Ok(()),
        OutputFormat::Text => stdout(&labelled(lines)),
    }
}

/// The same, but to the log if stdout holds the rows themselves.
pub(crate) fn print_beside(
    rows_on_stdout: bool,
    format: OutputFormat,
    quiet: bool,
    lines: &[(&str, String)],
    json: &Value,
) -> Result<(), Failure> {
    if !rows_on_stdout {
        return print(format, quiet, lines, json);
    }
    match format {
        OutputFormat::Json => log::line(&with_run_id(json).to_string()),
        OutputFormat::Text => lines.iter().for_each(|(label, text)| tracing::info!("{label} {text}")),
    }
    Ok(())
}

/// The same with what tells the run from others.
fn with_run_id(json: &Value) -> Value {
    let mut json = json.clone();
    json["run_id"] = log::run_id().into();
    json
}

/// Refuses a target that means stdout elsewhere: a file of that name would be a surprise.
///
/// # Errors
/// [`Failure::Usage`] for "-".
pub(crate) fn check_is_file(target: &Path) -> Result<(), Failure> {
    if target.as_os_str() != "-" {
        return Ok(());
    }
    let hint = Some("name a file; ./- is one called -".to_owned());
    Err(Failure::Usage { fault: "-: writing to stdout is not supported".to_owned(), hint })
}

/// Warns that a condition leaves no row to write.
pub(crate) fn warn_of_no_row(rows: u64, source: &SourceConfig) {
    if rows == 0 && source.predicate.is_some() {
        tracing::warn!("no row meets the condition of --where");
    }
}

/// Writes to stdout.
pub(crate) fn stdout(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::Stdout)
}

/// Lines of a label and a text; an empty label goes on with the one before.
pub(crate) fn labelled(lines: &[(&str, String)]) -> String {
    lines.iter().map(|(label, text)| format!("{label:<9} {text}\n")).collect()
}

/// Names in a row, the first few if there are many.
pub(crate) fn list(names: &[&str]) -> String {
    const SHOWN: usize = 6;
    let shown = |names: &[&str]| names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    match names.len() {
        0..=SHOWN => shown(names),
        all => format!("{}, … {} more", shown(&names[..SHOWN - 1]), all - SHOWN + 1),
    }
}

/// A text of a file's own making: what would move the cursor is written out.
pub(crate) fn visible(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_debug().collect() } else { String::from(c) };
    text.chars().map(escape).collect()
}

/// A name or type of a file's own making: what would move the cursor is written out, and its middle is cut if it is
/// long.
pub(crate) fn shown(name: &str) -> String {
    const LONGEST: usize = 48;
    let text: Vec<char> = visible(name).chars().collect();
    if text.len() <= LONGEST {
        return text.into_iter().collect();
    }
    let (start, end) = (&text[..LONGEST / 2], &text[text.len() - (LONGEST / 2 - 1)..]);
    start.iter().chain(&['…']).chain(end).collect()
}

/// The names of features.
pub(crate) fn names(features: &[Kind]) -> Vec<&str> {
    features.iter().map(|feature| feature.column().name()).collect()
}

/// The names of the features that are columns of the input, rather than of the rows before.
pub(crate) fn own_names(metadata: &Metadata) -> Vec<&str> {
    let mut names = names(&metadata.features);
    if let Some(sequence) = &metadata.sequence {
        let windows: HashSet<String> = sequence.window_names().collect();
        names.retain(|name| !windows.contains(*name));
    }
    names
}

/// The order of the rows and their windows, in words.
pub(crate) fn describe_order(sequence: &Sequence) -> String {
    let of = match sequence.by.as_slice() {
        [] => String::new(),
        by => format!(" of each {}", by.iter().map(|column| shown(column.name())).collect::<Vec<_>>().join(", ")),
    };
    let gap = sequence.max_gap.map_or(String::new(), |gap| format!(", begun anew after {gap}"));
    let (window, order_by) = (sequence.window, shown(sequence.order_by.name()));
    format!(
        "windows of {window} rows{of} in the order of {order_by}{gap}; means over rows before are learned of {} columns",
        sequence.columns.len()
    )
}

/// The carried columns, those of one reason together: (columns, reason).
pub(crate) fn grouped(carried: &[Carried]) -> Vec<(String, &str)> {
    let mut by_reason = BTreeMap::<&str, Vec<&str>>::new();
    for Carried { column, reason, .. } in carried {
        by_reason.entry(reason).or_default().push(column);
    }
    by_reason.into_iter().map(|(reason, columns)| (list(&columns), reason)).collect()
}

/// A path as a shell takes it.
pub(crate) fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    // Only a NUL cannot be quoted, and no path has one.
    shlex::try_quote(&text).map_or_else(|_| text.clone(), String::from)
}

/// A share to read: one decimal, and of small shares one digit.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 | 0.095.. => format!("{percent:.1} %"),
        1e-6.. => format!("{percent:.*} %", (-percent.log10()).ceil() as usize),
        _ => format!("{percent:.0e} %"),
    }
}

/// Seconds to a millisecond.
pub(crate) fn seconds(seconds: f64) -> f64 {
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
    fn names_are_one_short_line() {
        assert_eq!(shown("größe (m²)"), "größe (m²)");
        assert_eq!(shown("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
        let long = shown(&format!("first{}last", "-".repeat(1000)));
        assert!(long.starts_with("first-") && long.contains("-…-") && long.ends_with("-last"));
        assert_eq!(long.chars().count(), 48);
    }

    #[test]
    fn small_shares_keep_a_digit() {
        let shares = [0.0, 1.0, 0.123, 0.0012, 0.0009, 5e-4, 1.2e-6, 1e-9].map(percent);
        assert_eq!(shares, ["0.0 %", "100.0 %", "12.3 %", "0.1 %", "0.09 %", "0.05 %", "0.0001 %", "1e-7 %"]);
    }

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        assert_eq!(shell(Path::new("a/b-1.parquet")), "a/b-1.parquet");
        assert_eq!(shell(Path::new("my file.parquet")), "'my file.parquet'");
    }
}
