//! Widens dictionary keys to at least 32 bits. Merged files and batches can have more distinct values than keys of 8 or 16
//! bits can count.

use arrow::array::RecordBatch;
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::schema_mapping::{batch_of, map_children, map_fields, with_type};

/// The data type with wide dictionary keys.
pub(super) fn wide_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(keys, values) => {
            let is_narrow = matches!(**keys, DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16);
            let keys = if is_narrow { DataType::Int32.into() } else { keys.clone() };
            DataType::Dictionary(keys, wide_type(values).into())
        }
        other => map_children(other, &mut wide_field),
    }
}

/// The field with wide dictionary keys.
pub(crate) fn wide_field(field: &FieldRef) -> FieldRef {
    let data_type = wide_type(field.data_type());
    if data_type == *field.data_type() { field.clone() } else { with_type(field, data_type) }
}

/// The schema with wide dictionary keys, where arrays can be cast to them.
pub(super) fn wide_schema(schema: &Schema) -> SchemaRef {
    let wide = |field: &FieldRef| {
        let wide = wide_field(field);
        if can_cast_types(field.data_type(), wide.data_type()) { wide } else { field.clone() }
    };
    map_fields(schema, wide).into()
}

/// Casts a batch to its [`wide_schema`].
pub(super) fn wide_batch(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<_, _>>()?;
    batch_of(schema.clone(), columns, batch.num_rows())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringArray, StructArray, UInt8Array};
    use arrow::datatypes::{Field, Int32Type, UInt8Type};

    use super::*;

    #[test]
    fn keys_become_wide_at_any_depth_and_values_are_not_copied() {
        let words: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let coded = DictionaryArray::<UInt8Type>::new(UInt8Array::from(vec![Some(1), None, Some(0)]), words.clone());
        let coded: ArrayRef = Arc::new(coded);
        let field = Field::new("c", coded.data_type().clone(), true).with_dict_is_ordered(true);
        let nested = StructArray::from(vec![(Arc::new(field.clone()), coded.clone())]);
        let fields = vec![field, Field::new("s", nested.data_type().clone(), true)];
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema.clone(), vec![coded, Arc::new(nested)]).unwrap();
        let wide = wide_batch(batch, &wide_schema(&schema)).unwrap();
        for column in [wide.column(0), wide.column(1).as_struct().column(0)] {
            let column = column.as_dictionary::<Int32Type>();
            assert_eq!(column.keys().iter().collect::<Vec<_>>(), [Some(1), None, Some(0)]);
            assert!(column.values().to_data().ptr_eq(&words.to_data()));
        }
        assert_eq!(wide.schema().field(0).dict_is_ordered(), Some(true));
        let unsigned = DataType::Dictionary(DataType::UInt32.into(), DataType::Utf8.into());
        assert_eq!(wide_type(&unsigned), unsigned);
    }
}
