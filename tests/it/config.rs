//! A flag on the command line, a variable, a key of the configuration file, the default: in this order.

use serde_json::Value;

use crate::model_file::take_apart;
use crate::tables::{curve, write};
use crate::workdir::{Ran, Workdir, repository};

/// What `--print-config` says of a key: its value as TOML, and where it comes from.
fn said(ran: &Ran, key: &str) -> (String, String) {
    let line = ran.stdout().lines().find(|line| line.starts_with(&format!("{key} = ")));
    let (value, source) = line.unwrap_or_else(|| panic!("no {key} in\n{}", ran.stdout())).rsplit_once("  # ").unwrap();
    (value.split_once(" = ").unwrap().1.trim().to_owned(), source.to_owned())
}

fn with_file(text: &str) -> Workdir {
    let dir = Workdir::new();
    std::fs::write(dir.path("v.toml"), text).unwrap();
    dir
}

#[test]
fn the_flag_wins_over_the_variable_and_the_variable_over_the_file() {
    let dir = with_file("epochs = 2\nlr = 0.5\nbeta = 3\nhidden = [8, 4]\n[fit]\nbeta = 4\n[transform]\nstd = true\n");
    let variables =
        [("VAEPIPE_EPOCHS", "3"), ("VAEPIPE_LR", "0.25"), ("VAEPIPE_CONFIG", "v.toml"), ("VAEPIPE_SEED", "")];
    let ran = dir.ok_with(&variables, "fit --print-config --epochs 4");
    for (key, value, source) in [
        ("epochs", "4", "command line"),
        ("lr", "0.25", "VAEPIPE_LR"),
        ("beta", "4.0", "v.toml: fit.beta"),
        ("hidden", "[8, 4]", "v.toml: hidden"),
        ("seed", "0", "default"),
        ("activation", "\"silu\"", "preset"),
    ] {
        assert_eq!(said(&ran, key), (value.to_owned(), source.to_owned()), "{key}");
    }
    assert!(ran.stdout().contains("# batch_size") && !ran.stdout().contains("std"));

    write(&dir.path("in.parquet"), &curve(300), 1000);
    dir.ok_with(&variables, "fit in.parquet --epochs 4");
    let training = take_apart(&dir.path("vae.safetensors")).0["training"].clone();
    assert_eq!((&training["epochs"], &training["lr"], &training["beta"]), (&4.into(), &0.25.into(), &4.0.into()));
}

#[test]
fn the_printed_configuration_is_a_configuration_file() {
    let dir = Workdir::new();
    let flags = "--columns a,re:^b --hidden 32,16 --epochs 9 --lr 1e-5 --preset anomaly --seed 3 --threads 2 --force";
    let printed = dir.ok(&format!("fit --print-config {flags}"));
    std::fs::write(dir.path("v.toml"), printed.stdout()).unwrap();
    let again = dir.ok("fit --print-config --config v.toml");
    let values = |ran: &Ran| -> Vec<String> {
        ran.stdout().lines().map(|line| line.split("  # ").next().unwrap().trim_end().to_owned()).collect()
    };
    assert_eq!(values(&printed), values(&again));
    assert_eq!(said(&again, "columns").0, r#"["a", "re:^b"]"#);
    assert_eq!(said(&again, "lr").0, "0.00001");
}

#[test]
fn unknown_settings_are_refused_with_near_names() {
    let dir = with_file("epocs = 2\n");
    write(&dir.path("in.parquet"), &curve(300), 1000);
    for (file, says) in [
        ("epocs = 2", ["v.toml: epocs: no such setting", "did you mean epochs?"]),
        ("batch-size = 2", ["batch-size: no such setting", "did you mean batch_size?"]),
        ("[fit]\nlatent = 2", ["fit.latent: no such setting", "latent_dim"]),
        ("[fit]\nstd = true", ["fit.std: no such setting", ""]),
        ("[trasform]\nstd = true", ["trasform: no such setting", "did you mean transform?"]),
        ("config = 'a.toml'", ["config: no such setting", ""]),
        ("epochs = 1\nlr = ", ["v.toml: not a TOML file: line 2", ""]),
    ] {
        std::fs::write(dir.path("v.toml"), file).unwrap();
        dir.fails(78, "fit in.parquet --config v.toml").says(&says);
        dir.fails(78, "fit --print-config --config v.toml").says(&says);
    }
    let variable = [("VAEPIPE_LATENT_DIMS", "2")];
    dir.run_with(&variable, "fit in.parquet")
        .exits(78)
        .says(&["VAEPIPE_LATENT_DIMS", "did you mean VAEPIPE_LATENT_DIM?"]);
    assert_eq!(dir.names(), ["in.parquet", "v.toml"]);
}

#[test]
fn wrong_values_name_the_place_they_stand_in() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    for (file, says) in [
        ("epochs = 'many'", ["v.toml: epochs", "invalid value 'many'"]),
        ("epochs = 1979-05-27", ["v.toml: epochs", "is a date"]),
        ("scale = 'log'", ["v.toml: scale", "robust"]),
        ("device = 'gpu'", ["v.toml: device", "gpu"]),
        ("force = 'maybe'", ["v.toml: force", "neither true nor false"]),
        ("[fit.epochs]\nmost = 3", ["v.toml: fit.epochs", "is a table"]),
        ("lr = -1", ["lr is -1", "v.toml: lr sets it"]),
        ("exclude = ['x9']", [r#"no column "x9""#, "v.toml: exclude takes names"]),
        ("columns = ['re:(']", ["is not a pattern", "v.toml: columns"]),
        ("columns = ['bytes']", ["no column", "v.toml: columns takes names"]),
        ("map = ['x0']", ["v.toml: map", "COL=CURVE"]),
        ("map = ['x0=cubic']", ["v.toml: map", "asinh"]),
        ("map = ['flag=asinh']", ["cannot be learned on a curve", "v.toml: map"]),
        ("categorical = ['x0']", ["cannot be learned as a category", "v.toml: categorical"]),
        ("mask_rate = 'some'", ["v.toml: mask_rate", "neither auto nor a share"]),
    ] {
        std::fs::write(dir.path("v.toml"), file).unwrap();
        dir.fails(78, "fit in.parquet --config v.toml").says(&says);
    }
    dir.run_with(&[("VAEPIPE_TRIM", "2")], "fit in.parquet").exits(78).says(&["trim is 2", "VAEPIPE_TRIM sets it"]);
    dir.run_with(&[("VAEPIPE_TRIM", "2")], "fit in.parquet --trim 0 --epochs 1").exits(0);
    dir.run_with(&[("VAEPIPE_CONFIG", "none.toml")], "fit in.parquet").exits(78).says(&["VAEPIPE_CONFIG", "none.toml"]);
    dir.fails(2, "fit in.parquet --config none.toml").says(&["none.toml: cannot open"]);
}

#[test]
fn switches_go_on_and_off_and_the_command_line_has_the_last_word() {
    let dir = with_file("quiet = true\n");
    write(&dir.path("in.parquet"), &curve(300), 1000);
    let fit = "fit in.parquet --epochs 1";
    dir.ok(fit);
    dir.fails(2, fit);
    dir.run_with(&[("VAEPIPE_FORCE", "no")], fit).exits(2);
    dir.run_with(&[("VAEPIPE_FORCE", "1")], fit).exits(0);
    assert_eq!(dir.ok(&format!("{fit} --force --config v.toml")).stderr(), "");
    dir.ok(&format!("{fit} --force --config v.toml -v")).says(&["DEBUG"]);
    // Settings of other commands are no business of this one.
    dir.ok_with(&[("VAEPIPE_STD", "yes"), ("VAEPIPE_KEEP", "id")], &format!("{fit} --force"));
}

#[test]
fn the_schema_lists_every_setting_and_no_other() {
    let schema = std::fs::read_to_string(repository("schemas/config.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut listed: Vec<String> =
        schema["$defs"]["settings"]["properties"].as_object().unwrap().keys().cloned().collect();
    let mut known = Vec::new();
    for command in ["fit", "transform", "fit-transform", "inspect", "impute"] {
        assert!(schema["properties"][command].is_object(), "{command}");
        let printed = Workdir::new().ok(&format!("{command} --print-config")).stdout().to_owned();
        known.extend(printed.lines().map(|line| line.trim_start_matches("# ").split(' ').next().unwrap().to_owned()));
    }
    known.sort();
    known.dedup();
    listed.sort();
    assert_eq!(listed, known);
}
