//! The scatter plot of rows in two latent dimensions.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use arrow::array::ArrayRef;

use super::html::with_separators;
use super::latent_names::titled;
use super::sampled_rows::{SampledRows, are_numbers, labels, numbers, texts};
use super::table_survey::{BATCH_ROWS, TableSurvey};
use super::{ReportConfig, ScoredColumns};
use crate::analysis::figure::{CATEGORIES, DensityGrid, Legend, Paint, Point, RAMP, Scatter, short};
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;
use crate::source::ParquetSource;

/// Size of the grid of row counts.
const GRID: [usize; 2] = [64, 44];

/// Largest number of rows that are all drawn, without their density.
const SINGLE_ROWS: u64 = 1000;

/// The plot of the two chosen latent dimensions, or of those that vary most; with a single dimension, of it and the
/// score. `None` without a row to show.
pub(super) fn plane(
    source: &ParquetSource,
    columns: &ScoredColumns,
    survey: &TableSurvey,
    sample: &SampledRows,
    names: &[String],
    config: &ReportConfig,
    stop: &Stop,
) -> Result<Option<(Scatter, String)>> {
    let axes = match (columns.latents.len(), config.dimensions) {
        (0, _) => return Ok(None),
        (1, _) => [&columns.latents[0], &columns.score],
        (_, Some(dimensions)) => dimensions.map(|dimension| &columns.latents[dimension]),
        (all, None) => {
            let mut order: Vec<usize> = (0..all).collect();
            order.sort_by(|&a, &b| survey.latents[b].variance().total_cmp(&survey.latents[a].variance()));
            let mut two = [order[0], order[1]];
            two.sort_unstable();
            two.map(|dimension| &columns.latents[dimension])
        }
    };
    let path = source.path();
    let of = |name: &String| sample.column(name).map(|column| numbers(path, name, column)).transpose();
    let [Some(x), Some(y)] = [of(axes[0])?, of(axes[1])?] else { return Ok(None) };
    let at: Vec<Option<[f64; 2]>> = x.iter().zip(&y).map(|(x, y)| Some([(*x)?, (*y)?])).collect();
    if at.iter().flatten().next().is_none() {
        return Ok(None);
    }
    let ranges = [0, 1].map(|axis| robust_range(at.iter().flatten().map(|at| at[axis])));
    let outside =
        at.iter().flatten().filter(|at| (0..2).any(|n| at[n] < ranges[n].start || at[n] > ranges[n].end)).count();
    let anomaly = columns.is_anomaly.as_ref().map(of).transpose()?.flatten();
    let is_anomalous = |row: usize| anomaly.as_ref().is_some_and(|anomaly| anomaly[row] == Some(1.0));
    // Nobody asked for colours, and the file says which rows are odd: these are drawn, on the density of all.
    let nobody_asks = [columns.color.as_ref(), columns.label(), columns.cluster.as_ref()].iter().all(Option::is_none);
    let by_oddness = nobody_asks && anomaly.is_some();
    let is_sampled = (sample.rows.len() as u64) < survey.rows;
    let is_dense = if by_oddness { survey.rows > SINGLE_ROWS } else { is_sampled };
    let (paints, legend, what) = match by_oddness {
        true => oddness_colors(at.len()),
        false => colors(path, columns, sample)?,
    };
    let point = |(row, at): (usize, &Option<[f64; 2]>)| {
        let anomaly = is_anomalous(row);
        let is_drawn = anomaly || !by_oddness || !is_dense;
        is_drawn.then_some(Point { row: sample.rows[row], at: (*at)?, paint: paints[row], anomaly })
    };
    let mut points: Vec<Point> = at.iter().enumerate().filter_map(point).collect();
    if by_oddness {
        points.iter_mut().filter(|point| point.anomaly).for_each(|point| point.paint = Paint::Alarm);
    }
    let density = if is_dense { Some(density(source, axes, &ranges, stop)?) } else { None };
    let shown = with_separators(at.iter().flatten().count() as u64);
    let mut about = format!("{} and {} of {shown} rows, coloured by {what}.", axes[0], axes[1]);
    if density.is_some() {
        about.push_str(&format!(" The shade is the density of all {} rows.", with_separators(survey.rows)));
    }
    if points.iter().any(|point| point.anomaly) {
        about.push_str(" A ring is an anomaly.");
    }
    about.push_str(" Rows that are alike are close together.");
    if outside > 0 {
        about.push_str(&format!(" {outside} rows outside the plot are drawn at its edge."));
    }
    let titles = axes.map(|axis| match columns.latents.iter().position(|latent| latent == axis) {
        Some(dimension) => titled(dimension, names),
        None => axis.clone(),
    });
    Ok(Some((Scatter { ranges, titles, points, density, legend }, about)))
}

/// Ordinary rows in one colour, anomalies in another.
fn oddness_colors(rows: usize) -> (Vec<Paint>, Legend, String) {
    let names = [(Paint::Main, "ordinary rows".to_owned()), (Paint::Alarm, "anomalies".to_owned())];
    (vec![Paint::Main; rows], Legend::Names(names.to_vec()), "whether they are anomalies".to_owned())
}

/// The range of values without a few distant outliers.
fn robust_range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return 0.0..1.0 };
    let (low, high) = (values[last / 200], values[last - last / 200]);
    let margin = (0.5 * (high - low)).max(1e-6);
    let (low, high) = (values[0].max(low - margin), values[last].min(high + margin));
    let edge = 0.03 * (high - low);
    low - edge..high + edge
}

/// The paint of every row, the legend, and the name of the column that colours rows.
fn colors(path: &Path, columns: &ScoredColumns, sample: &SampledRows) -> Result<(Vec<Paint>, Legend, String)> {
    let all = sample.rows.len();
    match (&columns.color, &columns.label) {
        (None, Some(label)) => {
            let Some(column) = sample.column(&label.name) else { return Ok(single_color(all)) };
            let labels = labels(path, label, column)?;
            let paint = |label: &Option<bool>| match label {
                Some(true) => Paint::Alarm,
                Some(false) => Paint::Main,
                None => Paint::Muted,
            };
            let names = [(Paint::Main, "no anomaly"), (Paint::Alarm, "anomaly"), (Paint::Muted, "unknown")];
            let unknown = labels.contains(&None);
            let names =
                names.into_iter().take(if unknown { 3 } else { 2 }).map(|(paint, name)| (paint, name.to_owned()));
            Ok((labels.iter().map(paint).collect(), Legend::Names(names.collect()), label.name.clone()))
        }
        (color, _) => {
            let name = color.as_ref().or(columns.cluster.as_ref()).unwrap_or(&columns.score);
            let Some(column) = sample.column(name) else { return Ok(single_color(all)) };
            match are_numbers(column.data_type()) && Some(name) != columns.cluster.as_ref() {
                true => color_by_number(path, name, column),
                false => color_by_word(path, name, column),
            }
        }
    }
}

fn single_color(rows: usize) -> (Vec<Paint>, Legend, String) {
    (vec![Paint::Main; rows], Legend::Names(Vec::new()), "nothing".to_owned())
}

/// Colours by numbers on a ramp; a few distinct integers are coloured as categories.
fn color_by_number(path: &Path, name: &str, column: &ArrayRef) -> Result<(Vec<Paint>, Legend, String)> {
    let values = numbers(path, name, column)?;
    let mut sorted: Vec<f64> = values.iter().flatten().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= CATEGORIES && distinct.iter().all(|value| value.fract() == 0.0) {
        return color_by_word(path, name, column);
    }
    let Some(last) = sorted.len().checked_sub(1) else { return Ok(single_color(values.len())) };
    let (low, high) = (sorted[last / 50], sorted[last - last / 50]);
    let paint = |value: &Option<f64>| match value {
        Some(value) => {
            let step = (value - low) / (high - low).max(f64::MIN_POSITIVE) * RAMP as f64;
            Paint::Ramp(step.max(0.0) as usize)
        }
        None => Paint::Muted,
    };
    let ends = [short(low), short(high)];
    Ok((values.iter().map(paint).collect(), Legend::Ramp(name.to_owned(), ends), name.to_owned()))
}

/// Colours the most frequent words as categories; all others share a paint.
fn color_by_word(path: &Path, name: &str, column: &ArrayRef) -> Result<(Vec<Paint>, Legend, String)> {
    if column.data_type().is_nested() {
        return Err(Error::WrongType {
            place: Place::column(path, name),
            found: column.data_type().to_string().into(),
            expected: "numbers, words or times, to colour rows by".into(),
        });
    }
    let words = texts(path, name, column)?;
    let mut counts = BTreeMap::<&str, u64>::new();
    words.iter().flatten().for_each(|word| *counts.entry(word).or_default() += 1);
    let mut order: Vec<(&str, u64)> = counts.into_iter().collect();
    // The sort is stable: ties stay in alphabetical order.
    order.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut shown: Vec<&str> = order.iter().take(CATEGORIES).map(|(word, _)| *word).collect();
    let number = |word: &str| word.parse::<f64>().unwrap_or(f64::INFINITY);
    shown.sort_by(|a, b| number(a).total_cmp(&number(b)).then(a.cmp(b)));
    let place = |word: &Option<String>| shown.iter().position(|shown| Some(*shown) == word.as_deref());
    let paints = words.iter().map(|word| place(word).map_or(Paint::Muted, Paint::Category)).collect();
    let mut names: Vec<_> =
        shown.iter().enumerate().map(|(n, word)| (Paint::Category(n), (*word).to_owned())).collect();
    if order.len() > shown.len() || words.contains(&None) {
        names.push((Paint::Muted, "other".to_owned()));
    }
    Ok((paints, Legend::Names(names), name.to_owned()))
}

/// Counts all rows in a grid over the plot.
fn density(source: &ParquetSource, axes: [&String; 2], ranges: &[Range<f64>; 2], stop: &Stop) -> Result<DensityGrid> {
    let mut counts = vec![0; GRID[0] * GRID[1]];
    let names = axes.map(Clone::clone);
    for batch in source.scan(&names, BATCH_ROWS) {
        stop.check()?;
        let (_, batch) = batch?;
        let of =
            |name: &String| batch.column_by_name(name).map(|column| numbers(source.path(), name, column)).transpose();
        let (Some(x), Some(y)) = (of(axes[0])?, of(axes[1])?) else { continue };
        for at in x.iter().zip(&y).filter_map(|(x, y)| Some([(*x)?, (*y)?])) {
            if (0..2).all(|axis| ranges[axis].contains(&at[axis])) {
                let cell = [0, 1].map(|axis| {
                    let part = (at[axis] - ranges[axis].start) / (ranges[axis].end - ranges[axis].start);
                    ((part * GRID[axis] as f64) as usize).min(GRID[axis] - 1)
                });
                counts[cell[1] * GRID[0] + cell[0]] += 1;
            }
        }
    }
    Ok(DensityGrid { grid: GRID, counts })
}
