//! Tables made for tests, written and read with arrow.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, FieldRef, Float32Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};

/// Uniform numbers in [-1, 1), the same every time.
pub struct Uniform(u64);

impl Uniform {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1)
    }

    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// `rows` rows of an id, a name, numbers `x0` to `x3` that lie near a curve (`x1` with nulls), and a flag.
pub fn curve(rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(7);
    let (mut x, mut flags) = (vec![Vec::new(); 4], Vec::new());
    for _ in 0..rows {
        let (t, u) = (uniform.next(), uniform.next());
        for (x, value) in x.iter_mut().zip([t, u * u, t * u, t - u]) {
            x.push(value + 0.05 * uniform.next());
        }
        flags.push(t > 0.0);
    }
    let float = |x: &[f64]| Arc::new(Float32Array::from_iter_values(x.iter().map(|&x| x as f32))) as ArrayRef;
    let holes = x[1].iter().enumerate().map(|(row, &x)| (row % 7 != 3).then_some(x * 1e3));
    let names = (0..rows).map(|row| (row % 5 != 0).then(|| format!("row {row}")));
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(0..rows as i64)) as ArrayRef, false),
        ("name", Arc::new(names.collect::<StringArray>()), true),
        ("x0", float(&x[0]), true),
        ("x1", Arc::new(holes.collect::<Float64Array>()), true),
        ("x2", float(&x[2]), true),
        ("x3", float(&x[3]), true),
        ("flag", Arc::new(BooleanArray::from(flags)), true),
    ])
    .unwrap()
}

/// Writes a file with row groups of at most `row_group` rows.
pub fn write(path: &Path, batch: &RecordBatch, row_group: usize) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group)).build();
    write_with(path, batch, properties);
}

pub fn write_with(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// All rows of a file.
pub fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches = reader.build().unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    concat_batches(&schema, &batches).unwrap()
}

/// The type that a column has in an output: dictionaries have keys of 32 bits at least.
pub fn as_written(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(keys, values) if keys.primitive_width() < Some(4) => {
            DataType::Dictionary(DataType::Int32.into(), values.clone())
        }
        DataType::Struct(fields) => {
            let field = |field: &FieldRef| field.as_ref().clone().with_data_type(as_written(field.data_type()));
            DataType::Struct(fields.iter().map(field).collect::<Vec<_>>().into())
        }
        other => other.clone(),
    }
}

/// Names of a table's columns.
pub fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema().fields().iter().map(|field| field.name().clone()).collect()
}

/// A column of floats, `None` where null.
#[track_caller]
pub fn floats(batch: &RecordBatch, column: &str) -> Vec<Option<f32>> {
    let column = batch.column_by_name(column).unwrap_or_else(|| panic!("no {column} in {:?}", names(batch)));
    column.as_primitive::<Float32Type>().iter().collect()
}

/// The bits of all columns whose name starts like one that a transform adds, row by row.
pub fn new_bits(batch: &RecordBatch) -> Vec<Vec<Option<u32>>> {
    let new = names(batch)
        .into_iter()
        .filter(|name| ["z_", "recon_", "anomaly_"].iter().any(|start| name.starts_with(start)));
    let columns: Vec<_> = new.map(|name| floats(batch, &name)).collect();
    assert!(columns.len() >= 3);
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].map(f32::to_bits)).collect()).collect()
}

/// The first columns of `after` are those of `before`, equal in name, type and every value.
#[track_caller]
pub fn carries(before: &RecordBatch, after: &RecordBatch) {
    assert_eq!(before.num_rows(), after.num_rows());
    for (place, (field, column)) in before.schema().fields().iter().zip(before.columns()).enumerate() {
        assert_eq!(after.schema().field(place).name(), field.name());
        let found = after.column(place);
        assert_eq!(column.data_type(), found.data_type(), "{}", field.name());
        assert_eq!(&column.to_data(), &found.to_data(), "{}", field.name());
    }
}

/// The key-value metadata of a file.
pub fn keys(path: &Path) -> HashMap<String, String> {
    let file = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let keys = file.metadata().file_metadata().key_value_metadata().unwrap();
    keys.iter().map(|key| (key.key.clone(), key.value.clone().unwrap_or_default())).collect()
}
