//! Shares of odd rows over time.

use plotters::element::{PathElement, Rectangle};
use plotters::style::{Color, ShapeStyle};

use super::axes::{Axis, Ticks, draw_axes, legend, short};
use super::canvas::{Figure, Tips};
use super::paint::Paint;
use crate::error::Result;

/// Rows of one file or one stretch of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Period {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) odd: u64,
}

impl Period {
    /// The share of its rows that are odd.
    pub(crate) fn share(&self) -> f64 {
        self.odd as f64 / self.rows.max(1) as f64
    }
}

/// Draws the share of odd rows of each period as a bar; those from `since` on stand out.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) of the drawing.
pub(crate) fn history(unit: &str, periods: &[Period], since: Option<usize>, about: String) -> Result<Figure> {
    let percent = |it: &Period| 100.0 * it.share();
    let most = periods.iter().map(percent).fold(0.0, f64::max);
    let names: Vec<String> = periods.iter().map(|it| it.name.clone()).collect();
    let mut tips = Tips::default();
    let figure = Figure::draw(("history", "Odd rows over time", about), 560, |area| {
        let x = Axis { range: -0.5..periods.len() as f64 - 0.5, title: unit, ticks: Ticks::Names(&names) };
        // Without an odd row, the axis still has a scale.
        let top = if most > 0.0 { most * 1.08 } else { 1.0 };
        let mut chart = draw_axes(area, &x, &Axis { range: 0.0..top, title: "% of rows odd", ticks: Ticks::Numbers })?;
        let half = if periods.len() > 150 { 0.5 } else { 0.42 };
        for (n, it) in periods.iter().enumerate() {
            let (at, paint) =
                (n as f64, if since.is_some_and(|since| n >= since) { Paint::Alarm } else { Paint::Main });
            let corners = [(at - half, 0.0), (at + half, percent(it))];
            chart.draw_series([Rectangle::new(corners, paint.placeholder().filled())])?;
            let text = format!("{}: {} of {} rows, {} %", it.name, it.odd, it.rows, short(percent(it)));
            tips.add(chart.backend_coord(&(at - 0.5, 0.0)), chart.backend_coord(&(at + 0.5, top)), &text);
        }
        let (odd, rows) = periods.iter().fold((0, 0), |(odd, rows), it| (odd + it.odd, rows + it.rows));
        let mean = 100.0 * odd as f64 / rows.max(1) as f64;
        let line = [(-0.5, mean), (periods.len() as f64 - 0.5, mean)];
        chart.draw_series([PathElement::new(line, ShapeStyle::from(Paint::Ink.placeholder()).stroke_width(2))])?;
        let all = (Paint::Ink, format!("all: {} %", short(mean)));
        match since.and_then(|since| periods.get(since)) {
            Some(since) => legend(
                area,
                &[(Paint::Main, "before".to_owned()), (Paint::Alarm, format!("since {}", since.name)), all],
            ),
            None => legend(area, &[(Paint::Main, "share of odd rows".to_owned()), all]),
        }
    })?;
    Ok(figure.with_tips(&tips))
}
