//! What was expected of the numbers of rows in order, before they came.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field};

use crate::artifact::Model;
use crate::config::TransformConfig;
use crate::error::{Error, Place, Result};
use crate::sequence::Sequence;

/// Makes the columns of what was expected.
#[derive(Clone)]
pub(super) struct Expectations {
    sequence: Arc<Sequence>,
    /// The probability of an interval.
    level: f64,
}

impl Expectations {
    /// `None` unless they are asked for.
    ///
    /// # Errors
    /// [`Error::OptionRange`] for a model that learned no rows in order.
    pub(super) fn new(model: &Model, config: &TransformConfig) -> Result<Option<Self>> {
        let Some(level) = config.expected else { return Ok(None) };
        let sequence = model.metadata().sequence.clone().ok_or_else(|| Error::OptionRange {
            option: "expected",
            value: level.to_string(),
            range: "left out, since the model learned no rows in order",
        })?;
        Ok(Some(Self { sequence: Arc::new(sequence), level }))
    }

    /// The columns: of each number what was expected, and its interval.
    pub(super) fn fields(&self, prefix: &str) -> impl Iterator<Item = Field> {
        let of = move |column| {
            ["expected", "low", "high"]
                .map(|what| Field::new(format!("{prefix}{column}_{what}"), DataType::Float64, true))
        };
        self.sequence.columns.iter().flat_map(of)
    }

    /// The same of rows with their windows; null where nothing before is known.
    pub(super) fn columns(&self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let mut arrays: Vec<ArrayRef> = Vec::new();
        let tail = (1.0 - self.level) / 2.0;
        for (column, forecast) in self.sequence.columns.iter().zip(&self.sequence.forecasts) {
            let history = self
                .sequence
                .history(column, rows)
                .map_err(|source| Error::Read { place: Place::column("", column.name()), source: source.into() })?;
            let expected: Vec<_> = history.means().map(|means| forecast.expect(means)).collect();
            let bound = |rank| -> ArrayRef {
                let of_row = |expected: &Option<_>| expected.map(|expected| forecast.quantile(expected, rank));
                Arc::new(expected.iter().map(of_row).collect::<Float64Array>())
            };
            arrays.push(Arc::new(expected.iter().map(|it| it.map(|it| it.value)).collect::<Float64Array>()));
            arrays.extend([tail, 1.0 - tail].map(bound));
        }
        Ok(arrays)
    }
}
