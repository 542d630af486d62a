//! The order of rows that are drawn: where a sequence begins, and a step of typical length from row to row.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, Float64Array, Int64Array, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::order_key::{OrderKey, order_keys, unit};

/// Most steps that are kept to find a typical one.
const MOST_STEPS: usize = 1 << 15;

/// The first row of a fit, and its typical step: the median of those above 0 between two rows of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum RowClock {
    /// Of times, in nanoseconds, since 1970.
    Time {
        /// The first row.
        first: i64,
        /// The step.
        step: i64,
    },
    /// Of integers.
    Integer {
        /// The first row.
        first: i64,
        /// The step.
        step: i64,
    },
    /// Of integers that begin above 2^63 - 1.
    Unsigned {
        /// The first row.
        first: u64,
        /// The step.
        step: i64,
    },
    /// Of other numbers.
    Number {
        /// The first row.
        first: f64,
        /// The step.
        step: f64,
    },
}

/// The first row that goes by and the steps between rows, or some of them at regular distance.
#[derive(Clone, Default)]
pub(crate) struct RowSteps(Arc<Mutex<SomeSteps>>);

#[derive(Default)]
struct SomeSteps {
    first: Option<OrderKey>,
    steps: Vec<f64>,
    seen: usize,
    /// The logarithm of 2 of how many steps one is kept of.
    rarity: u32,
}

impl RowSteps {
    /// Takes a row of a sequence and the row before it, if there is one.
    pub(super) fn add(&self, row: OrderKey, before: Option<OrderKey>) {
        if matches!(row, OrderKey::Number(at) if at.is_infinite()) {
            return;
        }
        let mut some = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        some.first.get_or_insert(row);
        let step = before.map(|before| row.since(before)).filter(|step| *step > 0.0 && step.is_finite());
        let Some(step) = step else { return };
        if some.seen.is_multiple_of(1 << some.rarity) {
            if some.steps.len() == MOST_STEPS {
                let mut place = 0;
                some.steps.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                some.rarity += 1;
            }
            if some.seen.is_multiple_of(1 << some.rarity) {
                some.steps.push(step);
            }
        }
        some.seen += 1;
    }

    /// The clock of the rows so far; `None` without a step.
    pub(crate) fn clock(&self) -> Option<RowClock> {
        let mut some = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let middle = some.steps.len() / 2;
        let first = some.first.filter(|_| !some.steps.is_empty())?;
        let (_, &mut step, _) = some.steps.select_nth_unstable_by(middle, f64::total_cmp);
        Some(match first {
            OrderKey::Time(first) => RowClock::Time { first: i64::try_from(first).ok()?, step: step as i64 },
            OrderKey::Integer(first) => match i64::try_from(first) {
                Ok(first) => RowClock::Integer { first, step: step as i64 },
                Err(_) => RowClock::Unsigned { first: u64::try_from(first).ok()?, step: step as i64 },
            },
            OrderKey::Number(first) => RowClock::Number { first, step },
        })
    }
}

impl RowClock {
    /// Whether it goes on: a model file may be damaged.
    pub(super) fn is_valid(self) -> bool {
        match self {
            Self::Time { step, .. } | Self::Integer { step, .. } | Self::Unsigned { step, .. } => step > 0,
            Self::Number { first, step } => first.is_finite() && step.is_finite() && step > 0.0,
        }
    }

    /// How many steps after the first row each value of a column is, to the nearest; 0 where missing.
    ///
    /// # Errors
    /// If the column cannot order rows.
    pub(crate) fn steps_to(self, values: &ArrayRef) -> Result<Vec<i64>, ArrowError> {
        let count = |since: i128, step: i64| (since as f64 / step as f64).round() as i64;
        let steps = |key: Option<OrderKey>| match (self, key) {
            (Self::Time { first, step }, Some(OrderKey::Time(at)))
            | (Self::Integer { first, step }, Some(OrderKey::Integer(at))) => count(at - i128::from(first), step),
            (Self::Unsigned { first, step }, Some(OrderKey::Integer(at))) => count(at - i128::from(first), step),
            (Self::Number { first, step }, Some(OrderKey::Number(at))) => ((at - first) / step).round() as i64,
            _ => 0,
        };
        Ok(order_keys(values)?.into_iter().map(steps).collect())
    }

    /// The values of a column of this type so many steps after the first row; null beyond the type's range.
    ///
    /// # Errors
    /// If the type cannot order rows.
    pub(crate) fn values(self, steps: &[i64], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let counts = |first: i128, step: i64, unit: i128| -> ArrayRef {
            let at = |&steps: &i64| (first + i128::from(step) * i128::from(steps)).div_euclid(unit);
            match data_type {
                DataType::UInt64 => {
                    Arc::new(steps.iter().map(|steps| u64::try_from(at(steps)).ok()).collect::<UInt64Array>())
                }
                _ => Arc::new(steps.iter().map(|steps| i64::try_from(at(steps)).ok()).collect::<Int64Array>()),
            }
        };
        match (self, unit(data_type)) {
            (Self::Time { first, step }, Some(unit)) => {
                let times = counts(first.into(), step, unit);
                let days = *data_type == DataType::Date32;
                cast(&if days { cast(&times, &DataType::Int32)? } else { times }, data_type)
            }
            (Self::Integer { first, step }, None) => cast(&counts(first.into(), step, 1), data_type),
            (Self::Unsigned { first, step }, None) => cast(&counts(first.into(), step, 1), data_type),
            (Self::Number { first, step }, None) => {
                let at = |&steps: &i64| first + step * steps as f64;
                let numbers: ArrayRef = Arc::new(Float64Array::from_iter_values(steps.iter().map(at)));
                cast(&numbers, data_type)
            }
            _ => Err(ArrowError::CastError(format!("{data_type} does not order these rows"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Int64Type, UInt64Type};

    use super::*;

    #[test]
    fn the_typical_step_is_the_median_of_those_above_0() {
        let steps = RowSteps::default();
        let mut before = None;
        for at in [5, 5, 15, 25, 35, 1000] {
            steps.add(OrderKey::Integer(at), before.replace(OrderKey::Integer(at)));
        }
        let clock = steps.clock().unwrap();
        assert_eq!(clock, RowClock::Integer { first: 5, step: 10 });
        let values = clock.values(&[0, 3], &DataType::Int32).unwrap();
        assert_eq!(clock.steps_to(&values).unwrap(), [0, 3]);
        assert_eq!(RowSteps::default().clock(), None);
    }

    #[test]
    fn integers_stay_exact_and_infinite_numbers_are_no_rows() {
        let (counts, numbers) = (RowSteps::default(), RowSteps::default());
        let first = 1_704_067_200_000_000_001;
        counts.add(OrderKey::Integer(first), None);
        counts.add(OrderKey::Integer(first + 33), Some(OrderKey::Integer(first)));
        let values = counts.clock().unwrap().values(&[0, 1, -1], &DataType::Int64).unwrap();
        assert_eq!(**values.as_primitive::<Int64Type>().values(), [first, first + 33, first - 33].map(|at| at as i64));
        let (large, last) = (RowSteps::default(), i128::from(u64::MAX));
        large.add(OrderKey::Integer(last - 100), None);
        large.add(OrderKey::Integer(last - 50), Some(OrderKey::Integer(last - 100)));
        let values = large.clock().unwrap().values(&[0, 2, 3], &DataType::UInt64).unwrap();
        assert_eq!(large.clock().unwrap().steps_to(&values).unwrap()[..2], [0, 2]);
        let values: Vec<_> = values.as_primitive::<UInt64Type>().iter().collect();
        assert_eq!(values, [Some(u64::MAX - 100), Some(u64::MAX), None], "null beyond the type");
        let mut before = None;
        for at in [f64::NEG_INFINITY, 1.0, 1.5, f64::INFINITY] {
            numbers.add(OrderKey::Number(at), before.replace(OrderKey::Number(at)));
        }
        assert_eq!(numbers.clock(), Some(RowClock::Number { first: 1.0, step: 0.5 }));
    }

    #[test]
    fn of_many_steps_some_of_the_whole_are_kept() {
        let steps = RowSteps::default();
        for row in 0..3 * MOST_STEPS as i128 {
            let length = if row < MOST_STEPS as i128 { 1 } else { 7_000_000_000 };
            steps.add(OrderKey::Time(row + length), Some(OrderKey::Time(row)));
        }
        let clock = steps.clock().unwrap();
        assert_eq!(clock, RowClock::Time { first: 1, step: 7_000_000_000 });
        let days = clock.values(&[0, 86_400], &DataType::Date32).unwrap();
        assert_eq!(clock.steps_to(&days).unwrap(), [0, 86_400]);
    }
}
