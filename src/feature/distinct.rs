//! Integers that never repeat although random ones would: identifiers, in any order.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use arrow::error::ArrowError;

/// The largest number of integers to compare: 5 MiB a column that never repeats.
const MOST: usize = 1 << 18;

/// Repeats to expect of random integers before their absence says something. None occurs by chance with probability
/// exp(-10).
const FEWEST_REPEATS: f64 = 10.0;

/// Integers up to which every one is exact in f64.
const EXACT: f64 = (1_u64 << 53) as f64;

/// The distinct integers of a column, up to the first that repeats or is none.
#[derive(Debug, Clone)]
pub(super) struct DistinctIntegers {
    /// Empty and unused after a repeat.
    seen: HashSet<u64>,
    count: u64,
    repeats: bool,
}

impl DistinctIntegers {
    /// Starts empty; without `counted`, as after a repeat.
    pub(super) fn new(counted: bool) -> Self {
        Self { seen: HashSet::new(), count: 0, repeats: !counted }
    }

    /// Adds the next rows, whose values are `numbers` as f64. Missing values are left out.
    pub(super) fn update(&mut self, array: &ArrayRef, numbers: &Float64Array) -> Result<(), ArrowError> {
        if self.repeats || self.count == MOST as u64 {
            return Ok(());
        }
        if *array.data_type() == DataType::UInt64 {
            let values = array.as_primitive::<UInt64Type>();
            values.iter().flatten().for_each(|value| self.push(Some(value)));
        } else if array.data_type().is_integer() {
            let values = cast(array, &DataType::Int64)?;
            values.as_primitive::<Int64Type>().iter().flatten().for_each(|value| self.push(Some(value as u64)));
        } else {
            let integer = |value: f64| (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64 as u64);
            let known = numbers.iter().flatten().filter(|value| !value.is_nan());
            known.for_each(|value| self.push(integer(value)));
        }
        Ok(())
    }

    /// Adds an integer, as bits, or what is none.
    fn push(&mut self, integer: Option<u64>) {
        if self.repeats || self.count == MOST as u64 {
            return;
        }
        self.count += 1;
        self.repeats = integer.is_none_or(|integer| !self.seen.insert(integer));
        if self.repeats || self.count == MOST as u64 {
            self.seen = HashSet::new();
        }
    }

    /// Whether none repeats, although so many random integers between `min` and `max` have repeats: n² / 2 for each value of
    /// the range (the birthday problem; Feller 1968, "An Introduction to Probability Theory", II.3).
    pub(super) fn are_unlikely(&self, min: f64, max: f64) -> bool {
        let count = self.count as f64;
        !self.repeats && count * count / (2.0 * (max - min + 1.0)) >= FEWEST_REPEATS
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::*;
    use crate::numerics::RandomStream;

    fn are_unlikely(values: Vec<Option<i64>>, min: f64, max: f64) -> bool {
        let mut distinct = DistinctIntegers::new(true);
        for values in values.chunks(100) {
            let integers: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
            let numbers: Float64Array = values.iter().map(|value| value.map(|value| value as f64)).collect();
            distinct.update(&integers, &numbers).unwrap();
        }
        let floats: Float64Array = values.iter().map(|value| value.map(|value| value as f64)).collect();
        let mut as_floats = DistinctIntegers::new(true);
        as_floats.update(&(Arc::new(floats.clone()) as ArrayRef), &floats).unwrap();
        assert_eq!(as_floats.are_unlikely(min, max), distinct.are_unlikely(min, max));
        distinct.are_unlikely(min, max)
    }

    #[test]
    fn shuffled_identifiers_never_repeat_and_measurements_do() {
        let random = RandomStream::new(1, "distinct");
        let mut ids: Vec<i64> = (7000..8000).collect();
        random.shuffle(&mut ids);
        let mut ids: Vec<Option<i64>> = ids.into_iter().map(Some).collect();
        assert!(are_unlikely(ids.clone(), 7000.0, 7999.0));
        ids[5] = None;
        assert!(are_unlikely(ids.clone(), 7000.0, 7999.0));
        ids[5] = ids[900];
        assert!(!are_unlikely(ids, 7000.0, 7999.0));
        // Of a thousand in ten million, none repeats by chance.
        let wide = (0..1000).map(|n| Some((random.uniform(n) * 1e7) as i64));
        assert!(!are_unlikely(wide.collect(), 0.0, 1e7));
        // Half of them are no integers.
        let halves: Float64Array = (0..1000).map(|n| Some(f64::from(n) / 2.0)).collect();
        let mut distinct = DistinctIntegers::new(true);
        distinct.update(&(Arc::new(halves.clone()) as ArrayRef), &halves).unwrap();
        assert!(!distinct.are_unlikely(0.0, 500.0));
    }

    #[test]
    fn memory_is_bounded() {
        let mut distinct = DistinctIntegers::new(true);
        (0..2 * MOST as u64).for_each(|value| distinct.push(Some(value)));
        assert!(distinct.seen.is_empty() && distinct.are_unlikely(0.0, 2.0 * MOST as f64));
    }
}
