//! Storage: positional reads of files and objects, scratch files, atomic outputs and locks.

#![forbid(unsafe_code)]

mod commit;
mod lock;
mod objects;
mod positional_file;
mod scratch;

pub(crate) use self::commit::{Target, TemporaryFile, check_outside, commit_bytes, output_exists};
pub use self::commit::{check_distinct, check_target, replace_file};
pub use self::lock::Lock;
pub use self::objects::is_url;
pub(crate) use self::objects::{Object, check_url, exists, list, upload};
pub(crate) use self::positional_file::{FileRange, PositionalFile};
pub(crate) use self::scratch::Scratch;
