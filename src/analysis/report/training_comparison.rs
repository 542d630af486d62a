//! Comparison of a file's columns with the training data: reconstruction, drift, and contributions to the scores.

use std::ops::Range;

use super::distribution::distribution_of;
use super::html::{Cell, brief, folded, number_cell, percent, table, text_cell};
use super::page::{ReportPage, with_separators};
use super::sampled_rows::{SampledRows, failed};
use crate::analysis::escape::escaped;
use crate::analysis::figure::{Bar, Distribution, Paint, bars, distribution};
use crate::artifact::{ColumnHealth, Measure, Model, RANKS};
use crate::batch::Batch;
use crate::drift::{BinCounts, Drift, Shift};
use crate::error::Result;
use crate::feature::{FeatureIssues, Kind};
use crate::score::Score;
use crate::source::ParquetSource;

/// Largest numbers of columns in a bar chart, in the table, and with a figure of their distribution.
const BARS: usize = 20;
const LINES: usize = 60;
const DISTRIBUTIONS: usize = 4;

/// Largest number of drifting columns named in the text.
const MAX_NAMED: usize = 5;

/// The headings of the cells of [`shift_cells`].
const SHIFT_HEADS: [&str; 4] = ["drifts", "PSI", "by chance", "KS"];

/// A column in the file and at fit.
struct ColumnComparison {
    name: String,
    shift: Shift,
    /// Medians at fit and in the file.
    medians: Option<[f64; 2]>,
    distribution: Option<Distribution>,
    /// Mean share of the rows' scores.
    contribution: f64,
    health: Option<ColumnHealth>,
}

/// Compares the sampled rows with the training data, if the file has all learned columns.
pub(super) fn show(
    page: &mut ReportPage,
    source: &ParquetSource,
    model: &Model,
    sample: &SampledRows,
    are_pixels: bool,
) -> Result<()> {
    page.section("Columns", "");
    show_reconstruction(page, model)?;
    let fits = model.features().check(sample.batch.schema_ref(), source.path());
    if sample.rows.is_empty() || fits.is_err() {
        page.leave_out("columns against training: the file lacks some of the columns the model learned".to_owned());
        return Ok(());
    }
    let (mut all, drift) = compare_columns(source, model, sample)?;
    show_contributions(page, &all, sample.rows.len())?;
    if drift.is_none() {
        page.leave_out("drift: the model stores no drift baseline".to_owned());
    }
    all.sort_by(|a, b| b.shift.psi.total_cmp(&a.shift.psi));
    let distributions = all.iter().filter_map(|column| Some((&column.shift, column.distribution.as_ref()?)));
    for (n, (shift, values)) in distributions.take(if are_pixels { 0 } else { DISTRIBUTIONS }).enumerate() {
        let name = &shift.name;
        let about = match (&drift, shift.ks) {
            (Some(_), Some(ks)) => {
                format!("{name}: PSI {:.3}, of which {:.3} may be chance, and KS {ks:.3}.", shift.psi, shift.chance)
            }
            _ => format!("{name}, here and in training."),
        };
        page.figure(distribution(&format!("column-{n}"), name, values, about)?, "");
    }
    let mut heads = vec!["column"];
    heads.extend(drift.iter().flat_map(|_| SHIFT_HEADS));
    heads.extend([
        "missing",
        "at fit",
        "out of range",
        "unseen",
        "median",
        "median at fit",
        "of the scores",
        "rebuilt",
    ]);
    let line = |ColumnComparison { shift, medians, contribution, health, .. }: &ColumnComparison| {
        let share = |share: f64| Cell::Number(if share > 0.0 { percent(share) } else { String::new() });
        let mut line = vec![text_cell(brief(&shift.name))];
        line.extend(drift.iter().flat_map(|_| shift_cells(shift)));
        line.extend([shift.missing, shift.missing_at_fit, shift.beyond, shift.unseen].map(share));
        line.extend([medians.map(|[_, here]| here), medians.map(|[at_fit, _]| at_fit)].map(number_cell));
        line.extend([share(*contribution), Cell::Number(health.as_ref().map_or(String::new(), quality))]);
        line
    };
    let rows: Vec<_> = all.iter().take(LINES).map(line).collect();
    let rows = table("columns against training", &heads, &rows);
    page.html(&format!(
        "<h3>Against training</h3>\n<p>{} rows of this file compared with those of the fit.{} Of the scores: the column's mean \
         share of the rows' scores.</p>\n{}",
        with_separators(sample.rows.len() as u64),
        drift.as_ref().map_or(String::new(), describe_drift),
        // Single pixels of an image mean little.
        if are_pixels { folded("Pixel by pixel", &rows) } else { rows }
    ));
    if all.len() > LINES {
        page.leave_out(format!("{} more columns in the table against training", all.len() - LINES));
    }
    if let Some(drift) = &drift {
        page.html(&latent_shift_table(drift));
    }
    Ok(())
}

/// Text on the drift metrics and the drifting columns.
fn describe_drift(drift: &Drift) -> String {
    let drifting = drift.beyond(Drift::SHIFTED);
    let mut names: Vec<String> = drifting.iter().take(MAX_NAMED).map(|shift| escaped(&brief(&shift.name))).collect();
    match drifting.len() - names.len() {
        0 => {}
        more => names.push(format!("… {more} more")),
    }
    format!(
        " PSI is the population stability index, by chance the PSI that rows like those of the fit stay below, KS the \
         Kolmogorov-Smirnov distance. What drifts has a PSI above {} and chance: {}.",
        Drift::SHIFTED,
        if names.is_empty() { "nothing here".to_owned() } else { names.join(", ") }
    )
}

/// The table cells of a shift.
fn shift_cells(shift: &Shift) -> [Cell; 4] {
    let drifts = if shift.exceeds(Drift::SHIFTED) { "yes" } else { "" };
    let decimals = |value: Option<f64>| Cell::Number(value.map_or(String::new(), |value| format!("{value:.3}")));
    [text_cell(drifts), decimals(Some(shift.psi)), decimals(Some(shift.chance)), decimals(shift.ks)]
}

/// A table of the shifts of the score and the latents.
fn latent_shift_table(drift: &Drift) -> String {
    let line = |shift: &Shift| [text_cell(shift.name.clone())].into_iter().chain(shift_cells(shift)).collect();
    let lines: Vec<_> = drift.score.iter().chain(&drift.latents).map(line).collect();
    let heads: Vec<&str> = [""].into_iter().chain(SHIFT_HEADS).collect();
    folded("The score and the latents", &table("score and latents against training", &heads, &lines))
}

/// Shows the reconstruction quality of columns on the calibration rows, the worst first.
fn show_reconstruction(page: &mut ReportPage, model: &Model) -> Result<()> {
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
        label: quality(it),
        paint: Paint::Main,
    };
    let mut about =
        "1 is a perfect reconstruction, 0 no better than a constant; of calibration rows, from their latents."
            .to_owned();
    if all.len() > BARS {
        about.push_str(&format!(" Shown: the worst {BARS} of {}.", all.len()));
    }
    let shown: Vec<Bar> = all.iter().take(BARS).map(bar).collect();
    if !shown.is_empty() {
        page.figure(bars(("rebuilt", "How well columns are rebuilt", about), &shown, Some(1.0))?, "");
    }
    Ok(())
}

/// R² or the accuracy, as text.
fn quality(health: &ColumnHealth) -> String {
    match (health.value, health.measure) {
        (None, _) => String::new(),
        (Some(value), Measure::R2) => format!("R² {value:.2}"),
        (Some(value), Measure::Accuracy) => format!("{:.0} % right", 100.0 * value),
    }
}

/// Shows the columns with the largest contributions to the scores.
fn show_contributions(page: &mut ReportPage, all: &[ColumnComparison], rows: usize) -> Result<()> {
    let mut order: Vec<&ColumnComparison> = all.iter().filter(|column| column.contribution > 0.0).collect();
    order.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
    let bar = |column: &&ColumnComparison| Bar {
        name: column.name.clone(),
        value: column.contribution,
        label: percent(column.contribution),
        paint: Paint::Second,
    };
    let shown: Vec<Bar> = order.iter().take(BARS).map(bar).collect();
    if shown.is_empty() {
        return Ok(());
    }
    let rows = with_separators(rows as u64);
    let mut about =
        format!("Mean share of the rows' scores that comes from a column, of {rows} rows; the rest is KL divergence.");
    if order.len() > BARS {
        about.push_str(&format!(" Shown: the first {BARS} of {}.", order.len()));
    }
    let lines =
        order.iter().take(LINES).map(|it| vec![text_cell(it.name.clone()), Cell::Number(percent(it.contribution))]);
    let numbers = folded("Numbers", &table("what raises scores", &["column", "share"], &lines.collect::<Vec<_>>()));
    page.figure(bars(("raises", "What raises scores", about), &shown, None)?, &numbers);
    Ok(())
}

/// Compares every learned column; also returns the drift, if the model stores a drift baseline.
fn compare_columns(
    source: &ParquetSource,
    model: &Model,
    sample: &SampledRows,
) -> Result<(Vec<ColumnComparison>, Option<Drift>)> {
    let (features, metadata) = (model.features(), model.metadata());
    let (width, rows) = (features.layout().width(), sample.rows.len());
    let schema = sample.batch.schema();
    let places: Vec<usize> = features.columns().iter().filter_map(|name| schema.index_of(name).ok()).collect();
    let learned = sample.batch.project(&places).map_err(|error| failed(source.path(), "", error))?;
    let mut x = vec![0.0; rows * width];
    let issues = features.write(&learned, &mut x, &mut [])?;
    let (contribution, drift) = contributions_and_drift(model, sample, &x, &issues)?;
    let column = |(n, kind): (usize, &Kind)| {
        let elements = features.elements(n);
        let in_unit = |value: f32| kind.feature().in_unit(0, f64::from(value));
        // A column of several numbers has no median and no single distribution.
        let is_number = elements.len() == 1 && elements.end <= features.layout().gaussians();
        let here = x.iter().skip(elements.start).step_by(width).copied();
        let mut values: Vec<f32> = here.filter(|value| is_number && !value.is_nan()).collect();
        values.sort_unstable_by(f32::total_cmp);
        let ranks = model.aggregate().quantiles.get(elements.start * RANKS..elements.end * RANKS).unwrap_or_default();
        let distribution = (!values.is_empty()).then(|| distribution_of(&values, ranks, &in_unit));
        let medians = distribution.is_some().then(|| {
            let range = in_unit(ranks[RANKS - 1]) - in_unit(ranks[0]);
            // A rounded 0 is 0.
            let without_rounding = |value: f64| if value.abs() < 1e-6 * range.abs() { 0.0 } else { value };
            [ranks[RANKS / 2], values[values.len() / 2]].map(in_unit).map(without_rounding)
        });
        let shift = match &drift {
            Some(drift) => drift.columns[n].clone(),
            None => Shift::from_issues(kind, &issues.learned[n], rows as u64, metadata.provenance.rows),
        };
        let health = metadata.health.as_ref().map(|health| health.columns[n].clone());
        ColumnComparison {
            name: kind.column().to_string(),
            shift,
            medians,
            distribution,
            contribution: contribution[n],
            health,
        }
    };
    Ok((features.kinds().iter().enumerate().map(column).collect(), drift))
}

/// Each feature's mean share of the sampled rows' scores, and the rows' drift.
fn contributions_and_drift(
    model: &Model,
    sample: &SampledRows,
    x: &[f32],
    issues: &FeatureIssues,
) -> Result<(Vec<f64>, Option<Drift>)> {
    const BLOCK: usize = 256;
    let (features, metadata) = (model.features(), model.metadata());
    let (width, kinds) = (features.layout().width(), features.kinds());
    let ranks = Score::named("anomaly_score", &metadata.scoring.anomaly_score, |_| true)?;
    let elements: Vec<Range<usize>> = (0..kinds.len()).map(|n| features.elements(n)).collect();
    let (mut sums, mut bin_counts, mut first) = (vec![0.0; kinds.len()], BinCounts::default(), 0);
    for (ids, x) in sample.rows.chunks(BLOCK).zip(x.chunks(BLOCK * width)) {
        let batch = Batch::new(ids.to_vec(), x.to_vec(), features.layout());
        let rows = model.scorer().rows(&batch)?;
        let (shares, _) = rows.contributions(&elements, &[], ranks, kinds.len())?;
        shares.iter().flatten().for_each(|it| sums[it.source] += f64::from(it.share));
        if let Some(sketch) = model.sketch() {
            bin_counts.add(sketch, first, &sketch.bins(&rows, &rows.anomaly_score(ranks)?, first));
        }
        first += ids.len() as u64;
    }
    let finish = |sketch| bin_counts.finish(sketch, kinds, &[], issues, first, metadata.provenance.rows);
    let drift = model.sketch().and_then(|sketch| finish(sketch));
    Ok((sums.into_iter().map(|sum| sum / first.max(1) as f64).collect(), drift))
}
