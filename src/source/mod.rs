//! Inputs: finds files, opens any supported format and reads rows in Arrow batches.

#![forbid(unsafe_code)]

mod any_format;
mod arrow_ipc;
mod batches;
mod column_tree;
mod column_types;
mod common_type;
mod conform;
mod decoder_panic;
mod delta;
mod encoded_size;
mod fewer_files;
mod inputs;
mod mismatch;
#[cfg(not(feature = "analysis"))]
mod no_predicate;
mod open_input;
mod open_inputs;
mod parquet;
mod partition_check;
#[cfg(feature = "analysis")]
mod predicate;
mod schema_mapping;
mod scratch_file;
mod selection;
mod stdin;
mod table_schema;
mod text;
mod time_units;
mod wide_keys;

pub use self::any_format::Source;
pub(crate) use self::any_format::{Batches, ColumnStream};
pub use self::column_tree::ColumnTree;
pub(crate) use self::column_types::ColumnTypes;
pub(crate) use self::common_type::list_item;
pub(crate) use self::decoder_panic::catch_decoder_panic;
pub use self::decoder_panic::silence_decoder_panics;
#[cfg(feature = "delta")]
pub(crate) use self::delta::open_engine;
pub(crate) use self::encoded_size::split_by_encoded_size;
#[cfg(not(feature = "analysis"))]
use self::no_predicate::Predicate;
pub use self::parquet::ParquetSource;
pub(crate) use self::parquet::{
    ParquetFile, ParquetWriter, RowGroup, StoredType, check_values, chunk_range, encoded_arrow_schema,
    first_unsupported, is_ordered, map_leaves, single_column_schema, with_values_of,
};
#[cfg(feature = "analysis")]
use self::predicate::Predicate;
pub(crate) use self::schema_mapping::{batch_of, map_children, with_type};
pub(crate) use self::selection::{Selection, named_field, near_names};
pub(crate) use self::text::{JsonRows, LineChunk, LineSource, TypedRows, is_null_word, parse_iso_time};
pub(crate) use self::time_units::{convert_unit, with_parquet_units};
pub(crate) use self::wide_keys::wide_field;
