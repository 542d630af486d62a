//! Converts times to units that Parquet supports: seconds to milliseconds, and dates in milliseconds to days. Unconverted,
//! most readers would see plain integers.

use std::path::Path;

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, FieldRef, TimeUnit};

use super::{map_children, with_type};
use crate::error::{Error, Place, Result};

/// A field with time units that Parquet supports.
pub(crate) fn with_parquet_units(field: &FieldRef) -> FieldRef {
    let data_type = parquet_unit(field.data_type());
    if data_type == *field.data_type() { field.clone() } else { with_type(field, data_type) }
}

/// A data type with time units that Parquet supports.
fn parquet_unit(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(TimeUnit::Second, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Date64 => DataType::Date32,
        DataType::Dictionary(keys, values) => DataType::Dictionary(keys.clone(), parquet_unit(values).into()),
        other => map_children(other, &mut |child| with_parquet_units(child)),
    }
}

/// Converts a column to the unit of `field` without loss; `path` names the input in messages.
///
/// # Errors
/// [`Error::WrongType`] if a value does not fit the unit.
pub(crate) fn convert_unit(array: &ArrayRef, field: &FieldRef, path: &Path) -> Result<ArrayRef> {
    let wrong_type = |found: String| {
        let expected = "a date without a time of day, or a time within 64-bit milliseconds; cast the column to timestamp[ms], or remove the value";
        Error::WrongType { place: Place::column(path, field.name()), found: found.into(), expected: expected.into() }
    };
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let converted = cast_with_options(array, field.data_type(), &options)
        .map_err(|error| wrong_type(format!("{} with a value that does not fit ({error})", array.data_type())))?;
    let back = cast(&converted, array.data_type()).ok();
    if back.as_ref() != Some(array) {
        return Err(wrong_type(format!("{} with a time of day", array.data_type())));
    }
    Ok(converted)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, AsArray, Date64Array, TimestampSecondArray};
    use arrow::datatypes::{Date32Type, Field, TimestampMillisecondType};

    use super::*;

    fn converted(array: ArrayRef) -> Result<ArrayRef> {
        let field = Arc::new(Field::new("t", array.data_type().clone(), true));
        convert_unit(&array, &with_parquet_units(&field), Path::new("a.arrow"))
    }

    #[test]
    fn a_time_keeps_its_value_or_is_refused() {
        let seconds = converted(Arc::new(TimestampSecondArray::from(vec![Some(-1), None, Some(1 << 40)]))).unwrap();
        let seconds = seconds.as_primitive::<TimestampMillisecondType>();
        assert_eq!((seconds.value(0), seconds.is_null(1), seconds.value(2)), (-1000, true, 1000 << 40));
        let days = converted(Arc::new(Date64Array::from(vec![86_400_000, -86_400_000]))).unwrap();
        assert_eq!(days.as_primitive::<Date32Type>().values(), &[1, -1]);
        for refused in [
            Arc::new(TimestampSecondArray::from(vec![i64::MAX])) as ArrayRef,
            Arc::new(Date64Array::from(vec![86_400_001])),
            Arc::new(Date64Array::from(vec![-1])),
            Arc::new(Date64Array::from(vec![i64::MAX / 86_400_000 * 86_400_000])),
        ] {
            let error = converted(refused).unwrap_err().to_string();
            assert!(
                error.starts_with("a.arrow, column \"t\": is ") && error.contains("cast the column to timestamp[ms]"),
                "{error}"
            );
        }
    }

    #[test]
    fn units_are_changed_wherever_they_are() {
        let seconds = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
        let millis = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let nested = |inner: DataType| {
            let list = DataType::List(Field::new("item", inner.clone(), true).into());
            let coded = DataType::Dictionary(DataType::Int8.into(), inner.into());
            DataType::Struct(vec![Field::new("a", list, true), Field::new("b", coded, true)].into())
        };
        assert_eq!(parquet_unit(&nested(seconds)), nested(millis));
        assert_eq!(parquet_unit(&DataType::Int64), DataType::Int64);
    }
}
