//! The logical types that a user gives columns.

use std::sync::Arc;

use arrow::datatypes::Schema;

use super::Selection;
use super::schema_mapping::struct_fields;
use crate::config::{LogicalType, TypeOf};
use crate::error::Result;

/// The logical types of some columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnTypes(Arc<[(Selection, LogicalType)]>);

impl ColumnTypes {
    /// Parses the selections.
    ///
    /// # Errors
    /// [`Error::BadPattern`](crate::Error::BadPattern).
    pub(super) fn parse(types: &[TypeOf]) -> Result<Self> {
        let of = |of: &TypeOf| Ok((Selection::parse("types", std::slice::from_ref(&of.columns))?, of.logical_type));
        Ok(Self(types.iter().map(of).collect::<Result<_>>()?))
    }

    /// Checks that the columns are there.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`](crate::Error::UnknownColumn).
    pub(super) fn check(&self, schema: &Schema) -> Result<()> {
        let names = struct_fields(schema);
        self.0.iter().try_for_each(|(columns, _)| columns.check(names.iter().map(String::as_str)))
    }

    /// Whether no column has one.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The type of a column, or of a field of a struct column by its path: that of the last selection that matches it.
    pub(crate) fn of(&self, column: &str) -> Option<LogicalType> {
        self.0.iter().rev().find(|(columns, _)| columns.matches(column)).map(|(_, logical_type)| *logical_type)
    }
}
