//! Storage: positional reads of files and objects, scratch files, atomic outputs and locks.

#![forbid(unsafe_code)]

mod commit;
mod lock;
mod objects;
mod owner;
mod positional_file;
mod ready_file;
mod scratch;

pub(crate) use self::commit::{Target, TemporaryFile, check_distinct, check_outside, commit_bytes, output_exists};
#[cfg(feature = "cli")]
pub(crate) use self::commit::{check_target, replace_file};
pub use self::lock::Lock;
#[cfg(feature = "delta")]
pub(crate) use self::objects::object_store;
pub(crate) use self::objects::{Object, check_url, exists, is_url, list, upload};
pub(crate) use self::positional_file::{FileRange, PositionalFile};
pub(crate) use self::ready_file::ReadyFile;
pub(crate) use self::scratch::Scratch;
