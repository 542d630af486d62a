//! Where rows come from.

#![forbid(unsafe_code)]

mod any_format;
mod arrow_schema;
mod arrow_type;
mod categories;
mod column_chunk;
mod corrections;
mod file;
mod find;
mod footer;
mod format;
mod guard;
mod infer_type;
mod ipc;
mod ipc_file;
mod json_line;
mod line_length;
#[cfg(not(feature = "analysis"))]
mod no_predicate;
mod open_input;
mod ordered_categories;
mod oversized;
mod page_head;
mod parquet;
mod parquet_support;
mod parquet_type;
mod parquet_writer;
mod partition_keys;
#[cfg(feature = "analysis")]
mod predicate;
mod row_group;
mod scratch_schema;
mod selection;
mod spool;
mod text;
mod time_units;
mod value_type;
mod wide_keys;

pub use self::any_format::Source;
pub(crate) use self::any_format::{Batches, ColumnStream};
pub(crate) use self::arrow_schema::encoded_arrow_schema;
pub(crate) use self::arrow_type::StoredType;
pub(crate) use self::column_chunk::{check_values, chunk_range};
pub(crate) use self::file::ParquetFile;
pub(crate) use self::guard::guarded;
pub use self::guard::silence_decoder_panics;
#[cfg(not(feature = "analysis"))]
use self::no_predicate::Predicate;
pub(crate) use self::ordered_categories::is_ordered;
pub(crate) use self::oversized::written_out;
pub use self::parquet::ParquetSource;
pub(crate) use self::parquet_support::unholdable;
pub(crate) use self::parquet_type::{alone, in_place_of, with_leaves};
pub(crate) use self::parquet_writer::ParquetWriter;
use self::partition_keys::Keys;
#[cfg(feature = "analysis")]
use self::predicate::Predicate;
pub(crate) use self::row_group::{GroupReader, RowGroup};
pub(crate) use self::selection::{Selection, near_names};
pub(crate) use self::time_units::{in_parquet_units, in_unit};
pub(crate) use self::wide_keys::wide_field;
