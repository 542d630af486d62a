//! The columns of a table in one of its files: found by name, read as the table's types, and null where the file has none.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{Schema, SchemaRef};

use super::ParquetFile;
use crate::error::{Error, Place, Result};
use crate::source::conform::conform;
use crate::source::{batch_of, catch_decoder_panic, near_names};

/// How the columns of a table are found in one of its files.
#[derive(Debug, Clone)]
pub(super) struct FileColumns {
    pub(super) schema: SchemaRef,
    /// The index of each in the file.
    in_file: Arc<[Option<usize>]>,
}

impl FileColumns {
    pub(super) fn new(table: &SchemaRef, file: &Schema) -> Self {
        let in_file = table.fields().iter().map(|field| file.index_of(field.name()).ok()).collect();
        Self { schema: table.clone(), in_file }
    }

    /// The same columns with other types.
    pub(super) fn with_columns(&self, columns: Schema) -> Self {
        Self { schema: columns.into(), in_file: self.in_file.clone() }
    }
}

impl ParquetFile {
    /// The indexes of columns among [`columns`](Self::columns).
    pub(crate) fn column_indexes(&self, columns: &[String]) -> Result<Vec<usize>> {
        let schema = self.columns();
        columns
            .iter()
            .map(|column| {
                schema.index_of(column).map_err(|_| Error::MissingFeature {
                    path: self.path.clone(),
                    column: column.clone(),
                    near: near_names(column, schema.fields().iter().map(|field| field.name().as_str())),
                })
            })
            .collect()
    }

    /// The indexes of those that the file stores, among the file's own columns.
    pub(crate) fn roots_of(&self, columns: &[usize]) -> Vec<usize> {
        let stored = |&column: &usize| self.in_file(column).filter(|&root| root < self.own_columns());
        columns.iter().filter_map(stored).collect()
    }

    /// The index of a column in the file: partition columns come after its own. `None` if it has no such column.
    fn in_file(&self, column: usize) -> Option<usize> {
        self.table.as_ref().map_or(Some(column), |table| table.in_file[column])
    }

    /// Makes `columns` of a batch of the roots that the file stores of them, in file order: partition columns are added, and
    /// those that the file lacks are null.
    pub(crate) fn assemble(&self, batch: RecordBatch, columns: &[usize], row_group: usize) -> Result<RecordBatch> {
        let mut in_file_order = self.roots_of(columns);
        in_file_order.sort_unstable();
        in_file_order.dedup();
        catch_decoder_panic(
            || Place::row_group(&self.path, row_group),
            || {
                let batch = match &self.scratch {
                    Some(scratch) => scratch.restore(&batch, &in_file_order)?,
                    None => batch,
                };
                let (schema, rows) = (batch.schema(), batch.num_rows());
                let (mut fields, mut arrays) = (Vec::new(), Vec::new());
                for &column in columns {
                    let in_file = self.in_file(column);
                    // Finds every own column; partition columns are missing.
                    let place = in_file.and_then(|root| in_file_order.binary_search(&root).ok());
                    let own = place.map(|place| (schema.fields()[place].clone(), batch.column(place).clone()));
                    let added = || {
                        let (added, column) = (&self.partition_columns, in_file? - self.own_columns());
                        Some(added.array(column, rows).map(|array| (added.fields()[column].clone(), array)))
                    };
                    let found = own.map(Ok).or_else(added).transpose()?;
                    let (field, array) = match (found, self.table.as_ref().map(|table| table.schema.field(column))) {
                        (Some((_, array)), Some(wanted)) => (wanted.clone().into(), conform(&array, wanted)?),
                        (Some(found), None) => found,
                        (None, _) => {
                            let wanted = self.columns().fields()[column].clone();
                            let array = new_null_array(wanted.data_type(), rows);
                            (wanted, array)
                        }
                    };
                    fields.push(field);
                    arrays.push(array);
                }
                let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
                batch_of(schema.into(), arrays, rows)
            },
        )
    }

    /// Number of the file's own columns.
    fn own_columns(&self) -> usize {
        self.schema().fields().len()
    }
}
