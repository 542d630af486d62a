//! How the values of a column are spread, here and in training.

use std::ops::Range;

use plotters::element::{PathElement, Rectangle};
use plotters::style::{Color, ShapeStyle};

use super::canvas::Figure;
use super::frame::{Axis, frame, legend};
use super::paint::Paint;
use crate::error::Result;

/// Shares of values in even bins over a range of a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spread {
    pub(crate) range: Range<f64>,
    pub(crate) here: Vec<f64>,
    pub(crate) training: Vec<f64>,
}

/// The values of a column here as bars, and those of the training as an outline.
///
/// # Errors
/// Those of the drawing.
pub(crate) fn spread(name: &str, column: &str, spread: &Spread, about: String) -> Result<Figure> {
    let Spread { range, here, training } = spread;
    let most = here.iter().chain(training).copied().fold(1e-9, f64::max) * 105.0;
    Figure::draw((name, column, about), 460, |area| {
        let x = Axis { range: range.clone(), title: column };
        let mut chart = frame(area, &x, &Axis { range: 0.0..most, title: "% of values" })?;
        let wide = (range.end - range.start) / here.len() as f64;
        let at = |bin: usize| range.start + wide * bin as f64;
        let bars = here.iter().enumerate().map(|(bin, share)| {
            let corners = [(at(bin) + 0.08 * wide, 0.0), (at(bin + 1) - 0.08 * wide, 100.0 * share)];
            Rectangle::new(corners, Paint::Main.stand_in().filled())
        });
        chart.draw_series(bars)?;
        let steps =
            training.iter().enumerate().flat_map(|(bin, share)| [at(bin), at(bin + 1)].map(|x| (x, 100.0 * share)));
        let outline: Vec<_> = [(range.start, 0.0)].into_iter().chain(steps).chain([(range.end, 0.0)]).collect();
        chart.draw_series([PathElement::new(outline, ShapeStyle::from(Paint::Second.stand_in()).stroke_width(4))])?;
        legend(area, &[(Paint::Main, "these rows".to_owned()), (Paint::Second, "training".to_owned())])
    })
}
