//! Images at their places in two latent dimensions.

use std::ops::Range;

use super::axes::{Axis, Ticks, draw_axes};
use super::canvas::Figure;
use super::image::image;
use crate::error::Result;

/// About as many cells as images are told apart in, and the width of a plot in its heights.
const CELLS: f64 = 160.0;
const WIDE: f64 = 1.6;

/// Images in the cells of a grid over a plot.
pub(crate) struct ImageMap {
    pub(crate) ranges: [Range<f64>; 2],
    pub(crate) titles: [String; 2],
    /// Cells from left to right, and from bottom to top.
    pub(crate) grid: [usize; 2],
    /// Width and height of an image.
    pub(crate) size: [usize; 2],
    /// The cell, line by line from the bottom, and the pixels from 0 for black to 1 for white.
    pub(crate) images: Vec<(usize, Vec<f64>)>,
}

/// The grid whose cells are as wide and high as images of this size.
pub(crate) fn cells([wide, high]: [usize; 2]) -> [usize; 2] {
    let across = (CELLS * WIDE * high as f64 / wide as f64).sqrt().round().clamp(1.0, 60.0);
    [across as usize, (CELLS / across).round().clamp(1.0, 60.0) as usize]
}

/// Draws images at their places, as large as their cells.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) of the drawing.
pub(crate) fn image_map(map: &ImageMap, about: (&str, &str, String)) -> Result<Figure> {
    let ImageMap { ranges: [x, y], titles, grid, size: size @ [wide, high], images } = map;
    let mut elements = String::new();
    let figure = Figure::draw(about, 640, |area| {
        let [across, upward] = [(x, &titles[0]), (y, &titles[1])].map(|(range, title)| Axis {
            range: range.clone(),
            title,
            ticks: Ticks::Numbers,
        });
        let chart = draw_axes(area, &across, &upward)?;
        let at = |range: &Range<f64>, part: usize, parts: usize| {
            range.start + (range.end - range.start) * part as f64 / parts as f64
        };
        let corner = |column: usize, line: usize| chart.backend_coord(&(at(x, column, grid[0]), at(y, line, grid[1])));
        for (cell, pixels) in images {
            let (column, line) = (cell % grid[0], cell / grid[0]);
            let ((left, bottom), (right, top)) = (corner(column, line), corner(column + 1, line + 1));
            // A little room between images.
            let room = [right - left - 3, bottom - top - 3].map(f64::from);
            let scale = (room[0] / *wide as f64).min(room[1] / *high as f64);
            let [w, h] = [*wide, *high].map(|side| (side as f64 * scale).round().max(1.0) as i32);
            let place = (left + (right - left - w) / 2, top + (bottom - top - h) / 2);
            elements.push_str(&image(place, (w, h), pixels, *size));
        }
        Ok(())
    })?;
    Ok(figure.with(&elements))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_the_form_of_images() {
        let grids = [[8, 8], [28, 28], [16, 8], [4, 64], [64, 4]].map(cells);
        assert_eq!(grids, [[16, 10], [16, 10], [11, 15], [60, 3], [4, 40]]);
        assert_eq!([cells([1, 1024]), cells([1024, 1])], [[60, 3], [1, 60]]);
    }
}
