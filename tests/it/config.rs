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
    assert!(ran.stdout().contains("# batch_size") && !ran.stdout().contains("std ="));

    write(&dir.path("in.parquet"), &curve(300), 1000);
    dir.ok_with(&variables, "fit in.parquet --epochs 4");
    let training = take_apart(&dir.path("vae.safetensors")).0["training"].clone();
    assert_eq!((&training["epochs"], &training["lr"], &training["beta"]), (&4.into(), &0.25.into(), &4.0.into()));
}

#[test]
fn the_printed_configuration_is_a_configuration_file() {
    let dir = Workdir::new();
    let values = |ran: &Ran| -> Vec<String> {
        ran.stdout().lines().map(|line| line.split("  # ").next().unwrap().trim_end().to_owned()).collect()
    };
    for (flags, key, value) in [
        ("--columns a,re:^b --epochs 9 --threads 2 --force", "columns", r#"["a", "re:^b"]"#),
        ("--hidden 32,16 --preset anomaly --lr 1e-5", "lr", "0.00001"),
        ("--hidden none", "hidden", r#""none""#),
        ("--seed 18446744073709551615", "seed", r#""18446744073709551615""#),
        (r#"--metrics a"b\c#d --spool-dir 'e"#, "metrics", r#"'a"b\c#d'"#),
        ("--memory 512MiB --sample 9 --max-steps 8", "memory", "536870912"),
    ] {
        let printed = dir.ok(&format!("fit --print-config {flags}"));
        std::fs::write(dir.path("v.toml"), printed.stdout()).unwrap();
        let again = dir.ok("fit --print-config --config v.toml");
        assert_eq!(values(&printed), values(&again));
        assert_eq!(said(&again, key).0, value, "{flags}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_configuration_may_come_from_another_command_and_go_to_one_that_ends() {
    use std::os::unix::ffi::OsStrExt;
    let dir = Workdir::new();
    let bash = |script: &str| {
        let script = script.replace("vaepipe", env!("CARGO_BIN_EXE_vaepipe"));
        std::process::Command::new("bash").args(["-c", &script]).current_dir(dir.path(".")).output().unwrap()
    };
    let ran = bash("vaepipe fit --print-config --config <(vaepipe fit --print-config --epochs 7)");
    let stdout = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success() && stdout.contains("epochs = 7 "), "{stdout}{:?}", ran.stderr);
    let ran = bash("{ sleep 0.2; vaepipe fit --print-config; echo $? >&2; } | true");
    assert_eq!(String::from_utf8(ran.stderr).unwrap(), "141\n");
    // A path that is no text has no place in such a file, and takes nothing else with it.
    let path = std::ffi::OsStr::from_bytes(b"a\xff");
    let ran =
        dir.command("fit --print-config --lr 0.5").arg("-m").arg(path).arg("--spool-dir").arg(path).output().unwrap();
    let stdout = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(stdout.lines().filter(|line| line.starts_with("# ") && line.contains("not a text in UTF-8")).count(), 2);
    assert!(stdout.contains("lr = 0.5 ") && stdout.contains("scale = \"minmax\""), "{stdout}");
}

#[test]
fn a_configuration_with_a_wrong_value_is_not_printed() {
    let dir = with_file("lr = -1\n");
    for (code, flags) in [(2, "--lr -1"), (2, "--threads 0"), (2, "--device gpu"), (78, "--config v.toml")] {
        assert_eq!(dir.fails(code, &format!("fit --print-config {flags}")).stdout(), "");
    }
    dir.run_with(&[("VAEPIPE_SAMPLE", "1")], "fit --print-config").exits(78).says(&["VAEPIPE_SAMPLE sets it"]);
    dir.run_with(&[("VAEPIPE_THREADS", "0")], "transform --print-config").exits(78).says(&["VAEPIPE_THREADS"]);
}

#[test]
fn the_program_takes_and_refuses_what_the_schema_does() {
    let dir = Workdir::new();
    let text = std::fs::read_to_string(repository("tests/it/settings.json")).unwrap();
    let settings: Value = serde_json::from_str(&text).unwrap();
    for (code, kind) in [(0, "taken"), (78, "refused")] {
        for file in settings[kind].as_array().unwrap() {
            let file = file.as_str().unwrap();
            std::fs::write(dir.path("v.toml"), file).unwrap();
            let ran = dir.run("fit --print-config --config v.toml");
            assert_eq!(ran.output.status.code(), Some(code), "{file}\n{}", ran.stderr());
        }
    }
}

#[test]
fn an_empty_selection_selects_nothing_and_wins() {
    let dir = with_file("exclude = ['x1', 'x2']\n[fit]\nexclude = []\n");
    write(&dir.path("in.parquet"), &curve(300), 1000);
    dir.ok("fit in.parquet --epochs 1 --config v.toml").prints(&["learned   5 of 7 columns"]);
    dir.ok("inspect in.parquet --config v.toml").prints(&["learns    3 of 7 columns"]);
}

#[test]
fn unknown_settings_are_refused_with_near_names() {
    let dir = with_file("epocs = 2\n");
    write(&dir.path("in.parquet"), &curve(300), 1000);
    for (file, says) in [
        ("epocs = 2", ["v.toml: epocs: no such setting (line 1)", "did you mean epochs?"]),
        ("batch-size = 2", ["batch-size: no such setting", "did you mean batch_size?"]),
        ("[fit]\nlatent = 2", ["fit.latent: no such setting", "latent_dim"]),
        ("[fit]\n\nstd = true", ["fit.std: no such setting (line 3)", ""]),
        ("[trasform]\nstd = true", ["trasform: no such setting", "did you mean transform?"]),
        ("config = 'a.toml'", ["config: no such setting", ""]),
        ("epochs = 1\nlr = ", ["v.toml: not a TOML file: line 2", ""]),
    ] {
        std::fs::write(dir.path("v.toml"), file).unwrap();
        dir.fails(78, "fit in.parquet --config v.toml").says(&says);
        dir.fails(78, "fit --print-config --config v.toml").says(&says);
    }
    assert_eq!(dir.names(), ["in.parquet", "v.toml"]);
}

#[test]
fn variables_of_others_are_told_and_ignored() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    // What Kubernetes sets in every pod beside a service of this name.
    let variables = [("VAEPIPE_LATENT_DIMS", "2"), ("VAEPIPE_SERVICE_HOST", "10.0.0.1")];
    dir.run_with(&variables, "fit in.parquet --epochs 1").exits(0).says(&[
        "VAEPIPE_LATENT_DIMS: no such setting; it is ignored; did you mean VAEPIPE_LATENT_DIM?",
        "VAEPIPE_SERVICE_HOST: no such setting; it is ignored",
    ]);
}

#[test]
fn wrong_values_name_the_place_they_stand_in() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    for (file, says) in [
        ("lr = 1\nepochs = 'many'", ["v.toml: epochs", "is a string, but must be an integer (line 2)"]),
        ("epochs = 1979-05-27", ["v.toml: epochs", "is a date"]),
        ("scale = 'log'", ["v.toml: scale", "robust"]),
        ("device = 'gpu'", ["v.toml: device", "gpu"]),
        ("force = 'maybe'", ["v.toml: force", "is a string, but must be true or false"]),
        ("[fit.epochs]\nmost = 3", ["v.toml: fit.epochs", "is a table"]),
        ("lr = -1", ["lr is -1", "v.toml: lr sets it"]),
        ("exclude = ['x9']", [r#"no column "x9""#, "v.toml: exclude takes names"]),
        ("columns = ['re:(']", ["is not a valid pattern", "v.toml: columns"]),
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
    dir.run_with(&[("VAEPIPE_FORCE", "maybe")], "fit in.parquet").exits(78).says(&["neither true nor false"]);
    dir.run_with(&[("VAEPIPE_TRIM", "2")], "fit in.parquet --trim 0 --epochs 1").exits(0);
    dir.run_with(&[("VAEPIPE_CONFIG", "none.toml")], "fit in.parquet").exits(78).says(&["VAEPIPE_CONFIG", "none.toml"]);
    dir.fails(2, "fit in.parquet --config none.toml").says(&["none.toml: cannot open"]);
    std::fs::write(dir.path("v.toml"), b"lr = \xff").unwrap();
    dir.fails(78, "fit in.parquet --config v.toml").says(&["v.toml: is not a text in UTF-8"]);
    dir.fails(78, "fit in.parquet --config .").says(&[".: is not a regular file"]);
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
    for command in [
        "fit",
        "transform",
        "fit-transform",
        "impute",
        "reconstruct",
        "generate",
        "traverse",
        "inspect",
        "drift",
        "compare",
        "evaluate",
        "report",
        "thresholds",
        "feedback",
        "export",
        "schema",
        "man",
        "completions",
    ] {
        let printed = Workdir::new().ok(&format!("{command} --print-config")).stdout().to_owned();
        let key = |line: &str| line.trim_start_matches("# ").split(' ').next().unwrap().to_owned();
        let mut keys: Vec<String> = printed.lines().map(key).collect();
        keys.sort();
        assert_eq!(schema["properties"][command]["propertyNames"]["enum"], serde_json::json!(keys), "{command}");
        known.extend(keys);
    }
    known.sort();
    known.dedup();
    listed.sort();
    assert_eq!(listed, known);
}
