//! The whole way, Parquet to model and Parquet to Parquet, in rows a second at several widths, on the CPU and on the
//! first CUDA device, if one answers.
//!
//! `cargo bench --bench pipe`; with CUDA `.ci/cuda test`

mod table;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vaepipe::{Device, FitConfig, ParquetSource, Run, Source, TransformConfig};

// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: usize = 8192;

fn pipe(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut devices = vec![("pipe", Device::Cpu)];
    if candle_core::Device::new_cuda_with_stream(0).is_ok() {
        devices.push(("pipe on CUDA", Device::Cuda(0)));
    }
    for (width, (group, device)) in
        [32, 256, 2048].into_iter().flat_map(|width| devices.iter().map(move |on| (width, *on)))
    {
        let path = folder.path().join(format!("{width}.parquet"));
        table::write(&path, width, ROWS);
        let source = ParquetSource::open([&path]).expect("a source");
        let config = FitConfig::new().hidden([256, 128]).latent_dim(16).batch_size(256).epochs(1);
        let model = config.fit(&source, device, &mut Run::new()).expect("a model").model;

        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
        group.bench_function(BenchmarkId::new("fit, one epoch", width), |bencher| {
            bencher.iter(|| black_box(config.fit(&source, device, &mut Run::new()).expect("a model")));
        });
        let mut output = TransformConfig::new();
        output.output.force = true;
        let rows = Source::from(source.clone());
        group.bench_function(BenchmarkId::new("transform", width), |bencher| {
            let target = folder.path().join("out.parquet");
            bencher.iter(|| model.transform_to(&rows, &target, &output, &mut Run::new()).expect("an output"));
        });
        group.finish();
    }
}

criterion_group!(benches, pipe);
criterion_main!(benches);
