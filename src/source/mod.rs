//! Where rows come from.

mod guard;
mod parquet;
mod pread;
mod select;

pub(crate) use self::guard::guarded;
pub(crate) use self::parquet::ParquetFile;
pub use self::parquet::{ParquetSource, Rows};
pub(crate) use self::pread::PositionalFile;
pub(crate) use self::select::{Selection, near_names};
