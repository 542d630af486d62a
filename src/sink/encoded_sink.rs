//! Output of carried and new columns to a file that is not Parquet: the carried columns are decoded and encoded again.
//!
//! Dictionaries are written as plain values, since an IPC file holds one dictionary per column and a Parquet file one
//! per row group.
//!
//! # Memory usage
//! One batch of all columns.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;

use super::{Destination, Medium, NewColumns, OutputColumn, RowWriter, Sink, Splice, cast_to_schema, output_schema};
use crate::config::Encoding;
use crate::error::{Error, Place, Result};
use crate::pipeline::Stop;
use crate::source::{Batches, ParquetSource, split_by_encoded_size};
use crate::storage::Target;

/// A sink that writes Arrow IPC or text.
pub(crate) struct EncodedSink {
    columns: Vec<OutputColumn>,
    carried: Batches,
    source: ParquetSource,
    /// Carried rows read but not yet written.
    rest: Option<RecordBatch>,
    writer: RowWriter,
    stop: Stop,
}

impl EncodedSink {
    /// Opens the output's temporary file; the carried columns are read `batch_rows` rows at a time.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created, [`Error::Unsupported`] for carried columns with equal names.
    pub(crate) fn create(
        source: &ParquetSource,
        splice: &Splice<'_>,
        (target, medium): (Target, Medium),
        batch_rows: usize,
        stop: Stop,
    ) -> Result<Self> {
        let from = source.schema();
        let field = |column: &OutputColumn| match *column {
            OutputColumn::Carried(root) => from.fields()[root].clone(),
            OutputColumn::New(root) => splice.new.fields()[root].clone(),
        };
        let fields = splice.columns.iter().map(field).collect::<Vec<_>>();
        let added = splice.new.fields().iter().filter(|field| from.field_with_name(field.name()).is_err()).cloned();
        let added = Schema::new(added.collect::<Vec<_>>());
        let schema = output_schema(&from, &fields, &added, splice.metadata, medium);
        let carried = splice.columns.iter().filter_map(|column| match *column {
            OutputColumn::Carried(root) => Some(from.fields()[root].name().clone()),
            OutputColumn::New(_) => None,
        });
        let carried = carried.collect::<Vec<_>>();
        if carried.iter().enumerate().any(|(n, name)| carried[..n].contains(name)) {
            let what = "two columns of one name in an output that is not Parquet";
            return Err(Error::Unsupported { place: Place::file(source.path()), what });
        }
        let batches = source.scan(&carried, batch_rows).map(|batch| batch.map(|(_, batch)| batch));
        let writer = RowWriter::create(Destination::File(target), schema, &[], &Encoding::default())?;
        Ok(Self {
            columns: splice.columns.clone(),
            carried: Box::new(split_by_encoded_size(batches)),
            source: source.clone(),
            rest: None,
            writer,
            stop,
        })
    }

    /// The next rows of the carried columns, at most `rows`, within one batch of the input.
    fn carried(&mut self, rows: usize) -> Result<RecordBatch> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => self.carried.next().transpose()?.ok_or_else(|| Error::Damaged {
                place: Place::file(self.source.path()),
                what: "the carried columns have fewer rows than the learned ones".to_owned(),
            })?,
        };
        if batch.num_rows() > rows {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        Ok(batch.slice(0, rows.min(batch.num_rows())))
    }

    /// Combines carried and new columns of the same rows, in the output's order.
    fn assemble(&self, carried: &RecordBatch, new: &RecordBatch) -> Result<RecordBatch> {
        let mut carried = carried.columns().iter();
        let mut next = |column: &OutputColumn| match *column {
            OutputColumn::Carried(_) => carried.next().expect("one array for each carried column, in order").clone(),
            OutputColumn::New(root) => new.column(root).clone(),
        };
        let arrays: Vec<ArrayRef> = self.columns.iter().map(&mut next).collect();
        cast_to_schema(self.writer.schema(), arrays, new.num_rows(), self.source.path())
    }
}

impl Sink for EncodedSink {
    fn write(mut self: Box<Self>, columns: &mut dyn Iterator<Item = Result<NewColumns>>) -> Result<()> {
        for new in columns {
            let NewColumns { batch: new, .. } = new?;
            let mut written = 0;
            while written < new.num_rows() {
                self.stop.check()?;
                let carried = self.carried(new.num_rows() - written)?;
                let rows = self.assemble(&carried, &new.slice(written, carried.num_rows()))?;
                self.writer.write(&rows)?;
                written += rows.num_rows();
            }
        }
        self.writer.finish()
    }
}
