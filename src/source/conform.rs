//! Arrays as another type of the same values: files of one table stored a column with different types.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, OffsetSizeTrait, StructArray, make_array,
    new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;

/// A value outside the range of the type that its column has in the table.
#[derive(Debug, thiserror::Error)]
#[error("is {found}, but must be {expected}")]
pub(super) struct OutOfRange {
    pub(super) column: String,
    /// The type, with the value.
    pub(super) found: String,
    pub(super) expected: String,
}

/// The column with the type of `field`, a [common type](super::common_type) of its own.
///
/// # Errors
/// [`OutOfRange`], inside of [`ArrowError::ExternalError`], for a value that does not fit, as a year beyond the range of
/// nanoseconds.
pub(super) fn conform(array: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    conform_type(array, field.data_type()).map_err(|error| match error {
        ArrowError::ExternalError(source) => ArrowError::ExternalError(match source.downcast::<OutOfRange>() {
            Ok(fault) => Box::new(OutOfRange { column: field.name().clone(), ..*fault }),
            Err(other) => other,
        }),
        other => other,
    })
}

fn conform_type(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    use DataType as T;
    if array.data_type() == wanted {
        return Ok(array.clone());
    }
    match (array.data_type(), wanted) {
        (T::Null, wanted) => Ok(new_null_array(wanted, array.len())),
        (T::Struct(_), T::Struct(fields)) => Ok(Arc::new(conform_struct(array.as_struct(), fields)?)),
        (T::List(_), T::List(item)) => conform_list::<i32>(array, item),
        (T::LargeList(_), T::LargeList(item)) => conform_list::<i64>(array, item),
        (T::List(item), T::LargeList(_)) => conform_type(&cast(array, &T::LargeList(item.clone()))?, wanted),
        (T::ListView(item), _) => conform_type(&cast(array, &T::List(item.clone()))?, wanted),
        (T::LargeListView(item), _) => conform_type(&cast(array, &T::LargeList(item.clone()))?, wanted),
        (T::FixedSizeList(_, length), T::FixedSizeList(item, _)) => {
            let list = array.as_fixed_size_list();
            let values = conform_type(list.values(), item.data_type())?;
            Ok(Arc::new(FixedSizeListArray::try_new(item.clone(), *length, values, list.nulls().cloned())?))
        }
        (T::FixedSizeList(item, _), T::List(_)) => conform_type(&cast(array, &T::List(item.clone()))?, wanted),
        (T::FixedSizeList(item, _), T::LargeList(_)) => {
            conform_type(&cast(array, &T::LargeList(item.clone()))?, wanted)
        }
        (T::Map(..), T::Map(entries, sorted)) => {
            let map = array.as_map();
            let T::Struct(fields) = entries.data_type() else { return cast(array, wanted) };
            let values = conform_struct(map.entries(), fields)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Ok(Arc::new(arrow::array::MapArray::try_new(entries.clone(), offsets, values, nulls, *sorted)?))
        }
        _ => cast(array, wanted),
    }
}

/// The struct with these fields, by name; one that it lacks is null.
fn conform_struct(array: &StructArray, fields: &Fields) -> Result<StructArray, ArrowError> {
    let child = |field: &FieldRef| match array.column_by_name(field.name()) {
        Some(child) => conform_type(child, field.data_type()),
        None => Ok(new_null_array(field.data_type(), array.len())),
    };
    let children = fields.iter().map(child).collect::<Result<Vec<_>, _>>()?;
    StructArray::try_new_with_length(fields.clone(), children, array.nulls().cloned(), array.len())
}

fn conform_list<O: OffsetSizeTrait>(array: &ArrayRef, item: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let list: &GenericListArray<O> = array.as_list();
    let values = conform_type(list.values(), item.data_type())?;
    let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
    Ok(Arc::new(GenericListArray::<O>::try_new(item.clone(), offsets, values, nulls)?))
}

/// Casts, with an error for a value that does not fit.
fn cast(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    let array = match array.data_type() {
        // Only plain values are cast to another type.
        DataType::RunEndEncoded(_, values) if !matches!(wanted, DataType::RunEndEncoded(..)) => {
            cast_with_options(array, values.data_type(), &strict())?
        }
        _ => make_array(array.to_data()),
    };
    cast_with_options(&array, wanted, &strict()).map_err(|error| match out_of_range(&array, wanted) {
        Some(fault) => ArrowError::ExternalError(fault.into()),
        None => error,
    })
}

/// The first value that does not fit a type.
fn out_of_range(array: &ArrayRef, wanted: &DataType) -> Option<OutOfRange> {
    let fitting = cast_with_options(array, wanted, &CastOptions::default()).ok()?;
    let row = (0..array.len()).find(|&row| array.is_valid(row) && fitting.is_null(row))?;
    let found = format!("{} with the value {}", array.data_type(), array_value_to_string(array, row).ok()?);
    let range = match wanted {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => ", which ends in 2262",
        _ => "",
    };
    Some(OutOfRange { column: String::new(), found, expected: format!("within {wanted} of other files{range}") })
}

fn strict() -> CastOptions<'static> {
    CastOptions { safe: false, ..CastOptions::default() }
}
