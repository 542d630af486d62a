//! The whole way, Parquet to model and Parquet to Parquet, in rows a second at several widths.
//!
//! `cargo bench --bench pipe`

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use parquet::arrow::ArrowWriter;
use vaepipe::{Device, FitConfig, ParquetSource, Stop, TransformConfig};

const ROWS: usize = 8192;

/// A file of `width` columns that lie near a curve.
fn write(path: &Path, width: usize) {
    let value = |row: usize, column: usize| {
        let (t, u) = (row as f32 * 0.37, column as f32);
        (t + u).sin() + (2.1 * t + 0.3 * u).cos() + ((row * 31 + column * 17) % 97) as f32 / 97.0
    };
    let columns = (0..width).map(|column| {
        let values = Float32Array::from_iter_values((0..ROWS).map(|row| value(row, column)));
        (format!("x{column}"), Arc::new(values) as ArrayRef)
    });
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut writer = ArrowWriter::try_new(File::create(path).expect("a file"), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
}

fn pipe(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    for width in [32, 256, 2048] {
        let path = folder.path().join(format!("{width}.parquet"));
        write(&path, width);
        let source = ParquetSource::open([&path]).expect("a source");
        let config = FitConfig::new().hidden([256, 128]).latent_dim(16).batch_size(256).epochs(1);
        let model = config.fit(&source, Device::Cpu).expect("a model");

        let mut group = criterion.benchmark_group("pipe");
        group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
        group.bench_function(BenchmarkId::new("fit, one epoch", width), |bencher| {
            bencher.iter(|| black_box(config.fit(&source, Device::Cpu).expect("a model")));
        });
        let mut output = TransformConfig::new();
        output.force = true;
        group.bench_function(BenchmarkId::new("transform", width), |bencher| {
            let target = folder.path().join("out.parquet");
            bencher.iter(|| model.transform(&source, &target, &output, &Stop::new()).expect("an output"));
        });
        group.finish();
    }
}

criterion_group!(benches, pipe);
criterion_main!(benches);
