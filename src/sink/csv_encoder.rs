//! Rows as CSV. A null is an empty field, and an empty text is a quoted one.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;

use super::text_cell::formatter;

/// Adds the line of column names.
pub(super) fn add_header(schema: &Schema, delimiter: u8, text: &mut Vec<u8>) {
    for (n, field) in schema.fields().iter().enumerate() {
        begin_field(n, delimiter, text);
        add_field(field.name(), delimiter, text);
    }
    text.push(b'\n');
}

/// Adds the lines of some rows. Returns the number of times that are out of the range of the calendar; they are empty.
///
/// # Errors
/// For a type that has no text.
pub(super) fn add_rows(batch: &RecordBatch, delimiter: u8, text: &mut Vec<u8>) -> Result<u64, ArrowError> {
    let columns = batch.columns().iter().map(|array| Ok((array.logical_nulls(), formatter(array)?)));
    let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
    let (mut value, mut lost) = (String::new(), 0);
    for row in 0..batch.num_rows() {
        for (n, (nulls, formatter)) in columns.iter().enumerate() {
            begin_field(n, delimiter, text);
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            value.clear();
            match formatter.value(row).write(&mut value) {
                Err(_) if batch.column(n).data_type().is_temporal() => lost += 1,
                written => {
                    written?;
                    add_field(&value, delimiter, text);
                }
            }
        }
        text.push(b'\n');
    }
    Ok(lost)
}

fn begin_field(n: usize, delimiter: u8, text: &mut Vec<u8>) {
    if n > 0 {
        text.push(delimiter);
    }
}

/// Adds a field, in quotes if it would be taken for something else without.
fn add_field(value: &str, delimiter: u8, text: &mut Vec<u8>) {
    let is_special = |byte: u8| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    if value.is_empty() || value.bytes().any(is_special) {
        text.push(b'"');
        text.extend_from_slice(value.replace('"', "\"\"").as_bytes());
        text.push(b'"');
    } else {
        text.extend_from_slice(value.as_bytes());
    }
}
