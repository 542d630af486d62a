//! Rows in order: each row with the numbers of the rows before it, which are further columns.
//!
//! The columns are means over rows 1, 2 to 3, 4 to 7, … before the row, so that a window of 64 rows takes 6 columns a number
//! (a dyadic partition of the lags). Recent rows are told apart, older ones count together.
//!
//! **Invariant:** the new columns of a row depend on the rows of its window alone, in values and in bits.

#![forbid(unsafe_code)]

mod bridged_rows;
mod clock;
mod forecast;
mod gaps;
mod history_use;
mod kriging;
mod order_key;
mod recent;
mod restarts;
mod sequences;
mod sorter;
mod spec;
mod stream;
mod variogram;
mod window;
mod window_fill;
mod window_sample;
mod windower;

pub use self::clock::RowClock;
pub(crate) use self::clock::RowSteps;
pub use self::forecast::Forecast;
pub(crate) use self::forecast::{Expected, PastMeans};
pub(crate) use self::restarts::{RestartedRows, Restarts};
pub(crate) use self::sorter::Sorter;
pub use self::spec::Sequence;
pub(crate) use self::stream::windowed;
pub(crate) use self::variogram::Differences;
pub use self::variogram::Variogram;
pub(crate) use self::window::{LagSums, Window};
pub(crate) use self::window_fill::{Filled, WindowFill};
pub(crate) use self::window_sample::WindowSample;
pub(crate) use self::windower::Windower;
