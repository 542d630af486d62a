//! The share of odd rows over time.

use super::html::{Cell, brief, folded, percent, table, text_cell, with_separators};
use super::page::ReportPage;
use super::periods::{PERIODS, Unit, change};
use crate::analysis::figure::{Period, history};
use crate::error::Result;

/// Shows the share of odd rows by file or stretch of time.
pub(super) fn show(page: &mut ReportPage, unit: Unit, periods: &[Period]) -> Result<()> {
    let most = periods.iter().map(Period::share).fold(0.0, f64::max);
    let mut about = format!(
        "The share of odd rows by {}, of {} {}s, at most {}.",
        unit.name(),
        with_separators(periods.len() as u64),
        unit.name(),
        percent(most)
    );
    if periods.len() == PERIODS {
        about.push_str(" Only the last ones are shown.");
    }
    let since = change(periods).map(|(at, ..)| at);
    let line = |it: &Period| {
        let counts = [it.rows, it.odd].map(|count| Cell::Number(with_separators(count)));
        [text_cell(brief(&it.name))].into_iter().chain(counts).chain([Cell::Number(percent(it.share()))]).collect()
    };
    let heads = [unit.name(), "rows", "odd", "share"];
    let numbers =
        folded("Numbers", &table("odd rows over time", &heads, &periods.iter().map(line).collect::<Vec<_>>()));
    page.figure(history(unit.name(), periods, since, about)?, &numbers);
    Ok(())
}
