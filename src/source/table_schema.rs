//! The columns of many files as those of one table: the union by name, each with the type that holds the values of all files.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};

use super::column_types::ColumnTypes;
use super::common_type::{common_field, common_type, list_item, nullable};
use super::schema_mapping::{map_fields, with_type};
use crate::error::{Error, Place, Result, TypesDiffer, Unsupported};

/// The columns of a table.
#[derive(Debug, Clone)]
pub(crate) struct TableSchema {
    schema: SchemaRef,
    /// Columns whose types do not meet.
    conflicts: Arc<Vec<TypeConflict>>,
    /// Columns of which a file has two of one name, each with the file.
    repeated: Arc<Vec<(String, PathBuf)>>,
    differences: Arc<Vec<FileDifference>>,
    /// What the values of columns are, where their types do not say it.
    types: ColumnTypes,
}

/// A column whose types in two files do not meet.
#[derive(Debug)]
struct TypeConflict {
    column: String,
    first: (PathBuf, DataType),
    other: (PathBuf, DataType),
}

/// What differs between files, in words.
#[derive(Debug)]
enum FileDifference {
    /// The values of all are kept.
    Harmless(String),
    /// Long numbers are rounded.
    Rounds(String),
}

/// A file of a table.
pub(super) struct TableFile<'a> {
    pub(super) path: &'a Path,
    /// Its columns.
    pub(super) columns: SchemaRef,
    /// How many of the last ones are in its path.
    pub(super) partition_columns: usize,
}

/// A column that is being put together.
struct UnionColumn {
    field: FieldRef,
    in_path: bool,
    /// Files that have it.
    files: usize,
    /// Its types, each with the first file of it.
    types: Vec<(DataType, PathBuf)>,
    conflict: Option<(PathBuf, DataType)>,
}

impl TableSchema {
    /// The union of the columns of files: those of the first in their order, then those that later ones add, then those of
    /// paths. A column that a file lacks is null there.
    pub(super) fn of<'a>(files: impl Iterator<Item = TableFile<'a>>) -> Self {
        let (mut columns, mut places) = (Vec::<UnionColumn>::new(), HashMap::<String, usize>::new());
        let (mut count, mut metadata, mut last, mut repeated) = (0, None, None::<SchemaRef>, Vec::new());
        for TableFile { path, columns: schema, partition_columns } in files {
            count += 1;
            metadata.get_or_insert_with(|| schema.metadata().clone());
            // Most files of a table have the same columns.
            if last.as_ref() == Some(&schema) {
                schema.fields().iter().for_each(|field| columns[places[field.name()]].files += 1);
                continue;
            }
            let own = schema.fields().len() - partition_columns;
            let mut names = HashSet::new();
            for (n, field) in schema.fields().iter().enumerate() {
                let is_new = names.insert(field.name().as_str());
                if !is_new {
                    repeated.push((field.name().clone(), path.to_owned()));
                }
                match places.get(field.name()) {
                    Some(&place) if count > 1 && is_new => columns[place].add(field, path, n >= own),
                    Some(_) if count > 1 => {}
                    // A single file is copied with both columns of one name.
                    _ => {
                        places.insert(field.name().clone(), columns.len());
                        columns.push(UnionColumn::new(field, path, n >= own));
                    }
                }
            }
            last = Some(schema);
        }
        columns.sort_by_key(|column| column.in_path);
        let differences = columns.iter().flat_map(|column| column.differences(count)).collect();
        let fields = columns.iter().map(|it| if it.files < count { nullable(&it.field) } else { it.field.clone() });
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata.unwrap_or_default());
        let conflicts = columns.into_iter().filter_map(UnionColumn::into_conflict).collect();
        let (conflicts, repeated, differences) = (Arc::new(conflicts), Arc::new(repeated), Arc::new(differences));
        Self { schema: Arc::new(schema), conflicts, repeated, differences, types: ColumnTypes::default() }
    }

    /// The columns.
    pub(crate) fn columns(&self) -> &SchemaRef {
        &self.schema
    }

    /// The logical types of columns.
    pub(crate) fn types(&self) -> &ColumnTypes {
        &self.types
    }

    /// The same table, whose columns have logical types.
    pub(super) fn with_logical_types(self, types: ColumnTypes) -> Self {
        Self { types, ..self }
    }

    /// Says what differs between files.
    pub(super) fn tell(&self) {
        for difference in self.differences.iter() {
            match difference {
                FileDifference::Harmless(words) => tracing::info!("{words}"),
                FileDifference::Rounds(words) => tracing::warn!("{words}"),
            }
        }
    }

    /// Some of the columns.
    pub(super) fn project(&self, columns: &[String]) -> SchemaRef {
        let fields = columns.iter().filter_map(|column| self.schema.field_with_name(column).ok().cloned());
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The same table, whose types without values, and structs without some fields, are those that are `wanted`.
    pub(super) fn with_wanted(&self, wanted: impl Fn(&str) -> Option<DataType>) -> Self {
        let field = |field: &FieldRef| {
            let wanted = wanted(field.name()).filter(|wanted| lacks(field.data_type(), wanted));
            match wanted.and_then(|wanted| common_type(field.data_type(), &wanted)) {
                Some(common) => with_type(&nullable(field), common),
                None => field.clone(),
            }
        };
        self.with_columns(map_fields(&self.schema, field))
    }

    /// The same table with columns of other types.
    pub(super) fn with_columns(&self, columns: Schema) -> Self {
        Self { schema: Arc::new(columns), ..self.clone() }
    }

    /// Checks, before a column is read, that it is the only one of its name and that its types meet.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the file that has two, and [`Error::TypesDiffer`] with both files and types.
    pub(crate) fn check(&self, column: &str) -> Result<()> {
        if let Some((_, path)) = self.repeated.iter().find(|(name, _)| name == column) {
            return Err(Error::Unsupported { place: Place::column(path, column), what: Unsupported::SameName });
        }
        let Some(conflict) = self.conflicts.iter().find(|conflict| conflict.column == column) else { return Ok(()) };
        let TypeConflict { column, first: (first, expected), other: (path, found) } = conflict;
        let (place, expected) = (Place::column(path, column), format!("{expected} in {}", first.display()));
        Err(Box::new(TypesDiffer { place, found: found.to_string(), expected }).into())
    }
}

impl UnionColumn {
    fn new(field: &FieldRef, path: &Path, in_path: bool) -> Self {
        let types = vec![(field.data_type().clone(), path.to_owned())];
        Self { field: field.clone(), in_path, files: 1, types, conflict: None }
    }

    /// Adds the column of another file.
    fn add(&mut self, field: &FieldRef, path: &Path, in_path: bool) {
        self.files += 1;
        self.in_path &= in_path;
        if self.types.iter().all(|(known, _)| known != field.data_type()) {
            self.types.push((field.data_type().clone(), path.to_owned()));
        }
        if field.data_type() == self.field.data_type() {
            if field.is_nullable() {
                self.field = nullable(&self.field);
            }
            return;
        }
        match common_field(&self.field, field) {
            Some(common) => self.field = common,
            None => self.conflict = Some(self.conflict.take().unwrap_or((path.to_owned(), field.data_type().clone()))),
        }
    }

    /// How its `files` differ in it, in words.
    fn differences(&self, files: usize) -> Vec<FileDifference> {
        let Self { field, files: having, types, conflict, .. } = self;
        let (name, common) = (field.name(), field.data_type());
        let missing = (*having < files).then(|| {
            let missing = files - having;
            FileDifference::Harmless(format!(
                "column {name:?} is missing in {missing} of {files} files, and null there"
            ))
        });
        let widened = (types.len() > 1 && conflict.is_none()).then(|| {
            let rounded = types.iter().find(|(own, _)| rounds(own, common));
            let other = |(own, _): &&(DataType, PathBuf)| rounded.is_some_and(|(rounded, _)| own != rounded);
            let Some(((own, path), (other, beside))) = rounded.zip(types.iter().find(other)) else {
                let words = format!("column {name:?} is read as {common}, since the files store it with different types");
                return FileDifference::Harmless(words);
            };
            FileDifference::Rounds(format!(
                "column {name:?} is {own} in {} and {other} in {}: it is read as {common}, and numbers of more than 15 digits may be rounded",
                path.display(),
                beside.display()
            ))
        });
        missing.into_iter().chain(widened).collect()
    }

    fn into_conflict(self) -> Option<TypeConflict> {
        let other = self.conflict?;
        let path = self.types.into_iter().next().map(|(_, path)| path).unwrap_or_default();
        let first = (path, self.field.data_type().clone());
        Some(TypeConflict { column: self.field.name().clone(), first, other })
    }
}

/// Whether a double of the `common` type stands for integers or decimals that may have more digits than it holds.
fn rounds(data_type: &DataType, common: &DataType) -> bool {
    use DataType as T;
    match (data_type, common) {
        (T::Int64 | T::UInt64, T::Float64) => true,
        (T::Decimal64(digits, _) | T::Decimal128(digits, _) | T::Decimal256(digits, _), T::Float64) => *digits > 15,
        (T::Dictionary(_, values), T::Float64) => rounds(values, common),
        (T::Struct(fields), T::Struct(common)) => fields.iter().any(|field| {
            common.find(field.name()).is_some_and(|(_, common)| rounds(field.data_type(), common.data_type()))
        }),
        (T::Map(entries, _), T::Map(common, _)) => rounds(entries.data_type(), common.data_type()),
        (data_type, common) => match (list_item(data_type), list_item(common)) {
            (Some(item), Some(common)) => rounds(item.data_type(), common.data_type()),
            _ => false,
        },
    }
}

/// Whether a type has null where the `wanted` one has values, or lacks a field of it.
fn lacks(data_type: &DataType, wanted: &DataType) -> bool {
    match (data_type, wanted) {
        (DataType::Null, wanted) => *wanted != DataType::Null,
        (DataType::Struct(fields), DataType::Struct(wanted)) => {
            wanted.iter().any(|wanted| match fields.find(wanted.name()) {
                Some((_, field)) => lacks(field.data_type(), wanted.data_type()),
                None => true,
            })
        }
        (data_type, wanted) => match (list_item(data_type), list_item(wanted)) {
            (Some(item), Some(wanted)) => lacks(item.data_type(), wanted.data_type()),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    fn union(files: &[&[(&str, DataType)]]) -> TableSchema {
        let schemas = files.iter().map(|fields| {
            let fields = fields.iter().map(|(name, of)| Field::new(*name, of.clone(), false)).collect::<Vec<_>>();
            TableFile { path: Path::new("file"), columns: Arc::new(Schema::new(fields)), partition_columns: 1 }
        });
        TableSchema::of(schemas)
    }

    #[test]
    fn columns_are_the_union_by_name_and_those_of_the_path_are_last() {
        use DataType::{Float64, Int8, Int16, Utf8};
        let table = union(&[
            &[("x", Int8), ("y", Utf8), ("key", Int16)],
            &[("y", Utf8), ("x", Float64), ("z", Int8), ("key", Int16)],
            &[("y", Utf8), ("x", Float64), ("z", Int8), ("key", Int16)],
        ]);
        let found: Vec<(&str, &DataType, bool)> =
            table.columns().fields().iter().map(|it| (it.name().as_str(), it.data_type(), it.is_nullable())).collect();
        assert_eq!(found, [("x", &Float64, false), ("y", &Utf8, false), ("z", &Int8, true), ("key", &Int16, false)]);
        assert!(table.check("x").is_ok());
    }

    #[test]
    fn types_that_do_not_meet_are_an_error_once_the_column_is_read() {
        let table =
            union(&[&[("x", DataType::Int8), ("k", DataType::Utf8)], &[("x", DataType::Utf8), ("k", DataType::Utf8)]]);
        let error = table.check("x").unwrap_err().to_string();
        assert!(error.contains("is Utf8, but Int8 in file"), "{error}");
        assert!(table.check("k").is_ok());
    }
}
