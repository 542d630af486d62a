//! Which Arrow types Parquet supports. Unions and intervals of nanoseconds are examples it does not.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow::array::{Array, ArrayRef, AsArray, NullArray, RecordBatch, StructArray, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;

use crate::error::{Foreign, Place};
use crate::source::catch_decoder_panic;

/// The first of these columns that Parquet does not support.
pub(crate) fn first_unsupported(fields: &[FieldRef]) -> Option<&FieldRef> {
    if are_supported(fields) { None } else { fields.iter().find(|field| !are_supported(std::slice::from_ref(*field))) }
}

/// Whether Parquet supports such columns; tries to write a null of each.
fn are_supported(fields: &[FieldRef]) -> bool {
    let nullable = |field: &FieldRef| Field::new(field.name(), field.data_type().clone(), true);
    let schema = Arc::new(Schema::new(fields.iter().map(nullable).collect::<Vec<_>>()));
    let write = || -> Result<(), Foreign> {
        let nulls = fields.iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        let mut writer = ArrowWriter::try_new(std::io::sink(), schema.clone(), None)?;
        writer.write(&RecordBatch::try_new(schema.clone(), nulls)?)?;
        writer.close()?;
        Ok(())
    };
    catch_decoder_panic(Place::default, write).is_ok()
}

/// The field with the null type for unsupported types, also within structs. Empty structs are unsupported.
pub(crate) fn supported_field(field: &FieldRef) -> FieldRef {
    if are_supported(std::slice::from_ref(field)) {
        return field.clone();
    }
    let data_type = match field.data_type() {
        DataType::Struct(fields) if !fields.is_empty() => {
            DataType::Struct(fields.iter().map(supported_field).collect())
        }
        _ => DataType::Null,
    };
    Arc::new(Field::new(field.name(), data_type, true))
}

/// Converts a column to the type of its [`supported_field`].
pub(crate) fn supported_array(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == data_type {
        return Ok(array.clone());
    }
    let DataType::Struct(fields) = data_type else { return Ok(Arc::new(NullArray::new(array.len()))) };
    let children = array.as_struct().columns().iter().zip(fields);
    let children =
        children.map(|(child, field)| supported_array(child, field.data_type())).collect::<Result<_, _>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), children, array.nulls().cloned())?))
}
