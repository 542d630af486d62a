//! The plane of two latent dimensions, and the scatter plot of rows in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::html::with_separators;
use super::latent_names::titled;
use super::row_colors::{RowColors, colors, oddness_colors};
use super::sampled_rows::{SampledRows, numbers};
use super::table_survey::{BATCH_ROWS, TableSurvey};
use super::{ReportConfig, ScoredColumns};
use crate::analysis::figure::{DensityGrid, Paint, Point, Scatter, TITLE};
use crate::artifact::Model;
use crate::error::Result;
use crate::pipeline::Stop;
use crate::source::ParquetSource;

/// Size of the grid of row counts.
const GRID: [usize; 2] = [64, 44];

/// Largest number of rows that are all drawn, without their density.
const SINGLE_ROWS: u64 = 1000;

/// The plane of two latent dimensions, and where the sampled rows are in it.
pub(super) struct LatentPlane {
    /// The columns of the axes.
    axes: [String; 2],
    /// The place of each sampled row; `None` where a latent is missing.
    pub(super) at: Vec<Option<[f64; 2]>>,
    pub(super) ranges: [Range<f64>; 2],
}

impl LatentPlane {
    /// The plane of the two chosen dimensions, or of those that vary most; with a single dimension, of it and the score. `None`
    /// without a row to show.
    pub(super) fn of(
        path: &Path,
        columns: &ScoredColumns,
        survey: &TableSurvey,
        sample: &SampledRows,
        config: &ReportConfig,
    ) -> Result<Option<Self>> {
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
        let of = |name: &String| sample.column(name).map(|column| numbers(path, name, column)).transpose();
        let [Some(x), Some(y)] = [of(axes[0])?, of(axes[1])?] else { return Ok(None) };
        let at: Vec<Option<[f64; 2]>> = x.iter().zip(&y).map(|(x, y)| Some([(*x)?, (*y)?])).collect();
        if at.iter().flatten().next().is_none() {
            return Ok(None);
        }
        let ranges = [0, 1].map(|axis| robust_range(at.iter().flatten().map(|at| at[axis])));
        Ok(Some(Self { axes: axes.map(String::clone), at, ranges }))
    }

    /// The cell of a place in a grid, line by line from the bottom; `None` outside of the plot.
    pub(super) fn cell(&self, at: [f64; 2], grid: [usize; 2]) -> Option<usize> {
        let [x, y] = [0, 1].map(|axis| {
            let Range { start, end } = self.ranges[axis];
            let part = (at[axis] - start) / (end - start);
            (start..=end).contains(&at[axis]).then(|| ((part * grid[axis] as f64) as usize).min(grid[axis] - 1))
        });
        Some(y? * grid[0] + x?)
    }

    /// The titles of the axes, by the names of the dimensions.
    pub(super) fn titles(&self, columns: &ScoredColumns, names: &[String]) -> [String; 2] {
        [0, 1].map(|axis| match columns.latents.iter().position(|latent| *latent == self.axes[axis]) {
            Some(dimension) => titled(dimension, names, TITLE[axis]),
            None => self.axes[axis].clone(),
        })
    }

    /// The rows on the plane, with the words that explain the plot.
    pub(super) fn scatter(
        &self,
        source: &ParquetSource,
        columns: &ScoredColumns,
        (survey, sample): (&TableSurvey, &SampledRows),
        titles: [String; 2],
        model: Option<&Model>,
        stop: &Stop,
    ) -> Result<(Scatter, String)> {
        let (path, Self { axes, at, ranges }) = (source.path(), self);
        let of = |name: &String| sample.column(name).map(|column| numbers(path, name, column)).transpose();
        let anomaly = columns.is_anomaly.as_ref().map(of).transpose()?.flatten();
        let is_anomalous = |row: usize| anomaly.as_ref().is_some_and(|anomaly| anomaly[row] == Some(1.0));
        // Nobody asked for colours, and the file says which rows are odd: these are drawn, on the density of all.
        let nobody_asks =
            [columns.color.as_ref(), columns.label(), columns.cluster.as_ref()].iter().all(Option::is_none);
        let by_oddness = nobody_asks && anomaly.is_some();
        let is_sampled = (sample.rows.len() as u64) < survey.rows;
        let is_dense = if by_oddness { survey.rows > SINGLE_ROWS } else { is_sampled };
        let RowColors { paints, legend, by, clusters } = match by_oddness {
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
        let density = if is_dense { Some(self.density(source, stop)?) } else { None };
        let (all, drawn) = (with_separators(survey.rows), with_separators(at.iter().flatten().count() as u64));
        let of = if is_sampled { format!("{drawn} of {all} rows") } else { format!("{drawn} rows") };
        let (shade, ring) = (" The shade is the density of all rows.", " A ring is an anomaly");
        let mut about = match by_oddness && is_dense {
            true => format!("{} and {} of {all} rows.{shade}", axes[0], axes[1]),
            false => format!("{} and {} of {of}, coloured by {by}.", axes[0], axes[1]),
        };
        if !clusters.is_empty() {
            about.push_str(" A number is a cluster.");
        }
        if density.is_some() && !by_oddness {
            about.push_str(shade);
        }
        if points.iter().any(|point| point.anomaly) {
            about.push_str(ring);
            about.push_str(&if by_oddness && is_sampled { format!(" among {of}.") } else { ".".to_owned() });
        }
        about.push_str(" Rows that are alike are close together");
        about.push_str(match model {
            Some(model) if model.metadata().training.neighbors > 0 => "; how far groups are apart says little.",
            _ => ".",
        });
        let outside = at.iter().flatten().filter(|at| self.cell(**at, [1, 1]).is_none()).count();
        if outside > 0 {
            about.push_str(&format!(" {outside} rows outside the plot are drawn at its edge."));
        }
        let marks = marks(at, &clusters);
        Ok((Scatter { ranges: ranges.clone(), titles, points, density, legend, marks }, about))
    }

    /// Counts all rows in a grid over the plot.
    fn density(&self, source: &ParquetSource, stop: &Stop) -> Result<DensityGrid> {
        let mut counts = vec![0; GRID[0] * GRID[1]];
        for batch in source.scan(&self.axes, BATCH_ROWS) {
            stop.check()?;
            let (_, batch) = batch?;
            let of = |name: &String| {
                batch.column_by_name(name).map(|column| numbers(source.path(), name, column)).transpose()
            };
            let (Some(x), Some(y)) = (of(&self.axes[0])?, of(&self.axes[1])?) else { continue };
            let places = x.iter().zip(&y).filter_map(|(x, y)| self.cell([(*x)?, (*y)?], GRID));
            places.for_each(|cell| counts[cell] += 1);
        }
        Ok(DensityGrid { grid: GRID, counts })
    }
}

/// The number of each cluster, on the row of it that is closest to the medians of its rows.
fn marks(at: &[Option<[f64; 2]>], clusters: &[Option<usize>]) -> Vec<([f64; 2], String)> {
    let mut places = BTreeMap::<usize, Vec<[f64; 2]>>::new();
    for (at, cluster) in at.iter().zip(clusters) {
        if let (Some(at), Some(cluster)) = (at, cluster) {
            places.entry(*cluster).or_default().push(*at);
        }
    }
    let mark = |(cluster, places): (usize, Vec<[f64; 2]>)| {
        let center = [0, 1].map(|axis| {
            let mut values: Vec<f64> = places.iter().map(|at| at[axis]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        });
        let off = |at: &[f64; 2]| (at[0] - center[0]).powi(2) + (at[1] - center[1]).powi(2);
        let closest = places.iter().copied().min_by(|a, b| off(a).total_cmp(&off(b)));
        (closest.unwrap_or(center), cluster.to_string())
    };
    places.into_iter().map(mark).collect()
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
