//! Integers that repeat less than random ones would: identifiers, in any order.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use arrow::error::ArrowError;

/// The largest number of integers to compare: 5 MiB a column, until it is read.
const MOST: u64 = 1 << 18;

/// Repeats to expect of random integers before their absence says something. None occurs by chance with probability
/// exp(-10).
const FEWEST_REPEATS: f64 = 10.0;

/// The largest share of the repeats to expect that identifiers have, and the fewest to expect if some do repeat: ranks have
/// ties.
const REPEATS_OF_IDENTIFIERS: f64 = 0.2;
const FEWEST_WITH_REPEATS: f64 = 100.0;

/// Integers up to which every one is exact in f64.
const EXACT: f64 = (1_u64 << 53) as f64;

/// The distinct integers of a column: all of its first values are compared, up to one that is no integer, or until too many
/// repeat.
#[derive(Debug, Clone)]
pub(super) struct DistinctIntegers {
    /// Empty and unused once all that are wanted are compared.
    seen: HashSet<u64>,
    compared: u64,
    repeats: u64,
    state: Comparison,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Open,
    /// As many are compared as memory allows.
    Full,
    /// They are no integers, or repeat as others do.
    Refuted,
}

impl DistinctIntegers {
    /// Starts empty; without `wanted`, refuted.
    pub(super) fn new(wanted: bool) -> Self {
        let state = if wanted { Comparison::Open } else { Comparison::Refuted };
        Self { seen: HashSet::new(), compared: 0, repeats: 0, state }
    }

    /// Adds the next rows, whose values are `numbers` as f64. Missing values are left out.
    pub(super) fn update(&mut self, array: &ArrayRef, numbers: &Float64Array) -> Result<(), ArrowError> {
        if self.state != Comparison::Open {
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

    /// Ends the pass, to free memory for other columns.
    pub(super) fn finish(&mut self) {
        self.seen = HashSet::new();
    }

    /// Adds an integer, as bits, or what is none.
    fn push(&mut self, integer: Option<u64>) {
        if self.state != Comparison::Open {
            return;
        }
        self.compared += 1;
        self.repeats += u64::from(integer.is_some_and(|integer| !self.seen.insert(integer)));
        if integer.is_none() || self.repeats > 2 + self.compared / 10 {
            self.state = Comparison::Refuted;
        } else if self.compared == MOST {
            self.state = Comparison::Full;
        }
        if self.state != Comparison::Open {
            self.finish();
        }
    }

    /// Whether they are integers none of which repeats.
    pub(super) fn never_repeat(&self) -> bool {
        self.state != Comparison::Refuted && self.compared > 0 && self.repeats == 0
    }

    /// Whether they repeat far less than so many random integers between `min` and `max` (the birthday problem; Feller 1968,
    /// "An Introduction to Probability Theory", II.3).
    pub(super) fn hardly_repeat(&self, min: f64, max: f64) -> bool {
        let (count, range) = (self.compared as f64, max - min + 1.0);
        let expected = count + range * (-count / range).exp_m1();
        let fewest = if self.repeats > 0 { FEWEST_WITH_REPEATS } else { FEWEST_REPEATS };
        let few = self.repeats as f64 <= REPEATS_OF_IDENTIFIERS * expected;
        self.state != Comparison::Refuted && expected >= fewest && few
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::*;
    use crate::numerics::RandomStream;

    fn hardly_repeat(values: Vec<Option<i64>>, min: f64, max: f64) -> bool {
        let mut distinct = DistinctIntegers::new(true);
        for values in values.chunks(100) {
            let integers: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
            let numbers: Float64Array = values.iter().map(|value| value.map(|value| value as f64)).collect();
            distinct.update(&integers, &numbers).unwrap();
        }
        let floats: Float64Array = values.iter().map(|value| value.map(|value| value as f64)).collect();
        let mut as_floats = DistinctIntegers::new(true);
        as_floats.update(&(Arc::new(floats.clone()) as ArrayRef), &floats).unwrap();
        assert_eq!(as_floats.hardly_repeat(min, max), distinct.hardly_repeat(min, max));
        distinct.hardly_repeat(min, max)
    }

    #[test]
    fn shuffled_identifiers_hardly_repeat_and_measurements_do() {
        let random = RandomStream::new(1, "distinct");
        let mut ids: Vec<i64> = (7000..8000).collect();
        random.shuffle(&mut ids);
        let mut ids: Vec<Option<i64>> = ids.into_iter().map(Some).collect();
        assert!(hardly_repeat(ids.clone(), 7000.0, 7999.0));
        ids[5] = None;
        assert!(hardly_repeat(ids.clone(), 7000.0, 7999.0));
        // Rows that are there twice.
        (0..40).for_each(|row| ids[row] = ids[900 + row]);
        assert!(hardly_repeat(ids.clone(), 7000.0, 7999.0));
        (0..300).for_each(|row| ids[row] = ids[500 + row]);
        assert!(!hardly_repeat(ids, 7000.0, 7999.0));
        let uniform = (0..1000).map(|n| Some((random.uniform(n) * 1e3) as i64));
        assert!(!hardly_repeat(uniform.collect(), 0.0, 1e3));
        // Of a thousand in ten million, none repeats by chance.
        let wide = (0..1000).map(|n| Some((random.uniform(n) * 1e7) as i64));
        assert!(!hardly_repeat(wide.collect(), 0.0, 1e7));
        // Half of them are no integers.
        let halves: Float64Array = (0..1000).map(|n| Some(f64::from(n) / 2.0)).collect();
        let mut distinct = DistinctIntegers::new(true);
        distinct.update(&(Arc::new(halves.clone()) as ArrayRef), &halves).unwrap();
        assert!(!distinct.hardly_repeat(0.0, 500.0) && !distinct.never_repeat());
    }

    #[test]
    fn memory_is_bounded() {
        let mut distinct = DistinctIntegers::new(true);
        (0..2 * MOST).for_each(|value| distinct.push(Some(value)));
        assert!(distinct.seen.is_empty() && distinct.hardly_repeat(0.0, 2.0 * MOST as f64));
    }
}
