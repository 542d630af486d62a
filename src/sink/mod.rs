//! Where rows go.

#![forbid(unsafe_code)]

mod general;
mod metadata;
mod orders;
mod pages;
mod parquet_schema;
mod rows;
mod splice;

use arrow::array::RecordBatch;

use self::general::IpcSink;
pub use self::rows::ipc_schema;
pub(crate) use self::rows::{Destination, Medium, RowWriter, under, written};
use self::splice::SpliceSink;
pub(crate) use self::splice::{OutputColumn, Splice};
use crate::error::Result;
use crate::pipeline::Stop;
use crate::source::ParquetSource;
use crate::storage::Target;

/// Extensions of Arrow IPC files.
const IPC: [&str; 3] = ["arrow", "feather", "ipc"];

/// Whether a name says that a file is to be Arrow IPC.
pub(crate) fn is_ipc(path: &std::path::Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    IPC.iter().any(|ipc| extension.eq_ignore_ascii_case(ipc))
}

/// The new columns of some rows.
#[derive(Debug, Clone)]
pub(crate) struct NewColumns {
    /// Counts the batches, from 0.
    pub(crate) seq: u64,
    /// Row group of the input the rows belong to.
    pub(crate) row_group: usize,
    /// The columns, in output order.
    pub(crate) batch: RecordBatch,
}

/// Writes rows that are there with new columns beside them.
pub(crate) trait Sink: Send {
    /// Takes the new columns of all rows, in the rows' order, and makes the output visible, whole.
    ///
    /// # Errors
    /// The first of `columns`, or if the output cannot be written; nothing is left of it then.
    fn write(self: Box<Self>, columns: &mut dyn Iterator<Item = Result<NewColumns>>) -> Result<()>;
}

/// Opens an output of `source` in the format its name says; one that decodes what it carries does so `batch_rows` rows
/// at a time.
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
