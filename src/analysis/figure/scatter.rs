//! Rows in a plane of the latent space.

use std::ops::Range;

use plotters::element::{Circle, Rectangle};
use plotters::style::{Color, ShapeStyle};

use super::canvas::Figure;
use super::frame::{Axis, frame, legend, ramp};
use super::paint::Paint;
use crate::error::Result;

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) at: [f64; 2],
    pub(crate) paint: Paint,
    /// Whether it is an anomaly.
    pub(crate) odd: bool,
}

/// How many rows are where: counts of a grid over the plane, row by row from below.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DensityGrid {
    pub(crate) grid: [usize; 2],
    pub(crate) counts: Vec<u64>,
}

/// What colours stand for.
pub(crate) enum Legend {
    Names(Vec<(Paint, String)>),
    Ramp(String, [String; 2]),
}

/// A plane with rows in it.
pub(crate) struct Scatter {
    pub(crate) ranges: [Range<f64>; 2],
    pub(crate) titles: [String; 2],
    pub(crate) points: Vec<Point>,
    pub(crate) density: Option<DensityGrid>,
    pub(crate) legend: Legend,
}

/// Rows where their latents are.
///
/// # Errors
/// Those of the drawing.
pub(crate) fn scatter(plane: &Scatter, about: String) -> Result<Figure> {
    let Scatter { ranges: [x, y], titles, points, density, legend: what } = plane;
    Figure::draw(("latents", "Latent space", about), 700, |area| {
        let axes = [(x, &titles[0]), (y, &titles[1])].map(|(range, title)| Axis { range: range.clone(), title });
        let mut chart = frame(area, &axes[0], &axes[1])?;
        if let Some(DensityGrid { grid, counts }) = density {
            let most = (counts.iter().max().copied().unwrap_or(0) as f64).ln_1p().max(1.0);
            let step = [(x, grid[0]), (y, grid[1])].map(|(range, cells)| (range.end - range.start) / cells as f64);
            for (cell, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let from = (x.start + step[0] * (cell % grid[0]) as f64, y.start + step[1] * (cell / grid[0]) as f64);
                let shade = Paint::Muted.stand_in().mix(0.08 + 0.5 * (count as f64).ln_1p() / most);
                chart.draw_series([Rectangle::new([from, (from.0 + step[0], from.1 + step[1])], shade.filled())])?;
            }
        }
        // Few points are large ones. What is odd comes last, so that nothing hides it.
        let size = if points.len() > 1500 { 4 } else { 6 };
        let inside = |[a, b]: [f64; 2]| (a.clamp(x.start, x.end), b.clamp(y.start, y.end));
        for odd in [false, true] {
            for point in points.iter().filter(|point| point.odd == odd) {
                let fill = point.paint.stand_in().mix(if odd { 1.0 } else { 0.65 }).filled();
                chart.draw_series([Circle::new(inside(point.at), size + i32::from(odd), fill)])?;
                if odd {
                    let ring = ShapeStyle::from(Paint::Alarm.stand_in()).stroke_width(2);
                    chart.draw_series([Circle::new(inside(point.at), size + 4, ring)])?;
                }
            }
        }
        match what {
            Legend::Names(names) => legend(area, names),
            Legend::Ramp(what, ends) => ramp(area, what, ends),
        }
    })
}
