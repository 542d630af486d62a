//! A Boolean: one element, 0 or 1, Bernoulli.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::{Cells, Feature};
use crate::layout::Likelihood;

/// A fitted Boolean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flag {
    column: String,
}

impl Flag {
    /// Whether this kind learns columns of `data_type`.
    pub(crate) fn learns(data_type: &DataType) -> bool {
        *data_type == DataType::Boolean
    }

    /// Takes the column; a Boolean needs no statistics beyond not being constant.
    pub(crate) fn fit(column: &str) -> Self {
        Self { column: column.to_owned() }
    }
}

impl Feature for Flag {
    fn column(&self) -> &str {
        &self.column
    }

    fn expects(&self) -> &'static str {
        "a Boolean"
    }

    fn describe(&self) -> String {
        "flag, 0 or 1".to_owned()
    }

    fn accepts(&self, data_type: &DataType) -> bool {
        Self::learns(data_type)
    }

    fn shape(&self) -> (usize, usize, Likelihood) {
        (1, 1, Likelihood::Bernoulli)
    }

    fn write(&self, array: &ArrayRef, cells: &mut Cells<'_>) -> Result<u64, ArrowError> {
        let array = array.as_boolean();
        for row in 0..array.len() {
            let value = if array.value(row) { 1.0 } else { 0.0 };
            cells.set(row, if array.is_valid(row) { value } else { f32::NAN });
        }
        Ok(0)
    }
}
