//! The columns of a file beside those of the training: how well they are rebuilt, how their values are spread, and what
//! they have to do with the scores.
//!
//! Of the training a model keeps missing values, and of numbers the values at even ranks.

use std::ops::Range;

use super::html::{Cell, brief, folded, number, percent, table, word};
use super::page::{Page, counted};
use super::rows::{Rows, failed};
use super::shift::{shift, spread_of};
use crate::aggregate::RANKS;
use crate::analysis::figure::{Bar, Paint, Spread, bars, spread};
use crate::artifact::Model;
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::FoundAll;
use crate::health::{ColumnHealth, Measure};
use crate::source::ParquetSource;

/// Columns shown in a figure, in the table, and with their own distribution.
const BARS: usize = 20;
const LINES: usize = 60;
const SPREADS: usize = 4;

/// A column here and in training.
struct Against {
    name: String,
    /// Missing or unusable values, as shares of the rows: in training, here.
    missing: [f64; 2],
    /// Shares of values here that are beyond the range of the training, or of words it did not have.
    beyond: f64,
    unseen: f64,
    /// Medians in training and here.
    medians: Option<[f64; 2]>,
    /// The greatest gap between the cumulative shares (Kolmogorov & Smirnov); of lists, that of the number with the
    /// greatest one.
    shift: Option<f64>,
    spread: Option<Spread>,
    /// Mean share of rows' scores.
    raises: f64,
    health: Option<ColumnHealth>,
}

/// Compares the sampled rows with the training, if they have what the model learned.
pub(super) fn show(
    page: &mut Page,
    source: &ParquetSource,
    model: &Model,
    sample: &Rows,
    are_pixels: bool,
) -> Result<()> {
    page.section("Columns", "");
    rebuilt(page, model)?;
    let fits = model.features().check(sample.batch.schema_ref(), source.path());
    if sample.rows.is_empty() || fits.is_err() {
        page.leave_out("columns against training: the file lacks some of the columns the model learned".to_owned());
        return Ok(());
    }
    let mut all = compared(source, model, sample)?;
    raisers(page, &all, sample.rows.len())?;
    all.sort_by(|a, b| b.shift.unwrap_or(0.0).total_cmp(&a.shift.unwrap_or(0.0)));
    for (n, column) in
        all.iter().filter(|column| column.spread.is_some()).take(if are_pixels { 0 } else { SPREADS }).enumerate()
    {
        let (Some(values), Some(shift)) = (&column.spread, column.shift) else { continue };
        let about = format!("{}: shift {shift:.2}, as the greatest gap between cumulative shares.", column.name);
        page.figure(spread(&format!("column-{n}"), &column.name, values, about)?, "");
    }
    let line = |column: &Against| -> Vec<Cell> {
        let Against { name, missing, beyond, unseen, medians, shift, health, raises, .. } = column;
        let share = |share: f64| Cell::Number(if share > 0.0 { percent(share) } else { String::new() });
        vec![
            word(brief(name)),
            Cell::Number(shift.map_or(String::new(), |shift| format!("{shift:.2}"))),
            number(medians.map(|[there, _]| there)),
            number(medians.map(|[_, here]| here)),
            share(missing[0]),
            share(missing[1]),
            share(*beyond),
            share(*unseen),
            share(*raises),
            Cell::Number(health.as_ref().map_or(String::new(), quality)),
        ]
    };
    let heads = [
        "column",
        "shift",
        "median in training",
        "here",
        "missing in training",
        "here",
        "out of range",
        "unseen words",
        "of the scores",
        "rebuilt",
    ];
    let rows: Vec<_> = all.iter().take(LINES).map(line).collect();
    let rows = table("columns against training", &heads, &rows);
    page.html(&format!(
        "<h3>Against training</h3>\n<p>{} rows of this file beside the training. Shift: the greatest gap between the cumulative \
         shares of values, 0 if they are spread alike, 1 if they have nothing in common. Of the scores: what the column adds to \
         the rows' scores on average.</p>\n{}",
        counted(sample.rows.len() as u64),
        // Of an image, each pixel by itself says little.
        if are_pixels { folded("Pixel by pixel", &rows) } else { rows }
    ));
    if all.len() > LINES {
        page.leave_out(format!("{} more columns in the table against training, which shifted less", all.len() - LINES));
    }
    Ok(())
}

/// How well held-out rows' columns were rebuilt, the worst first.
fn rebuilt(page: &mut Page, model: &Model) -> Result<()> {
    let Some(health) = &model.metadata().health else { return Ok(()) };
    let gain = |it: &ColumnHealth| {
        let (value, baseline) = (it.value?, it.baseline.filter(|baseline| *baseline < 1.0)?);
        Some((value - baseline) / (1.0 - baseline))
    };
    let mut all: Vec<(&ColumnHealth, f64)> = health.columns.iter().filter_map(|it| Some((it, gain(it)?))).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    let bar = |(it, gain): &(&ColumnHealth, f64)| Bar {
        name: it.column.clone(),
        value: gain.max(0.0),
        told: quality(it),
        paint: Paint::Main,
    };
    let mut about =
        "1 is as it was, 0 as good as one answer for all rows; of held-out rows, from their latents.".to_owned();
    if all.len() > BARS {
        about.push_str(&format!(" Shown: the worst {BARS} of {}.", all.len()));
    }
    let shown: Vec<Bar> = all.iter().take(BARS).map(bar).collect();
    if !shown.is_empty() {
        page.figure(bars(("rebuilt", "How well columns are rebuilt", about), &shown, Some(1.0))?, "");
    }
    Ok(())
}

/// R² or the share of right answers.
fn quality(health: &ColumnHealth) -> String {
    match (health.value, health.measure) {
        (None, _) => String::new(),
        (Some(value), Measure::R2) => format!("R² {value:.2}"),
        (Some(value), Measure::Accuracy) => format!("{:.0} % right", 100.0 * value),
    }
}

/// The columns that have most to do with the scores.
fn raisers(page: &mut Page, all: &[Against], rows: usize) -> Result<()> {
    let mut order: Vec<&Against> = all.iter().filter(|column| column.raises > 0.0).collect();
    order.sort_by(|a, b| b.raises.total_cmp(&a.raises));
    let bar = |column: &&Against| Bar {
        name: column.name.clone(),
        value: column.raises,
        told: percent(column.raises),
        paint: Paint::Second,
    };
    let shown: Vec<Bar> = order.iter().take(BARS).map(bar).collect();
    if shown.is_empty() {
        return Ok(());
    }
    let rows = counted(rows as u64);
    let mut about =
        format!("Mean share of the rows' scores that comes from a column, of {rows} rows; the rest is KL divergence.");
    if order.len() > BARS {
        about.push_str(&format!(" Shown: the first {BARS} of {}.", order.len()));
    }
    let lines = order.iter().take(LINES).map(|it| vec![word(it.name.clone()), Cell::Number(percent(it.raises))]);
    let numbers = folded("Numbers", &table("what raises scores", &["column", "share"], &lines.collect::<Vec<_>>()));
    page.figure(bars(("raises", "What raises scores", about), &shown, None)?, &numbers);
    Ok(())
}

/// Every learned column.
fn compared(source: &ParquetSource, model: &Model, sample: &Rows) -> Result<Vec<Against>> {
    let (features, metadata) = (model.features(), model.metadata());
    let (inputs, rows) = (features.layout().inputs(), sample.rows.len());
    let schema = sample.batch.schema();
    let places: Vec<usize> = features.columns().iter().filter_map(|name| schema.index_of(name).ok()).collect();
    let learned = sample.batch.project(&places).map_err(|error| failed(source.path(), "", error))?;
    let mut x = vec![0.0; rows * inputs];
    let found = features.write(&learned, &mut x)?;
    let raises = raises(model, sample, &x)?;
    let health = metadata.health.as_ref();
    let column = |(n, kind): (usize, &crate::feature::Kind)| {
        let elements = features.elements(n);
        let gaussian = elements.end <= features.layout().gaussians();
        let shifts = elements.clone().filter(|_| gaussian).map(|element| {
            let mut values: Vec<f32> =
                x.iter().skip(element).step_by(inputs).copied().filter(|value| !value.is_nan()).collect();
            values.sort_by(f32::total_cmp);
            let ranks = &model.aggregate().quantiles[element * RANKS..(element + 1) * RANKS];
            (shift(&values, ranks), values, ranks)
        });
        let most = shifts.max_by(|a, b| a.0.total_cmp(&b.0));
        // A column of several numbers has no median and no one distribution.
        let only = most.as_ref().filter(|(_, values, _)| elements.len() == 1 && !values.is_empty());
        let in_unit = |value: f32| kind.in_unit(0, f64::from(value));
        let share = |count: u64| count as f64 / rows as f64;
        let of = |counts: &FoundAll| counts.0[n];
        let counts = of(&found);
        Against {
            name: kind.column().to_string(),
            missing: [
                kind.missing() as f64 / metadata.provenance.rows.max(1) as f64,
                share(counts.null + counts.unusable),
            ],
            beyond: share(counts.beyond),
            unseen: share(counts.unseen),
            medians: only.map(|(_, values, ranks)| {
                let wide = in_unit(ranks[RANKS - 1]) - in_unit(ranks[0]);
                // What rounding leaves of a 0.
                let whole = |value: f64| if value.abs() < 1e-6 * wide.abs() { 0.0 } else { value };
                [ranks[RANKS / 2], values[values.len() / 2]].map(in_unit).map(whole)
            }),
            shift: most.as_ref().filter(|(_, values, _)| !values.is_empty()).map(|(shift, ..)| *shift),
            spread: only.map(|(_, values, ranks)| spread_of(values, ranks, &in_unit)),
            raises: raises[n],
            health: health.map(|health| health.columns[n].clone()),
        }
    };
    Ok(features.kinds().iter().enumerate().map(column).collect())
}

/// Each feature's mean share of the rows' scores.
fn raises(model: &Model, sample: &Rows, x: &[f32]) -> Result<Vec<f64>> {
    const BLOCK: usize = 256;
    let features = model.features();
    let (inputs, count) = (features.layout().inputs(), features.kinds().len());
    let elements: Vec<Range<usize>> = (0..count).map(|n| features.elements(n)).collect();
    let mut sums = vec![0.0; count];
    for (ids, x) in sample.rows.chunks(BLOCK).zip(x.chunks(BLOCK * inputs)) {
        let batch = Batch::new(0, ids.to_vec(), x.to_vec(), features.layout());
        let (shares, _) = model.scorer().rows(&batch)?.contributions(&elements, count)?;
        shares.iter().flatten().for_each(|it| sums[it.source] += f64::from(it.share));
    }
    Ok(sums.into_iter().map(|sum| sum / sample.rows.len().max(1) as f64).collect())
}
