//! Columns in the memory of numpy as a batch.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use vaepipe::arrow::array::{ArrayRef, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray};
use vaepipe::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use vaepipe::arrow::datatypes::{
    ArrowPrimitiveType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};

use crate::reader::NativeBatch;

/// The values of a column.
#[derive(FromPyObject)]
pub(crate) enum Values {
    /// Those of a numpy array in memory.
    Packed(PyBackedBytes),
    /// Strings.
    Words(Vec<Option<String>>),
}

/// A batch of named columns of `rows` rows: `(name, numpy's letter of the type, values)`.
#[pyfunction]
pub(crate) fn from_columns(columns: Vec<(String, String, Values)>, rows: usize) -> PyResult<NativeBatch> {
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (name, letter, values) in columns {
        let array: ArrayRef = match values {
            Values::Words(words) => Arc::new(StringArray::from(words)),
            Values::Packed(bytes) => packed(&letter, bytes, rows)
                .ok_or_else(|| PyValueError::new_err(format!("{name}: no array of {rows} values of type {letter}")))?,
        };
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    Ok(NativeBatch(batch.map_err(|error| PyValueError::new_err(error.to_string()))?))
}

/// An array of `rows` values in memory.
fn packed(letter: &str, bytes: PyBackedBytes, rows: usize) -> Option<ArrayRef> {
    // The bytes stay Python's own.
    let buffer = Buffer::from(Bytes::from_owner(bytes));
    match letter {
        "f4" => floats::<Float32Type>(buffer, rows),
        "f8" => floats::<Float64Type>(buffer, rows),
        "i1" => numbers::<Int8Type>(buffer, rows),
        "i2" => numbers::<Int16Type>(buffer, rows),
        "i4" => numbers::<Int32Type>(buffer, rows),
        "i8" => numbers::<Int64Type>(buffer, rows),
        "u1" => numbers::<UInt8Type>(buffer, rows),
        "u2" => numbers::<UInt16Type>(buffer, rows),
        "u4" => numbers::<UInt32Type>(buffer, rows),
        "u8" => numbers::<UInt64Type>(buffer, rows),
        "b1" if buffer.len() == rows => {
            let bits: BooleanBuffer = buffer.iter().map(|byte| *byte != 0).collect();
            Some(Arc::new(vaepipe::arrow::array::BooleanArray::from(bits)))
        }
        _ => None,
    }
}

fn numbers<T: ArrowPrimitiveType>(buffer: Buffer, rows: usize) -> Option<ArrayRef> {
    Some(Arc::new(PrimitiveArray::<T>::new(values::<T>(buffer, rows)?, None)))
}

/// Floats; NaN, numpy's missing value, is null.
fn floats<T: ArrowPrimitiveType<Native: Into<f64>>>(buffer: Buffer, rows: usize) -> Option<ArrayRef> {
    let values = values::<T>(buffer, rows)?;
    let known: NullBuffer = values.iter().map(|&value| !value.into().is_nan()).collect();
    let nulls = Some(known).filter(|known| known.null_count() > 0);
    Some(Arc::new(PrimitiveArray::<T>::new(values, nulls)))
}

fn values<T: ArrowPrimitiveType>(buffer: Buffer, rows: usize) -> Option<ScalarBuffer<T::Native>> {
    if buffer.len() != rows * size_of::<T::Native>() {
        return None;
    }
    // Python aligns its bytes to 8 or 16.
    let aligned = buffer.as_ptr().align_offset(align_of::<T::Native>()) == 0;
    let buffer = if aligned { buffer } else { Buffer::from_slice_ref(buffer.as_slice()) };
    Some(ScalarBuffer::from(buffer))
}
