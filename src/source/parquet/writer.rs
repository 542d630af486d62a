//! Writes record batches to a Parquet file.
//!
//! # Memory usage
//! The encoded columns of one row group are in memory.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::writer::SerializedFileWriter;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::categories::{Categories, CategoryMerge};
use super::ordered_column::{OrderedColumnWriter, is_ordered};
use crate::error::{Error, Place, Unsupported};

/// Writes record batches to a Parquet file.
pub(crate) struct ParquetWriter<W: Write + Send> {
    backend: WriterBackend<W>,
    rows: u64,
}

enum WriterBackend<W: Write + Send> {
    /// The parquet crate's writer.
    Plain(Box<ArrowWriter<W>>),
    /// A writer that keeps the order of categories.
    Ordered(Box<OrderedWriter<W>>),
}

/// Writes row groups whose dictionaries keep the order of categories.
struct OrderedWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    max_rows: usize,
    max_bytes: usize,
    /// The categories of ordered columns, by column index.
    categories: BTreeMap<usize, Categories>,
    open: Option<EncodedRowGroup>,
}

/// The row group being written.
struct EncodedRowGroup {
    rows: usize,
    leaves: Vec<ArrowColumnWriter>,
    /// Writers of ordered columns, by leaf index; they replace those in `leaves`.
    ordered: BTreeMap<usize, OrderedColumnWriter>,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Starts a file with row groups of at most so many rows and bytes.
    pub(crate) fn create(
        to: W,
        schema: SchemaRef,
        options: ArrowWriterOptions,
        (max_rows, max_bytes): (usize, usize),
    ) -> Result<Self> {
        let writer = ArrowWriter::try_new_with_options(to, schema.clone(), options)?;
        if !schema.fields().iter().any(|field| is_ordered(field)) {
            return Ok(Self { backend: WriterBackend::Plain(Box::new(writer)), rows: 0 });
        }
        let (writer, factory) = writer.into_serialized_writer()?;
        let ordered = schema.fields().iter().enumerate().filter(|(_, field)| is_ordered(field));
        let categories = ordered.map(|(root, _)| (root, Categories::default())).collect();
        let groups =
            OrderedWriter { writer, factory, schema, max_rows: max_rows.max(1), max_bytes, categories, open: None };
        Ok(Self { backend: WriterBackend::Ordered(Box::new(groups)), rows: 0 })
    }

    /// Writes rows; `path` and `failed` are for messages.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for categories in another order than before; else `failed` converts the parquet crate's error.
    pub(crate) fn write(
        &mut self,
        batch: &RecordBatch,
        path: &Path,
        failed: impl Fn(ParquetError) -> Error,
    ) -> crate::error::Result<()> {
        self.rows += batch.num_rows() as u64;
        match &mut self.backend {
            WriterBackend::Plain(writer) => writer.write(batch).map_err(failed),
            WriterBackend::Ordered(groups) => {
                if let Some(column) = groups.merge_categories(batch).map_err(&failed)? {
                    return Err(Error::Unsupported {
                        place: Place::column(path, &column),
                        what: Unsupported::CategoryOrder,
                    });
                }
                groups.write(batch).map_err(failed)
            }
        }
    }

    /// Finishes the file; returns the sink and the number of rows.
    pub(crate) fn finish(self) -> Result<(W, u64)> {
        let to = match self.backend {
            WriterBackend::Plain(writer) => writer.into_inner()?,
            WriterBackend::Ordered(mut groups) => {
                groups.close_group()?;
                groups.writer.into_inner()?
            }
        };
        Ok((to, self.rows))
    }
}

impl<W: Write + Send> OrderedWriter<W> {
    /// Merges the categories of a batch and starts a new row group if there are new ones, since a row group's dictionary is
    /// fixed at its start. Returns the name of a column whose categories come in another order than before.
    fn merge_categories(&mut self, batch: &RecordBatch) -> Result<Option<String>> {
        let mut is_new = false;
        for (&root, categories) in &mut self.categories {
            match categories.merge(batch.column(root))? {
                CategoryMerge::Unchanged => {}
                CategoryMerge::Extended => is_new = true,
                CategoryMerge::Conflict => return Ok(Some(self.schema.field(root).name().clone())),
            }
        }
        if is_new {
            self.close_group()?;
        }
        Ok(None)
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.open_group()?,
            };
            let rows = (self.max_rows - open.rows).min(batch.num_rows() - from);
            open.write(&self.schema, &batch.slice(from, rows), &self.categories)?;
            from += rows;
            let is_full = open.rows >= self.max_rows || open.bytes() >= self.max_bytes;
            self.open = Some(open);
            if is_full {
                self.close_group()?;
            }
        }
        Ok(())
    }

    /// Starts a row group with the categories so far.
    fn open_group(&self) -> Result<EncodedRowGroup> {
        let leaves = self.factory.create_column_writers(self.writer.flushed_row_groups().len())?;
        let (descriptor, mut ordered) = (self.writer.schema_descr(), BTreeMap::new());
        for leaf in 0..descriptor.num_columns() {
            let root = descriptor.get_column_root_idx(leaf);
            if let Some(categories) = self.categories.get(&root) {
                let column = descriptor.column(leaf);
                let compression = self.writer.properties().compression(column.path());
                ordered.insert(leaf, OrderedColumnWriter::new(column, compression, categories.all())?);
            }
        }
        Ok(EncodedRowGroup { rows: 0, leaves, ordered })
    }

    /// Writes the open row group, if there is one.
    fn close_group(&mut self) -> Result<()> {
        let Some(EncodedRowGroup { leaves, mut ordered, .. }) = self.open.take() else { return Ok(()) };
        let mut group = self.writer.next_row_group()?;
        for (leaf, writer) in leaves.into_iter().enumerate() {
            match ordered.remove(&leaf) {
                Some(column) => {
                    let (bytes, close) = column.close()?;
                    group.append_column(&bytes, close)?;
                }
                None => writer.close()?.append_to_row_group(&mut group)?,
            }
        }
        group.close().map(drop)
    }
}

impl EncodedRowGroup {
    fn write(
        &mut self,
        schema: &SchemaRef,
        batch: &RecordBatch,
        categories: &BTreeMap<usize, Categories>,
    ) -> Result<()> {
        let mut leaf = 0;
        for (root, (field, array)) in schema.fields().iter().zip(batch.columns()).enumerate() {
            if let Some((column, categories)) = self.ordered.get_mut(&leaf).zip(categories.get(&root)) {
                column.write(array, categories.last_dictionary())?;
                leaf += 1;
                continue;
            }
            for column in compute_leaves(field, array)? {
                self.leaves[leaf].write(&column)?;
                leaf += 1;
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    /// Estimated bytes so far.
    fn bytes(&self) -> usize {
        let leaves = self.leaves.iter().map(ArrowColumnWriter::get_estimated_total_bytes);
        leaves.chain(self.ordered.values().map(OrderedColumnWriter::bytes)).sum()
    }
}
