//! Distributions of a column's values, in a file and in training.

use std::ops::Range;

use plotters::element::{PathElement, Rectangle};
use plotters::style::{Color, ShapeStyle};

use super::axes::{Axis, Ticks, draw_axes, legend, short};
use super::canvas::{Figure, Tips};
use super::paint::Paint;
use crate::error::Result;

/// Shares of values in even bins over a range, in a file and in training.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Distribution {
    pub(crate) range: Range<f64>,
    pub(crate) here: Vec<f64>,
    pub(crate) training: Vec<f64>,
}

/// Draws the distribution of a column in a file as bars, and that in training as an outline.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) of the drawing.
pub(crate) fn distribution(name: &str, column: &str, distribution: &Distribution, about: String) -> Result<Figure> {
    let Distribution { range, here, training } = distribution;
    let most = here.iter().chain(training).copied().fold(1e-9, f64::max) * 105.0;
    let mut tips = Tips::default();
    let figure = Figure::draw((name, column, about), 460, |area| {
        let x = Axis { range: range.clone(), title: column, ticks: Ticks::Numbers };
        let mut chart = draw_axes(area, &x, &Axis { range: 0.0..most, title: "% of values", ticks: Ticks::Numbers })?;
        let wide = (range.end - range.start) / here.len() as f64;
        let at = |bin: usize| range.start + wide * bin as f64;
        let bars = here.iter().enumerate().map(|(bin, share)| {
            let corners = [(at(bin) + 0.08 * wide, 0.0), (at(bin + 1) - 0.08 * wide, 100.0 * share)];
            Rectangle::new(corners, Paint::Main.placeholder().filled())
        });
        chart.draw_series(bars)?;
        for (bin, (here, training)) in here.iter().zip(training).enumerate() {
            let [from, to] = [at(bin), at(bin + 1)];
            let (here, training) = (short(100.0 * here), short(100.0 * training));
            let text = format!("{} to {}: {here} % here, {training} % in training", short(from), short(to));
            tips.add(chart.backend_coord(&(from, 0.0)), chart.backend_coord(&(to, most)), &text);
        }
        let steps =
            training.iter().enumerate().flat_map(|(bin, share)| [at(bin), at(bin + 1)].map(|x| (x, 100.0 * share)));
        let outline: Vec<_> = [(range.start, 0.0)].into_iter().chain(steps).chain([(range.end, 0.0)]).collect();
        chart
            .draw_series([PathElement::new(outline, ShapeStyle::from(Paint::Second.placeholder()).stroke_width(4))])?;
        legend(area, &[(Paint::Main, "these rows".to_owned()), (Paint::Second, "training".to_owned())])
    })?;
    Ok(figure.with_tips(&tips))
}
