//! The model file: what it holds, and every way it can lie.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

use crate::tables::{curve, write};
use crate::workdir::Workdir;

pub type Tensors = Vec<(String, Vec<usize>, Dtype, Vec<u8>)>;

/// A model file taken apart by the safetensors library alone.
pub fn take_apart(path: &Path) -> (Value, Tensors) {
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let keys = header.metadata().clone().unwrap();
    assert_eq!(keys.keys().collect::<Vec<_>>(), ["vaepipe"]);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Tensors = tensors
        .tensors()
        .into_iter()
        .map(|(name, t)| (name, t.shape().to_vec(), t.dtype(), t.data().to_vec()))
        .collect();
    tensors.sort();
    (serde_json::from_str(&keys["vaepipe"]).unwrap(), tensors)
}

pub fn put_together(path: &Path, metadata: &str, tensors: &Tensors) {
    let views =
        tensors.iter().map(|(name, shape, dtype, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    let keys = HashMap::from([("vaepipe".to_owned(), metadata.to_owned())]);
    std::fs::write(path, safetensors::serialize(views, Some(keys)).unwrap()).unwrap();
}

/// The columns a model learned, in row-vector order.
pub fn learned(path: &Path) -> Vec<String> {
    let features = take_apart(path).0["features"].clone();
    let name = |column: &Value| match column {
        Value::Array(path) => path.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>().join("."),
        column => column.as_str().unwrap().to_owned(),
    };
    features.as_array().unwrap().iter().map(|feature| name(&feature["column"])).collect()
}

fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(400), 1000);
    dir.ok("fit in.parquet --epochs 2 --hidden 8,6 --latent-dim 3");
    dir
}

#[test]
fn its_hash_is_that_of_the_file_and_computed_once() {
    let dir = fitted();
    let model = vaepipe::Model::load(dir.path("vae.safetensors"), vaepipe::Device::Cpu).unwrap();
    let said = std::process::Command::new("sha256sum").arg(dir.path("vae.safetensors")).output().unwrap();
    assert_eq!(model.hash(), &String::from_utf8(said.stdout).unwrap()[..64]);
    assert!(std::ptr::eq(model.hash(), model.hash()));
}

#[test]
fn tensors_have_candles_names_and_shapes() {
    let (metadata, tensors) = take_apart(&fitted().path("vae.safetensors"));
    let shapes = tensors.iter().map(|(name, shape, ..)| (name.as_str(), shape.as_slice()));
    let shapes: Vec<(&str, &[usize])> = shapes.filter(|(name, _)| !name.starts_with("aggregate.density")).collect();
    let expected: [(&str, &[usize]); 27] = [
        ("aggregate.deviation", &[5]),
        ("aggregate.effect", &[3, 5]),
        ("aggregate.quantiles", &[4, 65]),
        ("aggregate.rank_correlation", &[3, 5]),
        ("aggregate.residual", &[4]),
        ("aggregate.residual.shared", &[4, 4]),
        ("decoder.0.bias", &[6]),
        ("decoder.0.weight", &[6, 3]),
        ("decoder.1.bias", &[8]),
        ("decoder.1.weight", &[8, 6]),
        // The flag's two classes, and that of missing values; four numbers and three latents.
        ("drift.classes", &[3]),
        ("drift.counts", &[7, 33]),
        ("drift.edges", &[7, 31]),
        // Of all these and the score.
        ("drift.usual", &[9]),
        ("encoder.0.bias", &[8]),
        // One of the five columns has missing values, which the encoder is told.
        ("encoder.0.weight", &[8, 6]),
        ("encoder.1.bias", &[6]),
        ("encoder.1.weight", &[6, 8]),
        ("latents.mean", &[3]),
        ("latents.whitening", &[3, 3]),
        ("likelihood.gaussian.log_variance", &[4]),
        ("output.bias", &[5]),
        ("output.weight", &[5, 8]),
        ("posterior.log_variance.bias", &[3]),
        ("posterior.log_variance.weight", &[3, 6]),
        ("posterior.mean.bias", &[3]),
        ("posterior.mean.weight", &[3, 6]),
    ];
    assert_eq!(shapes, expected);
    let kinds: Vec<_> =
        metadata["features"].as_array().unwrap().iter().map(|feature| feature["kind"].clone()).collect();
    assert_eq!(kinds, ["number", "number", "number", "number", "flag"]);
    assert_eq!(metadata["provenance"]["rows"], 400);
    let text = metadata.to_string();
    assert!(
        !text.contains("in.parquet") && !text.contains("cpu") && !text.contains("threads"),
        "only what decides the numbers"
    );
}

#[test]
fn a_model_that_lies_is_refused() {
    let dir = fitted();
    let (sound, tensors) = take_apart(&dir.path("vae.safetensors"));
    let refuses = |metadata: &Value, tensors: &Tensors, said: &str| {
        put_together(&dir.path("bad.safetensors"), &metadata.to_string(), tensors);
        dir.fails(65, "transform in.parquet out.parquet -m bad.safetensors").says(&["bad.safetensors", said]);
    };
    put_together(&dir.path("sound.safetensors"), &sound.to_string(), &tensors);
    dir.ok("transform in.parquet sound.parquet -m sound.safetensors");

    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut metadata = sound.clone();
        edit(&mut metadata);
        metadata
    };
    refuses(&edited(&|m| m["format_version"] = json!(99)), &tensors, "version 99");
    refuses(&edited(&|m| m["format_version"] = json!(0)), &tensors, "version 0");
    refuses(&edited(&|m| m["features"][0]["scaling"]["clip"] = json!(1e300)), &tensors, "scaling");
    refuses(&edited(&|m| m["features"][1]["column"] = m["features"][0]["column"].clone()), &tensors, "the same column");
    refuses(&edited(&|m| m["surprise"] = json!(1)), &tensors, "surprise");
    refuses(&edited(&|m| m["network"]["latent_dim"] = json!(0)), &tensors, "an empty layer");
    refuses(&edited(&|m| m["network"]["latent_dim"] = json!(u32::MAX)), &tensors, "parameters");
    refuses(&edited(&|m| m["network"]["hidden"] = json!([u64::MAX, u64::MAX])), &tensors, "parameters");
    refuses(&edited(&|m| m["network"]["hidden"] = json!([6, 8])), &tensors, "encoder.0.weight");
    refuses(&edited(&|m| m["features"] = json!([])), &tensors, "no features");
    refuses(&edited(&|m| m["features"].as_array_mut().unwrap().reverse()), &tensors, "order");
    refuses(&edited(&|m| m["features"][0]["scaling"]["scale"] = json!(0.0)), &tensors, "scaling");
    refuses(&edited(&|m| m["history"]["best_epoch"] = json!(77)), &tensors, "epoch");
    refuses(&edited(&|m| m["scoring"]["anomaly_score"] = json!("mse")), &tensors, "anomaly score");
    refuses(&edited(&|m| m["scoring"]["decision"] = json!({"alpha": 1.5})), &tensors, "stored scores or the decision");
    refuses(&edited(&|m| m["scoring"]["decision"] = json!({"guess": 0.5})), &tensors, "guess");
    for tail in ["calibration", "training"] {
        let lie = |edit: &dyn Fn(&mut Value)| edited(&|m| edit(&mut m["scoring"][tail]));
        refuses(&lie(&|tail| tail["rows"] = json!(0)), &tensors, "stored scores or the decision");
        refuses(&lie(&|tail| tail["at_least"][0] = json!(u64::MAX)), &tensors, "stored scores or the decision");
        refuses(
            &lie(&|tail| tail["scores"].as_array_mut().unwrap().reverse()),
            &tensors,
            "stored scores or the decision",
        );
        refuses(&lie(&|tail| tail["scores"] = json!([])), &tensors, "stored scores or the decision");
        refuses(&lie(&|tail| tail["scores"][0] = json!(1e300)), &tensors, "stored scores or the decision");
        refuses(&lie(&|tail| tail["scores"][0] = Value::Null), &tensors, "metadata");
    }

    let without = |name: &str| tensors.iter().filter(|tensor| tensor.0 != name).cloned().collect::<Tensors>();
    let with = |name: &str, shape: Vec<usize>, dtype, data: Vec<u8>| {
        let mut tensors = without(name);
        tensors.push((name.to_owned(), shape, dtype, data));
        tensors
    };
    refuses(&sound, &without("output.bias"), "parameters");
    let extra = with("spare", vec![100], Dtype::F32, vec![0; 400]);
    refuses(&sound, &extra, "spare");
    let renamed: Tensors = extra.iter().filter(|tensor| tensor.0 != "output.bias").cloned().collect();
    refuses(&sound, &renamed, "output.bias");
    refuses(&sound, &with("output.bias", vec![5, 1], Dtype::F32, vec![0; 20]), "output.bias");
    refuses(&sound, &with("output.bias", vec![5], Dtype::F64, vec![0; 40]), "F64");
    refuses(&sound, &without("latents.mean"), "latents.mean");
    refuses(&sound, &with("latents.whitening", vec![9], Dtype::F32, vec![0; 36]), "latents.whitening");
    let nan = f32::NAN.to_le_bytes().repeat(3);
    refuses(&sound, &with("latents.mean", vec![3], Dtype::F32, nan), "not finite");
    let nan = f32::NAN.to_le_bytes().repeat(5);
    refuses(&sound, &with("output.bias", vec![5], Dtype::F32, nan.clone()), "not finite");
    refuses(&sound, &without("aggregate.effect"), "aggregate.effect");
    refuses(&sound, &with("aggregate.deviation", vec![5], Dtype::F32, nan), "not finite");
    refuses(&sound, &with("aggregate.residual", vec![2, 2], Dtype::F32, vec![0; 16]), "aggregate.residual");
    refuses(&sound, &with("aggregate.spare", vec![1], Dtype::F32, vec![0; 4]), "aggregate.spare");
    let falling: Vec<u8> = (0..4 * 65).flat_map(|n| (-(n as f32)).to_le_bytes()).collect();
    refuses(&sound, &with("aggregate.quantiles", vec![4, 65], Dtype::F32, falling), "quantiles");
    refuses(&sound, &with("aggregate.density.weight", vec![1], Dtype::F32, vec![0; 4]), "density");
    refuses(&edited(&|m| m["health"]["rows"] = json!(0)), &tensors, "health");
    refuses(&edited(&|m| m["health"]["dimensions"] = json!([])), &tensors, "health");
}

#[test]
fn a_type_that_nests_deeper_than_a_stack_is_refused() {
    let dir = fitted();
    let (sound, tensors) = take_apart(&dir.path("vae.safetensors"));
    let deep = json!("List(".repeat(300_000) + "Int8" + &")".repeat(300_000));
    let mut lies = sound.clone();
    let columns = lies["columns"].as_array_mut().unwrap();
    columns.iter_mut().for_each(|column| column["type"] = deep.clone());
    put_together(&dir.path("columns.safetensors"), &lies.to_string(), &tensors);
    dir.fails(65, "generate -n 5 o.parquet -m columns.safetensors").says(&["128 levels"]);
    let mut lies = sound;
    lies["features"][0]["type"] = deep;
    put_together(&dir.path("features.safetensors"), &lies.to_string(), &tensors);
    std::fs::write(dir.path("in.csv"), "x0,x1,x2,x3,flag\n0.5,1,2,3,true\n").unwrap();
    dir.ok("transform in.csv o.parquet -m features.safetensors");
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let dir = fitted();
    let sound = std::fs::read(dir.path("vae.safetensors")).unwrap();
    let refuses = |bytes: &[u8], said: &str| {
        std::fs::write(dir.path("bad.safetensors"), bytes).unwrap();
        dir.fails(65, "transform in.parquet out.parquet -m bad.safetensors")
            .says(&["bad.safetensors: not a usable model", said]);
    };
    refuses(b"", "");
    refuses(b"PAR1", "");
    refuses(&u64::MAX.to_le_bytes(), "");
    for length in [7, 8, 9, 100, sound.len() / 2, sound.len() - 1] {
        refuses(&sound[..length], "");
    }
    let foreign =
        safetensors::serialize([("a", TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap())], None).unwrap();
    refuses(&foreign, "without the metadata key");
    dir.fails(1, "transform in.parquet out.parquet -m none.safetensors").says(&["none.safetensors", "vaepipe fit"]);
}
