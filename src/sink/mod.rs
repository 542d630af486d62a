//! Writers of output files: Parquet by splicing, and whole rows as Parquet or Arrow IPC.

#![forbid(unsafe_code)]

mod column_orders;
#[cfg(feature = "delta")]
mod delta_table;
mod metadata;
mod page_store;
mod parquet_schema;
mod row_writer;
mod splice;

use arrow::array::RecordBatch;

#[cfg(feature = "delta")]
pub(crate) use self::delta_table::NewDeltaTable;
pub use self::row_writer::ipc_schema;
pub(crate) use self::row_writer::{Destination, Medium, RowWriter, cast_to_schema, output_schema};
pub(crate) use self::splice::{OutputColumn, Splice, SpliceSink};

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
