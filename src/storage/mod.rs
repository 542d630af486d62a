//! Bytes in files and objects: read by position, kept in scratch files, and written whole or not at all.

#![forbid(unsafe_code)]

mod commit;
mod lock;
mod objects;
mod positional_file;
mod scratch;

pub(crate) use self::commit::{Target, Temporary, check_outside, commit_bytes, is_there};
pub use self::commit::{check_distinct, check_target, replace_file};
pub use self::lock::Lock;
pub use self::objects::is_url;
pub(crate) use self::objects::{Object, check_url, exists, list, upload};
pub(crate) use self::positional_file::{PositionalFile, WholeFile};
pub(crate) use self::scratch::Scratch;
