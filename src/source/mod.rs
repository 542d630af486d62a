//! Where rows come from.

#![forbid(unsafe_code)]

mod any;
mod arrow_schema;
mod categories;
mod chunk;
mod corrections;
mod file;
mod find;
mod footer;
mod format;
mod given;
mod group;
mod guard;
mod holdable;
mod input;
mod ipc;
mod ipc_file;
mod json_line;
mod keys;
mod lines;
#[cfg(not(feature = "analysis"))]
mod no_predicate;
mod ordered;
mod page;
mod parquet;
mod parquet_type;
mod parquet_writer;
mod pread;
#[cfg(feature = "analysis")]
mod predicate;
mod read_as;
mod select;
mod spelling;
mod spool;
mod text;
mod units;
mod values;
mod wide_keys;
mod written;

pub use self::any::Source;
pub(crate) use self::any::{Batches, ColumnStream};
pub(crate) use self::arrow_schema::encoded_arrow_schema;
pub(crate) use self::chunk::{check_values, chunk_range};
pub(crate) use self::file::ParquetFile;
pub(crate) use self::group::{GroupReader, RowGroup};
pub(crate) use self::guard::guarded;
pub use self::guard::silence_decoder_panics;
pub(crate) use self::holdable::unholdable;
use self::keys::Keys;
#[cfg(not(feature = "analysis"))]
use self::no_predicate::Predicate;
pub(crate) use self::ordered::is_ordered;
pub use self::parquet::ParquetSource;
pub(crate) use self::parquet_type::{alone, in_place_of, with_leaves};
pub(crate) use self::parquet_writer::ParquetWriter;
pub(crate) use self::pread::{PositionalFile, WholeFile};
#[cfg(feature = "analysis")]
use self::predicate::Predicate;
pub(crate) use self::read_as::StoredType;
pub(crate) use self::select::{Selection, near_names};
pub(crate) use self::units::{in_parquet_units, in_unit};
pub(crate) use self::wide_keys::wide_field;
pub(crate) use self::written::written_out;
