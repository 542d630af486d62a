//! Writers of output files: Parquet by splicing, whole Parquet files, and Arrow IPC.

#![forbid(unsafe_code)]

mod column_orders;
#[cfg(feature = "delta")]
mod delta_table;
mod ipc_sink;
mod metadata;
mod page_store;
mod parquet_schema;
mod row_writer;
mod splice;

use arrow::array::RecordBatch;

#[cfg(feature = "delta")]
pub(crate) use self::delta_table::NewDeltaTable;
use self::ipc_sink::IpcSink;
pub use self::row_writer::ipc_schema;
pub(crate) use self::row_writer::{Destination, Medium, RowWriter, cast_to_schema, output_schema};
use self::splice::SpliceSink;
pub(crate) use self::splice::{OutputColumn, Splice};
use crate::error::Result;
use crate::pipeline::Stop;
use crate::source::ParquetSource;
use crate::storage::Target;

/// File extensions of Arrow IPC.
const IPC: [&str; 3] = ["arrow", "feather", "ipc"];

/// Whether a path has an extension of Arrow IPC.
pub(crate) fn is_ipc(path: &std::path::Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    IPC.iter().any(|ipc| extension.eq_ignore_ascii_case(ipc))
}

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

/// Opens an output of `source` in the format of its extension. Arrow IPC decodes carried columns `batch_rows` rows at a
/// time.
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
    if is_ipc(target.path()) {
        return Ok(Box::new(IpcSink::create(source, splice, target, batch_rows, stop)?));
    }
    Ok(Box::new(SpliceSink::create(source, splice, target, stop)?))
}
