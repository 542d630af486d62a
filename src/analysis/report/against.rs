//! The columns of a file beside those of the training: how well they are rebuilt, how their values are spread, and what
//! they have to do with the scores.
//!
//! Of the training a model keeps missing values, and of numbers the values at even ranks.

use std::ops::Range;

use super::html::{Cell, brief, folded, number, percent, table, word};
use super::page::{Page, counted};
use super::rows::{Rows, failed};
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

/// Bars of a distribution.
const BINS: usize = 32;

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

/// The greatest gap between the cumulative shares of sorted `values` and of what has the values `ranks` at even ranks.
fn shift(values: &[f32], ranks: &[f32]) -> f64 {
    let gap = |(rank, &at): (usize, &f32)| {
        // Of equal values, the last rank is the share of those up to it.
        if ranks.get(rank + 1) == Some(&at) || values.is_empty() {
            return 0.0;
        }
        let here = values.partition_point(|value| *value <= at) as f64 / values.len() as f64;
        (here - rank as f64 / (ranks.len() - 1) as f64).abs()
    };
    // At the first rank there is a single value, unless there are more of it.
    ranks.iter().enumerate().skip(1).map(gap).fold(0.0, f64::max)
}

/// Shares of even bins over the range of both, in the column's unit.
fn spread_of(values: &[f32], ranks: &[f32], in_unit: &impl Fn(f32) -> f64) -> Spread {
    let far = |values: &[f32]| [values[values.len() / 100], values[values.len() - 1 - values.len() / 100]].map(in_unit);
    let (here, there) = (far(values), [ranks[1], ranks[ranks.len() - 2]].map(in_unit));
    let (low, high) = (here[0].min(there[0]), here[1].max(there[1]));
    let is_whole = |value: &f32| (in_unit(*value) - in_unit(*value).round()).abs() < 1e-3;
    let (range, count) = match values.iter().all(is_whole) && high - low < 60.0 {
        // A bar each whole number.
        true => (low.round() - 0.5..high.round() + 0.5, (high.round() - low.round()) as usize + 1),
        false => {
            let room = 0.02 * (high - low).max(low.abs() * 1e-6).max(1e-9);
            (low - room..high + room, BINS)
        }
    };
    let at = |bin: usize| range.start + (range.end - range.start) * bin as f64 / count as f64;
    let bins =
        |below: &dyn Fn(f64) -> f64| (0..count).map(|bin| (below(at(bin + 1)) - below(at(bin))).max(0.0)).collect();
    let here = bins(&|x| values.partition_point(|value| in_unit(*value) <= x) as f64 / values.len() as f64);
    let training = bins(&|x| cumulative(ranks, x, in_unit));
    Spread { range, here, training }
}

/// The share of values up to `x`, between ranks in proportion.
fn cumulative(ranks: &[f32], x: f64, in_unit: &impl Fn(f32) -> f64) -> f64 {
    let above = ranks.partition_point(|value| in_unit(*value) <= x);
    if above == 0 || above == ranks.len() {
        return if above == 0 { 0.0 } else { 1.0 };
    }
    let (low, high) = (in_unit(ranks[above - 1]), in_unit(ranks[above]));
    (above as f64 - 1.0 + (x - low) / (high - low)) / (ranks.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_the_greatest_gap_of_cumulative_shares() {
        let ranks: Vec<f32> = (0..=64).map(|n| n as f32).collect();
        let alike: Vec<f32> = (1..=640).map(|n| n as f32 / 10.0).collect();
        assert!(shift(&alike, &ranks) < 1e-9);
        // scipy.stats.ks_2samp of uniforms on [0, 64] and [16, 80]: 0.25
        let off: Vec<f32> = alike.iter().map(|value| value + 16.0).collect();
        assert!((shift(&off, &ranks) - 0.25).abs() < 0.01);
        assert!((shift(&[999.0], &ranks) - 1.0).abs() < 1e-9);
        // Two values of even share, as in training and not.
        let coin: Vec<f32> = (0..65).map(|n| f32::from(n > 32)).collect();
        assert!(shift(&[0.0, 1.0], &coin) < 0.02);
        assert!((shift(&[1.0, 1.0], &coin) - 0.5).abs() < 0.02);
    }

    #[test]
    fn shares_of_bins_sum_to_nearly_all() {
        let ranks: Vec<f32> = (0..=64).map(|n| n as f32 / 64.0).collect();
        let values: Vec<f32> = (0..1000).map(|n| n as f32 / 1000.0).collect();
        let spread = spread_of(&values, &ranks, &|x| f64::from(x));
        for shares in [&spread.here, &spread.training] {
            assert!((0.95..=1.0).contains(&shares.iter().sum::<f64>()), "{shares:?}");
            assert!(shares[5..25].iter().all(|share| (0.02..0.045).contains(share)), "{shares:?}");
        }
    }
}
