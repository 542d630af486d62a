//! CUDA against the CPU, where a CUDA device answers: `.ci/cuda test`.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float32Type;
use vaepipe::{Device, FitConfig, Model, ParquetSource, Run, TransformConfig};

use crate::tables::read;
use crate::workdir::{Workdir, repository};

/// The first CUDA device, or the reason why there is none to test.
fn cuda() -> Option<Device> {
    match candle_core::Device::new_cuda_with_stream(0) {
        Ok(_) => Some(Device::Cuda(0)),
        Err(reason) => {
            eprintln!("skipped: no CUDA device answers: {reason}");
            None
        }
    }
}

/// Numbers alone, and every kind of column with missing values.
fn sources() -> [ParquetSource; 2] {
    ["digits", "flights"].map(|name| ParquetSource::open([repository(&format!("sample_data/{name}.parquet"))]).unwrap())
}

fn close(name: &str, cuda: f64, cpu: f64, tolerance: f64) {
    assert!((cuda - cpu).abs() <= tolerance * cpu.abs().max(1.0), "{name}: {cuda} on CUDA, {cpu} on the CPU");
}

/// What the model says of rows, by column.
fn said(rows: &RecordBatch) -> Vec<(String, Vec<Option<f32>>)> {
    let ours = |name: &str| name.starts_with("z_") || ["recon_error", "anomaly_score"].contains(&name);
    let names = rows.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let columns = names.into_iter().zip(rows.columns()).filter(|(name, _)| ours(name));
    columns.map(|(name, column)| (name, column.as_primitive::<Float32Type>().iter().collect())).collect()
}

#[test]
fn rows_encode_alike() {
    let Some(cuda) = cuda() else { return };
    let (dir, mut config) = (Workdir::new(), TransformConfig::new());
    (config.std, config.output.force) = (true, true);
    for source in sources() {
        let fitted = FitConfig::new().epochs(3).fit(&source, Device::Cpu, &mut Run::new()).unwrap();
        fitted.model.save(dir.path("vae.safetensors")).unwrap();
        let [cpu, cuda] = [Device::Cpu, cuda].map(|device| {
            let model = Model::load(dir.path("vae.safetensors"), device).unwrap();
            model.transform_to(&source.clone().into(), dir.path("out.parquet"), &config, &mut Run::new()).unwrap();
            said(&read(&dir.path("out.parquet")))
        });
        assert!(cpu.len() >= 4 && cpu.len() == cuda.len());
        for ((name, cpu), (_, cuda)) in cpu.iter().zip(&cuda) {
            for (cpu, cuda) in cpu.iter().zip(cuda) {
                assert_eq!(cpu.is_some(), cuda.is_some(), "{name}");
                close(name, cuda.unwrap_or_default().into(), cpu.unwrap_or_default().into(), 1e-4);
            }
        }
    }
}

#[test]
fn one_gradient_step_does_the_same() {
    let Some(cuda) = cuda() else { return };
    for source in sources() {
        let [cpu, cuda] = [Device::Cpu, cuda].map(|device| {
            let model = FitConfig::new().max_steps(1).fit(&source, device, &mut Run::new()).unwrap().model;
            model.metadata().history.epochs[0]
        });
        close("the loss before the step", cuda.train_loss, cpu.train_loss, 1e-3);
        close("the loss after the step", cuda.validation_loss.unwrap(), cpu.validation_loss.unwrap(), 1e-3);
    }
}

#[test]
fn a_short_fit_reaches_the_same_loss() {
    let Some(cuda) = cuda() else { return };
    for source in sources() {
        // Trimming and free bits take another way than a plain step.
        for (trim, free_bits) in [(0.0, 0.0), (0.1, 0.05)] {
            let config = FitConfig::new().epochs(8).trim(trim).free_bits(free_bits);
            let [cpu, cuda] = [Device::Cpu, cuda].map(|device| {
                let fitted = config.fit(&source, device, &mut Run::new()).unwrap();
                fitted.model.metadata().history.validation_loss().unwrap()
            });
            close("validation loss", cuda, cpu, 0.01);
        }
    }
}

#[test]
fn runs_and_threads_do_not_change_a_bit() {
    let Some(cuda) = cuda() else { return };
    let (dir, mut config) = (Workdir::new(), TransformConfig::new());
    config.output.force = true;
    for source in sources() {
        let model =
            |threads| FitConfig::new().epochs(2).fit(&source, cuda, &mut Run::new().threads(threads)).unwrap().model;
        let (one, other) = (model(1), model(3));
        assert!(one.to_bytes() == other.to_bytes());
        let [one, other] = [1, 4].map(|threads| {
            let mut run = Run::new().threads(threads);
            one.transform_to(&source.clone().into(), dir.path("out.parquet"), &config, &mut run).unwrap();
            std::fs::read(dir.path("out.parquet")).unwrap()
        });
        assert!(one == other);
    }
}

#[test]
fn the_commands_run_there() {
    if cuda().is_none() {
        return;
    }
    let dir = Workdir::new();
    std::fs::copy(repository("sample_data/flights.parquet"), dir.path("in.parquet")).unwrap();
    dir.ok("fit in.parquet --device auto --epochs 1").says(&["device cuda:0"]);
    dir.ok("transform in.parquet scored.parquet --device cuda");
    let filled = |device: &str| {
        let ran = dir.ok(&format!("impute in.parquet {device}.parquet --device {device} --summary json"));
        ran.json()["columns"].clone()
    };
    assert_eq!(filled("cuda"), filled("cpu"));
    dir.fails(1, "fit in.parquet --device cuda:999 -m none.safetensors").says(&["device cuda:999", "not available"]);
    assert!(!dir.path("none.safetensors").exists());
}
