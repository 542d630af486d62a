//! Parquet files: opened and checked, read by row group, and written.

mod arrow_schema;
mod arrow_type;
mod categories;
mod column_chunk;
mod file;
mod file_columns;
mod footer;
mod footer_repair;
mod kept_columns;
mod ordered_column;
mod page_header;
mod parquet_type;
mod row_group;
mod scratch_schema;
mod supported_types;
mod table;
mod writer;

pub(crate) use self::arrow_schema::encoded_arrow_schema;
pub(crate) use self::arrow_type::StoredType;
pub(crate) use self::column_chunk::{check_values, chunk_range};
pub(crate) use self::file::ParquetFile;
pub(crate) use self::ordered_column::is_ordered;
pub(crate) use self::parquet_type::{map_leaves, single_column_schema, with_values_of};
pub(crate) use self::row_group::{RowGroup, RowGroupReader};
pub(super) use self::scratch_schema::ScratchSchema;
pub(crate) use self::supported_types::first_unsupported;
pub(super) use self::supported_types::{supported_array, supported_field};
pub use self::table::ParquetSource;
pub(crate) use self::writer::ParquetWriter;
