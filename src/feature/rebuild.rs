//! Rebuilding of input columns from row vectors, where there is no input to copy them from.

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

impl InputColumn {
    /// It as a field that may be null; `None` if Arrow cannot parse its type.
    pub(super) fn field(&self) -> Option<Field> {
        Some(Field::new(&self.column, self.data_type.data_type().ok()?, true))
    }

    /// The type of the column called `name`; `None` if there is none, or Arrow cannot parse its type.
    pub(crate) fn top_type_of(columns: &[Self], name: &str) -> Option<DataType> {
        columns.iter().find(|column| column.column == name)?.data_type.data_type().ok()
    }
}

/// An Arrow data type in its stored form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ColumnType {
    /// As Arrow's text.
    Text(String),
    /// As a tree, where the text does not parse to the same type: field names may hold any characters.
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
    /// The Arrow type.
    ///
    /// # Errors
    /// If Arrow cannot parse the text.
    fn data_type(&self) -> Result<DataType, ArrowError> {
        match self {
            Self::Text(text) => parse_type::parse(text),
            Self::Tree(data_type) => Ok(data_type.clone()),
        }
    }
}

/// Rebuilds an input's columns from rows: the learned, the given and the constant ones. Other fields of their structs
/// become null.
#[derive(Debug, Clone)]
pub(crate) struct ColumnRebuilder {
    schema: SchemaRef,
    columns: Vec<RebuiltPart>,
}

/// Makes the column of a feature, of a type.
type ReadFeature<'a> = &'a dyn Fn(usize, &DataType) -> Result<ArrayRef, ArrowError>;

#[derive(Debug, Clone)]
enum RebuiltPart {
    Feature(usize, DataType),
    Constant(String, DataType),
    Null(DataType),
    Struct(Fields, Vec<RebuiltPart>),
}

impl InputColumn {
    /// The type of a column, or of the leaf of a struct column, among these.
    pub(crate) fn type_of(all: &[Self], column: &Column) -> Option<DataType> {
        let top = all.iter().find(|it| it.column == column.top())?;
        let schema = Schema::new(vec![Field::new(column.top(), top.data_type.data_type().ok()?, true)]);
        column.data_type(&schema).cloned()
    }

    /// The columns of a schema.
    pub(crate) fn all(schema: &Schema) -> Vec<Self> {
        let column =
            |field: &FieldRef| Self { column: field.name().clone(), data_type: (&plain(field.data_type())).into() };
        schema.fields().iter().map(column).collect()
    }
}

/// The type with every field nullable and without field metadata.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Map(..) | DataType::RunEndEncoded(..) | DataType::Dictionary(..) => data_type.clone(),
        other => map_children(other, &mut |field| Arc::new(Field::new(field.name(), plain(field.data_type()), true))),
    }
}

impl ColumnRebuilder {
    /// Takes the columns with a learned, given or constant part, in order.
    ///
    /// # Errors
    /// If Arrow cannot parse the stored type of a learned column.
    pub(crate) fn new(features: &Features, carried: &[Carried], columns: &[InputColumn]) -> Result<Self, ArrowError> {
        let (mut fields, mut parts) = (Vec::new(), Vec::new());
        for InputColumn { column, data_type } in columns {
            let learned = features.all().any(|kind| kind.column().top() == column);
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

    /// The schema of the rebuilt columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Keeps the columns whose names satisfy `keeps`.
    pub(crate) fn retain(self, keeps: impl Fn(&str) -> bool) -> Self {
        let all = self.schema.fields().iter().cloned().zip(self.columns);
        let (fields, columns): (Vec<_>, Vec<_>) = all.filter(|(field, _)| keeps(field.name())).unzip();
        Self { schema: Arc::new(Schema::new(fields)), columns }
    }

    /// Rebuilds the columns from `rows` rows as features write them, `[rows, width]`.
    ///
    /// # Errors
    /// If a type cannot hold the values.
    pub(crate) fn read(&self, features: &Features, elements: &[f32], rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        self.read_by(&|feature, data_type| features.read(feature, elements, data_type), rows)
    }

    /// Rebuilds the columns of `rows` rows from those that `read` makes of features, each of a type.
    ///
    /// # Errors
    /// If a type cannot hold the values.
    pub(crate) fn read_by(&self, read: ReadFeature<'_>, rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        self.columns.iter().map(|part| part.read(read, rows)).collect()
    }
}

/// How a column is rebuilt, and whether any part of it is learned, given or constant.
fn part(column: &Column, data_type: &DataType, features: &Features, carried: &[Carried]) -> (RebuiltPart, bool) {
    if let Some(feature) = features.all().position(|kind| kind.column() == column) {
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
    fn read(&self, read: ReadFeature<'_>, rows: usize) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Feature(feature, data_type) => read(*feature, data_type),
            Self::Constant(text, data_type) => constant(text, data_type, rows),
            Self::Null(data_type) => Ok(new_null_array(data_type, rows)),
            Self::Struct(fields, parts) => {
                let children = parts.iter().map(|part| part.read(read, rows)).collect::<Result<_, _>>()?;
                Ok(Arc::new(StructArray::try_new(fields.clone(), children, None)?))
            }
        }
    }
}
