//! The schema of an output, and arrays cast to it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ::parquet::file::metadata::KeyValue;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::medium::Medium;
use super::metadata;
use crate::error::{Error, Place, Result};
use crate::source::{batch_of, convert_unit, with_parquet_units};

/// The schema of an output with the metadata of `input`: Arrow IPC and text store dictionaries as plain values, and Parquet
/// stores times in its own units.
pub(crate) fn output_schema(
    input: &Schema,
    fields: &[FieldRef],
    new: &Schema,
    own: &[(String, String)],
    medium: Medium,
) -> SchemaRef {
    let field = |field: &FieldRef| match medium {
        Medium::Memory => field.clone(),
        Medium::Ipc | Medium::Csv { .. } | Medium::Ndjson => without_dictionaries(field),
        Medium::Parquet => with_parquet_units(field),
    };
    let output = Schema::new(fields.iter().map(field).collect::<Vec<_>>());
    let keys = metadata::update(&sorted_metadata(input), &output, new, own).into_iter();
    let keys: HashMap<String, String> = keys.filter_map(|key| Some((key.key, key.value?))).collect();
    Arc::new(output.with_metadata(keys))
}

/// The metadata of a schema, sorted: the order of a map is random, and that of an output must not be.
pub(super) fn sorted_metadata(schema: &Schema) -> Vec<KeyValue> {
    let keys = schema.metadata().iter().map(|(key, value)| KeyValue { key: key.clone(), value: Some(value.clone()) });
    let mut keys: Vec<KeyValue> = keys.collect();
    keys.sort_by(|one, other| one.key.cmp(&other.key));
    keys
}

/// Casts arrays of the same rows, read from `path`, to a schema: decodes dictionaries and converts units of time.
///
/// # Errors
/// [`Error::WrongType`] for a time that the unit cannot represent, [`Error::Read`].
pub(crate) fn cast_to_schema(
    schema: &SchemaRef,
    arrays: impl IntoIterator<Item = ArrayRef>,
    rows: usize,
    path: &Path,
) -> Result<RecordBatch> {
    let read = |source: ArrowError| Error::Read { place: Place::file(path), source: source.into() };
    let of_type = |(array, field): (ArrayRef, &FieldRef)| {
        if array.data_type() == field.data_type() {
            return Ok(array);
        }
        let plain = without_dictionaries(&Arc::new(Field::new("", array.data_type().clone(), true)));
        if plain.data_type() == field.data_type() {
            cast(&array, field.data_type()).map_err(read)
        } else {
            convert_unit(&array, field, path)
        }
    };
    let arrays = arrays.into_iter().zip(schema.fields()).map(of_type).collect::<Result<_, _>>()?;
    batch_of(schema.clone(), arrays, rows).map_err(read)
}

/// A field with its dictionary types replaced by their value types.
fn without_dictionaries(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Dictionary(_, values) => {
            let values = Field::new(field.name(), (**values).clone(), true);
            without_dictionaries(&Arc::new(values)).data_type().clone()
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(without_dictionaries).collect()),
        DataType::List(inner) => DataType::List(without_dictionaries(inner)),
        DataType::LargeList(inner) => DataType::LargeList(without_dictionaries(inner)),
        DataType::FixedSizeList(inner, length) => DataType::FixedSizeList(without_dictionaries(inner), *length),
        DataType::Map(entries, sorted) => DataType::Map(without_dictionaries(entries), *sorted),
        _ => return field.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone()))
}
