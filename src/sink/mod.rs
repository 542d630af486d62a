//! Writers of output files: Parquet by splicing, and whole rows as Parquet, Arrow IPC, CSV and NDJSON.

#![forbid(unsafe_code)]

mod column_orders;
mod compressed;
mod csv_encoder;
#[cfg(feature = "delta")]
mod delta_table;
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

#[cfg(feature = "delta")]
pub(crate) use self::delta_table::NewDeltaTable;
pub(crate) use self::json_encoder::JsonEncoder;
pub(crate) use self::line_writer::LineWriter;
pub(crate) use self::medium::{Medium, check_output_name};
pub(crate) use self::output_schema::{cast_to_schema, output_schema};
pub use self::row_writer::ipc_schema;
pub(crate) use self::row_writer::{Destination, RowWriter};
pub(crate) use self::splice::{OutputColumn, Splice, SpliceSink};
pub(crate) use self::text_writer::tell_lost;

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
