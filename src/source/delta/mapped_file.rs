//! A file of a Delta table whose columns differ from those of the table: other names, fewer columns, other types.

use std::sync::Arc;

use ::parquet::arrow::parquet_to_arrow_schema;
use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::column_mapping::{LoggedColumns, plain};
use crate::error::{Place, Result};
use crate::source::conform::conform;
use crate::source::inputs::PartitionColumns;
use crate::source::{Batches, ParquetFile, ParquetSource, batch_of, catch_decoder_panic};

/// A file that is read as the columns of its table.
#[derive(Clone)]
pub(crate) struct MappedFile {
    file: ParquetFile,
    columns: Arc<LoggedColumns>,
    /// The file's own fields, with their numbers.
    stored: Fields,
    /// Those that are not in the path of the file.
    partition: PartitionColumns,
    /// The columns of the table.
    schema: SchemaRef,
}

impl MappedFile {
    pub(super) fn new(file: ParquetFile, columns: Arc<LoggedColumns>, partition: PartitionColumns) -> Result<Self> {
        let descriptor = file.metadata().file_metadata().schema_descr();
        let stored = catch_decoder_panic(|| Place::file(&file.path), || parquet_to_arrow_schema(descriptor, None))?;
        let fields: Vec<FieldRef> =
            columns.columns.iter().map(plain).chain(partition.fields().iter().cloned()).collect();
        let (stored, schema) = (stored.fields().clone(), Arc::new(Schema::new(fields)));
        Ok(Self { file, columns, stored, partition, schema })
    }

    /// The columns of the table.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Number of rows that are not deleted.
    pub(crate) fn rows(&self) -> u64 {
        self.file.rows()
    }

    /// Reads those of `columns` that the table has, at most `batch_rows` rows at a time.
    ///
    /// # Errors
    /// As [`ParquetSource::read`].
    pub(crate) fn batches(&self, columns: &[String], batch_rows: usize) -> Result<Batches> {
        let places: Vec<usize> = columns.iter().filter_map(|column| self.schema.index_of(column).ok()).collect();
        let own = self.file.schema().clone();
        let root = |&place: &usize| self.columns.find(self.columns.columns.get(place)?, &self.stored);
        let roots: Vec<Option<usize>> = places.iter().map(root).collect();
        let names: Vec<String> = roots.iter().flatten().map(|&root| own.field(root).name().clone()).collect();
        let schema =
            Arc::new(Schema::new(places.iter().map(|&place| self.schema.fields()[place].clone()).collect::<Vec<_>>()));
        let scan = ParquetSource::from_files(vec![self.file.clone()])?.scan(&names, batch_rows);
        let this = self.clone();
        Ok(Box::new(scan.map(move |batch| {
            let (_, batch) = batch?;
            catch_decoder_panic(
                || Place::file(&this.file.path),
                || {
                    let mut next = batch.columns().iter();
                    let column = |(&place, root): (&usize, &Option<usize>)| {
                        let array = root.and_then(|root| Some((root, next.next()?)));
                        this.column(place, array, batch.num_rows())
                    };
                    let arrays = places.iter().zip(&roots).map(column).collect::<Result<Vec<_>, _>>()?;
                    batch_of(schema.clone(), arrays, batch.num_rows())
                },
            )
        })))
    }

    /// A column of the table, of what the file stores of it.
    fn column(&self, place: usize, stored: Option<(usize, &ArrayRef)>, rows: usize) -> Result<ArrayRef, ArrowError> {
        let wanted = self.schema.field(place);
        match (stored, self.columns.columns.get(place)) {
            (Some((root, array)), Some(logged)) => {
                conform(&self.columns.renamed(array, &self.stored[root], logged)?, wanted)
            }
            (None, Some(_)) => Ok(new_null_array(wanted.data_type(), rows)),
            (_, None) => self.partition.array(place - self.columns.columns.len(), rows),
        }
    }
}
