//! Text formats: CSV and newline-delimited JSON.

mod column_values;
mod file;
mod json_line;
mod line_length;
mod text_value;

pub(super) use self::file::{TextFile, merge_values};
