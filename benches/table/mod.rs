//! A table to measure with.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use parquet::arrow::ArrowWriter;

/// Writes a file of `width` columns that lie near a curve, and returns its rows.
pub fn write(path: &Path, width: usize, rows: usize) -> RecordBatch {
    let value = |row: usize, column: usize| {
        let (t, u) = (row as f32 * 0.37, column as f32);
        (t + u).sin() + (2.1 * t + 0.3 * u).cos() + ((row * 31 + column * 17) % 97) as f32 / 97.0
    };
    let columns = (0..width).map(|column| {
        let values = Float32Array::from_iter_values((0..rows).map(|row| value(row, column)));
        (format!("x{column}"), Arc::new(values) as ArrayRef)
    });
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut writer = ArrowWriter::try_new(File::create(path).expect("a file"), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    batch
}
