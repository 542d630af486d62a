//! Arrow types, schemas and batches with some of their fields replaced.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

/// A data type whose child fields are replaced by `child`.
pub(crate) fn map_children(data_type: &DataType, child: &mut dyn FnMut(&FieldRef) -> FieldRef) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(child).collect()),
        DataType::List(item) => DataType::List(child(item)),
        DataType::LargeList(item) => DataType::LargeList(child(item)),
        DataType::ListView(item) => DataType::ListView(child(item)),
        DataType::LargeListView(item) => DataType::LargeListView(child(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(child(item), *length),
        DataType::Map(entries, sorted) => DataType::Map(child(entries), *sorted),
        DataType::RunEndEncoded(ends, values) => {
            let ends = child(ends);
            DataType::RunEndEncoded(ends, child(values))
        }
        DataType::Dictionary(keys, values) => DataType::Dictionary(keys.clone(), map_children(values, child).into()),
        other => other.clone(),
    }
}

/// A schema whose top-level fields are replaced by `field`.
pub(super) fn map_fields(schema: &Schema, field: impl FnMut(&FieldRef) -> FieldRef) -> Schema {
    let fields: Vec<FieldRef> = schema.fields().iter().map(field).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

/// A field of the same name and metadata with another type.
pub(crate) fn with_type(field: &Field, data_type: DataType) -> FieldRef {
    field.clone().with_data_type(data_type).into()
}

/// A batch of `rows` rows, which may have no columns.
pub(crate) fn batch_of(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
}

/// A schema whose strings are views.
pub(super) fn string_views(schema: &Schema) -> Schema {
    map_fields(schema, string_view_field)
}

/// A field whose strings, those in structs too, are views.
fn string_view_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Dictionary(_, values) if values.is_string() => DataType::Utf8View,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(string_view_field).collect()),
        _ => return field.clone(),
    };
    Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone()).into()
}

/// The names of all columns and of the fields in struct columns, by their paths.
pub(super) fn struct_fields(schema: &Schema) -> Vec<String> {
    fn walk(path: String, data_type: &DataType, names: &mut Vec<String>) {
        if let DataType::Struct(fields) = data_type {
            fields.iter().for_each(|field| walk(format!("{path}.{}", field.name()), field.data_type(), names));
        }
        names.push(path);
    }
    let mut names = Vec::new();
    schema.fields().iter().for_each(|field| walk(field.name().clone(), field.data_type(), &mut names));
    names
}
