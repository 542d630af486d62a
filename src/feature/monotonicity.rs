//! Detection of row counters: integers that strictly rise or strictly fall.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;

/// The direction of a column's integers, in row order, with the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Monotonicity {
    Unknown,
    One(i128),
    Rising(i128),
    Falling(i128),
    Neither,
}

impl Monotonicity {
    /// Adds the next rows.
    pub(super) fn update(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        let is_floating = array.data_type().is_floating();
        if !(array.data_type().is_integer() || is_floating) || array.null_count() > 0 {
            *self = Self::Neither;
        } else if *self != Self::Neither {
            if is_floating {
                // Numbers with fractions are no counters, whatever becomes of them here.
                let wide = cast(array, &DataType::Float64)?;
                wide.as_primitive::<Float64Type>().values().iter().for_each(|&value| self.next(value as i128));
            } else if *array.data_type() == DataType::UInt64 {
                array.as_primitive::<UInt64Type>().values().iter().for_each(|&value| self.next(value.into()));
            } else {
                let wide = cast(array, &DataType::Int64)?;
                wide.as_primitive::<Int64Type>().values().iter().for_each(|&value| self.next(value.into()));
            }
        }
        Ok(())
    }

    fn next(&mut self, value: i128) {
        *self = match *self {
            Self::Unknown => Self::One(value),
            Self::One(last) | Self::Rising(last) if value > last => Self::Rising(value),
            Self::One(last) | Self::Falling(last) if value < last => Self::Falling(value),
            _ => Self::Neither,
        };
    }

    /// Whether no value is missing and the values strictly rise or strictly fall.
    pub(super) fn is_strict(self) -> bool {
        matches!(self, Self::Rising(_) | Self::Falling(_))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn integers_that_only_rise_or_only_fall_are_strict() {
        let counts = |values: Vec<Option<i64>>| {
            let mut order = Monotonicity::Unknown;
            order.update(&(Arc::new(Int64Array::from(values)) as ArrayRef)).unwrap();
            order.is_strict()
        };
        // f64 cannot distinguish these neighbours.
        assert!(counts(vec![Some(1 << 60), Some((1 << 60) + 1), Some((1 << 60) + 2)]));
        assert!(counts(vec![Some(9), Some(4), Some(-2)]));
        assert!(!counts(vec![Some(1), Some(2), Some(2)]));
        assert!(!counts(vec![Some(1), Some(3), Some(2)]));
        assert!(!counts(vec![Some(1), None, Some(2)]));
    }
}
