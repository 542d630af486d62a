//! How a column becomes part of the row vector: one file a kind.
//!
//! To add a kind: its file with one `impl Feature`, and its line in each list below.
//!
//! **Invariant:** this floor knows Arrow and never the tensor library.

mod choose;
mod features;
mod flag;
mod number;
mod statistics;

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

pub use self::choose::Carried;
pub(crate) use self::choose::candidates;
pub use self::features::{Cells, Feature};
pub(crate) use self::features::{Features, Masked};
pub use self::flag::Flag;
pub use self::number::Number;
use self::number::Scaler;
pub(crate) use self::statistics::Statistics;
pub use self::statistics::Values;

/// A fitted feature of any kind, as the model stores it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// A number.
    Number(Number),
    /// A Boolean.
    Flag(Flag),
}

impl Kind {
    /// Fits the kind that learns columns of `data_type`, or says why this one cannot be learned from.
    pub(crate) fn fit(
        column: &str,
        data_type: &DataType,
        statistics: &Statistics,
        scaler: &Scaler,
    ) -> Result<Self, String> {
        if Number::learns(data_type) {
            Number::fit(column, data_type, statistics, scaler).map(Self::Number)
        } else {
            Ok(Self::Flag(Flag::fit(column)))
        }
    }

    /// Whether any kind learns columns of `data_type`.
    pub(crate) fn learns(data_type: &DataType) -> bool {
        Number::learns(data_type) || Flag::learns(data_type)
    }
}

impl std::ops::Deref for Kind {
    type Target = dyn Feature;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Number(number) => number,
            Self::Flag(flag) => flag,
        }
    }
}
