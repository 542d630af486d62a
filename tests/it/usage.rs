//! What people type who know other tools, or this one by half: it works, or the way out is said.

use std::os::unix::fs::symlink;

use crate::tables::{curve, names, read, write};
use crate::targets::with_model;

#[test]
fn an_output_is_the_last_path_or_named_by_a_flag_and_flags_stand_anywhere() {
    let dir = with_model();
    for (n, arguments) in ["in.parquet OUT", "in.parquet -o OUT", "--std in.parquet --output OUT", "-o OUT in.parquet"]
        .into_iter()
        .enumerate()
    {
        for command in ["transform", "fit-transform --epochs 1", "impute", "reconstruct"] {
            let output = format!("{}{n}.parquet", command.split(' ').next().unwrap());
            let arguments = match command {
                "impute" | "reconstruct" => arguments.replace("--std", ""),
                _ => arguments.to_owned(),
            };
            dir.ok(&format!("{command} {}", arguments.replace("OUT", &output)));
            assert_eq!(read(&dir.path(&output)).num_rows(), 300, "{command} {arguments}");
        }
    }
    dir.ok("transform in.parquet --std between.parquet");
    assert!(names(&read(&dir.path("between.parquet"))).contains(&"z_std_0".to_owned()));
    for command in ["generate -n 5", "traverse"] {
        dir.ok(&format!("{command} by_place.parquet"));
        dir.ok(&format!("{command} -o by_flag.parquet"));
        assert_eq!(read(&dir.path("by_place.parquet")), read(&dir.path("by_flag.parquet")), "{command}");
        dir.fails(2, command).says(&["no output is named"]);
        dir.fails(2, &format!("{command} one -o other")).says(&["two outputs are named: one and other"]);
        for name in ["by_place.parquet", "by_flag.parquet"] {
            std::fs::remove_file(dir.path(name)).unwrap();
        }
    }
    dir.fails(2, "transform in.parquet").says(&["no output is named", "in.parquet OUTPUT"]);
}

#[test]
fn the_model_is_named_by_m_in_every_command() {
    let dir = with_model();
    std::fs::rename(dir.path("vae.safetensors"), dir.path("m.st")).unwrap();
    dir.ok("transform in.parquet scored.parquet -m m.st");
    for command in [
        "impute in.parquet a.parquet",
        "reconstruct in.parquet b.parquet",
        "generate -n 3 c.parquet",
        "traverse d.parquet",
        "inspect",
        "inspect --latents",
        "drift in.parquet",
        "schema in.parquet",
        "evaluate in.parquet --likelihood --samples 2",
        "report scored.parquet",
    ] {
        dir.fails(1, &format!("{command} -m none.st")).says(&["none.st: no such model file"]);
        dir.ok(&format!("{command} -m m.st"));
    }
    assert_eq!(dir.ok("inspect m.st").stdout(), dir.ok("inspect -m m.st").stdout());
    dir.fails(2, "inspect in.parquet -m m.st");
    dir.fails(1, "transform none.parquet e.parquet -m m.st").says(&["none.parquet: cannot open"]);
}

#[test]
fn a_model_in_the_place_of_data_is_told() {
    let dir = with_model();
    for command in ["transform vae.safetensors in.parquet out.parquet", "drift vae.safetensors in.parquet"] {
        dir.fails(65, command).says(&["vae.safetensors: not a Parquet file", "-m vae.safetensors"]);
    }
    dir.fails(65, "fit in.parquet vae.safetensors -m new").says(&["a model is named by -m: -m vae.safetensors"]);
    dir.fails(1, "fit in.parquet new.safetensors").says(&["the model to write is named by -m: -m new.safetensors"]);
}

#[test]
fn summaries_have_one_flag_and_its_older_name() {
    let dir = with_model();
    dir.ok("transform in.parquet scored.parquet");
    for command in ["inspect in.parquet", "inspect", "drift in.parquet", "schema in.parquet"] {
        let by = |flag: &str| {
            let mut json = dir.ok(&format!("{command} {flag} json --run-id same")).json();
            json["seconds"] = 0.into();
            json
        };
        assert_eq!(by("--summary"), by("--format"), "{command}");
        dir.run_with(&[("VAEPIPE_FORMAT", "json")], command).exits(0).json();
    }
}

#[test]
fn lists_may_have_spaces() {
    let dir = with_model();
    let listed = |list: &str| {
        let mut command = dir.command("fit in.parquet --force --epochs 1 --summary json --columns");
        let ran = command.arg(list).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice::<serde_json::Value>(&ran.stdout).unwrap()["model_hash"].clone()
    };
    assert_eq!(listed("x0,x1"), listed(" x0 , x1"));
    std::fs::write(dir.path("v.toml"), "keep = 'x0, x1'").unwrap();
    dir.ok("fit in.parquet --force --epochs 1");
    dir.ok("transform in.parquet kept.parquet --config v.toml");
    assert_eq!(names(&read(&dir.path("kept.parquet")))[..2], ["x0", "x1"]);
}

#[test]
fn words_of_other_tools_are_answered_with_ours() {
    let dir = with_model();
    for (word, ours) in [
        ("train", "fit"),
        ("predict", "transform"),
        ("score", "transform"),
        ("encode", "transform"),
        ("monitor", "drift"),
        ("diff", "compare"),
    ] {
        dir.fails(2, &format!("{word} in.parquet")).says(&[&format!("'{ours}'")]);
    }
    for (flag, ours) in
        [("--random-state 7", "--seed"), ("--n_components 2", "--latent-dim"), ("--overwrite", "--force")]
    {
        dir.fails(2, &format!("fit in.parquet {flag}")).says(&[&format!("'{ours}'")]);
    }
    #[cfg(feature = "delta")]
    dir.fails(2, "transform in.parquet out --format json").says(&["--summary json prints the summary"]);
    dir.fails(2, "transform in.parquet --out out.parquet").says(&["'--output'"]);
    dir.fails(2, "fit in.parquet --hidden 64x32").says(&["\"64x32\" is not a width", "256,128"]);
}

#[test]
fn what_stands_in_the_wrong_place_is_told() {
    let dir = with_model();
    dir.ok("transform in.parquet scored.parquet");
    dir.fails(2, "transform scored.parquet in.parquet").says(&["--force replaces it; the last path is the output"]);
    dir.fails(2, "transform in.parquet vae.safetensors -m other.st").says(&["a model is named by -m"]);
    dir.fails(1, "fit in.parquet --columns x0 x1 -m new").says(&["commas separate the values of a list"]);
    dir.fails(1, "fit in.parquet,in.parquet -m new").says(&["spaces separate files, commas do not"]);
    dir.fails(1, "report scored.parquet page.html").says(&["the page is named by -o: -o page.html"]);
    dir.fails(2, "evaluate in.parquet --label flag").says(&["a file that `vaepipe transform` wrote"]);
    let output = dir.command("transform in.parquet out.parquet --where").arg("is_anomaly").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("a transform adds this column"));
    std::fs::write(dir.path("v.toml"), "[train]\nepochs = 1").unwrap();
    dir.fails(2, "fit in.parquet --output new").says(&["'--model'", "Usage: vaepipe fit"]);
    dir.fails(78, "fit in.parquet -m new --config v.toml").says(&["did you mean [fit]?"]);
    dir.ok("fit scored.parquet --epochs 1 -m of_scores.st").says(&["learns its latents and scores like other columns"]);
    dir.ok("fit-transform in.parquet both.parquet --epochs 1").prints(&["not kept; -m FILE keeps it"]);
    dir.ok_with(&[("VAEPIPE_EPOCH", "1")], "fit --print-config").says(&["did you mean VAEPIPE_EPOCHS?"]);
}

#[test]
fn files_are_skipped_only_where_each_has_an_output() {
    let dir = with_model();
    std::fs::create_dir(dir.path("lake")).unwrap();
    write(&dir.path("lake/a.parquet"), &curve(300), 100);
    std::fs::write(dir.path("lake/b.parquet"), "PAR1 and no more").unwrap();
    dir.fails(65, "transform lake one.parquet --keep-going").says(&["b.parquet"]);
    let ran = dir.fails(1, "transform lake each/ --keep-going");
    assert!(ran.stderr().contains("b.parquet") && dir.path("each/a.parquet").exists(), "{}", ran.stderr());
}

#[test]
fn numbers_of_rows_are_written_as_people_write_them() {
    let dir = with_model();
    for (rows, written) in [("1e2", 100), ("1_000", 1000), ("7", 7)] {
        dir.ok(&format!("generate -n {rows} some.parquet --force"));
        assert_eq!(read(&dir.path("some.parquet")).num_rows(), written);
    }
    dir.fails(2, "generate -n 1.5 more.parquet").says(&["not a whole number", "1e6"]);
}

#[test]
fn conditions_that_leave_no_row_are_told() {
    let dir = with_model();
    let hints = |command: &str, condition: &str, code: i32| {
        let output = dir.command(command).arg("--where").arg(condition).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = hints("fit in.parquet --force", "flag = \"train\"", 2);
    assert!(said.contains("single quotes a string: 'train'"), "{said}");
    let said = hints("fit in.parquet --force", "x0 > 1000000", 65);
    assert!(said.contains("--where leaves too few; check its condition"), "{said}");
    for command in ["transform in.parquet a.parquet", "impute in.parquet b.parquet", "reconstruct in.parquet c.parquet"]
    {
        let said = hints(command, "x0 > 1000000", 0);
        assert!(said.contains("no row meets the condition of --where"), "{said}");
    }
}

#[test]
fn conditions_on_many_files_leave_stderr_to_us() {
    let dir = with_model();
    std::fs::create_dir(dir.path("lake")).unwrap();
    for n in 0..20 {
        write(&dir.path(&format!("lake/{n}.parquet")), &curve(300), 100);
    }
    // For lists of constants the library behind --where has notices of its own.
    let mut command = dir.command("transform lake out.parquet -q --where");
    let output = command.arg("flag IN (true, false)").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(read(&dir.path("out.parquet")).num_rows(), 6000);
}

#[test]
fn names_that_lead_nowhere_are_told() {
    let dir = with_model();
    for link in ["link.parquet", "link.st"] {
        symlink("nowhere", dir.path(link)).unwrap();
    }
    dir.fails(1, "fit link.parquet -m new").says(&["it is a link to nowhere, which does not exist"]);
    dir.fails(1, "transform in.parquet o -m link.st").says(&["it is a link to nowhere, which does not exist"]);
    dir.fails(1, "fit lake/date=*/*.parquet -m new").says(&["there is no directory lake"]);
    dir.fails(2, "fit [in.parquet -m new").says(&["* ? and [ make a glob"]);
}

#[test]
fn more_is_logged_with_each_v() {
    let dir = with_model();
    let lines = |flags: &str| dir.ok(&format!("transform in.parquet out.parquet --force {flags}")).stderr().to_owned();
    let [plain, v, vv] = ["", "-v", "-vv"].map(lines);
    assert!(!plain.contains("DEBUG") && v.contains("DEBUG") && !v.contains("TRACE"), "{v}");
    assert!(vv.contains("DEBUG") && vv.contains("in.parquet: row group 0, "), "{vv}");
    let set = dir.ok_with(&[("VAEPIPE_VERBOSE", "2")], "transform in.parquet out.parquet --force");
    assert!(set.stderr().contains("TRACE"), "{}", set.stderr());
}
