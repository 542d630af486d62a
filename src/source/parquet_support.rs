//! Which columns a Parquet file can hold. Unions and intervals of nanoseconds are examples of those it cannot.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow::array::{Array, ArrayRef, AsArray, NullArray, RecordBatch, StructArray, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;

use super::guarded;
use crate::error::{Foreign, Place};

/// The first of these columns that a Parquet file cannot hold.
pub(crate) fn unholdable(fields: &[FieldRef]) -> Option<&FieldRef> {
    if holds(fields) { None } else { fields.iter().find(|field| !holds(std::slice::from_ref(*field))) }
}

/// Whether a Parquet file can hold such columns: its writer is asked, with a null.
fn holds(fields: &[FieldRef]) -> bool {
    let nullable = |field: &FieldRef| Field::new(field.name(), field.data_type().clone(), true);
    let schema = Arc::new(Schema::new(fields.iter().map(nullable).collect::<Vec<_>>()));
    let write = || -> Result<(), Foreign> {
        let nulls = fields.iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        let mut writer = ArrowWriter::try_new(std::io::sink(), schema.clone(), None)?;
        writer.write(&RecordBatch::try_new(schema.clone(), nulls)?)?;
        writer.close()?;
        Ok(())
    };
    guarded(Place::default, write).is_ok()
}

/// The field with what a Parquet file cannot hold, also within structs, as nulls of no type. It holds no empty structs.
pub(super) fn holdable(field: &FieldRef) -> FieldRef {
    if holds(std::slice::from_ref(field)) {
        return field.clone();
    }
    let data_type = match field.data_type() {
        DataType::Struct(fields) if !fields.is_empty() => DataType::Struct(fields.iter().map(holdable).collect()),
        _ => DataType::Null,
    };
    Arc::new(Field::new(field.name(), data_type, true))
}

/// The values of a column as [`holdable`] has its type.
pub(super) fn held(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == data_type {
        return Ok(array.clone());
    }
    let DataType::Struct(fields) = data_type else { return Ok(Arc::new(NullArray::new(array.len()))) };
    let children = array.as_struct().columns().iter().zip(fields);
    let children = children.map(|(child, field)| held(child, field.data_type())).collect::<Result<_, _>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), children, array.nulls().cloned())?))
}
