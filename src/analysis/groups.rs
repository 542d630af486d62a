//! Rows with the same values.

use std::collections::HashMap;

use polars::prelude::{AnyValue, Column};

use crate::error::{Error, Place, Result};
use crate::source::ParquetSource;

/// The number of each row's group, by first appearance. Rows of a group have the same values in all columns.
///
/// # Errors
/// [`Error::WrongType`] for a column of lists or structs.
#[expect(clippy::mutable_key_type, reason = "nothing changes the columns whose values are the keys")]
pub(super) fn groups(source: &ParquetSource, rows: usize, columns: &[&Column]) -> Result<Vec<usize>> {
    let mut groups = vec![0; rows];
    for column in columns {
        if column.dtype().is_nested() {
            return Err(Error::WrongType {
                place: Place::column(source.path(), column.name().as_str()),
                found: column.dtype().to_string().into(),
                expected: "a word, a number or a time, to group rows by".into(),
            });
        }
        let values = column.as_materialized_series().rechunk();
        let mut known = HashMap::<(usize, AnyValue), usize>::new();
        for (group, value) in groups.iter_mut().zip(values.iter()) {
            let next = known.len();
            *group = *known.entry((*group, value)).or_insert(next);
        }
    }
    Ok(groups)
}

/// The values of a row in these columns, as text joined by commas; a missing one is empty.
pub(super) fn group_name(columns: &[&Column], row: usize) -> String {
    let value = |column: &&Column| match column.get(row) {
        Ok(AnyValue::Null) | Err(_) => String::new(),
        Ok(value) => value.str_value().into_owned(),
    };
    columns.iter().map(value).collect::<Vec<_>>().join(", ")
}
