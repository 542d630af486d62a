//! Converts Arrow batches to polars frames through Arrow's C data interface; only small integers and dictionaries are copied.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, to_ffi};
use polars::prelude::{Column, DataFrame, PolarsError, PolarsResult, Series};
use polars_arrow::ffi::{ArrowArray, ArrowSchema, import_array_from_c, import_field_from_c};

/// Converts a record batch to a data frame with the same columns.
///
/// # Errors
/// If polars does not support the type of a column.
pub(crate) fn frame(batch: &RecordBatch) -> PolarsResult<DataFrame> {
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, column)| series(field, column));
    DataFrame::new(batch.num_rows(), columns.collect::<PolarsResult<_>>()?)
}

#[expect(unsafe_code, reason = "the C data interface uses raw pointers")]
fn series(field: &FieldRef, column: &ArrayRef) -> PolarsResult<Column> {
    if !is_supported(field.data_type()) {
        let why = format!("column {:?}: {} is not supported by polars", field.name(), field.data_type());
        return Err(PolarsError::InvalidOperation(why.into()));
    }
    let foreign = |error| PolarsError::ComputeError(format!("column {:?}: {error}", field.name()).into());
    let plain = plain(field);
    let column = cast(column, plain.data_type()).map_err(foreign)?;
    let schema = FFI_ArrowSchema::try_from(plain.as_ref()).map_err(foreign)?;
    let (array, _) = to_ffi(&column.to_data()).map_err(foreign)?;
    // SAFETY: both crates declare the structs of the C data interface with the same fields, so their layouts are equal; each
    // struct is moved once, and only its new owner releases it.
    let (schema, array) = unsafe {
        (
            std::mem::transmute::<FFI_ArrowSchema, ArrowSchema>(schema),
            std::mem::transmute::<FFI_ArrowArray, ArrowArray>(array),
        )
    };
    // SAFETY: arrow exported both from one valid array, which keeps its buffers alive until it is released.
    let (field, array) = unsafe {
        let field = import_field_from_c(&schema)?;
        let array = import_array_from_c(array, field.dtype.clone())?;
        (field, array)
    };
    Ok(Series::try_from((&field, array))?.into())
}

/// The field with integers of 32 bits in place of smaller ones, and values in place of dictionaries. polars is built
/// without the other types: each is compiled into all of its operations.
fn plain(field: &FieldRef) -> FieldRef {
    let child = |item: &FieldRef| plain(item);
    let data_type = match field.data_type() {
        DataType::Int8 | DataType::Int16 => DataType::Int32,
        DataType::UInt8 | DataType::UInt16 => DataType::UInt32,
        DataType::Dictionary(_, value) => {
            let value = Arc::new(Field::new(field.name(), value.as_ref().clone(), field.is_nullable()));
            return plain(&value);
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(child).collect()),
        DataType::List(item) => DataType::List(child(item)),
        DataType::LargeList(item) => DataType::LargeList(child(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(child(item), *length),
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
}

/// Whether polars supports a type; it panics on some others.
fn is_supported(of: &DataType) -> bool {
    use DataType::{Decimal32, Decimal64, Decimal256, Interval, LargeListView, ListView, Map, RunEndEncoded, Union};
    match of {
        Decimal32(..) | Decimal64(..) | Decimal256(..) | Interval(_) | ListView(_) | LargeListView(_) | Map(..)
        | RunEndEncoded(..) | Union(..) => false,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_supported(item.data_type())
        }
        DataType::Dictionary(_, value) => is_supported(value),
        DataType::Struct(fields) => fields.iter().all(|field| is_supported(field.data_type())),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Decimal128Array, DictionaryArray, Float32Array, Int8Array, Int64Array, LargeStringArray,
        ListArray, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::{Int16Type, Int32Type};
    use polars::prelude::AnyValue;

    use super::*;

    #[test]
    fn every_kind_of_column_is_converted_with_nulls_and_slices() {
        let instants =
            TimestampMicrosecondArray::from(vec![Some(0), Some(1), None, Some(3)]).with_timezone("Europe/Rome");
        let decimals = Decimal128Array::from(vec![Some(1), Some(250), None, Some(3)]).with_precision_and_scale(9, 2);
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("i8", Arc::new(Int8Array::from(vec![Some(1), Some(-2), None, Some(3)]))),
            ("f32", Arc::new(Float32Array::from(vec![Some(1.0), Some(f32::NAN), None, Some(3.0)]))),
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
            ("text", Arc::new(StringArray::from(vec![Some("a"), Some("b"), None, Some("c")]))),
            ("large", Arc::new(LargeStringArray::from(vec![Some("a"), Some("b"), None, Some("c")]))),
            (
                "view",
                Arc::new(StringViewArray::from(vec![Some("a"), Some("longer than twelve bytes"), None, Some("c")])),
            ),
            (
                "coded",
                Arc::new([Some("a"), Some("b"), None, Some("c")].into_iter().collect::<DictionaryArray<Int16Type>>()),
            ),
            ("instant", Arc::new(instants)),
            ("decimal", Arc::new(decimals.unwrap())),
            (
                "list",
                Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
                    Some(vec![Some(1)]),
                    Some(vec![Some(2), None]),
                    None,
                    Some(vec![]),
                ])),
            ),
            ("struct", Arc::new(StructArray::from(vec![(Arc::new(Field::new("i", DataType::Int64, false)), ints)]))),
        ];
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let frame = frame(&batch.slice(1, 2)).unwrap();
        assert_eq!(frame.get_column_names(), names);
        assert_eq!(frame.height(), 2);
        for name in &names[..10] {
            let column = frame.column(name).unwrap();
            assert!(!column.get(0).unwrap().is_null() && column.get(1).unwrap().is_null(), "{name}");
        }
        assert_eq!(frame.column("i8").unwrap().get(0).unwrap(), AnyValue::Int32(-2));
        assert_eq!(frame.column("coded").unwrap().str().unwrap().get(0), Some("b"));
        assert_eq!(frame.column("view").unwrap().str().unwrap().get(0), Some("longer than twelve bytes"));
        assert_eq!(frame.column("decimal").unwrap().get(0).unwrap().to_string(), "2.50");
    }

    #[test]
    fn an_error_names_an_unsupported_column() {
        let wide = arrow::array::Decimal256Array::from(vec![arrow::datatypes::i256::ONE]);
        let batch = RecordBatch::try_from_iter([("wide", Arc::new(wide) as ArrayRef)]).unwrap();
        assert!(frame(&batch).unwrap_err().to_string().contains("wide"));
    }
}
