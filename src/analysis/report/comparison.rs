//! The page about two models side by side.

use std::collections::BTreeMap;

use super::Report;
use super::html::{Cell, brief, folded, number_cell, percent, table, text_cell, with_separators};
use super::page::ReportPage;
use crate::analysis::figure::{Bar, Paint, bars};
use crate::compare::{
    AtPValue, BothCounts, ColumnChange, ComparedColumn, ModelComparison, RowComparison, RowUnderModel, ValueComparison,
};
use crate::error::Result;

/// Makes a page of a comparison of two models by their names, such as those of their files; with `rows` also of what they say
/// of rows. The `date` is that on the page.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) of the drawing.
pub fn comparison_report(
    names: [&str; 2],
    models: &ModelComparison,
    rows: Option<&RowComparison>,
    date: Option<&str>,
) -> Result<Report> {
    let facts = [("A", names[0]), ("B", names[1])].into_iter().chain(date.map(|date| ("date", date)));
    let facts = facts.map(|(what, value)| (what, value.to_owned())).collect();
    let (title, (headline, summary)) = (format!("{} and {}", names[0], names[1]), headline(models, rows));
    let mut page = ReportPage::titled(title, headline, summary, facts, rows.map(tiles).unwrap_or_default());
    if let Some(rows) = rows {
        agreement(&mut page, rows)?;
        listed(&mut page, rows);
    }
    columns(&mut page, &models.columns);
    for (anchor, title, about, values) in [
        ("options", "Options", "The options of the fits.", &models.options),
        ("data", "Training data", "The data and program of the fits.", &models.data),
        ("health", "Health", "How good each model is, on its own calibration rows.", &models.health),
        ("decisions", "Decisions", "How each model ranks rows, and which are anomalies.", &models.scores),
        ("sizes", "Sizes", "", &models.sizes),
    ] {
        section(&mut page, (anchor, title, about), values);
    }
    let anomalies = rows.and_then(|rows| rows.anomalies).map(|counts| counts.both + counts.only_b);
    let [read, ranked] = [rows.map(|rows| rows.rows), rows.map(|rows| rows.ranked)].map(Option::unwrap_or_default);
    Ok(page.finish(read, ranked, anomalies))
}

/// The headline, and the sentences below it.
fn headline(models: &ModelComparison, rows: Option<&RowComparison>) -> (String, Vec<String>) {
    let mut summary = Vec::new();
    if models.identical {
        summary.push("The two files are the same, byte for byte.".to_owned());
    }
    let Some(rows) = rows else { return ("Two models side by side".to_owned(), summary) };
    let headline = match rows.anomalies {
        Some(BothCounts { both, only_a, only_b, .. }) => {
            let [a, b] = [both + only_a, both + only_b].map(with_separators);
            let [both, only_a, only_b] = [both, only_a, only_b].map(with_separators);
            summary.push(format!("{both} rows are odd by both, {only_a} only by A, {only_b} only by B."));
            format!("A finds {a} of {} rows odd, B {b}", with_separators(rows.rows))
        }
        None => format!("Two models on {} rows", with_separators(rows.rows)),
    };
    (headline, summary)
}

fn tiles(rows: &RowComparison) -> Vec<(&'static str, String)> {
    let mut tiles = vec![("rows", with_separators(rows.rows))];
    if let Some(counts) = rows.anomalies {
        tiles.push(("with another verdict", with_separators(counts.differing())));
    }
    tiles.extend(rows.rank_correlation.map(|it| ("rank correlation of scores", format!("{it:.3}"))));
    tiles
}

/// Shows how far verdicts and p-values agree.
fn agreement(page: &mut ReportPage, rows: &RowComparison) -> Result<()> {
    page.section("rows", "The same rows", "What both models say of the same rows, each by its own calibration rows.");
    let count = |name: &str, value: u64, paint| Bar {
        name: name.to_owned(),
        value: value as f64,
        label: with_separators(value),
        paint,
    };
    if let Some(BothCounts { both, only_a, only_b, .. }) = rows.anomalies {
        let counts = [
            count("odd by both", both, Paint::Muted),
            count("odd only by A", only_a, Paint::Second),
            count("odd only by B", only_b, Paint::Main),
        ];
        let about = "Rows that are anomalies by both models, or by one alone.".to_owned();
        page.figure(bars(("verdicts", "Verdicts", about), &counts, None)?, "");
    }
    if !rows.p_values.is_empty() {
        let all = rows.scored.both.max(1) as f64;
        let of = |at: &AtPValue| {
            let [a, b] = [at.rows_a, at.rows_b].map(|rows| rows as f64 / all);
            let bar = |model, share, paint| Bar {
                name: format!("{model}, up to {}", at.p_value),
                value: share,
                label: percent(share),
                paint,
            };
            [bar("A", a, Paint::Second), bar("B", b, Paint::Main)]
        };
        let shares: Vec<Bar> = rows.p_values.iter().flat_map(of).collect();
        let about = "The share of rows of at most a p-value. Of rows like those of the fit the share is the p-value itself; \
                     a larger share says that the rows are odder to the model.";
        page.figure(bars(("p-values", "P-values", about.to_owned()), &shares, None)?, "");
    }
    Ok(())
}

/// Shows the rows that differ most.
fn listed(page: &mut ReportPage, rows: &RowComparison) {
    if rows.top.is_empty() {
        return;
    }
    let about = "First those with another verdict, then those whose p-values differ by the largest factor. Rows are \
                 numbered within their file, from 0.";
    page.section("differing-rows", "Rows that differ most", about);
    let said = |model: &str, said: &RowUnderModel| {
        let odd = match said.is_anomaly {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        let reasons: Vec<String> = said.reasons.iter().map(|reason| brief(&reason.to_string())).collect();
        [
            text_cell(model),
            number_cell(Some(said.score.into())),
            number_cell(said.p_value),
            text_cell(odd),
            text_cell(reasons.join(", ")),
        ]
    };
    let lines = rows.top.iter().flat_map(|row| {
        let place = || [Cell::Number(row.row.to_string()), text_cell(brief(&row.file))];
        [("A", &row.a), ("B", &row.b)].map(|(model, of)| place().into_iter().chain(said(model, of)).collect::<Vec<_>>())
    });
    let heads = ["row", "file", "model", "score", "p-value", "odd", "because of"];
    page.html(&table("rows that differ most", &heads, &lines.collect::<Vec<_>>()));
}

/// Shows what the models make of columns.
fn columns(page: &mut ReportPage, columns: &[ComparedColumn]) {
    page.section(
        "columns",
        "Columns",
        "What each model makes of a column: how it is scaled, or why it is not learned.",
    );
    let line = |it: &&ComparedColumn| {
        let [a, b] = [&it.a, &it.b].map(|of| text_cell(of.as_ref().map_or("none".to_owned(), ToString::to_string)));
        vec![text_cell(brief(&it.column)), text_cell(it.change.word()), a, b]
    };
    let (same, others): (Vec<_>, Vec<_>) = columns.iter().partition(|it| it.change == ColumnChange::Same);
    let shown = |caption: &str, columns: &[&ComparedColumn]| {
        table(caption, &["column", "change", "A", "B"], &columns.iter().map(line).collect::<Vec<_>>())
    };
    if others.is_empty() {
        page.html("<p>Both make the same of every column.</p>\n");
    } else {
        page.html(&shown("columns that differ", &others));
    }
    if !same.is_empty() {
        page.html(&folded("The same in both", &shown("columns that are the same", &same)));
    }
}

/// Shows values of the models, those that are the same folded.
fn section(
    page: &mut ReportPage,
    (anchor, title, about): (&'static str, &str, &str),
    values: &BTreeMap<String, ValueComparison>,
) {
    page.section(anchor, title, about);
    let line = |(name, value): &(&String, &ValueComparison)| {
        let [a, b] = value.in_words();
        vec![text_cell(name.replace('_', " ")), text_cell(a), text_cell(b)]
    };
    let (others, same): (Vec<_>, Vec<_>) = values.iter().partition(|(_, value)| value.differs());
    let shown = |caption: &str, values: &[(&String, &ValueComparison)]| {
        table(caption, &["", "A", "B"], &values.iter().map(line).collect::<Vec<_>>())
    };
    if others.is_empty() {
        page.html("<p>They do not differ.</p>\n");
    } else {
        page.html(&shown(title, &others));
    }
    if !same.is_empty() {
        page.html(&folded("The same in both", &shown(&format!("{title}, the same in both"), &same)));
    }
}
