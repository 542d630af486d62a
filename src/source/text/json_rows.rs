//! Lines of NDJSON as rows with the columns that a model wants. What a value is does not depend on other lines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{BufRead, Cursor};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;

use super::column_values::{ColumnValues, Line};
use super::json_line::{NestedAsText, add_value, check_object, entries};
use crate::error::{Place, Result};
use crate::source::catch_decoder_panic;
use crate::source::schema_mapping::batch_of;

/// A reader of lines.
#[derive(Debug)]
pub(crate) struct JsonRows {
    /// The columns, and the types that are wanted of them; `None` is the inferred one.
    columns: Vec<(String, Option<DataType>)>,
    indexes: HashMap<String, usize>,
}

/// Rows of some lines.
pub(crate) struct TypedRows {
    pub(crate) rows: RecordBatch,
    /// Whether each column has the wanted type: then lines that are read alone have it, too.
    pub(crate) are_as_wanted: bool,
}

impl JsonRows {
    /// A reader of columns with the types that are wanted of them.
    pub(crate) fn new(columns: Vec<(String, Option<DataType>)>) -> Self {
        let indexes = columns.iter().enumerate().map(|(n, (name, _))| (name.clone(), n)).collect();
        Self { columns, indexes }
    }

    /// Checks that a line is a JSON object; the error is a message.
    pub(crate) fn check(line: &str) -> Result<(), String> {
        check_object(line)
    }

    /// The keys and values of an object, as they are written.
    pub(crate) fn entries(line: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        entries(line)
    }

    /// Reads lines that are objects. A key that a line lacks is null, and those of other columns are left out.
    ///
    /// # Errors
    /// [`Error::Read`](crate::Error::Read) for a value that cannot be read.
    pub(crate) fn read(&self, path: &Path, lines: &[&str]) -> Result<TypedRows> {
        catch_decoder_panic(|| Place::file(path), || self.parse(path, lines))
    }

    fn parse(&self, path: &Path, lines: &[&str]) -> Result<TypedRows, ArrowError> {
        let mut columns = vec![ColumnValues::default(); self.columns.len()];
        let place = Line { path: path.into(), number: 0 };
        let mut keys = 0;
        for (key, value) in lines.iter().flat_map(|line| entries(line)) {
            if let Some(&n) = self.indexes.get(&*key) {
                add_value(&mut columns[n], value, &place, 0, &mut keys);
            }
        }
        let mut are_as_wanted = true;
        let fields = self.columns.iter().zip(&columns).map(|((name, wanted), values)| {
            let data_type = match wanted {
                Some(wanted) => values.fitting_type(wanted),
                None => values.data_type(),
            };
            are_as_wanted &= wanted.as_ref().is_none_or(|wanted| *wanted == data_type);
            Field::new(name, data_type, true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mixed = self.columns.iter().zip(&columns).filter(|(_, values)| values.is_mixed());
        let mixed: Vec<String> = mixed.map(|((name, _), _)| name.clone()).collect();
        let text = Cursor::new(lines.join("\n"));
        let text: Box<dyn BufRead> =
            if mixed.is_empty() { Box::new(text) } else { Box::new(NestedAsText::new(text, mixed)) };
        let reader = ReaderBuilder::new(schema.clone()).with_coerce_primitive(true).with_batch_size(lines.len());
        let rows = match reader.build(text)?.next() {
            Some(rows) if !self.columns.is_empty() => rows?,
            _ => batch_of(schema, Vec::new(), lines.len())?,
        };
        if rows.num_rows() != lines.len() {
            return Err(ArrowError::JsonError("a line is not one row".to_owned()));
        }
        Ok(TypedRows { rows, are_as_wanted })
    }
}
