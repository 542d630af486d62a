//! Scatter plots of rows in two latent dimensions.

use std::ops::Range;

use plotters::element::{Circle, Rectangle};
use plotters::style::{Color, ShapeStyle};

use super::axes::{Axis, Ticks, draw_axes, legend, legend_height, ramp, short};
use super::canvas::{Figure, Tips, mark};
use super::paint::Paint;
use crate::error::Result;

/// A point for a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) row: u64,
    pub(crate) at: [f64; 2],
    pub(crate) paint: Paint,
    /// Whether the row is an anomaly.
    pub(crate) anomaly: bool,
}

/// Counts of rows in a grid over the plot, line by line from the bottom.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DensityGrid {
    pub(crate) grid: [usize; 2],
    pub(crate) counts: Vec<u64>,
}

/// The meaning of the colours.
pub(crate) enum Legend {
    Names(Vec<(Paint, String)>),
    Ramp(String, [String; 2]),
}

/// The data of a scatter plot.
pub(crate) struct Scatter {
    pub(crate) ranges: [Range<f64>; 2],
    pub(crate) titles: [String; 2],
    pub(crate) points: Vec<Point>,
    pub(crate) density: Option<DensityGrid>,
    pub(crate) legend: Legend,
    /// Texts at places.
    pub(crate) marks: Vec<([f64; 2], String)>,
}

/// Draws rows by their latents, on the density of all rows.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) of the drawing.
pub(crate) fn scatter(plane: &Scatter, about: String) -> Result<Figure> {
    let Scatter { ranges: [x, y], titles, points, density, legend: what, marks } = plane;
    let (mut tips, mut texts) = (Tips::default(), String::new());
    let more_legend = if let Legend::Names(names) = what { legend_height(names) } else { 0 };
    let figure = Figure::draw(("latents", "Latent space", about), 640 + more_legend as u32, |all| {
        let area = &all.split_vertically(more_legend).1;
        let axes = [(x, &titles[0]), (y, &titles[1])].map(|(range, title)| Axis {
            range: range.clone(),
            title,
            ticks: Ticks::Numbers,
        });
        let mut chart = draw_axes(area, &axes[0], &axes[1])?;
        if let Some(DensityGrid { grid, counts }) = density {
            let most = (counts.iter().max().copied().unwrap_or(0) as f64).ln_1p().max(1.0);
            let step = [(x, grid[0]), (y, grid[1])].map(|(range, cells)| (range.end - range.start) / cells as f64);
            let (paint, strongest) =
                if points.iter().all(|point| point.anomaly) { (Paint::Main, 0.8) } else { (Paint::Muted, 0.5) };
            for (cell, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let from = (x.start + step[0] * (cell % grid[0]) as f64, y.start + step[1] * (cell / grid[0]) as f64);
                let shade = paint.placeholder().mix(0.08 + strongest * (count as f64).ln_1p() / most);
                chart.draw_series([Rectangle::new([from, (from.0 + step[0], from.1 + step[1])], shade.filled())])?;
            }
        }
        // Few points are drawn larger. Anomalies are drawn last, on top of other points.
        let size = if points.len() > 1500 { 4 } else { 6 };
        let inside = |[a, b]: [f64; 2]| (a.clamp(x.start, x.end), b.clamp(y.start, y.end));
        for anomaly in [false, true] {
            for point in points.iter().filter(|point| point.anomaly == anomaly) {
                let fill = point.paint.placeholder().mix(if anomaly { 1.0 } else { 0.65 }).filled();
                chart.draw_series([Circle::new(inside(point.at), size + i32::from(anomaly), fill)])?;
                if anomaly {
                    let ring = ShapeStyle::from(Paint::Alarm.placeholder()).stroke_width(2);
                    chart.draw_series([Circle::new(inside(point.at), size + 4, ring)])?;
                    let (at, reach) = (chart.backend_coord(&inside(point.at)), size + 6);
                    let [a, b] = point.at.map(short);
                    let text = format!("row {}: {a}, {b}", point.row);
                    tips.add((at.0 - reach, at.1 - reach), (at.0 + reach, at.1 + reach), &text);
                }
            }
        }
        for (at, text) in marks {
            texts.push_str(&mark(chart.backend_coord(&inside(*at)), text));
        }
        match what {
            Legend::Names(names) => legend(all, names),
            Legend::Ramp(what, ends) => ramp(all, what, ends),
        }
    })?;
    Ok(figure.with(&texts).with_tips(&tips))
}
