//! Training curves by epoch.

use plotters::element::{PathElement, Text};
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::axes::{Axis, Ticks, draw_axes, legend, short};
use super::canvas::{Figure, text};
use super::paint::Paint;
use crate::error::Result;

/// A named curve of losses by epoch.
pub(crate) struct EpochCurve {
    pub(crate) name: &'static str,
    pub(crate) paint: Paint,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws losses by epoch, and marks the epoch whose weights were kept.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) of the drawing.
pub(crate) fn curves(curves: &[EpochCurve], best: usize) -> Result<Figure> {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let last = points().map(|(epoch, _)| epoch).fold(1.0, f64::max);
    // The large losses of the first epochs would flatten all others.
    let settled = points().filter(|(epoch, _)| *epoch > 0.03 * last).map(|(_, loss)| loss);
    let (low, high) =
        settled.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), loss| (low.min(loss), high.max(loss)));
    let margin = 0.06 * (high - low);
    let range = low - margin..high + margin;
    let ends = curves.iter().filter_map(|curve| Some((curve.name, curve.points.first()?.1, curve.points.last()?.1)));
    let about = ends.map(|(name, from, to)| format!("{name} goes from {} to {}", short(from), short(to)));
    let about =
        format!("Loss in nats a row over {last} epochs: {}. Kept: epoch {best}.", about.collect::<Vec<_>>().join("; "));
    Figure::draw(("training", "Training", about), 560, |area| {
        let mut chart = draw_axes(
            area,
            &Axis { range: 1.0..last, title: "epoch", ticks: Ticks::Numbers },
            &Axis { range: range.clone(), title: "loss, nats a row", ticks: Ticks::Numbers },
        )?;
        let at = best as f64;
        let line = [(at, range.start), (at, range.end)];
        chart.draw_series([PathElement::new(line, ShapeStyle::from(Paint::Muted.placeholder()).stroke_width(2))])?;
        let (h, gap) = if at > 0.6 * last { (HPos::Right, -0.01) } else { (HPos::Left, 0.01) };
        let place = (at + gap * last, range.end);
        chart.draw_series([Text::new(format!("kept: epoch {best}"), place, text(Paint::Muted, h, VPos::Top))])?;
        for curve in curves {
            let inside = curve.points.iter().map(|&(epoch, loss)| (epoch, loss.clamp(range.start, range.end)));
            chart.draw_series(LineSeries::new(inside, curve.paint.placeholder().stroke_width(4)))?;
        }
        let names: Vec<_> = curves.iter().map(|curve| (curve.paint, curve.name.to_owned())).collect();
        legend(area, &names)
    })
}
