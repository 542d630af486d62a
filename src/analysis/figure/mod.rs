//! Figures, drawn by plotters as SVG: one kind a file.

mod bars;
mod canvas;
mod curves;
mod frame;
mod histogram;
mod paint;
mod scatter;
mod sheet;
mod spread;

pub(super) use self::bars::{Bar, bars};
pub(super) use self::canvas::Figure;
pub(super) use self::curves::{EpochCurve, curves};
pub(super) use self::frame::short;
pub(super) use self::histogram::{Histogram, histogram};
pub(super) use self::paint::{CATEGORIES, Paint, RAMP, css};
pub(super) use self::scatter::{DensityGrid, Legend, Point, Scatter, scatter};
pub(super) use self::sheet::{ImageStrip, sheet};
pub(super) use self::spread::{Spread, spread};
