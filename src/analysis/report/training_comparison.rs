//! Comparison of a file's columns with the training data: reconstruction, drift, and contributions to the scores.

use std::ops::Range;

use super::distribution::distribution_of;
use super::html::{Cell, brief, folded, number_cell, percent, table, text_cell, with_separators};
use super::page::ReportPage;
use super::sampled_rows::SampledRows;
use crate::analysis::escape::escaped;
use crate::analysis::figure::{Bar, Distribution, Paint, bars, distribution};
use crate::artifact::{ColumnHealth, Measure, Model, RANKS};
use crate::batch::Batch;
use crate::drift::{BinCounts, Drift, Shift};
use crate::error::Result;
use crate::feature::{FeatureIssues, Kind};
use crate::pipeline::Stop;
use crate::score::{Score, rows_encoded_for_one};
use crate::source::ParquetSource;

/// Largest numbers of columns in a bar chart, in the table, and with a figure of their distribution.
const BARS: usize = 20;
const LINES: usize = 60;
const DISTRIBUTIONS: usize = 4;

/// Largest number of drifting columns named in the text.
const MAX_NAMED: usize = 5;

/// The headings of the cells of [`shift_cells`].
const SHIFT_HEADS: [&str; 4] = ["drifts", "PSI", "by chance", "KS"];

const EXPLAIN_COLUMNS: &str = "How well the model rebuilds each column from the latents, which columns raise the scores, and how far this file is from \
     the training data. R² is the part of a number's variation that is rebuilt: 1 is all, 0 is no better than the mean. Of \
     categories it is the part of the rows that are right.";

/// Largest number of values that the model encodes to find what raises scores.
const MAX_VALUES: usize = 6 << 20;

/// Columns of a row that are looked at for that, and the rows that the model encodes for it.
const LARGEST: usize = 8;
const ENCODED_FOR_ONE: usize = rows_encoded_for_one(LARGEST);

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
    stop: &Stop,
) -> Result<()> {
    page.section("columns", "Columns", EXPLAIN_COLUMNS);
    show_reconstruction(page, model)?;
    let fits = model.features().check(sample.batch.schema_ref(), source.path());
    if sample.rows.is_empty() || fits.is_err() {
        page.leave_out("columns against training: the file lacks some of the columns the model learned".to_owned());
        return Ok(());
    }
    let (mut all, drift, explained) = compare_columns(model, sample, stop)?;
    show_contributions(page, &all, explained)?;
    if drift.is_none() {
        page.leave_out("drift: the model stores no drift baseline".to_owned());
    }
    all.sort_by(|a, b| b.shift.psi.total_cmp(&a.shift.psi));
    let distributions = all.iter().filter_map(|column| Some((&column.shift, column.distribution.as_ref()?)));
    for (n, (shift, values)) in distributions.take(if are_pixels { 0 } else { DISTRIBUTIONS }).enumerate() {
        let name = &shift.name;
        let about = match (&drift, shift.ks) {
            (Some(_), Some(ks)) => {
                format!("{name}: PSI {:.3} (by chance up to {:.3}), KS {ks:.3}.", shift.psi, shift.chance)
            }
            _ => format!("{name}, here and in training."),
        };
        page.figure(distribution(&format!("column-{n}"), name, values, about)?, "");
    }
    let mut heads = vec!["column"];
    heads.extend(drift.iter().flat_map(|_| SHIFT_HEADS));
    heads.extend([
        "missing",
        "missing in training",
        "out of range",
        "unseen",
        "median",
        "median in training",
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
        " PSI, the population stability index, compares how values are spread here and in training: below 0.1 is stable, above \
         {0} has shifted. By chance: what PSI may reach without any shift. KS, the Kolmogorov-Smirnov distance, is the \
         largest difference of the two cumulative shares, 0 to 1. What drifts has a PSI above {0} and chance: {1}.",
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
        "1 is a perfect reconstruction from the latents, 0 is no better than a constant; on calibration rows, which the model did \
         not learn from."
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
    let mut about = format!(
        "The mean part of a row's score that a column makes, of {rows} rows; the {LARGEST} largest of each row count. The rest is KL \
                 divergence."
    );
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
    model: &Model,
    sample: &SampledRows,
    stop: &Stop,
) -> Result<(Vec<ColumnComparison>, Option<Drift>, usize)> {
    let (features, metadata) = (model.features(), model.metadata());
    let (width, rows) = (features.layout().width(), sample.rows.len());
    let learned = sample.project(&features.columns())?;
    let mut x = vec![0.0; rows * width];
    let issues = features.write(&learned, &mut x, &mut [])?;
    let drift = drift(model, sample, &x, &issues, stop)?;
    let (contribution, explained) = contributions(model, sample, &x, stop)?;
    let column = |(n, kind): (usize, &Kind)| -> Result<ColumnComparison> {
        stop.check()?;
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
        Ok(ColumnComparison {
            name: kind.column().to_string(),
            shift,
            medians,
            distribution,
            contribution: contribution[n],
            health,
        })
    };
    Ok((features.kinds().iter().enumerate().map(column).collect::<Result<_>>()?, drift, explained))
}

/// Rows that are encoded at once.
const BLOCK: usize = 32;

/// The drift of the sampled rows, if the model stores a drift baseline.
fn drift(model: &Model, sample: &SampledRows, x: &[f32], issues: &FeatureIssues, stop: &Stop) -> Result<Option<Drift>> {
    let (features, metadata) = (model.features(), model.metadata());
    let Some(sketch) = model.sketch() else { return Ok(None) };
    let score = Score::named("anomaly_score", &metadata.scoring.anomaly_score, |_| true)?;
    let (mut bin_counts, mut first) = (BinCounts::default(), 0);
    for (ids, x) in sample.rows.chunks(BLOCK).zip(x.chunks(BLOCK * features.layout().width())) {
        stop.check()?;
        let batch = Batch::new(ids.to_vec(), x.to_vec(), features.layout());
        let scored = model.scorer().one_sided(&batch, score)?;
        let (rows, [mean, _]) = (model.scorer().rows(&scored)?, model.vae().posterior(&batch)?);
        bin_counts.add(sketch, first, &sketch.bins(&rows, (&batch, &mean), &rows.anomaly_score(score)?, first));
        first += ids.len() as u64;
    }
    Ok(bin_counts.finish(sketch, features.kinds(), &[], issues, first, metadata.provenance.rows))
}

/// Each feature's mean share of the scores, by the largest shares of each row; and the number of rows that it is the mean of:
/// of wide rows every so many of the sample, since a row is encoded once for each column that is looked at.
fn contributions(model: &Model, sample: &SampledRows, x: &[f32], stop: &Stop) -> Result<(Vec<f64>, usize)> {
    let features = model.features();
    let (width, kinds) = (features.layout().width(), features.kinds().len());
    let score = Score::named("anomaly_score", &model.metadata().scoring.anomaly_score, |_| true)?;
    let elements: Vec<Range<usize>> = (0..kinds).map(|n| features.elements(n)).collect();
    let most = (MAX_VALUES / (ENCODED_FOR_ONE.min(kinds + 1) * width.max(1))).max(BLOCK);
    let step = sample.rows.len().div_ceil(most).max(1);
    let chosen: Vec<usize> = (0..sample.rows.len()).step_by(step).collect();
    let mut sums = vec![0.0; kinds];
    for block in chosen.chunks(BLOCK) {
        stop.check()?;
        let ids = block.iter().map(|&row| sample.rows[row]).collect();
        let x = block.iter().flat_map(|row| &x[row * width..][..width]).copied().collect();
        let batch = Batch::new(ids, x, features.layout());
        let scored = model.scorer().one_sided(&batch, score)?;
        let (shares, _) = model.scorer().rows(&scored)?.contributions(&elements, &[], score, LARGEST)?;
        shares.iter().flatten().for_each(|it| sums[it.source] += f64::from(it.share));
    }
    Ok((sums.into_iter().map(|sum| sum / chosen.len().max(1) as f64).collect(), chosen.len()))
}
