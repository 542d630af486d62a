//! What a person reads of two models.

use std::collections::BTreeMap;
use std::path::Path;

use indicatif::{HumanBytes, HumanCount};
use vaepipe::{
    BothCounts, ColumnChange, ComparedColumn, ComparedRow, Model, ModelComparison, RowComparison, RowUnderModel,
    ValueComparison,
};

use crate::cli::fit::verdict;
use crate::cli::output::table::{in_lines, table_of, to_the_right};
use crate::cli::output::{labelled, percent, shown, visible};

/// All of it; what is the same only if `all` is asked for.
pub(super) fn whole(
    paths: [&Path; 2],
    models: &[Model; 2],
    learned: &ModelComparison,
    rows: Option<&RowComparison>,
    all: bool,
) -> String {
    let mut lines = Vec::new();
    for ((label, path), model) in [("A", paths[0]), ("B", paths[1])].into_iter().zip(models) {
        let bytes = HumanBytes(model.to_bytes().len() as u64);
        lines.push((label, format!("{}, {bytes}, sha256 {}", path.display(), model.hash())));
        let verdict = verdict::lines(model).into_iter().map(|(_, verdict)| ("", verdict));
        lines.extend(verdict.take(1));
    }
    if learned.identical {
        lines.push(("same", "the two files are the same, byte for byte".to_owned()));
    }
    let ModelComparison { columns, options, data, health, scores, sizes, .. } = learned;
    let mut sections = vec![labelled(&lines), column_table(columns, all)];
    let named = [("option", options), ("data", data), ("health", health), ("scores", scores), ("size", sizes)];
    sections.extend(named.map(|(name, values)| value_table(name, values, all)));
    sections.extend(rows.into_iter().flat_map(agreement));
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

fn column_table(columns: &[ComparedColumn], all: bool) -> String {
    let mut table = table_of(["column", "", "A", "B"]);
    for ComparedColumn { column, change, a, b } in columns {
        if *change == ColumnChange::Same && !all {
            continue;
        }
        let [a, b] = [a, b].map(|of| of.as_ref().map_or("none".to_owned(), |of| visible(&of.to_string())));
        table.add_row([shown(column), change.word().to_owned(), a, b]);
    }
    if table.is_empty() { String::new() } else { in_lines(&table) }
}

fn value_table(subject: &str, values: &BTreeMap<String, ValueComparison>, all: bool) -> String {
    let mut table = table_of([subject, "A", "B"]);
    for (name, value) in values.iter().filter(|(_, value)| all || value.differs()) {
        let [a, b] = value.in_words().map(|text| visible(&text));
        table.add_row([name.replace('_', " "), a, b]);
    }
    if table.is_empty() { String::new() } else { in_lines(&table) }
}

/// What they say of rows.
fn agreement(found: &RowComparison) -> Vec<String> {
    let RowComparison { rows, scored, anomalies, rank_correlation, ranked, p_values, top, .. } = found;
    let mut lines = vec![("rows", scored_rows(*rows, scored))];
    let correlation = rank_correlation.map_or("none".to_owned(), |it| format!("{it:.4}"));
    lines.push((
        "ranks",
        format!("Spearman's correlation of the scores of {} rows: {correlation}", HumanCount(*ranked)),
    ));
    lines.push(match anomalies {
        Some(anomalies) => ("anomalies", counts(anomalies)),
        None => ("anomalies", "not compared: the decision of one depends on all rows, or there is none".to_owned()),
    });
    let mut sections = vec![labelled(&lines)];
    if !p_values.is_empty() {
        let all = scored.both.max(1) as f64;
        let mut table = table_of(["p-value up to", "A", "share", "B", "share"]);
        for at in p_values {
            let cells = [at.rows_a, at.rows_b].map(|rows| [HumanCount(rows).to_string(), percent(rows as f64 / all)]);
            table.add_row([vec![at.p_value.to_string()], cells.concat()].concat());
        }
        to_the_right(&mut table, 0..=4);
        sections.push(in_lines(&table));
    }
    if !top.is_empty() {
        let mut table = table_of(["row", "file", "", "score", "p-value", "anomaly", "because of"]);
        for ComparedRow { file, row, a, b } in top {
            table.add_row([vec![row.to_string(), shown(file), "A".to_owned()], said(a)].concat());
            table.add_row([vec![String::new(), String::new(), "B".to_owned()], said(b)].concat());
        }
        to_the_right(&mut table, 0..=0);
        to_the_right(&mut table, 3..=4);
        sections.push(in_lines(&table));
    }
    sections
}

/// How many rows have a score.
fn scored_rows(rows: u64, scored: &BothCounts) -> String {
    match scored.both == rows {
        true => format!("{}, each with a score by both", HumanCount(rows)),
        false => format!("{}; with a score {}", HumanCount(rows), counts(scored)),
    }
}

/// Rows by both models, one and neither.
fn counts(counts: &BothCounts) -> String {
    let BothCounts { both, only_a, only_b, neither, .. } = counts;
    let [both, only_a, only_b, neither] = [both, only_a, only_b, neither].map(|rows| HumanCount(*rows));
    format!("by both {both}, only by A {only_a}, only by B {only_b}, by neither {neither}")
}

/// What a model says of a row.
fn said(row: &RowUnderModel) -> Vec<String> {
    let RowUnderModel { score, p_value, is_anomaly, reasons, .. } = row;
    let anomaly = match is_anomaly {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    };
    vec![
        format!("{score:.4}"),
        p_value.map_or(String::new(), |p| format!("{p:.2e}")),
        anomaly.to_owned(),
        reasons.iter().map(|reason| shown(&reason.to_string())).collect::<Vec<_>>().join(", "),
    ]
}
