//! The columns of a file beside those of the training: how well they are rebuilt, how far their values drift, and what
//! they have to do with the scores.

use std::ops::Range;

use super::html::{Cell, brief, folded, number, percent, table, word};
use super::page::{ReportPage, counted};
use super::sampled_rows::{SampledRows, failed};
use super::spread::spread_of;
use crate::analysis::escape::escaped;
use crate::analysis::figure::{Bar, Paint, Spread, bars, spread};
use crate::artifact::{ColumnHealth, Measure, Model, RANKS};
use crate::batch::Batch;
use crate::drift::{BinCounts, Drift, Shift};
use crate::error::Result;
use crate::feature::{FeatureIssues, Kind};
use crate::score::Score;
use crate::source::ParquetSource;

/// Columns shown in a figure, in the table, and with their own distribution.
const BARS: usize = 20;
const LINES: usize = 60;
const SPREADS: usize = 4;

/// What is named of what drifts, at most.
const NAMED: usize = 5;

/// What heads the cells that [`moved`] makes.
const MOVED: [&str; 4] = ["drifts", "PSI", "by chance", "KS"];

/// A column here and at fit.
struct Against {
    name: String,
    shift: Shift,
    /// Medians at fit and here.
    medians: Option<[f64; 2]>,
    spread: Option<Spread>,
    /// Mean share of rows' scores.
    raises: f64,
    health: Option<ColumnHealth>,
}

/// Compares the sampled rows with the training, if they have what the model learned.
pub(super) fn show(
    page: &mut ReportPage,
    source: &ParquetSource,
    model: &Model,
    sample: &SampledRows,
    are_pixels: bool,
) -> Result<()> {
    page.section("Columns", "");
    rebuilt(page, model)?;
    let fits = model.features().check(sample.batch.schema_ref(), source.path());
    if sample.rows.is_empty() || fits.is_err() {
        page.leave_out("columns against training: the file lacks some of the columns the model learned".to_owned());
        return Ok(());
    }
    let (mut all, drift) = compared(source, model, sample)?;
    raisers(page, &all, sample.rows.len())?;
    if drift.is_none() {
        page.leave_out("drift: the model does not know how its rows are spread".to_owned());
    }
    all.sort_by(|a, b| b.shift.psi.total_cmp(&a.shift.psi));
    let spreads = all.iter().filter_map(|column| Some((&column.shift, column.spread.as_ref()?)));
    for (n, (shift, values)) in spreads.take(if are_pixels { 0 } else { SPREADS }).enumerate() {
        let name = &shift.name;
        let about = match (&drift, shift.ks) {
            (Some(_), Some(ks)) => {
                format!("{name}: PSI {:.3}, of which {:.3} may be chance, and KS {ks:.3}.", shift.psi, shift.chance)
            }
            _ => format!("{name}, here and in training."),
        };
        page.figure(spread(&format!("column-{n}"), name, values, about)?, "");
    }
    let mut heads = vec!["column"];
    heads.extend(drift.iter().flat_map(|_| MOVED));
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
    let line = |Against { shift, medians, raises, health, .. }: &Against| {
        let share = |share: f64| Cell::Number(if share > 0.0 { percent(share) } else { String::new() });
        let mut line = vec![word(brief(&shift.name))];
        line.extend(drift.iter().flat_map(|_| moved(shift)));
        line.extend([shift.missing, shift.missing_at_fit, shift.beyond, shift.unseen].map(share));
        line.extend([medians.map(|[_, here]| here), medians.map(|[at_fit, _]| at_fit)].map(number));
        line.extend([share(*raises), Cell::Number(health.as_ref().map_or(String::new(), quality))]);
        line
    };
    let rows: Vec<_> = all.iter().take(LINES).map(line).collect();
    let rows = table("columns against training", &heads, &rows);
    page.html(&format!(
        "<h3>Against training</h3>\n<p>{} rows of this file beside those of the fit.{} Of the scores: what the column adds to \
         the rows' scores on average.</p>\n{}",
        counted(sample.rows.len() as u64),
        drift.as_ref().map_or(String::new(), said),
        // Of an image, each pixel by itself says little.
        if are_pixels { folded("Pixel by pixel", &rows) } else { rows }
    ));
    if all.len() > LINES {
        page.leave_out(format!("{} more columns in the table against training", all.len() - LINES));
    }
    if let Some(drift) = &drift {
        page.html(&beside(drift));
    }
    Ok(())
}

/// What drifts, and what that means.
fn said(drift: &Drift) -> String {
    let drifting = drift.beyond(Drift::SHIFTED);
    let mut names: Vec<String> = drifting.iter().take(NAMED).map(|shift| escaped(&brief(&shift.name))).collect();
    match drifting.len() - names.len() {
        0 => {}
        more => names.push(format!("… {more} more")),
    }
    format!(
        " PSI is the population stability index, by chance what rows like those of the fit stay below, KS the \
         Kolmogorov-Smirnov distance. What drifts has a PSI above {} and chance: {}.",
        Drift::SHIFTED,
        if names.is_empty() { "nothing here".to_owned() } else { names.join(", ") }
    )
}

/// How far something moved.
fn moved(shift: &Shift) -> [Cell; 4] {
    let drifts = if shift.exceeds(Drift::SHIFTED) { "yes" } else { "" };
    let number = |value: Option<f64>| Cell::Number(value.map_or(String::new(), |value| format!("{value:.3}")));
    [word(drifts), number(Some(shift.psi)), number(Some(shift.chance)), number(shift.ks)]
}

/// The latents and the score beside those of the fit.
fn beside(drift: &Drift) -> String {
    let line = |shift: &Shift| [word(shift.name.clone())].into_iter().chain(moved(shift)).collect();
    let lines: Vec<_> = drift.score.iter().chain(&drift.latents).map(line).collect();
    let heads: Vec<&str> = [""].into_iter().chain(MOVED).collect();
    folded("The score and the latents", &table("score and latents against training", &heads, &lines))
}

/// How well held-out rows' columns were rebuilt, the worst first.
fn rebuilt(page: &mut ReportPage, model: &Model) -> Result<()> {
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
fn raisers(page: &mut ReportPage, all: &[Against], rows: usize) -> Result<()> {
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

/// Every learned column, and the drift of all there is, if the model knows how its rows were spread.
fn compared(source: &ParquetSource, model: &Model, sample: &SampledRows) -> Result<(Vec<Against>, Option<Drift>)> {
    let (features, metadata) = (model.features(), model.metadata());
    let (inputs, rows) = (features.layout().inputs(), sample.rows.len());
    let schema = sample.batch.schema();
    let places: Vec<usize> = features.columns().iter().filter_map(|name| schema.index_of(name).ok()).collect();
    let learned = sample.batch.project(&places).map_err(|error| failed(source.path(), "", error))?;
    let mut x = vec![0.0; rows * inputs];
    let found = features.write(&learned, &mut x)?;
    let (raises, drift) = scored(model, sample, &x, &found)?;
    let column = |(n, kind): (usize, &Kind)| {
        let elements = features.elements(n);
        let in_unit = |value: f32| kind.feature().in_unit(0, f64::from(value));
        // A column of several numbers has no median and no one distribution.
        let is_number = elements.len() == 1 && elements.end <= features.layout().gaussians();
        let here = x.iter().skip(elements.start).step_by(inputs).copied();
        let mut values: Vec<f32> = here.filter(|value| is_number && !value.is_nan()).collect();
        values.sort_unstable_by(f32::total_cmp);
        let ranks = model.aggregate().quantiles.get(elements.start * RANKS..elements.end * RANKS).unwrap_or_default();
        let spread = (!values.is_empty()).then(|| spread_of(&values, ranks, &in_unit));
        let medians = spread.is_some().then(|| {
            let wide = in_unit(ranks[RANKS - 1]) - in_unit(ranks[0]);
            // What rounding leaves of a 0.
            let whole = |value: f64| if value.abs() < 1e-6 * wide.abs() { 0.0 } else { value };
            [ranks[RANKS / 2], values[values.len() / 2]].map(in_unit).map(whole)
        });
        let shift = match &drift {
            Some(drift) => drift.columns[n].clone(),
            None => Shift::found(kind, &found.0[n], rows as u64, metadata.provenance.rows),
        };
        let health = metadata.health.as_ref().map(|health| health.columns[n].clone());
        Against { name: kind.column().to_string(), shift, medians, spread, raises: raises[n], health }
    };
    Ok((features.kinds().iter().enumerate().map(column).collect(), drift))
}

/// What the model makes of the sampled rows: each feature's mean share of their scores, and their drift.
fn scored(model: &Model, sample: &SampledRows, x: &[f32], found: &FeatureIssues) -> Result<(Vec<f64>, Option<Drift>)> {
    const BLOCK: usize = 256;
    let (features, metadata) = (model.features(), model.metadata());
    let (inputs, kinds) = (features.layout().inputs(), features.kinds());
    let ranks = Score::named("anomaly_score", &metadata.scoring.anomaly_score)?;
    let elements: Vec<Range<usize>> = (0..kinds.len()).map(|n| features.elements(n)).collect();
    let (mut sums, mut seen, mut first) = (vec![0.0; kinds.len()], BinCounts::default(), 0);
    for (ids, x) in sample.rows.chunks(BLOCK).zip(x.chunks(BLOCK * inputs)) {
        let batch = Batch::new(0, ids.to_vec(), x.to_vec(), features.layout());
        let rows = model.scorer().rows(&batch)?;
        let (shares, _) = rows.contributions(&elements, kinds.len())?;
        shares.iter().flatten().for_each(|it| sums[it.source] += f64::from(it.share));
        if let Some(sketch) = model.sketch() {
            seen.add(sketch, first, &sketch.bins(&rows, &rows.score(ranks)?, first));
        }
        first += ids.len() as u64;
    }
    let finish = |sketch| seen.finish(sketch, kinds, &found.0, first, metadata.provenance.rows);
    let drift = model.sketch().and_then(|sketch| finish(sketch));
    Ok((sums.into_iter().map(|sum| sum / first.max(1) as f64).collect(), drift))
}
