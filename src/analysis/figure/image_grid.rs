//! Grids of small grey-scale images.

use plotters::element::Text;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Figure, WIDTH, text, truncated};
use super::image::image;
use super::paint::Paint;
use crate::error::Result;

/// A named row of images.
pub(crate) struct ImageRow {
    pub(crate) name: String,
    /// Each row-major, from 0 for black to 1 for white.
    pub(crate) images: Vec<Vec<f64>>,
}

/// Draws rows of images `[height, width]` of one size, with `heads` above the columns.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) of the drawing.
pub(crate) fn image_grid(
    about: (&str, &str, String),
    heads: &[String],
    rows: &[ImageRow],
    size @ [wide, high]: [usize; 2],
) -> Result<Figure> {
    const LEFT: i32 = 156;
    const TOP: i32 = 52;
    let columns = rows.iter().map(|row| row.images.len()).max().unwrap_or(1).max(1) as i32;
    let step = ((WIDTH as i32 - LEFT - 8) / columns).min(150);
    let side = step - 8;
    let tall = (f64::from(side) * high as f64 / wide as f64).round().max(1.0) as i32;
    let mut images = String::new();
    for (n, row) in (0..).zip(rows) {
        for (at, pixels) in (0..).zip(&row.images) {
            images.push_str(&image((LEFT + step * at, TOP + (tall + 10) * n), (side, tall), pixels, size));
        }
    }
    let figure = Figure::draw(about, (TOP + (tall + 10) * rows.len() as i32) as u32, |area| {
        for (at, head) in (0..).zip(heads) {
            let place = (LEFT + step * at + side / 2, TOP - 12);
            area.draw(&Text::new(truncated(head, 8), place, text(Paint::Muted, HPos::Center, VPos::Bottom)))?;
        }
        for (n, row) in (0..).zip(rows) {
            let place = (LEFT - 16, TOP + (tall + 10) * n + tall / 2);
            area.draw(&Text::new(truncated(&row.name, 9), place, text(Paint::Ink, HPos::Right, VPos::Center)))?;
        }
        Ok(())
    })?;
    Ok(figure.with(&images))
}
