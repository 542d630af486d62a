//! Rows to an Arrow IPC file: the general path, which decodes the carried columns and writes them beside the new ones.
//!
//! A dictionary is written as the values it stands for, since a file of this format holds one dictionary a column, and
//! Parquet files one a row group.
//!
//! # Memory usage
//! One batch of all columns.

use std::io::BufWriter;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;

use super::{Column, NewColumns, Sink, Splice, Target, Temporary};
use crate::error::{Error, Place, Result};
use crate::source::{ParquetSource, Scan, Whole};
use crate::stop::Stop;

/// Writes an Arrow IPC file.
pub(crate) struct IpcSink {
    columns: Vec<Column>,
    schema: SchemaRef,
    carried: Scan,
    source: ParquetSource,
    /// Rows read and not yet written.
    rest: Option<RecordBatch>,
    writer: FileWriter<BufWriter<Temporary>>,
    target: Target,
    stop: Stop,
}

impl IpcSink {
    /// Opens the output's temporary file; the carried columns are read `batch_rows` rows at a time.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created, [`Error::Unsupported`] for carried columns of one name.
    pub(crate) fn create(
        source: &ParquetSource,
        splice: &Splice<'_>,
        target: Target,
        batch_rows: usize,
        stop: Stop,
    ) -> Result<Self> {
        let from = source.schema();
        let field = |column: &Column| match *column {
            Column::Carried(root) => without_dictionaries(&from.fields()[root]),
            Column::New(root) => without_dictionaries(&splice.new.fields()[root]),
        };
        let mut metadata = from.metadata().clone();
        metadata.extend(splice.metadata.iter().cloned());
        let fields = splice.columns.iter().map(field).collect::<Vec<_>>();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let carried = splice.columns.iter().filter_map(|column| match *column {
            Column::Carried(root) => Some(from.fields()[root].name().clone()),
            Column::New(_) => None,
        });
        let carried = carried.collect::<Vec<_>>();
        if carried.iter().enumerate().any(|(n, name)| carried[..n].contains(name)) {
            let what = "two columns of one name in an Arrow IPC file";
            return Err(Error::Unsupported { place: Place::file(source.path()), what });
        }
        let file = BufWriter::with_capacity(Whole::PIECE, target.create()?);
        let writer = FileWriter::try_new(file, &schema);
        let writer = writer.map_err(|source| Error::Write { path: target.path().to_owned(), source: source.into() })?;
        Ok(Self {
            columns: splice.columns.clone(),
            schema,
            carried: source.scan(&carried, batch_rows),
            source: source.clone(),
            rest: None,
            writer,
            target,
            stop,
        })
    }

    /// The next `rows` rows of the carried columns, cut where they are cut in the input.
    fn carried(&mut self, rows: usize) -> Result<RecordBatch> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => self.carried.next().transpose()?.map(|(_, batch)| batch).ok_or_else(|| Error::Damaged {
                place: Place::file(self.source.path()),
                what: "the carried columns have fewer rows than the learned ones".to_owned(),
            })?,
        };
        if batch.num_rows() > rows {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        Ok(batch.slice(0, rows.min(batch.num_rows())))
    }

    /// Puts carried and new columns of the same rows in the output's order.
    fn put_together(&self, carried: &RecordBatch, new: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut carried = carried.columns().iter();
        let mut next = |column: &Column| match *column {
            Column::Carried(_) => carried.next().expect("one a carried column, in order").clone(),
            Column::New(root) => new.column(root).clone(),
        };
        let of_type = |(array, field): (ArrayRef, &FieldRef)| cast(&array, field.data_type());
        let arrays: Vec<ArrayRef> = self.columns.iter().map(&mut next).collect();
        let arrays = arrays.into_iter().zip(self.schema.fields()).map(of_type).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(new.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
    }
}

impl Sink for IpcSink {
    fn write(mut self: Box<Self>, columns: &mut dyn Iterator<Item = Result<NewColumns>>) -> Result<()> {
        let path = self.target.path().to_owned();
        let write = |source: ArrowError| Error::Write { path: path.clone(), source: source.into() };
        for new in columns {
            let NewColumns { batch: new, .. } = new?;
            let mut written = 0;
            while written < new.num_rows() {
                self.stop.check()?;
                let carried = self.carried(new.num_rows() - written)?;
                let rows = self.put_together(&carried, &new.slice(written, carried.num_rows())).map_err(write)?;
                self.writer.write(&rows).map_err(write)?;
                written += rows.num_rows();
            }
        }
        let file = self.writer.into_inner().map_err(write)?;
        let file = file.into_inner().map_err(|source| Error::io("write", &path)(source.into_error()))?;
        self.target.commit(file)
    }
}

/// A field of the values that dictionaries in it stand for.
pub(super) fn without_dictionaries(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Dictionary(_, values) => (**values).clone(),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(without_dictionaries).collect()),
        DataType::List(inner) => DataType::List(without_dictionaries(inner)),
        DataType::LargeList(inner) => DataType::LargeList(without_dictionaries(inner)),
        DataType::FixedSizeList(inner, length) => DataType::FixedSizeList(without_dictionaries(inner), *length),
        DataType::Map(entries, sorted) => DataType::Map(without_dictionaries(entries), *sorted),
        _ => return field.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone()))
}
