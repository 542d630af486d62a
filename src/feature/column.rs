//! The path of a feature's values in a table: a column, or a field within a struct column.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray, make_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use crate::config::LogicalType;
use crate::source::ColumnTypes;

/// A column, or the leaf of a struct column: `pair.left` in messages, `["pair", "left"]` in a model file.
///
/// Columns are equal if they are at the same place, whatever they are read as.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Path", into = "Path")]
pub struct Column {
    /// The names in `path`, joined by dots.
    name: String,
    /// The top-level column, then the fields within it.
    path: Vec<String>,
    /// What its values are, if the stored type does not say it.
    logical_type: Option<LogicalType>,
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for Column {}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Path {
    Root(String),
    Leaf(Vec<String>),
    #[serde(rename_all = "snake_case")]
    Typed {
        path: Vec<String>,
        logical_type: LogicalType,
    },
}

impl TryFrom<Path> for Column {
    type Error = &'static str;

    fn try_from(path: Path) -> Result<Self, Self::Error> {
        match path {
            Path::Root(name) => Ok(Self::root(name)),
            Path::Leaf(path) if path.len() > 1 => Ok(Self { name: path.join("."), path, logical_type: None }),
            Path::Typed { path, logical_type } if !path.is_empty() => {
                Ok(Self { name: path.join("."), path, logical_type: Some(logical_type) })
            }
            Path::Typed { .. } => Err("the path of a column is empty"),
            Path::Leaf(_) => Err("the path of a leaf has a column and a field at least"),
        }
    }
}

impl From<Column> for Path {
    fn from(Column { name, path, logical_type }: Column) -> Self {
        match logical_type {
            Some(logical_type) => Self::Typed { path, logical_type },
            None if path.len() > 1 => Self::Leaf(path),
            None => Self::Root(name),
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Column {
    /// A top-level column.
    pub(crate) fn root(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { path: vec![name.clone()], name, logical_type: None }
    }

    /// The field `name` of this struct column.
    pub(super) fn field(&self, name: &str) -> Self {
        let mut path = self.path.clone();
        path.push(name.to_owned());
        Self { name: path.join("."), path, logical_type: None }
    }

    /// What its values are, if the stored type does not say it.
    pub(super) fn logical_type(&self) -> Option<LogicalType> {
        self.logical_type
    }

    /// The same column, read as the logical type that `types` gives it, or else as before.
    pub(crate) fn typed(self, types: &ColumnTypes) -> Self {
        let logical_type = types.of(&self.name).or(self.logical_type);
        Self { logical_type, ..self }
    }

    /// The type that a column of the type `stored` is read as.
    pub(crate) fn read_type(&self, stored: &DataType) -> Option<DataType> {
        self.logical_type.map_or_else(|| Some(stored.clone()), |logical_type| logical_type.read_type(stored))
    }

    /// Its values in the array of its top-level column, read as its logical type.
    pub(crate) fn read(&self, top: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let values = self.of(top)?;
        self.logical_type.map_or_else(|| Ok(values.clone()), |logical_type| logical_type.read(&values))
    }

    /// Values of the type that it is read as, in a column of the type `stored`.
    pub(crate) fn restored(&self, values: &ArrayRef, stored: &DataType) -> Result<ArrayRef, ArrowError> {
        self.logical_type.map_or_else(|| Ok(values.clone()), |logical_type| logical_type.restore(values, stored))
    }

    /// The name shown to users: the path joined by dots.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its top-level column.
    pub fn top(&self) -> &str {
        &self.path[0]
    }

    /// An array of its top-level column with these values.
    pub(crate) fn nested(&self, values: ArrayRef) -> ArrayRef {
        self.field_names().iter().rev().fold(values, |values, name| {
            let field = Arc::new(Field::new(name, values.data_type().clone(), true));
            Arc::new(StructArray::from(vec![(field, values)]))
        })
    }

    /// The names of the fields below the top-level column.
    pub(super) fn field_names(&self) -> &[String] {
        &self.path[1..]
    }

    /// Its type in `schema`, or `None` if `schema` does not have it.
    pub(crate) fn data_type<'a>(&self, schema: &'a Schema) -> Option<&'a DataType> {
        let top = schema.field_with_name(self.top()).ok()?.data_type();
        self.field_names().iter().try_fold(top, |data_type, name| match data_type {
            DataType::Struct(fields) => Some(fields.iter().find(|field| field.name() == name)?.data_type()),
            _ => None,
        })
    }

    /// Its values in the array of its top-level column; null where a parent struct is null.
    pub(crate) fn of(&self, top: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let values = self.bare(top)?;
        let Some(above) = self.nulls_above(top)? else { return Ok(values) };
        let nulls = NullBuffer::union(Some(&above), values.nulls());
        Ok(make_array(values.to_data().into_builder().nulls(nulls).build()?))
    }

    /// Its values in the array of its top-level column, whatever the nulls of its parent structs.
    pub(crate) fn bare(&self, top: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        self.field_names().iter().try_fold(top.clone(), |array, name| Ok(child(&array, name)?.clone()))
    }

    /// The nulls of its parent structs, if they have any.
    pub(crate) fn nulls_above(&self, top: &ArrayRef) -> Result<Option<NullBuffer>, ArrowError> {
        let (mut nulls, mut array) = (None, top.clone());
        for name in self.field_names() {
            nulls = NullBuffer::union(nulls.as_ref(), array.nulls());
            array = child(&array, name)?.clone();
        }
        Ok(nulls)
    }

    /// Every column of `schema` in order, with each struct replaced by its leaves.
    pub(crate) fn leaves(schema: &Schema) -> Vec<(Self, FieldRef)> {
        fn walk(column: Column, field: &FieldRef, leaves: &mut Vec<(Column, FieldRef)>) {
            match field.data_type() {
                DataType::Struct(fields) if !fields.is_empty() => {
                    fields.iter().for_each(|inner| walk(column.field(inner.name()), inner, leaves));
                }
                _ => leaves.push((column, field.clone())),
            }
        }
        let mut leaves = Vec::new();
        schema.fields().iter().for_each(|field| walk(Self::root(field.name()), field, &mut leaves));
        leaves
    }
}

/// The field `name` of a struct array.
fn child<'a>(array: &'a ArrayRef, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    let child = array.as_struct_opt().and_then(|parent| parent.column_by_name(name));
    child.ok_or_else(|| ArrowError::SchemaError(format!("a struct without the field {name:?}")))
}

/// The distinct top-level columns of some columns, and the index of each column's own among them.
pub(crate) fn top_columns<'a>(columns: impl Iterator<Item = &'a Column>) -> (Vec<String>, Vec<usize>) {
    let mut tops = Vec::<String>::new();
    let mut known = std::collections::HashMap::new();
    let index = |column: &'a Column| {
        *known.entry(column.top()).or_insert_with(|| {
            tops.push(column.top().to_owned());
            tops.len() - 1
        })
    };
    let indices = columns.map(index).collect();
    (tops, indices)
}

/// Columns that a thread reads at once. Readers of hundreds of columns would hold too many pages in memory; fewer than
/// this would not fill a cache line of a row.
pub(crate) const COLUMNS_PER_BLOCK: usize = 16;

/// Splits columns into blocks of `length`. A block is longer where the split would separate leaves of one struct.
pub(crate) fn split_columns<'a>(columns: impl Iterator<Item = &'a Column>, length: usize) -> Vec<Range<usize>> {
    let columns: Vec<&Column> = columns.collect();
    let (mut blocks, mut start) = (Vec::new(), 0);
    for end in 1..=columns.len() {
        let ends = columns.get(end).is_none_or(|next| end - start >= length && next.top() != columns[end - 1].top());
        if ends {
            blocks.push(start..end);
            start = end;
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanBufferBuilder, Int32Array, StructArray};
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn a_leaf_is_null_where_a_parent_struct_is() {
        let leaf: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4)]));
        let mut valid = BooleanBufferBuilder::new(4);
        valid.append_slice(&[true, true, false, true]);
        let field = Arc::new(Field::new("left", DataType::Int32, true));
        let pair = StructArray::new(vec![field].into(), vec![leaf], Some(NullBuffer::new(valid.finish())));
        let pair: ArrayRef = Arc::new(pair);
        let column = Column::root("pair").field("left");
        let found = |array: &ArrayRef| column.of(array).unwrap().as_primitive::<arrow::datatypes::Int32Type>().clone();
        assert_eq!(found(&pair), Int32Array::from(vec![Some(1), None, None, Some(4)]));
        assert_eq!(found(&pair.slice(1, 3)), Int32Array::from(vec![None, None, Some(4)]));
        let schema = Schema::new(vec![Field::new("pair", pair.data_type().clone(), true)]);
        assert_eq!(column.data_type(&schema), Some(&DataType::Int32));
        assert_eq!(Column::leaves(&schema), [(column.clone(), Arc::new(Field::new("left", DataType::Int32, true)))]);
        assert!(Column::root("pair").field("right").of(&pair).is_err());
    }

    #[test]
    fn a_model_keeps_the_path_of_a_leaf() {
        let written = |column: &Column| serde_json::to_value(column).unwrap();
        let (root, leaf) = (Column::root("a.b"), Column::root("a").field("b"));
        assert_eq!((written(&root), written(&leaf)), ("a.b".into(), vec!["a", "b"].into()));
        for column in [root, leaf] {
            assert_eq!(serde_json::from_value::<Column>(written(&column)).unwrap(), column);
        }
        assert!(serde_json::from_str::<Column>("[]").is_err() && serde_json::from_str::<Column>("[\"a\"]").is_err());
    }

    #[test]
    fn a_column_is_read_once_for_all_its_leaves() {
        let [a, b] = ["a", "b"].map(Column::root);
        let columns = [a.field("x"), b, a.field("y")];
        assert_eq!(top_columns(columns.iter()), (vec!["a".to_owned(), "b".to_owned()], vec![0, 1, 0]));
    }

    #[test]
    fn a_struct_is_not_split() {
        let [a, b] = ["a", "b"].map(Column::root);
        let columns = [a.clone(), b.field("x"), b.field("y"), b.field("z"), a];
        assert_eq!(split_columns(columns.iter(), 2), [0..4, 4..5]);
        assert_eq!(split_columns(columns.iter(), 1), [0..1, 1..4, 4..5]);
        assert!(split_columns([].into_iter(), 3).is_empty());
    }
}
