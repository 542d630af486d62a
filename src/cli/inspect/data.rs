//! What `inspect` says of data.

use std::path::{Path, PathBuf};

use indicatif::{HumanBytes, HumanCount};
use serde_json::json;
use vaepipe::{Plan, PlannedColumn, PlannedModel, Training};

use crate::cli::failure::Failure;
use crate::cli::fit::summary::{network, suggested_type};
use crate::cli::output::table::{in_lines, table_of, to_the_right};
use crate::cli::output::{self, OutputFormat, labelled, shell, shown};

/// Prints a plan for the inputs `paths`, which are `files`; `flagged` if flags of a fit decided it.
pub(crate) fn print(
    paths: &[PathBuf],
    found: &[&Path],
    plan: &Plan,
    format: OutputFormat,
    flagged: bool,
) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        let files: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let json = json!({ "data": files, "rows": plan.rows, "columns": plan.columns, "model": plan.model });
        return output::stdout(&format!("{json}\n"));
    }
    let bytes: u64 = found.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|about| about.len()).sum();
    // Of objects it is not known here.
    let bytes = if bytes > 0 { format!(", {}", HumanBytes(bytes)) } else { String::new() };
    let files = match paths {
        [path] => path.display().to_string(),
        _ => format!("{} files", found.len()),
    };
    let columns = plan.columns.len();
    let mut text = labelled(&[("data", format!("{files}: {} rows, {columns} columns{bytes}", HumanCount(plan.rows)))]);
    text.push('\n');
    text.push_str(&table(&plan.columns));
    text.push('\n');
    let suggested = |column: &PlannedColumn| Some(("hint", suggested_type(&column.column, column.suggested_type?)));
    let mut lines = lines(plan, paths, flagged);
    lines.extend(plan.columns.iter().filter_map(suggested));
    text.push_str(&labelled(&lines));
    output::stdout(&text)
}

fn table(columns: &[PlannedColumn]) -> String {
    let mut table = table_of(["column", "type", "missing", "min", "mean", "max", "a fit would"]);
    for column in columns {
        let values = column.values.as_ref();
        let number = |value: Option<f64>| value.map_or(String::new(), short);
        let missing = values.map_or(String::new(), |values| {
            let missing = values.null + values.unusable;
            share(missing, missing + values.known)
        });
        let fate = match (&column.learned, &column.given, &column.reason) {
            (Some(kind), ..) => format!("learn it: {}", kind.describe()),
            (_, Some(kind), _) => format!("give it: {}", kind.describe_given()),
            (.., Some(reason)) => format!("carry it: it {reason}"),
            _ => String::new(),
        };
        table.add_row([
            shown(&column.column),
            shown(&column.data_type),
            missing,
            number(values.and_then(|values| values.min)),
            number(values.and_then(|values| values.mean)),
            number(values.and_then(|values| values.max)),
            fate,
        ]);
    }
    to_the_right(&mut table, 2..=5);
    in_lines(&table)
}

fn lines(plan: &Plan, paths: &[PathBuf], flagged: bool) -> Vec<(&'static str, String)> {
    if plan.rows < 2 {
        return vec![("refused", "a fit needs at least 2 rows".to_owned())];
    }
    let Some(model) = &plan.model else {
        return vec![("refused", "a fit would find no column to learn from".to_owned())];
    };
    let PlannedModel { inputs, parameters, training_rows, held_out_rows, encoded_bytes, .. } = model;
    let learned = plan.columns.iter().filter(|column| column.learned.is_some()).count();
    let Training { preset, scale, epochs, steps_per_epoch, batch_size, lr, .. } = &model.training;
    let cache = if model.in_memory { "kept in memory" } else { "in a scratch file" };
    let files: Vec<String> = paths.iter().map(|path| shell(path)).collect();
    let at_most = if model.latent_dim_at_most { ", or less: the fit searches for the latent dimensions" } else { "" };
    let flags = if flagged { ", with the same flags" } else { "" };
    vec![
        ("learns", format!("{learned} of {} columns, scaled by {scale} (preset {preset})", plan.columns.len())),
        ("rows", format!("{} training, {} held out", HumanCount(*training_rows), HumanCount(*held_out_rows))),
        ("network", network(&model.network, &model.training, *inputs, *parameters) + at_most),
        (
            "training",
            format!(
                "at most {epochs} epochs of {} steps of at most {batch_size} rows, learning rate {lr}",
                HumanCount(*steps_per_epoch as u64)
            ),
        ),
        ("memory", format!("{} of encoded rows, {cache}", HumanBytes(*encoded_bytes))),
        ("next", format!("vaepipe fit {}{flags}", files.join(" "))),
    ]
}

/// A number in a few digits.
fn short(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e7).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share as a percentage; none is empty, and some is never 0 %.
fn share(part: u64, whole: u64) -> String {
    match 100.0 * part as f64 / whole.max(1) as f64 {
        _ if part == 0 => String::new(),
        percent if percent < 0.1 => "<0.1 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 1.5, -20.0, 1234.5678, 1e-5, 2e9].map(short),
            ["0", "1.5", "-20", "1234.568", "1.00e-5", "2.00e9"]
        );
    }

    #[test]
    fn a_few_missing_values_are_not_none() {
        assert_eq!([share(0, 9), share(1, 9_000_000), share(1, 8)], ["", "<0.1 %", "12.5 %"]);
    }
}
