//! Given values to the digit. An element of 32 bits holds seven digits of a number, which is enough for the network, but not to
//! give the value back: behind the elements that it sees, a given value has the 64 bits that it is stored as.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::number_arrays::cast_numbers;

/// The last elements of a given feature, which hold the bits of its value: 22, 21 and 21 of them, each an integer that is exact
/// in f32; NaN where it is missing.
const BITS_ELEMENTS: usize = 3;

/// How many elements hold the bits of a value, if any do.
pub(super) fn bits_elements(exact: Option<Exact>) -> usize {
    exact.map_or(0, |_| BITS_ELEMENTS)
}

/// Bits of the second and of the third element.
const LOW_BITS: u32 = 21;

/// What the bits of a given value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exact {
    /// An integer of 64 bits.
    Integer,
    /// A number of double precision.
    Float,
    /// A whole number of days.
    Day,
    /// A whole number of seconds.
    Second,
    /// A whole number of milliseconds.
    Millisecond,
    /// A whole number of microseconds.
    Microsecond,
    /// A whole number of nanoseconds.
    Nanosecond,
}

impl Exact {
    /// That of values of a type; `None` if they are no numbers and no times. Unsigned integers of 64 bits and decimals are exact
    /// as far as double precision goes.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Dictionary(_, values) => Self::of(values)?,
            DataType::Date32 => Self::Day,
            DataType::Date64 => Self::Millisecond,
            DataType::Timestamp(unit, _)
            | DataType::Duration(unit)
            | DataType::Time32(unit)
            | DataType::Time64(unit) => match unit {
                TimeUnit::Second => Self::Second,
                TimeUnit::Millisecond => Self::Millisecond,
                TimeUnit::Microsecond => Self::Microsecond,
                TimeUnit::Nanosecond => Self::Nanosecond,
            },
            DataType::UInt64 => Self::Float,
            data_type if data_type.is_integer() => Self::Integer,
            data_type if data_type.is_numeric() => Self::Float,
            _ => return None,
        })
    }

    /// Nanoseconds of the unit that it counts; `None` if it is a number.
    fn nanoseconds(self) -> Option<i128> {
        Some(match self {
            Self::Integer | Self::Float => return None,
            Self::Day => 86_400_000_000_000,
            Self::Second => 1_000_000_000,
            Self::Millisecond => 1_000_000,
            Self::Microsecond => 1_000,
            Self::Nanosecond => 1,
        })
    }

    /// The bits of each value of `array` as elements, `[rows, 3]`.
    ///
    /// # Errors
    /// If it holds other values.
    pub(super) fn elements(self, array: &ArrayRef) -> Result<Vec<[f32; BITS_ELEMENTS]>, ArrowError> {
        let Some(own) = self.nanoseconds() else {
            if self == Self::Integer {
                return Ok(whole(array)?.iter().map(|value| elements_of(value.map(i64::cast_unsigned))).collect());
            }
            let array = cast(array, &DataType::Float64)?;
            let usable = |value: Option<f64>| value.filter(|value| (*value as f32).is_finite()).map(f64::to_bits);
            return Ok(array.as_primitive::<Float64Type>().iter().map(|value| elements_of(usable(value))).collect());
        };
        let counts = whole(array)?;
        let other = Self::of(array.data_type()).and_then(Self::nanoseconds).unwrap_or(own);
        let count = |count: i64| converted(count, other, own);
        Ok(counts.iter().map(|value| elements_of(value.and_then(count).map(i64::cast_unsigned))).collect())
    }

    /// The values of elements whose last ones are their bits, `[rows, width]`, as a column of a type that the feature accepts.
    ///
    /// # Errors
    /// If the type cannot hold them.
    pub(super) fn array(self, elements: &[f32], width: usize, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let bits = elements.chunks_exact(width).map(bits_of);
        let Some(own) = self.nanoseconds() else {
            if self == Self::Float {
                return cast_numbers(bits.map(|bits| bits.map(f64::from_bits)).collect(), data_type);
            }
            let integers: ArrayRef = Arc::new(bits.map(|bits| bits.map(u64::cast_signed)).collect::<Int64Array>());
            return cast(&integers, data_type);
        };
        let other = Self::of(data_type).and_then(Self::nanoseconds).unwrap_or(own);
        let count = |bits: u64| converted(bits.cast_signed(), own, other);
        let counts: ArrayRef = Arc::new(bits.map(|bits| bits.and_then(count)).collect::<Int64Array>());
        match data_type {
            // Arrow casts the shorter types from integers of their own width alone.
            DataType::Date32 | DataType::Time32(_) => cast(&cast(&counts, &DataType::Int32)?, data_type),
            _ => cast(&counts, data_type),
        }
    }

    /// The values of elements, `[rows, width]`, as numbers, those of times in seconds; NaN where missing.
    pub(super) fn values(self, elements: &[f32], width: usize) -> Vec<f64> {
        let value = |bits: u64| match (self, self.nanoseconds()) {
            (Self::Float, _) => f64::from_bits(bits),
            (_, Some(unit)) if unit < 1_000_000_000 => bits.cast_signed() as f64 / (1_000_000_000 / unit) as f64,
            (_, unit) => bits.cast_signed() as f64 * unit.map_or(1.0, |unit| (unit / 1_000_000_000) as f64),
        };
        elements.chunks_exact(width).map(|row| bits_of(row).map_or(f64::NAN, value)).collect()
    }
}

/// The integers, or the counts of times.
fn whole(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    let array = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => &cast(array, &DataType::Int32)?,
        _ => array,
    };
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// A count of units of so many nanoseconds in others, rounded down; `None` beyond 64 bits.
fn converted(count: i64, from: i128, to: i128) -> Option<i64> {
    if from == to { Some(count) } else { i64::try_from((i128::from(count) * from).div_euclid(to)).ok() }
}

fn elements_of(bits: Option<u64>) -> [f32; BITS_ELEMENTS] {
    let mask = (1 << LOW_BITS) - 1;
    let parts = |bits: u64| [bits >> (2 * LOW_BITS), bits >> LOW_BITS & mask, bits & mask].map(|part| part as f32);
    bits.map_or([f32::NAN; BITS_ELEMENTS], parts)
}

/// The bits of a row of elements; `None` where it is missing.
fn bits_of(row: &[f32]) -> Option<u64> {
    let parts = &row[row.len() - BITS_ELEMENTS..];
    let is_known = parts.iter().all(|part| !part.is_nan());
    is_known.then(|| parts.iter().fold(0, |bits, part| bits << LOW_BITS | *part as u64))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Float64Array, TimestampMicrosecondArray, TimestampNanosecondArray};

    use super::*;

    fn round_trip(array: &ArrayRef) {
        let exact = Exact::of(array.data_type()).unwrap();
        let rows = exact.elements(array).unwrap();
        let wide: Vec<f32> = rows.iter().flat_map(|[a, b, c]| [0.5, *a, *b, *c]).collect();
        assert_eq!(&exact.array(&wide, 4, array.data_type()).unwrap(), array);
    }

    #[test]
    fn values_of_64_bits_come_back() {
        let most = [i64::MIN, -1, 0, 1, 123_456_789, i64::MAX];
        round_trip(&(Arc::new(Int64Array::from(most.to_vec())) as ArrayRef));
        let floats = [0.1, -0.0, 1e-300, -3.25e30, 12.34].map(Some).into_iter().chain([None]);
        round_trip(&(Arc::new(floats.collect::<Float64Array>()) as ArrayRef));
        round_trip(&(Arc::new(TimestampNanosecondArray::from(most.to_vec()).with_timezone("Asia/Tokyo")) as ArrayRef));
        round_trip(&(Arc::new(Date32Array::from(vec![Some(-5), None, Some(19_700)])) as ArrayRef));
    }

    #[test]
    fn times_are_seconds_and_meet_in_any_unit() {
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), Some(86_400_000_000), None]));
        let rows = Exact::Day.elements(&times).unwrap().concat();
        let days = Exact::Day.array(&rows, 3, &DataType::Date32).unwrap();
        assert_eq!(days.as_ref(), &Date32Array::from(vec![Some(-1), Some(1), None]) as &dyn Array);
        let seconds = Exact::Day.values(&rows, 3);
        assert!(seconds[..2] == [-86_400.0, 86_400.0] && seconds[2].is_nan());
        let rows = Exact::of(times.data_type()).unwrap().elements(&times).unwrap().concat();
        assert_eq!(Exact::Microsecond.values(&rows, 3)[..2], [-1e-6, 86_400.0]);
    }
}
