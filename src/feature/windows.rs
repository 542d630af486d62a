//! Numbers of the rows before a row, which are learned with the number itself.

use arrow::datatypes::{DataType, Schema};

use super::selections::Selections;
use super::{Candidate, Column, ColumnRequest, Kind};
use crate::config::{FitConfig, Scale, VectorScale};
use crate::error::Result;

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
