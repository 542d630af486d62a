//! The parts of the way of a row by themselves, in rows a second: a gradient step, features written, rows encoded, and
//! carried columns copied.
//!
//! `cargo bench --features bench --bench parts`

mod table;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vaepipe::bench::Parts;
use vaepipe::{Activation, Device, FitConfig, ParquetSource, Run, Scale, Source, TransformConfig};

// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: usize = 8192;

fn parts(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for (width, hidden, latent_dim, batches) in
        [(32, [64, 32], 8, &[256][..]), (784, [256, 128], 16, &[1024, 256]), (2048, [256, 128], 16, &[256])]
    {
        let path = folder.path().join(format!("{width}.parquet"));
        let rows = table::write(&path, width, ROWS);
        let source = ParquetSource::open([&path]).expect("a source");
        let config = FitConfig::new().hidden(hidden).latent_dim(latent_dim).max_steps(1);
        let config = config.activation(Activation::Relu).scale(Scale::Standard);
        let fit = |config: FitConfig| config.fit(&source, Device::Cpu, &mut Run::new()).expect("a model").model;
        let mut group = criterion.benchmark_group(width.to_string());

        for &batch in batches {
            let model = fit(config.clone().batch_size(batch));
            let mut parts = Parts::new(model, rows.slice(0, batch), threads).expect("parts");
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(BenchmarkId::new("step", batch), |bencher| {
                bencher.iter(|| parts.step().expect("a step"));
            });
        }

        let new = |rows| Parts::new(fit(config.clone()), rows, threads).expect("parts");
        let mut parts = new(rows.clone());
        group.throughput(Throughput::Elements(ROWS as u64));
        group.bench_function("write, one thread", |bencher| bencher.iter(|| parts.write().expect("row vectors")));
        group.bench_function("encode, one thread", |bencher| {
            bencher.iter(|| black_box(parts.encode().expect("latents")));
        });
        let mut parts: Vec<Parts> = (0..threads).map(|_| new(rows.clone())).collect();
        group.throughput(Throughput::Elements((ROWS * threads) as u64));
        group.bench_function("encode", |bencher| {
            bencher.iter(|| {
                std::thread::scope(|scope| {
                    for parts in &mut parts {
                        scope.spawn(move || black_box(parts.encode().expect("latents")));
                    }
                });
            });
        });

        // One column is decoded, all are copied.
        let model = fit(config.columns(vec!["x0".to_owned()]));
        let mut output = TransformConfig::new();
        output.output.force = true;
        let rows = Source::from(source.clone());
        group.throughput(Throughput::Elements(ROWS as u64));
        group.bench_function("splice", |bencher| {
            let target = folder.path().join("out.parquet");
            bencher.iter(|| model.transform_to(&rows, &target, &output, &mut Run::new()).expect("an output"));
        });
        group.finish();
    }
}

criterion_group!(benches, parts);
criterion_main!(benches);
