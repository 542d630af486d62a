//! Grids of small grey-scale images.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plotters::element::Text;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Figure, WIDTH, text, truncated};
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
    [wide, high]: [usize; 2],
) -> Result<Figure> {
    const LEFT: i32 = 156;
    const TOP: i32 = 52;
    let columns = rows.iter().map(|row| row.images.len()).max().unwrap_or(1).max(1) as i32;
    let step = ((WIDTH as i32 - LEFT - 8) / columns).min(150);
    let side = step - 8;
    let tall = (f64::from(side) * high as f64 / wide as f64).round().max(1.0) as i32;
    let mut images = String::new();
    for (n, row) in (0..).zip(rows) {
        for (at, image) in (0..).zip(&row.images) {
            let _ = writeln!(
                images,
                "<image x=\"{}\" y=\"{}\" width=\"{side}\" height=\"{tall}\" preserveAspectRatio=\"none\" \
                 style=\"image-rendering:pixelated\" href=\"data:image/bmp;base64,{}\"/>",
                LEFT + step * at,
                TOP + (tall + 10) * n,
                STANDARD.encode(bitmap(image, wide, high))
            );
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

/// Encodes a Windows bitmap of 256 greys: the one uncompressed format that every browser reads.
fn bitmap(image: &[f64], wide: usize, high: usize) -> Vec<u8> {
    const HEADER: usize = 14 + 40 + 1024;
    let row = wide.next_multiple_of(4);
    let mut bytes = Vec::with_capacity(HEADER + row * high);
    bytes.extend(b"BM");
    for number in [(HEADER + row * high) as u32, 0, HEADER as u32, 40, wide as u32, high as u32] {
        bytes.extend(number.to_le_bytes());
    }
    // One plane of 8 bits.
    bytes.extend([1, 0, 8, 0]);
    for number in [0, (row * high) as u32, 2835, 2835, 256, 0_u32] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend((0..=255).flat_map(|grey| [grey, grey, grey, 0]));
    // Lines from bottom to top.
    for line in image.chunks(wide).rev() {
        bytes.extend(line.iter().map(|value| (255.0 * value.clamp(0.0, 1.0)).round() as u8));
        bytes.extend(std::iter::repeat_n(0, row - wide));
    }
    bytes
}
