//! Numbers from columns and to columns of any type that holds some.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::{cast, unary};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::error::ArrowError;

/// Whether the type holds numbers, plain or in a dictionary.
pub(super) fn is_number_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_number_type(values),
        data_type => data_type.is_numeric(),
    }
}

/// The number of time units in a second.
pub(super) fn units_per_second(unit: TimeUnit) -> f64 {
    match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    }
}

/// The array as f64, durations in seconds.
pub(super) fn numbers(array: &ArrayRef) -> Result<Float64Array, ArrowError> {
    if let DataType::Duration(unit) = *array.data_type() {
        let counts = cast(&cast(array, &DataType::Int64)?, &DataType::Float64)?;
        return Ok(unary(counts.as_primitive::<Float64Type>(), |count| count / units_per_second(unit)));
    }
    Ok(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

/// The values; null where NaN.
pub(super) fn known(values: &[f64]) -> Float64Array {
    values.iter().map(|&value| (!value.is_nan()).then_some(value)).collect()
}

/// Casts numbers to a column of this type; rounds them for integer types, and takes the end of the type's range for those beyond.
pub(super) fn cast_numbers(numbers: Float64Array, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if let DataType::Duration(unit) = *data_type {
        let counts: ArrayRef =
            Arc::new(unary::<_, _, Int64Type>(&numbers, |x| (x * units_per_second(unit)).round() as i64));
        return cast(&counts, data_type);
    }
    let rounded: ArrayRef = match data_type {
        // The largest integers are not exact in f64; a cast would make nulls of values rounded beyond them.
        DataType::Int64 => Arc::new(unary::<_, _, Int64Type>(&numbers, |x| x.round() as i64)),
        DataType::UInt64 => Arc::new(unary::<_, _, UInt64Type>(&numbers, |x| x.round() as u64)),
        data_type => match range_of(data_type) {
            Some([low, high]) if data_type.is_integer() => {
                Arc::new(unary::<_, _, Float64Type>(&numbers, |x| x.round().clamp(low, high)))
            }
            Some([low, high]) => Arc::new(unary::<_, _, Float64Type>(&numbers, |x| x.clamp(low, high))),
            None => Arc::new(numbers),
        },
    };
    cast(&rounded, data_type)
}

/// The smallest and largest number of an integer type of up to 32 bits, or of a decimal type.
fn range_of(data_type: &DataType) -> Option<[f64; 2]> {
    Some(match *data_type {
        DataType::Int8 => [i8::MIN.into(), i8::MAX.into()],
        DataType::Int16 => [i16::MIN.into(), i16::MAX.into()],
        DataType::Int32 => [i32::MIN.into(), i32::MAX.into()],
        DataType::UInt8 => [0.0, u8::MAX.into()],
        DataType::UInt16 => [0.0, u16::MAX.into()],
        DataType::UInt32 => [0.0, u32::MAX.into()],
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            // From 16 digits on, one unit less is no other number.
            let digits = 10_f64.powi(precision.into());
            let most = (digits - 1.0).min(digits.next_down()) / 10_f64.powi(scale.into());
            [-most, most]
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    #[test]
    fn a_number_beyond_the_range_of_a_type_is_the_end_of_that_range() {
        let types = [DataType::Int8, DataType::UInt16, DataType::Int64, DataType::Decimal128(4, 2)];
        let types = types.into_iter().chain([DataType::Decimal128(20, 3), DataType::Decimal64(18, 0)]);
        for data_type in types {
            let cast_to = |x: f64| cast_numbers(known(&[x, f64::NAN]), &data_type).unwrap();
            for x in [-1e30, 1e30] {
                let array = cast_to(x);
                assert!(array.is_valid(0) && array.is_null(1), "{x} as {data_type}");
            }
            assert_eq!(numbers(&cast_to(7.0)).unwrap().value(0), 7.0);
        }
        let ends = [-1e30, 1e30].map(|x| numbers(&cast_numbers(known(&[x]), &DataType::Decimal128(4, 2)).unwrap()));
        assert_eq!(ends.map(|end| end.unwrap().value(0)), [-99.99, 99.99]);
    }
}
