//! Where rows come from.

#![forbid(unsafe_code)]

mod any;
mod chunk;
mod file;
mod find;
mod footer;
mod format;
mod group;
mod guard;
mod input;
mod ipc;
mod ipc_file;
mod json_line;
mod keys;
mod lines;
#[cfg(not(feature = "analysis"))]
mod no_predicate;
mod page;
mod parquet;
mod pread;
#[cfg(feature = "analysis")]
mod predicate;
mod select;
mod spelling;
mod spool;
mod text;
mod values;
mod written;

pub use self::any::Source;
pub(crate) use self::any::{Batches, Stream};
pub(crate) use self::chunk::chunk_range;
pub(crate) use self::file::ParquetFile;
pub(crate) use self::group::{GroupReader, RowGroup};
pub(crate) use self::guard::guarded;
use self::keys::Keys;
#[cfg(not(feature = "analysis"))]
use self::no_predicate::Predicate;
pub use self::parquet::ParquetSource;
pub(crate) use self::pread::{PositionalFile, Whole};
#[cfg(feature = "analysis")]
use self::predicate::Predicate;
pub(crate) use self::select::{Selection, near_names};
use self::spool::spool;
pub(crate) use self::written::written_out;
