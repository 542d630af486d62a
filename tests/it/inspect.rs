//! What `inspect` says is what a fit does, and what a model holds.

use serde_json::{Value, json};

use crate::model_file::{Tensors, take_apart};
use crate::tables::{curve, keys, write};
use crate::two_commands::sample;
use crate::workdir::Workdir;

/// Weights and biases; what was measured of rows is none.
fn parameters(tensors: &Tensors) -> usize {
    let measured = |name: &str| {
        ["aggregate.", "drift.", "latents.", "neighbors.", "reference."].iter().any(|start| name.starts_with(start))
    };
    let weights = tensors.iter().filter(|(name, ..)| !measured(name));
    weights.map(|(_, shape, _, _)| shape.iter().product::<usize>()).sum()
}

#[test]
fn what_inspect_says_of_data_is_what_a_fit_with_the_same_flags_does() {
    for flags in [
        "--epochs 3",
        "--preset anomaly --exclude re:^dep --latent-dim 4 --epochs 2",
        "--columns *delay,year,month --hidden 8 --epochs 1",
    ] {
        let (dir, flights) = (Workdir::new(), sample("flights.parquet"));
        let plan = dir.ok(&format!("inspect {flights} --summary json {flags}")).json();
        assert_eq!(dir.names(), [""; 0], "it writes nothing");
        dir.ok(&format!("fit {flights} {flags}"));
        let (fitted, weights) = take_apart(&dir.path("vae.safetensors"));

        let columns = plan["columns"].as_array().unwrap();
        let learned = columns.iter().filter(|column| !column["learned"].is_null()).map(|column| &column["learned"]);
        let mut features: Vec<_> = fitted["features"].as_array().unwrap().iter().collect();
        let place = |column: &Value| columns.iter().position(|planned| planned["column"] == column["column"]);
        features.sort_by_key(|feature| place(feature));
        assert_eq!(learned.collect::<Vec<_>>(), features);
        let reasons = columns.iter().filter(|column| !column["reason"].is_null());
        let reasons = reasons.map(|column| json!({"column": column["column"], "reason": column["reason"]}));
        let mut carried = fitted["carried"].as_array().unwrap().clone();
        carried.iter_mut().for_each(|column| drop(column.as_object_mut().unwrap().remove("constant")));
        carried.sort_by_key(place);
        assert_eq!(reasons.collect::<Vec<_>>(), carried);

        let planned = &plan["model"];
        assert_eq!((&planned["network"], &planned["training"]), (&fitted["network"], &fitted["training"]));
        assert_eq!(planned["train_rows"], fitted["provenance"]["train_rows"]);
        assert_eq!(planned["parameters"], parameters(&weights));
    }
}

#[test]
fn values_are_counted_and_measured() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(700), 100);
    let plan = dir.ok("inspect in.parquet --summary json").json();
    assert_eq!(plan["rows"], 700);
    let column = |name: &str| -> &Value {
        plan["columns"].as_array().unwrap().iter().find(|column| column["column"] == name).unwrap()
    };
    assert_eq!((&column("x1")["values"]["null"], &column("x1")["values"]["known"]), (&100.into(), &600.into()));
    let id = &column("id")["values"];
    assert_eq!((&id["min"], &id["max"], &id["mean"]), (&0.0.into(), &699.0.into(), &349.5.into()));
    let name = column("name");
    assert_eq!((&name["values"]["null"], &name["values"]["min"]), (&140.into(), &Value::Null));
    assert!(name["reason"].as_str().unwrap().contains("identifier: 560 different words"));
    assert_eq!(column("flag")["learned"]["kind"], "flag");
}

#[test]
fn data_is_told_to_a_person() {
    let dir = Workdir::new();
    let inspect = dir.ok(&format!("inspect {}", sample("flights.parquet")));
    inspect.prints(&[
        "16,000 rows, 19 columns",
        "carry it: it is the year of \"time_hour\"",
        "learn it: number",
        "2.5 %",
        "next      vaepipe fit",
    ]);
    assert_eq!(inspect.stderr(), "");
    write(&dir.path("one.parquet"), &curve(1), 10);
    dir.ok("inspect one.parquet").prints(&["a fit needs at least 2 rows"]);
    write(&dir.path("two.parquet"), &curve(2), 10);
    dir.ok("inspect one.parquet two.parquet").prints(&["2 files: 3 rows"]);
    dir.fails(2, "inspect two.parquet --exclude y").says(&[r#"no column "y""#]);
}

#[test]
fn a_model_is_told_whole() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    dir.ok("fit in.parquet --epochs 12 --latent-dim 2 --seed 5");
    let model = dir.ok("inspect vae.safetensors --summary json").json();
    let (metadata, weights) = take_apart(&dir.path("vae.safetensors"));
    assert_eq!(model["metadata"], metadata);
    assert_eq!(model["bytes"], std::fs::metadata(dir.path("vae.safetensors")).unwrap().len());
    assert_eq!(model["parameters"], parameters(&weights));
    dir.ok("transform in.parquet out.parquet");
    assert_eq!(keys(&dir.path("out.parquet"))["vaepipe.model"], model["sha256"].as_str().unwrap());
    dir.ok("inspect vae.safetensors").prints(&[
        model["sha256"].as_str().unwrap(),
        "5-64-32-2 and back, silu",
        "seed 5",
        "12 epochs, best",
        "x1       number (x - ",
        "flag     flag, 0 or 1",
        "not learned: name: looks like an identifier",
    ]);
}

#[test]
fn what_is_neither_is_said() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    dir.ok("fit in.parquet --epochs 1");
    std::fs::write(dir.path("a.txt"), "id,x\n1,2\n").unwrap();
    std::fs::write(dir.path("nothing"), "").unwrap();
    dir.fails(65, "inspect a.txt").says(&["a.txt", "not a Parquet file"]);
    dir.fails(65, "inspect nothing").says(&["nothing", "it is empty"]);
    dir.fails(1, "inspect in.parket").says(&["in.parket: cannot open"]);
    dir.fails(1, "inspect on.parquet").says(&["on.parquet: cannot open", "did you mean in.parquet?"]);
    dir.fails(2, "inspect vae.safetensors --epochs 3").says(&["--epochs", "vae.safetensors is a model"]);
    dir.fails(2, "inspect vae.safetensors in.parquet").says(&["a model is inspected by itself"]);
}
