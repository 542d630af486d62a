//! Writers of output files: Parquet by splicing, whole Parquet files, Arrow IPC, CSV and NDJSON.

#![forbid(unsafe_code)]

mod column_orders;
mod compressed;
mod csv_encoder;
mod encoded_sink;
mod json_encoder;
mod line_writer;
mod medium;
mod metadata;
mod output_schema;
mod page_store;
mod parquet_schema;
mod row_writer;
mod splice;
mod text_cell;
mod text_writer;

use arrow::array::RecordBatch;

use self::encoded_sink::EncodedSink;
pub(crate) use self::json_encoder::JsonEncoder;
pub(crate) use self::line_writer::LineWriter;
pub(crate) use self::medium::{Medium, check_output_name};
pub(crate) use self::output_schema::{cast_to_schema, output_schema};
pub use self::row_writer::ipc_schema;
pub(crate) use self::row_writer::{Destination, RowWriter};
use self::splice::SpliceSink;
pub(crate) use self::splice::{OutputColumn, Splice};
pub(crate) use self::text_writer::tell_lost;
use crate::error::Result;
use crate::pipeline::Stop;
use crate::source::ParquetSource;
use crate::storage::Target;

/// The new columns of some rows.
#[derive(Debug, Clone)]
pub(crate) struct NewColumns {
    /// Number of the batch, from 0.
    pub(crate) seq: u64,
    /// The row group of the input that the rows belong to.
    pub(crate) row_group: usize,
    /// The columns, in output order.
    pub(crate) batch: RecordBatch,
}

/// A writer of an input's rows with new columns.
pub(crate) trait Sink: Send {
    /// Writes the new columns of all rows, in row order, then commits the output as a whole.
    ///
    /// # Errors
    /// The first error of `columns`, or an error of writing; the output is then removed.
    fn write(self: Box<Self>, columns: &mut dyn Iterator<Item = Result<NewColumns>>) -> Result<()>;
}

/// Opens an output of `source` in the format of its extension. Other formats than Parquet decode carried columns
/// `batch_rows` rows at a time.
///
/// # Errors
/// Those of the format's sink.
pub(crate) fn open(
    source: &ParquetSource,
    splice: &Splice<'_>,
    target: Target,
    batch_rows: usize,
    stop: Stop,
) -> Result<Box<dyn Sink>> {
    check_output_name(target.path())?;
    match Medium::of(target.path()) {
        Medium::Parquet => Ok(Box::new(SpliceSink::create(source, splice, target, stop)?)),
        medium => Ok(Box::new(EncodedSink::create(source, splice, (target, medium), batch_rows, stop)?)),
    }
}
