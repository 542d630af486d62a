//! Batches to a Parquet file.
//!
//! # Memory usage
//! The encoded columns of one row group.

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

use super::categories::{Categories, NewCategories};
use super::ordered_categories::{OrderedColumn, is_ordered};
use crate::error::{Error, Place};

/// Writes batches to a Parquet file.
pub(crate) struct ParquetWriter<W: Write + Send> {
    form: Writing<W>,
    rows: u64,
}

enum Writing<W: Write + Send> {
    /// The library's own writer.
    Plain(Box<ArrowWriter<W>>),
    /// One that keeps the order of categories.
    Ordered(Box<RowGroups<W>>),
}

/// Writes row groups.
struct RowGroups<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    /// Rows and bytes of a row group, at most.
    most: (usize, usize),
    /// Those of the columns of these numbers.
    categories: BTreeMap<usize, Categories>,
    open: Option<EncodedRowGroup>,
}

/// A row group, being written.
struct EncodedRowGroup {
    rows: usize,
    leaves: Vec<ArrowColumnWriter>,
    /// In the place of the leaves of these numbers.
    ordered: BTreeMap<usize, OrderedColumn>,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Begins a file of batches of `schema`, with row groups of so many rows and bytes at most.
    pub(crate) fn create(
        to: W,
        schema: SchemaRef,
        options: ArrowWriterOptions,
        (rows, bytes): (usize, usize),
    ) -> Result<Self> {
        let writer = ArrowWriter::try_new_with_options(to, schema.clone(), options)?;
        if !schema.fields().iter().any(|field| is_ordered(field)) {
            return Ok(Self { form: Writing::Plain(Box::new(writer)), rows: 0 });
        }
        let (writer, factory) = writer.into_serialized_writer()?;
        let ordered = schema.fields().iter().enumerate().filter(|(_, field)| is_ordered(field));
        let categories = ordered.map(|(root, _)| (root, Categories::default())).collect();
        let groups = RowGroups { writer, factory, schema, most: (rows.max(1), bytes), categories, open: None };
        Ok(Self { form: Writing::Ordered(Box::new(groups)), rows: 0 })
    }

    /// Writes rows; `path` and `failed` are for messages.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for categories in another order than before; else what `failed` makes of the library's.
    pub(crate) fn write(
        &mut self,
        batch: &RecordBatch,
        path: &Path,
        failed: impl Fn(ParquetError) -> Error,
    ) -> crate::error::Result<()> {
        self.rows += batch.num_rows() as u64;
        match &mut self.form {
            Writing::Plain(writer) => writer.write(batch).map_err(failed),
            Writing::Ordered(groups) => {
                if let Some(column) = groups.add_categories(batch).map_err(&failed)? {
                    let what =
                        "an order of categories that differs from that of earlier rows (cast the column to string)";
                    return Err(Error::Unsupported { place: Place::column(path, &column), what });
                }
                groups.write(batch).map_err(failed)
            }
        }
    }

    /// Ends the file; its rows.
    pub(crate) fn finish(self) -> Result<(W, u64)> {
        let to = match self.form {
            Writing::Plain(writer) => writer.into_inner()?,
            Writing::Ordered(mut groups) => {
                groups.close_group()?;
                groups.writer.into_inner()?
            }
        };
        Ok((to, self.rows))
    }
}

impl<W: Write + Send> RowGroups<W> {
    /// Takes in the categories of a batch. A row group has those that are known when it begins, so that new ones begin
    /// another. The name of the column whose categories are in another order than before, if there is one.
    fn add_categories(&mut self, batch: &RecordBatch) -> Result<Option<String>> {
        let mut is_new = false;
        for (&root, categories) in &mut self.categories {
            match categories.add(batch.column(root))? {
                NewCategories::Nothing => {}
                NewCategories::Some => is_new = true,
                NewCategories::Contradiction => return Ok(Some(self.schema.field(root).name().clone())),
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
            let rows = (self.most.0 - open.rows).min(batch.num_rows() - from);
            open.write(&self.schema, &batch.slice(from, rows), &self.categories)?;
            from += rows;
            let is_full = open.rows >= self.most.0 || open.bytes() >= self.most.1;
            self.open = Some(open);
            if is_full {
                self.close_group()?;
            }
        }
        Ok(())
    }

    /// Begins a row group of the categories so far.
    fn open_group(&self) -> Result<EncodedRowGroup> {
        let leaves = self.factory.create_column_writers(self.writer.flushed_row_groups().len())?;
        let (descriptor, mut ordered) = (self.writer.schema_descr(), BTreeMap::new());
        for leaf in 0..descriptor.num_columns() {
            let root = descriptor.get_column_root_idx(leaf);
            if let Some(categories) = self.categories.get(&root) {
                let column = descriptor.column(leaf);
                let compression = self.writer.properties().compression(column.path());
                ordered.insert(leaf, OrderedColumn::new(column, compression, categories.all())?);
            }
        }
        Ok(EncodedRowGroup { rows: 0, leaves, ordered })
    }

    /// Writes the row group that is open, if there is one.
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
                column.write(array, categories.last())?;
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

    /// Bytes that it has so far.
    fn bytes(&self) -> usize {
        let leaves = self.leaves.iter().map(ArrowColumnWriter::get_estimated_total_bytes);
        leaves.chain(self.ordered.values().map(OrderedColumn::bytes)).sum()
    }
}
