//! A fit with a base model: what it keeps, what contradicts it, and that it makes nothing worse unnoticed.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray, RecordBatch};
use arrow::compute::kernels::numeric::{add, mul};
use arrow::datatypes::Float32Type;
use serde_json::{Value, json};

use crate::model_file::take_apart;
use crate::tables::{Uniform, curve, read, write};
use crate::workdir::Workdir;

/// A model of some rows, as `vae.safetensors`; other rows of their kind as `more.parquet`, and as `shifted.parquet` the
/// same with `x0` twice as wide and 1 further.
fn fitted(flags: &str) -> Workdir {
    let (dir, all) = (Workdir::new(), curve(4000));
    write(&dir.path("in.parquet"), &all.slice(0, 2000), 1000);
    let more = all.slice(2000, 2000);
    write(&dir.path("more.parquet"), &more, 1000);
    write(&dir.path("shifted.parquet"), &shifted(&more), 1000);
    dir.ok(&format!("fit in.parquet --epochs 20 --hidden 16 --latent-dim 2 {flags}"));
    dir
}

fn shifted(rows: &RecordBatch) -> RecordBatch {
    let (place, field) = rows.schema().column_with_name("x0").map(|(place, field)| (place, field.clone())).unwrap();
    let mut columns = rows.columns().to_vec();
    let number = |value: f32| arrow::array::Float32Array::new_scalar(value);
    let wide = mul(&columns[place].as_primitive::<Float32Type>(), &number(2.0)).unwrap();
    columns[place] = add(&wide, &number(1.0)).unwrap() as ArrayRef;
    assert_eq!(columns[place].data_type(), field.data_type());
    RecordBatch::try_new(Arc::clone(&rows.schema()), columns).unwrap()
}

/// The features of a model, but for what was missing in the rows of its fit.
fn features(metadata: &Value) -> impl Iterator<Item = Value> {
    metadata["features"].as_array().unwrap().clone().into_iter().map(|mut feature| {
        feature["missing"].take();
        feature
    })
}

fn metadata(dir: &Workdir, model: &str) -> Value {
    take_apart(&dir.path(model)).0
}

#[test]
fn it_keeps_columns_scaling_and_network_and_learns_the_new_rows() {
    let dir = fitted("");
    let ran = dir.ok("fit --init vae.safetensors shifted.parquet -m new.safetensors --epochs 20 --summary json");
    let (old, new) = (metadata(&dir, "vae.safetensors"), metadata(&dir, "new.safetensors"));
    assert_eq!(old["network"], new["network"]);
    for (old, new) in features(&old).zip(features(&new)) {
        assert_eq!(old, new);
    }
    assert_eq!(new["training"]["kl_warmup"], 0.0);
    let (summary, init) = (ran.json(), &new["provenance"]["init"]);
    assert_eq!(&summary["init"], init);
    // The hash that outputs of the old model hold.
    let scored = dir.ok("transform in.parquet out.parquet --summary json").json();
    assert_eq!((&init["model"], &init["refit_scaling"]), (&scored["model_hash"], &json!(false)));
    let [before, after] = [&init["held_out_loss"], &new["history"]["held_out_loss"]].map(|loss| loss.as_f64().unwrap());
    assert!(after < before - 1.0, "{before} before, {after} after");
    dir.ok("inspect new.safetensors").prints(&["base      ", &format!("{before:.4}"), init["model"].as_str().unwrap()]);
}

#[test]
fn what_is_hardly_trained_is_what_it_was() {
    let dir = fitted("--members 2 --val-fraction 0.2");
    let ran = dir.ok("fit --init vae.safetensors more.parquet -m new.safetensors --epochs 1 --lr 1e-12");
    ran.prints(&["base      "]);
    let ([(old, before), (new, after)], mut weights) =
        (["vae.safetensors", "new.safetensors"].map(|model| take_apart(&dir.path(model))), 0);
    // What is measured on the new rows differs, the weights of both networks do not.
    for (name, shape, _, bytes) in before.iter().filter(|(name, ..)| name.ends_with("weight") || name.ends_with("bias"))
    {
        let same = after.iter().find(|(other, ..)| other == name).unwrap();
        assert_eq!((shape, bytes), (&same.1, &same.3), "{name}");
        weights += 1;
    }
    assert!(weights >= 2 * 8, "{weights}");
    let loss = |value: &Value| value.as_f64().unwrap();
    let [was, is] = [&new["provenance"]["init"]["held_out_loss"], &new["history"]["held_out_loss"]].map(loss);
    assert_eq!(was, is);
    // Rows of the same kind lose about as much as those of the first fit.
    assert!(
        (was - loss(&old["history"]["held_out_loss"])).abs() < 0.5,
        "{was} and {}",
        old["history"]["held_out_loss"]
    );
}

#[test]
fn scaling_is_refitted_where_it_is_asked_for_and_all_else_stays() {
    let dir = fitted("--categorical name,id --exclude flag");
    dir.ok("fit --init vae.safetensors shifted.parquet -m new.safetensors --refit-scaling --epochs 5 --accept-worse");
    let (old, new) = (metadata(&dir, "vae.safetensors"), metadata(&dir, "new.safetensors"));
    let rows = crate::tables::floats(&crate::tables::read(&dir.path("shifted.parquet")), "x0");
    let mean = rows.iter().flatten().map(|&x| f64::from(x)).sum::<f64>() / rows.len() as f64;
    assert_eq!(features(&old).count(), features(&new).count());
    for (old, new) in features(&old).zip(features(&new)) {
        assert_eq!((&old["column"], &old["kind"]), (&new["column"], &new["kind"]));
        match old["kind"].as_str().unwrap() {
            "number" => assert_ne!(old["scaling"], new["scaling"], "{}", old["column"]),
            _ => assert_eq!(old, new),
        }
        if old["column"] == "x0" {
            let center = new["scaling"]["center"].as_f64().unwrap();
            assert!((center - mean).abs() < 1e-6 && (mean - 1.0).abs() < 0.1, "{center} and {mean}");
        }
    }
    assert_eq!(new["provenance"]["init"]["refit_scaling"], true);
}

#[test]
fn a_worse_model_is_refused_unless_it_is_accepted() {
    let dir = fitted("");
    let before = std::fs::read(dir.path("vae.safetensors")).unwrap();
    let fit = "fit --init vae.safetensors more.parquet --force --epochs 1 --lr 0.5";
    let ran = dir.fails(3, fit);
    ran.says(&["vae.safetensors: the fit made it worse", "nats a row before, ", "--accept-worse writes it"]);
    assert!(std::fs::read(dir.path("vae.safetensors")).unwrap() == before);
    dir.ok(&format!("{fit} --accept-worse")).says(&["the fit made it worse"]);
    let new = metadata(&dir, "vae.safetensors");
    assert!(new["history"]["held_out_loss"].as_f64() > new["provenance"]["init"]["held_out_loss"].as_f64());
    // And without rows to tell by, it is not known.
    dir.fails(2, "fit --init vae.safetensors more.parquet --force --val-fraction 0 --epochs 1")
        .says(&["too few rows are held out to tell", "a larger --val-fraction"]);
    dir.ok("fit --init vae.safetensors more.parquet --force --val-fraction 0 --epochs 1 --accept-worse");
    assert_eq!(metadata(&dir, "vae.safetensors")["provenance"]["init"]["held_out_loss"], Value::Null);
}

#[test]
fn options_that_contradict_the_model_are_refused_with_the_difference() {
    let first = "--exclude flag --categorical name --max-categories 9 --map x1=log1p --scale standard";
    let dir = fitted(first);
    let fit = "fit --init vae.safetensors more.parquet -m new.safetensors --epochs 1 --accept-worse";
    for (flag, says) in [
        ("--hidden 8", "it has 16, and not 8"),
        ("--latent-dim 3", "it has 2, and not 3"),
        ("--activation relu", "it has silu, and not relu"),
        ("--preset anomaly", "it has reduce, and not anomaly"),
        ("--scale robust", "it has standard, and not robust"),
        ("--members 2", "it has 1, and not 2"),
        ("--missing-indicator=false", "it has true, and not false"),
        ("--columns x0,x1,x2", "it learns \"x3\""),
        ("--columns *", "it does not learn \"flag\""),
        ("--columns x*,flag,name", "it does not learn \"flag\""),
        ("--exclude x3", "it learns \"x3\""),
        ("--categorical x3", "it learns \"x3\" as a number"),
        ("--max-categories 3", "it learns \"name\""),
        ("--map x1=asinh", "it learns \"x1\" on the curve log1p, and not asinh"),
        ("--map x0=log1p", "it learns \"x0\" on the curve none, and not log1p"),
    ] {
        if flag == "--columns *" {
            // A pattern says what may be learned; what is, the model says.
            dir.ok(&format!("{fit} --columns *"));
            std::fs::remove_file(dir.path("new.safetensors")).unwrap();
            continue;
        }
        let option = flag[2..].split([' ', '=']).next().unwrap().replace('-', "_");
        let ran = dir.fails(2, &format!("{fit} {flag}"));
        ran.says(&[&format!("{option} contradicts the base model vae.safetensors"), says, "without --init"]);
    }
    // The options of the first fit are no contradiction, nor are those of the training.
    dir.ok(&format!("{fit} {first} --hidden 16 --latent-dim 2 --beta 0.5 --trim 0.1 --batch-size 99 --seed 3"));
    std::fs::write(dir.path("c.toml"), "[fit]\nhidden = [8]\ninit = \"vae.safetensors\"\n").unwrap();
    dir.fails(78, "fit more.parquet --config c.toml --force")
        .says(&["hidden contradicts the base model vae.safetensors"]);
    dir.fails(2, "fit more.parquet --accept-worse").says(&["--init"]);
}

#[test]
fn rows_without_the_models_columns_are_refused() {
    let dir = fitted("");
    let rows = curve(300);
    write(&dir.path("less.parquet"), &rows.project(&[0, 1, 2, 3, 4, 6]).unwrap(), 1000);
    dir.fails(65, "fit --init vae.safetensors less.parquet -m new.safetensors")
        .says(&["less.parquet", "the model needs column \"x3\""]);
    dir.fails(1, "fit --init nothing.safetensors in.parquet --force")
        .says(&["nothing.safetensors: no such model file"]);
    dir.fails(65, "fit --init in.parquet more.parquet --force").says(&["in.parquet: not a usable model"]);
    // A column that is new is carried.
    let renamed = RecordBatch::try_from_iter_with_nullable(
        rows.schema()
            .fields()
            .iter()
            .zip(rows.columns())
            .map(|(field, column)| (field.name(), column.clone(), true))
            .chain([(&"new".to_owned(), rows.column(2).clone(), true)]),
    );
    write(&dir.path("wider.parquet"), &renamed.unwrap(), 1000);
    dir.ok("fit --init vae.safetensors wider.parquet -m new.safetensors --epochs 1 --accept-worse")
        .prints(&["new: is not a column of the base model"]);
}

#[test]
fn the_same_model_comes_of_it_for_any_number_of_threads_and_again_of_its_own() {
    let dir = fitted("");
    let fit = "fit --init vae.safetensors more.parquet --epochs 3 --accept-worse";
    dir.ok(&format!("{fit} -m one --threads 1"));
    dir.ok(&format!("{fit} -m many --threads 3"));
    let bytes = |model: &str| std::fs::read(dir.path(model)).unwrap();
    assert!(bytes("one") == bytes("many"));
    // In place of the old one, as a schedule does; the rate is not made finer again.
    dir.ok(&format!("{fit} --force"));
    dir.ok(&format!("{fit} --force"));
    let lr = |model: &str| metadata(&dir, model)["training"]["lr"].as_f64().unwrap();
    assert!(bytes("vae.safetensors") != bytes("one") && lr("vae.safetensors") == lr("one"));
}

/// Rows of two numbers, of which the first is missing in every `every`-th.
fn with_holes(rows: usize, every: usize) -> RecordBatch {
    let mut uniform = Uniform::new(rows as u64);
    let b: Vec<f64> = (0..rows).map(|_| uniform.next()).collect();
    let a = b.iter().enumerate().map(|(row, b)| (row % every > 0).then_some(b + 0.1 * uniform.next()));
    let columns =
        [("a", Arc::new(Float64Array::from_iter(a)) as ArrayRef), ("b", Arc::new(Float64Array::from(b.clone())))];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn what_was_missing_at_fit_is_what_was_in_the_new_rows() {
    let dir = Workdir::new();
    write(&dir.path("many.parquet"), &with_holes(3000, 2), 1000);
    write(&dir.path("few.parquet"), &with_holes(400, 4), 1000);
    dir.ok("fit many.parquet --epochs 2");
    for flags in ["", "--refit-scaling"] {
        dir.ok(&format!(
            "fit --init vae.safetensors few.parquet -m new.safetensors --epochs 1 --accept-worse --force {flags}"
        ));
        let drift = dir.ok("drift few.parquet -m new.safetensors --summary json").json();
        let shares = ["missing", "missing_at_fit"].map(|key| drift["columns"][0][key].as_f64());
        assert_eq!(shares, [Some(0.25); 2], "{flags}");
        dir.ok("generate -n 4000 drawn.parquet -m new.safetensors --nulls --force");
        let nulls = read(&dir.path("drawn.parquet"))["a"].null_count();
        assert!((900..1100).contains(&nulls), "{nulls}");
    }
}

#[test]
fn the_settings_printed_are_those_of_the_fit() {
    let dir = fitted("--preset anomaly");
    let flags = "--init vae.safetensors more.parquet --epochs 2 --accept-worse";
    let printed = dir.ok(&format!("fit {flags} -m new.safetensors --print-config"));
    std::fs::write(dir.path("v.toml"), printed.stdout()).unwrap();
    dir.ok(&format!("fit {flags} -m new.safetensors"));
    dir.ok("fit more.parquet --config v.toml -m again.safetensors");
    assert_eq!(
        std::fs::read(dir.path("new.safetensors")).unwrap(),
        std::fs::read(dir.path("again.safetensors")).unwrap()
    );
}

#[test]
fn what_was_asked_for_at_first_may_be_asked_for_again() {
    let dir = Workdir::new();
    let numbers = (0..900).map(|row| Some([row % 4, (row / 4) % 4, (row / 16) % 4].map(|x| Some(x as f32))));
    let vectors: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(numbers));
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter([("v", vectors)]).unwrap(), 900);
    let asked = "--latent-dim auto --vector-scale element --scale robust";
    dir.ok(&format!("fit in.parquet --epochs 4 {asked}"));
    dir.ok(&format!("fit --init vae.safetensors in.parquet -m new.safetensors --epochs 1 --accept-worse {asked}"));
}

#[test]
fn a_column_that_no_model_before_had_is_not_learned_by_a_later_one_either() {
    let dir = fitted("");
    let mut rows = read(&dir.path("more.parquet"));
    let own = rows.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let columns = own.iter().map(|name| (name.as_str(), rows[name.as_str()].clone()));
    rows = RecordBatch::try_from_iter(columns.chain([("late", rows["x0"].clone())])).unwrap();
    write(&dir.path("late.parquet"), &rows, 1000);
    dir.ok("fit --init vae.safetensors late.parquet -m second.safetensors --epochs 1 --accept-worse");
    dir.fails(2, "fit --init second.safetensors late.parquet -m third.safetensors --columns x0,x1,x2,x3,flag,late")
        .says(&["columns contradicts the base model second.safetensors", "it does not learn \"late\""]);
}

#[test]
fn few_held_out_rows_tell_nothing() {
    let dir = fitted("");
    write(&dir.path("few.parquet"), &curve(12), 12);
    dir.fails(2, "fit --init vae.safetensors few.parquet -m new.safetensors").says(&["too few rows are held out"]);
    dir.ok("fit --init vae.safetensors few.parquet -m new.safetensors --accept-worse");
}
