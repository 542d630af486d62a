//! Numbers of the rows before a row, which are learned with the number itself.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};

use super::selections::Selections;
use super::{Candidate, Column, ColumnRequest, Kind};
use crate::config::{FitConfig, Scale, VectorScale};
use crate::error::Result;

/// The column that tells which rows have fewer rows before them than a window holds. It is not learned.
pub(crate) const PARTIAL_WINDOW: &str = "fewer rows before than a window holds";

/// Which of some rows have fewer rows before them than a window holds; empty if none has, or if they are not in order.
pub(crate) fn partial_windows(rows: &RecordBatch) -> Vec<bool> {
    let partial = rows.column_by_name(PARTIAL_WINDOW).map(|partial| partial.as_boolean());
    let partial = partial.filter(|partial| partial.true_count() > 0);
    partial.map_or_else(Vec::new, |partial| partial.values().iter().collect())
}

/// A column of means over rows before, which can be learned if the number can that it is of.
pub(crate) struct WindowCandidate {
    /// The number.
    pub(crate) of: Column,
    pub(crate) candidate: Candidate,
}

/// The candidates of the window columns with these names, each with the number that it is of; they are learned as that
/// number is by the user's selections, which are of columns of `schema`; of so many rows.
///
/// # Errors
/// As [`candidates`](super::candidates).
pub(crate) fn window_candidates<'a>(
    windows: impl Iterator<Item = (&'a Column, String)>,
    schema: &Schema,
    config: &FitConfig,
    scale: Scale,
    rows: u64,
) -> Result<Vec<WindowCandidate>> {
    let selections = Selections::new(schema, config)?;
    let candidate = |(of, name): (&Column, String)| {
        let request = ColumnRequest {
            name: &name,
            data_type: &DataType::Float64,
            typed: false,
            named: true,
            given: false,
            grouped: false,
            categorical: false,
            max_categories: config.max_categories,
            map: selections.map_or_default(of, scale),
            vector_scale: VectorScale::Element,
            quantiles: matches!(scale, Scale::Robust | Scale::Asinh),
            rows,
        };
        let survey = Kind::survey(&request)?;
        Some(WindowCandidate { of: of.clone(), candidate: Candidate::new(Column::root(&name), survey) })
    };
    Ok(windows.filter_map(candidate).collect())
}
