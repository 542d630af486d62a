//! Input files: found by name, told apart by format, with the columns that their paths name.

mod file_format;
mod input_files;
mod partition_columns;
mod table_format;

pub(super) use self::file_format::{FileFormat, SIGNATURE_BYTES, output_path};
pub(super) use self::input_files::{InputFile, find_files, is_stdin};
pub(crate) use self::partition_columns::PartitionColumns;
pub(super) use self::partition_columns::partition_columns;
#[cfg(feature = "delta")]
pub(super) use self::partition_columns::{is_key_of, percent_decode};
