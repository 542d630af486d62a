//! Which rows are in order, and which rows before a row are learned with it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::clock::RowClock;
use super::forecast::{Forecast, PastMeans};
use super::variogram::Variogram;
use crate::config::Gap;
use crate::error::{Error, Result};
use crate::feature::{Column, PARTIAL_WINDOW};

/// The order of the rows, and the window of rows that each is learned with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sequence {
    /// The column that orders the rows.
    pub order_by: Column,
    /// The columns that tell sequences apart; without any, all rows are one sequence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<Column>,
    /// Rows of a window, the row itself included: a power of two.
    pub window: usize,
    /// A longer step between two rows of a sequence begins a new window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gap: Option<Gap>,
    /// Sequences whose windows are kept at a time.
    pub max_groups: usize,
    /// The numbers that windows are of.
    pub columns: Vec<Column>,
    /// How each of them follows from its window.
    pub forecasts: Vec<Forecast>,
    /// Where drawn rows begin, and their step; absent if no two rows of the fit had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<RowClock>,
    /// How far apart each number is in rows some rows apart; empty in models of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variograms: Vec<Variogram>,
}

impl Sequence {
    /// Defaults of a fit.
    pub(crate) const WINDOW: usize = 64;
    pub(crate) const MAX_GROUPS: usize = 16_384;

    /// Number of means for each number: of rows 1, 2 to 3, 4 to 7, … before the row.
    pub(crate) fn lags(&self) -> usize {
        self.window.trailing_zeros() as usize
    }

    /// The names of the columns of the rows before, lag by lag, each with the column that it is of.
    pub(crate) fn window_columns(&self) -> impl Iterator<Item = (&Column, String)> {
        (0..self.lags()).flat_map(|lag| self.columns.iter().map(move |column| (column, window_name(column, lag))))
    }

    /// The names of the columns of the rows before, which are learned beside those of the input.
    pub fn window_names(&self) -> impl Iterator<Item = String> {
        self.window_columns().map(|(_, name)| name)
    }

    /// The names of all columns that rows have once they have their windows, beside their own.
    pub(crate) fn added_names(&self) -> impl Iterator<Item = String> {
        self.window_names().chain([PARTIAL_WINDOW.to_owned()])
    }

    /// The columns of the input that windows are made from.
    pub(crate) fn read_columns(&self) -> Vec<String> {
        let mut names = Vec::new();
        for column in [&self.order_by].into_iter().chain(&self.by).chain(&self.columns) {
            if !names.iter().any(|name| name == column.top()) {
                names.push(column.top().to_owned());
            }
        }
        names
    }

    /// The columns of rows with their windows.
    pub(crate) fn with_windows(&self, schema: &Schema) -> SchemaRef {
        let windows = self.window_columns().map(|(_, name)| Arc::new(Field::new(name, DataType::Float64, true)));
        let partial = Arc::new(Field::new(PARTIAL_WINDOW, DataType::Boolean, false));
        let fields: Vec<_> = schema.fields().iter().cloned().chain(windows).chain([partial]).collect();
        Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
    }

    /// Checks that rows with this schema, of `path`, have no column with the name of one of a window.
    ///
    /// # Errors
    /// [`Error::NameClash`].
    pub(crate) fn check_names(&self, schema: &Schema, path: &std::path::Path) -> Result<()> {
        match self.window_columns().find(|(_, name)| schema.field_with_name(name).is_ok()) {
            Some((_, column)) => Err(Error::NameClash { path: path.to_owned(), column }),
            None => Ok(()),
        }
    }

    /// Whether windows can be made: a model file may be damaged.
    pub(crate) fn is_valid(&self) -> bool {
        self.window.is_power_of_two()
            && (2..=1024).contains(&self.window)
            && self.max_groups > 0
            && self.columns.len() <= 1 << 20
            && self.forecasts.len() == self.columns.len()
            && self.forecasts.iter().all(|forecast| forecast.is_valid(self.lags()))
            && self.clock.is_none_or(RowClock::is_valid)
            && (self.variograms.is_empty() || self.variograms.len() == self.columns.len())
            && self.variograms.iter().all(Variogram::is_valid)
    }

    /// The values of a number in rows with their windows, and the means of these.
    ///
    /// # Errors
    /// If a column is missing, or is no number.
    pub(crate) fn history(&self, column: &Column, rows: &RecordBatch) -> Result<PastMeans, ArrowError> {
        let named = |name: &str| {
            let missing = || ArrowError::SchemaError(format!("rows without the column {name:?}"));
            rows.column_by_name(name).ok_or_else(missing)
        };
        let windows = (0..self.lags()).map(|lag| named(&window_name(column, lag))).collect::<Result<Vec<_>, _>>()?;
        PastMeans::new(&column.read(named(column.top())?)?, &windows)
    }

    /// The place of a number among those that windows are of, if what is between two rows can be told.
    pub(crate) fn bridged(&self, column: &Column) -> Option<usize> {
        let place = self.columns.iter().position(|number| number == column)?;
        self.variograms.get(place).filter(|variogram| !variogram.is_empty()).map(|_| place)
    }

    /// How a number follows from its window; `None` for one without windows.
    pub(crate) fn forecast(&self, column: &Column) -> Option<&Forecast> {
        self.columns.iter().zip(&self.forecasts).find(|(number, _)| *number == column).map(|(_, forecast)| forecast)
    }
}

/// The name of the column of a number's means, so many lags before.
fn window_name(column: &Column, lag: usize) -> String {
    match lag {
        0 => format!("{column}, 1 row before"),
        _ => format!("{column}, {} to {} rows before", 1_u32 << lag, (2_u32 << lag) - 1),
    }
}
