//! Detection and filling of missing values; all other values keep their exact bits.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, LargeListArray, StringArray, StructArray, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{and, cast, concat, or, take};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use arrow::error::ArrowError;

use super::Column;

/// Marks the missing values: null or NaN. A list is missing if it is null or any of its numbers is missing.
pub(crate) fn missing_values(array: &ArrayRef) -> Result<BooleanArray, ArrowError> {
    let nulls = || BooleanArray::from(logical_nulls(array));
    let or_nan = |nan: BooleanBuffer| or(&nulls(), &BooleanArray::new(nan, None));
    match array.data_type() {
        DataType::Float16 => {
            let values = array.as_primitive::<Float16Type>().values();
            or_nan(BooleanBuffer::collect_bool(values.len(), |row| values[row].is_nan()))
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            or_nan(BooleanBuffer::collect_bool(values.len(), |row| values[row].is_nan()))
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            or_nan(BooleanBuffer::collect_bool(values.len(), |row| values[row].is_nan()))
        }
        DataType::Dictionary(_, values) if values.is_floating() => missing_values(&cast(array, values)?),
        data_type if data_type.is_list() => {
            let lists = cast(array, &as_large(data_type))?;
            let lists = lists.as_list::<i64>();
            let numbers = missing_values(lists.values())?;
            let has_missing = |row: usize| -> bool {
                let (from, to) = (lists.value_offsets()[row] as usize, lists.value_offsets()[row + 1] as usize);
                lists.is_null(row) || numbers.slice(from, to - from).true_count() > 0
            };
            Ok(BooleanArray::new(BooleanBuffer::collect_bool(lists.len(), has_missing), None))
        }
        _ => Ok(nulls()),
    }
}

/// Marks the nulls, including those among a dictionary's values.
fn logical_nulls(array: &ArrayRef) -> BooleanBuffer {
    let nulls = array.logical_nulls();
    BooleanBuffer::collect_bool(array.len(), |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)))
}

/// The `LargeList` type of the same items, to which every list type can be cast.
fn as_large(list: &DataType) -> DataType {
    match list {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => DataType::LargeList(field.clone()),
        other => other.clone(),
    }
}

/// `array` with the values of `replacement`, of the same type, where a value is missing and `wanted` is true.
///
/// # Errors
/// If the type cannot hold all values, such as a dictionary with too few keys.
pub(crate) fn fill(array: &ArrayRef, replacement: &ArrayRef, wanted: &BooleanArray) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, values) => {
            // Through plain values, so that one dictionary holds the words of both.
            let [plain, plain_replacement] = [cast(array, values)?, cast(replacement, values)?];
            cast(&fill(&plain, &plain_replacement, wanted)?, array.data_type())
        }
        data_type if data_type.is_list() => fill_lists(array, replacement, wanted),
        _ => zip(&and(&missing_values(array)?, wanted)?, replacement, array),
    }
}

/// [`fill`] for lists, number by number; a list of another length than its replacement stays as it is.
fn fill_lists(array: &ArrayRef, replacement: &ArrayRef, wanted: &BooleanArray) -> Result<ArrayRef, ArrowError> {
    let large = as_large(array.data_type());
    let [lists, replacements] = [cast(array, &large)?, cast(replacement, &large)?];
    let (lists, replacements) = (lists.as_list::<i64>(), replacements.as_list::<i64>());
    let rows = (0..array.len()).map(|row| {
        let keep = !wanted.value(row) || replacements.is_null(row);
        if lists.is_null(row) {
            return Ok(if keep { None } else { Some(replacements.value(row)) });
        }
        let (list, replacement) = (lists.value(row), replacements.value(row));
        if keep || list.len() != replacement.len() {
            return Ok(Some(list));
        }
        zip(&missing_values(&list)?, &replacement, &list).map(Some)
    });
    let rows: Vec<Option<ArrayRef>> = rows.collect::<Result<_, ArrowError>>()?;
    let parts: Vec<&dyn Array> = rows.iter().flatten().map(AsRef::as_ref).collect();
    let child = if parts.is_empty() { lists.values().slice(0, 0) } else { concat(&parts)? };
    let lengths = rows.iter().map(|row| row.as_ref().map_or(0, |row| row.len()));
    let offsets = OffsetBuffer::<i64>::from_lengths(lengths);
    let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
    let DataType::LargeList(field) = large else { return Err(ArrowError::CastError("no list".to_owned())) };
    let filled = LargeListArray::try_new(field, offsets, child, Some(nulls))?;
    cast(&(Arc::new(filled) as ArrayRef), array.data_type())
}

/// A column of `rows` equal values, parsed from text.
///
/// # Errors
/// If the text is not a value of this type.
pub(crate) fn constant(text: &str, data_type: &DataType, rows: usize) -> Result<ArrayRef, ArrowError> {
    let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let value = match data_type {
        DataType::Duration(_) => cast(&cast(&text, &DataType::Int64)?, data_type)?,
        DataType::Float16 => cast(&cast(&text, &DataType::Float32)?, data_type)?,
        _ => cast(&text, data_type)?,
    };
    if value.is_null(0) {
        return Err(ArrowError::ParseError(format!("the constant is no {data_type}")));
    }
    take(&value, &UInt32Array::from(vec![0; rows]), None)
}

impl Column {
    /// The top-level column with the values of this column replaced.
    pub(crate) fn replaced(&self, top: &ArrayRef, values: ArrayRef) -> Result<ArrayRef, ArrowError> {
        replaced(self.field_names(), top, values)
    }
}

fn replaced(path: &[String], array: &ArrayRef, values: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let Some((name, path)) = path.split_first() else { return Ok(values) };
    let (Some(parent), Some((at, _))) =
        (array.as_struct_opt(), array.as_struct_opt().and_then(|parent| parent.fields().find(name)))
    else {
        return Err(ArrowError::SchemaError(format!("a struct without the field {name:?}")));
    };
    let mut children = parent.columns().to_vec();
    children[at] = replaced(path, &children[at], values)?;
    Ok(Arc::new(StructArray::try_new(parent.fields().clone(), children, parent.nulls().cloned())?))
}
