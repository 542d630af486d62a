//! Delta tables: their log says which files are live, which rows of these are deleted, and what their columns are called.

#[cfg(feature = "delta")]
mod column_mapping;
#[cfg(feature = "delta")]
mod deleted_rows;
#[cfg(feature = "delta")]
mod engine;
#[cfg(feature = "delta")]
mod live_file;
#[cfg(feature = "delta")]
mod log;
#[cfg(feature = "delta")]
mod mapped_file;
#[cfg(not(feature = "delta"))]
mod none;

#[cfg(feature = "delta")]
pub(crate) use self::engine::open_engine;
#[cfg(feature = "delta")]
pub(super) use self::live_file::{LiveContent, LiveFile};
#[cfg(feature = "delta")]
pub(super) use self::log::live_files;
#[cfg(feature = "delta")]
pub(super) use self::mapped_file::MappedFile;
#[cfg(not(feature = "delta"))]
pub(super) use self::none::{LiveContent, LiveFile, MappedFile, live_files};
