//! SVG figures, drawn by plotters: one kind per file.

mod axes;
mod bars;
mod canvas;
mod curves;
mod distribution;
mod histogram;
mod history;
mod image;
mod image_grid;
mod image_map;
mod paint;
mod scatter;

pub(super) use self::axes::{TITLE, short};
pub(super) use self::bars::{Bar, bars};
pub(super) use self::canvas::Figure;
pub(super) use self::curves::{EpochCurve, curves};
pub(super) use self::distribution::{Distribution, distribution};
pub(super) use self::histogram::{Histogram, histogram};
pub(super) use self::history::{Period, history};
pub(super) use self::image_grid::{ImageRow, image_grid};
pub(super) use self::image_map::{ImageMap, cells, image_map};
pub(super) use self::paint::{CATEGORIES, Paint, RAMP, css};
pub(super) use self::scatter::{DensityGrid, Legend, Point, Scatter, scatter};
