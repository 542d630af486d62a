//! The columns of a Delta table in its files: found by the name or number that the log gives them, nested ones too.

use std::sync::Arc;

use ::parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait, StructArray,
    new_null_array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use arrow::error::ArrowError;

use crate::source::common_type::{is_binary, list_item};
use crate::source::schema_mapping::{map_children, with_type};

/// Keys of the log's metadata of a column: its name in files, and the number of its field.
const STORED_NAME: &str = "delta.columnMapping.physicalName";
const FIELD_ID: &str = "delta.columnMapping.id";

/// How files name the columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnMapping {
    /// As the table does.
    None,
    /// By names that never change.
    Name,
    /// By the numbers of Parquet fields.
    Id,
}

/// The columns of a table, without its partition columns, as the log has them.
#[derive(Debug)]
pub(super) struct LoggedColumns {
    pub(super) columns: Vec<FieldRef>,
    pub(super) mapping: ColumnMapping,
}

impl LoggedColumns {
    /// Whether a file stores just these columns, under their names and with their types.
    pub(super) fn are_those_of(&self, file: &Schema) -> bool {
        self.mapping == ColumnMapping::None && have_same_fields(file.fields(), &self.columns)
    }

    /// The place among `stored` fields of one of the log.
    pub(super) fn find(&self, logged: &Field, stored: &Fields) -> Option<usize> {
        let of_log = |key: &str| logged.metadata().get(key);
        let is_it = |stored: &FieldRef| match self.mapping {
            ColumnMapping::None => stored.name() == logged.name(),
            ColumnMapping::Name => of_log(STORED_NAME) == Some(stored.name()),
            ColumnMapping::Id => {
                let id = of_log(FIELD_ID);
                id.is_some() && stored.metadata().get(PARQUET_FIELD_ID_META_KEY) == id
            }
        };
        stored.iter().position(is_it)
    }

    /// The array of a column, whose structs have the fields of the log by their names; `stored` is its field in the file.
    pub(super) fn renamed(&self, array: &ArrayRef, stored: &Field, logged: &Field) -> Result<ArrayRef, ArrowError> {
        match (array.data_type(), stored.data_type(), logged.data_type()) {
            (DataType::Struct(_), DataType::Struct(stored), DataType::Struct(logged)) => {
                let (rows, array) = (array.len(), array.as_struct());
                let child = |field: &FieldRef| match self.find(field, stored) {
                    Some(place) => self.renamed(array.column(place), &stored[place], field),
                    None => Ok(new_null_array(field.data_type(), rows)),
                };
                let children = logged.iter().map(child).collect::<Result<Vec<_>, _>>()?;
                let fields = logged.iter().zip(&children).map(|(field, child)| named(field.name(), child)).collect();
                Ok(Arc::new(StructArray::try_new_with_length(fields, children, array.nulls().cloned(), rows)?))
            }
            (DataType::Map(entries, sorted), DataType::Map(stored, _), DataType::Map(logged, _)) => {
                let (DataType::Struct(stored), DataType::Struct(logged)) = (stored.data_type(), logged.data_type())
                else {
                    return Ok(array.clone());
                };
                let map = array.as_map();
                let children = map.entries().columns().iter().zip(stored).zip(logged);
                let children = children.map(|((child, stored), logged)| self.renamed(child, stored, logged));
                let children = children.collect::<Result<Vec<_>, _>>()?;
                let fields: Fields = map
                    .entries()
                    .fields()
                    .iter()
                    .zip(&children)
                    .map(|(field, child)| with_type_of(field, child))
                    .collect();
                let pairs = StructArray::try_new(fields, children, map.entries().nulls().cloned())?;
                let entries = with_type_of(entries, &pairs);
                Ok(Arc::new(MapArray::try_new(entries, map.offsets().clone(), pairs, map.nulls().cloned(), *sorted)?))
            }
            (own, stored, logged) => {
                let (Some(stored), Some(logged)) = (list_item(stored), list_item(logged)) else {
                    return Ok(array.clone());
                };
                match own {
                    DataType::List(item) => self.renamed_list::<i32>(array, item, stored, logged),
                    DataType::LargeList(item) => self.renamed_list::<i64>(array, item, stored, logged),
                    DataType::FixedSizeList(item, length) => {
                        let list = array.as_fixed_size_list();
                        let values = self.renamed(list.values(), stored, logged)?;
                        let (item, nulls) = (with_type_of(item, &values), list.nulls().cloned());
                        Ok(Arc::new(FixedSizeListArray::try_new(item, *length, values, nulls)?))
                    }
                    _ => Ok(array.clone()),
                }
            }
        }
    }

    fn renamed_list<O: OffsetSizeTrait>(
        &self,
        array: &ArrayRef,
        item: &FieldRef,
        stored: &Field,
        logged: &Field,
    ) -> Result<ArrayRef, ArrowError> {
        let list: &GenericListArray<O> = array.as_list();
        let values = self.renamed(list.values(), stored, logged)?;
        let (item, nulls) = (with_type_of(item, &values), list.nulls().cloned());
        Ok(Arc::new(GenericListArray::<O>::try_new(item, list.offsets().clone(), values, nulls)?))
    }
}

/// A field of the log without its metadata; files may lack values of any.
pub(super) fn plain(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        // The fields of a map are a key, which is never null, and a value.
        DataType::Map(entries, sorted) => {
            let DataType::Struct(pair) = entries.data_type() else { return field.clone() };
            let pair =
                pair.iter().map(|it| Arc::new(plain(it).as_ref().clone().with_nullable(it.is_nullable()))).collect();
            DataType::Map(Arc::new(Field::new(entries.name(), DataType::Struct(pair), false)), *sorted)
        }
        data_type => map_children(data_type, &mut plain),
    };
    Arc::new(Field::new(field.name(), data_type, true))
}

fn named(name: &str, array: &dyn Array) -> FieldRef {
    Arc::new(Field::new(name, array.data_type().clone(), true))
}

fn with_type_of(field: &Field, array: &dyn Array) -> FieldRef {
    with_type(field, array.data_type().clone())
}

/// Whether the fields of a file are those of the log, in any order.
fn have_same_fields(stored: &Fields, logged: &[FieldRef]) -> bool {
    let is_stored = |logged: &FieldRef| {
        stored.find(logged.name()).is_some_and(|(_, stored)| is_same_type(stored.data_type(), logged.data_type()))
    };
    stored.len() == logged.len() && logged.iter().all(is_stored)
}

/// Whether a type of a file is that of the log but for its layout.
fn is_same_type(stored: &DataType, logged: &DataType) -> bool {
    match (stored, logged) {
        (DataType::Dictionary(_, values), logged) => is_same_type(values, logged),
        (DataType::Timestamp(_, a), DataType::Timestamp(_, b)) => a.is_some() == b.is_some(),
        (DataType::Struct(stored), DataType::Struct(logged)) => have_same_fields(stored, logged),
        (DataType::Map(stored, _), DataType::Map(logged, _)) => match (stored.data_type(), logged.data_type()) {
            (DataType::Struct(stored), DataType::Struct(logged)) => {
                stored.iter().zip(logged).all(|(stored, logged)| is_same_type(stored.data_type(), logged.data_type()))
            }
            _ => false,
        },
        (stored, logged) if stored.is_string() && logged.is_string() => true,
        (stored, logged) if is_binary(stored) && is_binary(logged) => true,
        (stored, logged) => match (list_item(stored), list_item(logged)) {
            (Some(stored), Some(logged)) => is_same_type(stored.data_type(), logged.data_type()),
            _ => stored == logged,
        },
    }
}
