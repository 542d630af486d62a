//! Columns with the columns within them, for those who list them.

use arrow::datatypes::{DataType, Field, Schema};
use serde::Serialize;

/// A column, with those of its struct, or of the structs in its list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ColumnTree {
    /// Its name.
    pub name: String,
    /// Its Arrow type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// The columns within it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Self>,
}

impl ColumnTree {
    /// The columns of a table.
    pub fn of(schema: &Schema) -> Vec<Self> {
        schema.fields().iter().map(|field| Self::of_field(field)).collect()
    }

    fn of_field(field: &Field) -> Self {
        let (name, data_type) = (field.name().clone(), field.data_type().to_string());
        Self { name, data_type, fields: Self::within(field.data_type()) }
    }

    fn within(data_type: &DataType) -> Vec<Self> {
        match data_type {
            DataType::Struct(fields) => fields.iter().map(|field| Self::of_field(field)).collect(),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Self::within(item.data_type())
            }
            _ => Vec::new(),
        }
    }
}
