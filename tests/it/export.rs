//! Models as ONNX files: what is written, and what is refused before. `tests/onnx_files.py` runs the files by onnxruntime.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampSecondArray};

use crate::tables::{curve, write};
use crate::workdir::Workdir;

/// A folder with `in.parquet` of these columns, and a model fitted to it.
fn fitted(columns: Vec<(&str, ArrayRef)>, flags: &str) -> Workdir {
    let dir = Workdir::new();
    let x: ArrayRef = Arc::new(Float64Array::from_iter_values((0..400).map(|n| f64::from(n * 37 % 400) / 9.0)));
    let batch = RecordBatch::try_from_iter([("x", x)].into_iter().chain(columns)).unwrap();
    write(&dir.path("in.parquet"), &batch, 400);
    dir.ok(&format!("fit in.parquet --epochs 2 --hidden 8 --latent-dim 2 {flags}"));
    dir
}

fn words() -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..400).map(|n| format!("w{}", n % 5))))
}

#[test]
fn a_file_has_an_input_for_each_column_and_the_outputs_of_a_transform() {
    let dir = fitted(vec![("word", words())], "");
    let told = dir.ok("export vae.onnx --summary json --std --score all --reconstruction").json();
    let inputs: Vec<&str> = told["inputs"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(inputs, ["x", "word"]);
    assert_eq!((&told["inputs"][0]["type"], &told["inputs"][0]["missing"]), (&"double".into(), &"NaN".into()));
    assert_eq!((&told["inputs"][1]["type"], &told["inputs"][1]["missing"]), (&"string".into(), &"".into()));
    let outputs: Vec<&str> = told["outputs"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let expected = [
        "z",
        "z_std",
        "reconstruction",
        "recon_error",
        "recon_nll",
        "kl",
        "elbo",
        "latent_distance",
        "anomaly_score",
        "p_value",
        "is_anomaly",
    ];
    assert_eq!(outputs, expected);
    let bytes = std::fs::read(dir.path("vae.onnx")).unwrap();
    assert_eq!(told["bytes"], bytes.len());
    // The same model and flags give the same bytes, and an existing file stays.
    dir.fails(2, "export vae.onnx").says(&["already exists", "--force"]);
    dir.ok("export again.onnx --std --score all --reconstruction");
    assert_eq!(std::fs::read(dir.path("again.onnx")).unwrap(), bytes);
    let names = ["encoder.0.weight", "posterior.mean", "vaepipe.model", "ai.onnx.ml", "word", "anomaly_score"];
    let has = |name: &str| bytes.windows(name.len()).any(|part| part == name.as_bytes());
    assert!(names.into_iter().all(has));
}

#[test]
fn what_onnx_cannot_express_is_refused_before_anything_is_written() {
    let many: ArrayRef = Arc::new(StringArray::from_iter_values((0..400).map(|n| format!("w{n}"))));
    let times = TimestampSecondArray::from_iter_values((0..400).map(|n| n * 7_000)).with_timezone("Europe/Berlin");
    let refused = |columns: Vec<(&str, ArrayRef)>, fit: &str, export: &str, code: i32, says: &[&str]| {
        let dir = fitted(columns, fit);
        dir.fails(code, &format!("export vae.onnx {export}")).says(says);
        assert!(!dir.path("vae.onnx").exists());
    };
    refused(vec![("id", many)], "--categorical id", "", 65, &["\"id\"", "hashed", "--max-categories"]);
    refused(vec![("at", Arc::new(times))], "--columns x,at", "", 65, &["\"at\"", "Europe/Berlin", "--exclude"]);
    refused(vec![], "", "--fdr 0.1", 65, &["false discovery rate", "--alpha"]);
    refused(vec![], "", "--score elbo_iw", 65, &["elbo_iw", "random", "--score"]);
    refused(vec![], "--anomaly-score elbo_iw", "", 65, &["elbo_iw", "--anomaly-score"]);
    refused(
        vec![("t", Arc::new(Float64Array::from_iter_values((0..400).map(f64::from))))],
        "--order-by t",
        "",
        65,
        &["in order", "--order-by"],
    );
    refused(vec![], "", "--opset 12", 2, &["13 to 23"]);
    refused(vec![("z", words())], "", "", 2, &["\"z\"", "--prefix"]);
}

#[test]
fn feedback_and_directions_are_part_of_the_graph() {
    let y: ArrayRef = Arc::new(Float64Array::from_iter_values((0..400).map(|n| f64::from(n * 37 % 400) / 3.0)));
    let dir = fitted(vec![("y", y)], "--preset anomaly --direction y=high");
    let has = |part: &str| {
        let bytes = std::fs::read(dir.path("vae.onnx")).unwrap();
        bytes.windows(part.len()).any(|here| here == part.as_bytes())
    };
    dir.ok("export vae.onnx");
    assert!(has("directions/Less") && !has("feedback.places"));
    std::fs::write(dir.path("reviewed.csv"), "x,y,verdict\n3.0,900.0,anomaly\n40.0,130.0,normal\n").unwrap();
    dir.ok("feedback vae.safetensors reviewed.csv");
    dir.ok("export vae.onnx --force");
    assert!(has("directions/Less") && has("feedback.places"));
}

#[test]
fn a_prefix_tells_outputs_from_columns_and_a_rule_decides() {
    let dir = fitted(vec![("z", words())], "");
    let told = dir.ok("export vae.onnx --prefix vae_ --contamination 0.02 --opset 21 --summary json").json();
    assert_eq!((&told["outputs"][0], &told["opset"]), (&"vae_z".into(), &21.into()));
    assert_eq!(told["outputs"].as_array().unwrap().last().unwrap(), "vae_is_anomaly");
}

#[test]
fn the_library_gives_the_files_of_the_program() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 300);
    dir.ok("fit in.parquet --epochs 2 --hidden 8 --latent-dim 1");
    dir.ok("export vae.onnx");
    let model = vaepipe::Model::load(dir.path("vae.safetensors"), vaepipe::Device::Cpu).unwrap();
    let file = model.to_onnx(&vaepipe::ExportConfig::new()).unwrap();
    assert_eq!(file.bytes(), std::fs::read(dir.path("vae.onnx")).unwrap());
    assert_eq!(file.outputs(), ["z", "recon_error", "anomaly_score", "p_value", "is_anomaly"]);
}
