//! The type nearest to a wanted one that holds the values of a column.

use std::sync::Arc;

use arrow::datatypes::DataType;

use super::ColumnValues;
use super::ValueKind::Object;

impl ColumnValues {
    /// The wanted type, of an object that of each field, where it holds every value without loss; elsewhere the inferred one.
    pub(in crate::source::text) fn fitting_type(&self, wanted: &DataType) -> DataType {
        match wanted {
            _ if self.is_mixed() => DataType::Utf8,
            DataType::Dictionary(_, values) => self.fitting_type(values),
            DataType::Struct(fields) if self.only(&[Object]) => {
                let none = Self::default();
                let fields = fields.iter().map(|field| {
                    let values = self.field_indexes.get(field.name()).map_or(&none, |&n| &self.fields[n].1);
                    let data_type = values.fitting_type(field.data_type());
                    Arc::new(field.as_ref().clone().with_data_type(data_type).with_nullable(true))
                });
                DataType::Struct(fields.collect())
            }
            _ if self.only(&[]) || self.holds(wanted) => wanted.clone(),
            // Times without offsets would be taken for UTC.
            _ if self.lack_offsets(wanted) => DataType::Utf8,
            _ => self.data_type(),
        }
    }
}
