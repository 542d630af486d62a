//! Where rows come from.

mod chunk;
mod file;
mod footer;
mod group;
mod guard;
mod parquet;
mod pread;
mod select;

pub(crate) use self::chunk::chunk_range;
pub(crate) use self::file::ParquetFile;
pub(crate) use self::group::{GroupReader, RowGroup};
pub(crate) use self::guard::guarded;
pub use self::parquet::ParquetSource;
pub(crate) use self::parquet::Scan;
pub(crate) use self::pread::{PositionalFile, Whole};
pub(crate) use self::select::{Selection, near_names};
