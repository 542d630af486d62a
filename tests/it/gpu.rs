//! CUDA against the CPU, where a CUDA device answers: `.ci/cuda test`, and `.ci/cuda bundle` for a machine without cargo.
//!
//! Each comparison prints its largest difference as a line of JSON.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float32Type;
use vaepipe::{Device, FitConfig, Model, ParquetSource, Run, TransformConfig};

use crate::tables::read;
use crate::workdir::{Workdir, repository};

#[path = "../../benches/table/mod.rs"]
mod table;

/// The first CUDA device, or the reason why there is none to test. `GPU_TESTS_DEVICE=cpu` puts the CPU in its place, to try
/// the tests themselves.
fn cuda() -> Option<Device> {
    if std::env::var_os("GPU_TESTS_DEVICE").is_some_and(|device| device == "cpu") {
        return Some(Device::Cpu);
    }
    match candle_core::Device::new_cuda_with_stream(0) {
        Ok(_) => Some(Device::Cuda(0)),
        Err(reason) => {
            eprintln!("skipped: no CUDA device answers: {reason}");
            None
        }
    }
}

/// Numbers alone, and every kind of column with missing values.
fn sources() -> [(&'static str, ParquetSource); 2] {
    let open = |name| ParquetSource::open([repository(&format!("sample_data/{name}.parquet"))]).unwrap();
    ["digits", "flights"].map(|name| (name, open(name)))
}

/// The largest difference of what both devices say of one thing, relative where that is above 1.
struct Comparison {
    of: String,
    largest: f64,
    tolerance: f64,
}

impl Comparison {
    fn new(of: impl Into<String>, tolerance: f64) -> Self {
        Self { of: of.into(), largest: 0.0, tolerance }
    }

    fn add(&mut self, cuda: f64, cpu: f64) {
        let difference = (cuda - cpu).abs() / cpu.abs().max(1.0);
        // A number that is none is no agreement.
        self.largest = if difference.is_nan() { f64::INFINITY } else { self.largest.max(difference) };
    }

    /// Prints the difference; whether it is small enough.
    fn holds(&self) -> bool {
        let Self { of, largest, tolerance } = self;
        println!(
            "{}",
            serde_json::json!({"compared": of, "largest": format!("{largest:.3e}"), "tolerance": tolerance})
        );
        largest <= tolerance
    }
}

/// Prints all comparisons, then asserts them.
fn assert_alike(comparisons: &[Comparison]) {
    let apart: Vec<_> = comparisons.iter().filter(|comparison| !comparison.holds()).map(|it| &it.of).collect();
    assert!(apart.is_empty(), "CUDA and the CPU differ in {apart:?}");
}

/// What the model says of rows, by column.
fn said(rows: &RecordBatch) -> Vec<(String, Vec<Option<f32>>)> {
    let ours = |name: &str| name.starts_with("z_") || ["recon_error", "anomaly_score"].contains(&name);
    let names = rows.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let columns = names.into_iter().zip(rows.columns()).filter(|(name, _)| ours(name));
    columns.map(|(name, column)| (name, column.as_primitive::<Float32Type>().iter().collect())).collect()
}

/// Compares what a model that the CPU fitted says of its rows on both devices, a comparison a column; latents are one.
fn encodings(name: &str, source: &ParquetSource, config: &FitConfig, cuda: Device) -> Vec<Comparison> {
    let (dir, mut transform) = (Workdir::new(), TransformConfig::new());
    (transform.std, transform.output.force) = (true, true);
    let fitted = config.fit(source, Device::Cpu, &mut Run::new()).unwrap();
    fitted.model.save(dir.path("vae.safetensors")).unwrap();
    let [cpu, cuda] = [Device::Cpu, cuda].map(|device| {
        let model = Model::load(dir.path("vae.safetensors"), device).unwrap();
        model.transform_to(&source.clone().into(), dir.path("out.parquet"), &transform, &mut Run::new()).unwrap();
        said(&read(&dir.path("out.parquet")))
    });
    assert!(cpu.len() >= 4 && cpu.len() == cuda.len());
    let mut comparisons: Vec<Comparison> = Vec::new();
    for ((column, cpu), (_, cuda)) in cpu.iter().zip(&cuda) {
        let of = format!("{name}: {}", if column.starts_with("z_") { "latents" } else { column });
        if comparisons.last().is_none_or(|last| last.of != of) {
            comparisons.push(Comparison::new(of, 1e-4));
        }
        for (cpu, cuda) in cpu.iter().zip(cuda) {
            assert_eq!(cpu.is_some(), cuda.is_some(), "{column}");
            comparisons.last_mut().unwrap().add(cuda.unwrap_or_default().into(), cpu.unwrap_or_default().into());
        }
    }
    comparisons
}

#[test]
fn rows_encode_alike() {
    let Some(cuda) = cuda() else { return };
    let of = |(name, source): (&str, ParquetSource)| encodings(name, &source, &FitConfig::new().epochs(3), cuda);
    assert_alike(&sources().into_iter().flat_map(of).collect::<Vec<_>>());
}

#[test]
fn wide_rows_encode_alike() {
    let Some(cuda) = cuda() else { return };
    let dir = Workdir::new();
    table::write(&dir.path("wide.parquet"), 784, 4096);
    let source = ParquetSource::open([dir.path("wide.parquet")]).unwrap();
    assert_alike(&encodings("784 columns", &source, &FitConfig::new().epochs(2).batch_size(256), cuda));
}

#[test]
fn one_gradient_step_does_the_same() {
    let Some(cuda) = cuda() else { return };
    let mut comparisons = Vec::new();
    for (name, source) in sources() {
        let [cpu, cuda] = [Device::Cpu, cuda].map(|device| {
            let model =
                FitConfig::new().batch_size(256).max_steps(1).fit(&source, device, &mut Run::new()).unwrap().model;
            model.metadata().history.epochs[0]
        });
        let mut compare = |of, cuda, cpu| {
            comparisons.push(Comparison::new(format!("{name}: loss {of} a step"), 1e-3));
            comparisons.last_mut().unwrap().add(cuda, cpu);
        };
        compare("before", cuda.train_loss, cpu.train_loss);
        compare("after", cuda.validation_loss.unwrap(), cpu.validation_loss.unwrap());
    }
    assert_alike(&comparisons);
}

#[test]
fn a_short_fit_reaches_the_same_loss() {
    let Some(cuda) = cuda() else { return };
    let mut comparisons = Vec::new();
    for (name, source) in sources() {
        // Trimming and free bits take another way than a plain step.
        for (way, trim, free_bits) in [("plain", 0.0, 0.0), ("trimmed", 0.1, 0.05)] {
            let config = FitConfig::new().epochs(8).batch_size(128).trim(trim).free_bits(free_bits);
            let [cpu, cuda] = [Device::Cpu, cuda].map(|device| {
                let fitted = config.fit(&source, device, &mut Run::new()).unwrap();
                fitted.model.metadata().history.validation_loss().unwrap()
            });
            comparisons.push(Comparison::new(format!("{name}: validation loss of a short fit, {way}"), 0.01));
            comparisons.last_mut().unwrap().add(cuda, cpu);
        }
    }
    assert_alike(&comparisons);
}

#[test]
fn runs_and_threads_do_not_change_a_bit() {
    let Some(cuda) = cuda() else { return };
    let (dir, mut config) = (Workdir::new(), TransformConfig::new());
    config.output.force = true;
    let mut comparisons = Vec::new();
    for (name, source) in sources() {
        let model =
            |threads| FitConfig::new().epochs(2).fit(&source, cuda, &mut Run::new().threads(threads)).unwrap().model;
        let (one, other) = (model(1), model(3));
        let [first, second] = [1, 4].map(|threads| {
            let mut run = Run::new().threads(threads);
            one.transform_to(&source.clone().into(), dir.path("out.parquet"), &config, &mut run).unwrap();
            std::fs::read(dir.path("out.parquet")).unwrap()
        });
        for (of, equal) in [("models", one.to_bytes() == other.to_bytes()), ("outputs", first == second)] {
            comparisons.push(Comparison::new(format!("{name}: {of} of two runs, in bits"), 0.0));
            comparisons.last_mut().unwrap().add(if equal { 0.0 } else { f64::INFINITY }, 0.0);
        }
    }
    assert_alike(&comparisons);
}

#[test]
fn the_commands_run_there() {
    let Some(cuda) = cuda() else { return };
    let dir = Workdir::new();
    std::fs::copy(repository("sample_data/flights.parquet"), dir.path("in.parquet")).unwrap();
    let (asked, said) = if cuda == Device::Cpu { ("cpu", "training on") } else { ("auto", "device cuda:0") };
    dir.ok(&format!("fit in.parquet --device {asked} --epochs 1")).says(&[said]);
    dir.ok(&format!("transform in.parquet scored.parquet --device {cuda}"));
    let filled = |device: Device| {
        let ran = dir.ok(&format!("impute in.parquet {device}.parquet --force --device {device} --summary json"));
        ran.json()["columns"].clone()
    };
    assert_eq!(filled(cuda), filled(Device::Cpu));
    if cuda == Device::Cpu {
        return;
    }
    dir.fails(1, "fit in.parquet --device cuda:999 -m none.safetensors").says(&["device cuda:999", "not available"]);
    assert!(!dir.path("none.safetensors").exists());
}

#[test]
#[ignore = "takes all memory of the device for some seconds"]
fn a_full_device_is_a_clear_error() {
    let (Some(_), Ok(device)) = (cuda(), candle_core::Device::new_cuda_with_stream(0)) else { return };
    let dir = Workdir::new();
    std::fs::copy(repository("sample_data/digits.parquet"), dir.path("in.parquet")).unwrap();
    let mut held = Vec::new();
    for mib in [1024, 64, 4] {
        while let Ok(block) = candle_core::Tensor::zeros(mib << 20, candle_core::DType::U8, &device) {
            device.synchronize().unwrap();
            held.push(block);
        }
    }
    // Not even a context fits.
    dir.fails(1, "fit in.parquet --device cuda:0 --epochs 1").says(&["cuda:0", "memory"]);
    // A context and small networks fit, but not this one.
    let gib = held.iter().position(|block| block.elem_count() < 1 << 30).unwrap_or(held.len());
    held.drain(..gib.min(2));
    device.synchronize().unwrap();
    let large = "fit in.parquet --device cuda:0 --epochs 1 --hidden 8192,8192";
    dir.fails(1, large).says(&["the device is out of memory", "--batch-size", "--device cpu"]);
    assert_eq!(dir.names(), ["in.parquet"]);
    drop(held);
    device.synchronize().unwrap();
    dir.ok("fit in.parquet --device cuda:0 --epochs 1");
}

#[test]
#[ignore = "writes a table to measure with: TABLE_PATH, TABLE_COLUMNS, TABLE_ROWS"]
fn a_table_is_written() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let count = |name: &str| variable(name).parse().unwrap();
    table::write(variable("TABLE_PATH").as_ref(), count("TABLE_COLUMNS"), count("TABLE_ROWS"));
}
