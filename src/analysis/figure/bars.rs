//! Horizontal bar charts.

use plotters::element::{Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Figure, WIDTH, text, truncated};
use super::paint::Paint;
use crate::error::Result;

/// A bar with its name.
pub(crate) struct Bar {
    pub(crate) name: String,
    /// At least 0.
    pub(crate) value: f64,
    /// The text of the value.
    pub(crate) label: String,
    pub(crate) paint: Paint,
}

/// Draws bars from 0 to their values; the full width is the largest value, or `full`.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) of the drawing.
pub(crate) fn bars(about: (&str, &str, String), bars: &[Bar], full: Option<f64>) -> Result<Figure> {
    // Few bars are thicker, so that the figure is not much lower than others.
    let step = (440 / bars.len().max(1) as i32).clamp(42, 64);
    const NAME: usize = 30;
    const LEFT: i32 = 460;
    let longest = full.unwrap_or_else(|| bars.iter().map(|bar| bar.value).fold(0.0, f64::max)).max(f64::MIN_POSITIVE);
    // Short names leave more width for the bars.
    let widest = bars.iter().map(|bar| super::canvas::width(&truncated(&bar.name, NAME))).max().unwrap_or(0);
    let left = (widest + 24).clamp(90, LEFT);
    let labels = bars.iter().map(|bar| super::canvas::width(&bar.label)).max().unwrap_or(0);
    let bar_width = WIDTH as i32 - left - (labels + 24).clamp(190, 400);
    Figure::draw(about, (step * bars.len() as i32 + 16) as u32, |area| {
        for (n, bar) in (0..).zip(bars) {
            let (top, middle) = (8 + step * n, 8 + step * n + step / 2);
            let end = left + (f64::from(bar_width) * (bar.value / longest).clamp(0.0, 1.0)).round() as i32;
            area.draw(&Text::new(
                truncated(&bar.name, NAME),
                (left - 14, middle),
                text(Paint::Ink, HPos::Right, VPos::Center),
            ))?;
            area.draw(&Rectangle::new(
                [(left, top + 6), (left + bar_width, top + step - 6)],
                Paint::Grid.placeholder().mix(0.6).filled(),
            ))?;
            area.draw(&Rectangle::new(
                [(left, top + 6), (end.max(left + 2), top + step - 6)],
                bar.paint.placeholder().filled(),
            ))?;
            let label = (left + bar_width + 14, middle);
            area.draw(&Text::new(bar.label.clone(), label, text(Paint::Muted, HPos::Left, VPos::Center)))?;
        }
        Ok(())
    })
}
