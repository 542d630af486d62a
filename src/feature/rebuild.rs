//! Columns made anew from the row vector: those of an input that is not there.

use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::{Carried, Column, Features, constant, parse_type};
use crate::source::map_children;

/// A top-level column of the input of a fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct InputColumn {
    /// Its name.
    pub column: String,
    /// Its type.
    #[serde(rename = "type")]
    pub data_type: ColumnType,
}

/// An Arrow type, written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ColumnType {
    /// As arrow spells it.
    Text(String),
    /// As a tree, where that spelling does not read back as the same type: names of fields may hold anything.
    Tree(DataType),
}

impl From<&DataType> for ColumnType {
    fn from(data_type: &DataType) -> Self {
        let text = data_type.to_string();
        if text.parse::<DataType>().is_ok_and(|read| read == *data_type) {
            Self::Text(text)
        } else {
            Self::Tree(data_type.clone())
        }
    }
}

impl ColumnType {
    /// The type.
    ///
    /// # Errors
    /// If arrow cannot read its spelling.
    pub fn data_type(&self) -> Result<DataType, ArrowError> {
        match self {
            Self::Text(text) => parse_type::parse(text),
            Self::Tree(data_type) => Ok(data_type.clone()),
        }
    }
}

/// How the columns of an input are made from rows of the model's: those learned, and the constant ones; of structs also
/// what is neither, as nulls.
#[derive(Debug, Clone)]
pub(crate) struct ColumnRebuilder {
    schema: SchemaRef,
    columns: Vec<RebuiltPart>,
}

#[derive(Debug, Clone)]
enum RebuiltPart {
    Feature(usize, DataType),
    Constant(String, DataType),
    Null(DataType),
    Struct(Fields, Vec<RebuiltPart>),
}

impl InputColumn {
    /// The columns of a schema.
    pub(crate) fn all(schema: &Schema) -> Vec<Self> {
        let column =
            |field: &FieldRef| Self { column: field.name().clone(), data_type: (&plain(field.data_type())).into() };
        schema.fields().iter().map(column).collect()
    }
}

/// The type without what a field says beside it: everything may be null, and nobody's metadata is kept.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Map(..) | DataType::RunEndEncoded(..) | DataType::Dictionary(..) => data_type.clone(),
        other => map_children(other, &mut |field| Arc::new(Field::new(field.name(), plain(field.data_type()), true))),
    }
}

impl ColumnRebuilder {
    /// The columns that something is known of, in their order.
    ///
    /// # Errors
    /// If one that is learned is of a type that arrow cannot read back from its own spelling.
    pub(crate) fn new(features: &Features, carried: &[Carried], columns: &[InputColumn]) -> Result<Self, ArrowError> {
        let (mut fields, mut parts) = (Vec::new(), Vec::new());
        for InputColumn { column, data_type } in columns {
            let learned = features.kinds().iter().any(|kind| kind.column().top() == column);
            let data_type = match data_type.data_type() {
                Ok(data_type) => data_type,
                Err(error) if learned => return Err(error),
                Err(_) => continue,
            };
            let (part, known) = part(&Column::root(column), &data_type, features, carried);
            if known {
                fields.push(Field::new(column, data_type, true));
                parts.push(part);
            }
        }
        Ok(Self { schema: Arc::new(Schema::new(fields)), columns: parts })
    }

    /// The columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Only those columns that `keeps` takes by name.
    pub(crate) fn retain(self, keeps: impl Fn(&str) -> bool) -> Self {
        let all = self.schema.fields().iter().cloned().zip(self.columns);
        let (fields, columns): (Vec<_>, Vec<_>) = all.filter(|(field, _)| keeps(field.name())).unzip();
        Self { schema: Arc::new(Schema::new(fields)), columns }
    }

    /// The columns of `rows` rows, `[rows, inputs]`.
    ///
    /// # Errors
    /// If a type cannot hold the values.
    pub(crate) fn read(&self, features: &Features, cells: &[f32], rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        self.columns.iter().map(|part| part.read(features, cells, rows)).collect()
    }
}

/// How a column is made, and whether any of it is known.
fn part(column: &Column, data_type: &DataType, features: &Features, carried: &[Carried]) -> (RebuiltPart, bool) {
    if let Some(feature) = features.kinds().iter().position(|kind| kind.column() == column) {
        return (RebuiltPart::Feature(feature, data_type.clone()), true);
    }
    let constant = carried.iter().find(|carried| carried.column == column.name());
    match (data_type, constant.and_then(|carried| carried.constant.clone())) {
        (_, Some(text)) => (RebuiltPart::Constant(text, data_type.clone()), true),
        (DataType::Struct(fields), None) => {
            let parts =
                fields.iter().map(|field| part(&column.field(field.name()), field.data_type(), features, carried));
            let (parts, known): (Vec<_>, Vec<_>) = parts.unzip();
            (RebuiltPart::Struct(fields.clone(), parts), known.contains(&true))
        }
        (_, None) => (RebuiltPart::Null(data_type.clone()), false),
    }
}

impl RebuiltPart {
    fn read(&self, features: &Features, cells: &[f32], rows: usize) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Feature(feature, data_type) => features.read(*feature, cells, data_type),
            Self::Constant(text, data_type) => constant(text, data_type, rows),
            Self::Null(data_type) => Ok(new_null_array(data_type, rows)),
            Self::Struct(fields, parts) => {
                let children = parts.iter().map(|part| part.read(features, cells, rows)).collect::<Result<_, _>>()?;
                Ok(Arc::new(StructArray::try_new(fields.clone(), children, None)?))
            }
        }
    }
}
