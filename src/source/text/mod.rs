//! Text formats: CSV and newline-delimited JSON.

mod column_values;
mod csv_format;
mod csv_look;
mod csv_records;
mod csv_rows;
mod encoding;
mod file;
mod json_line;
mod json_rows;
mod line_chunks;
mod line_length;
mod lines;
mod text_value;

pub(crate) use self::csv_format::is_null_word;
pub(super) use self::csv_rows::tell_null_words;
pub(super) use self::file::{TextFile, merge_values};
pub(crate) use self::json_rows::{JsonRows, TypedRows};
pub(crate) use self::line_chunks::LineChunk;
pub(crate) use self::lines::LineSource;
pub(crate) use self::text_value::parse_iso_time;
