//! Where outputs may go: never over each other, over the model, or over what somebody else put there.

use crate::tables::{curve, read, write};
use crate::workdir::Workdir;

/// A folder with rows, and a model fitted to them.
pub fn with_model() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    dir.ok("fit in.parquet --epochs 1");
    dir
}

#[test]
fn two_outputs_are_never_one_file_however_it_is_spelt() {
    let dir = with_model();
    std::fs::create_dir(dir.path("folder")).unwrap();
    let here = dir.path("out.parquet").display().to_string();
    for same in ["out.parquet", "./out.parquet", "folder/../out.parquet", &here] {
        for command in ["fit-transform in.parquet out.parquet -m", "fit in.parquet -m out.parquet --metrics"] {
            dir.fails(2, &format!("{command} {same} --force")).says(&["the path of two outputs"]);
            // And when it is there already.
            std::fs::write(dir.path("out.parquet"), "{}\n").unwrap();
            dir.fails(2, &format!("{command} {same} --force")).says(&["the path of two outputs"]);
            std::fs::remove_file(dir.path("out.parquet")).unwrap();
        }
    }
    assert_eq!(dir.names(), ["folder", "in.parquet", "vae.safetensors"]);
}

#[cfg(unix)]
#[test]
fn two_outputs_are_never_one_file_through_links_to_what_is_not_there_yet() {
    let dir = with_model();
    std::os::unix::fs::symlink("new.parquet", dir.path("link")).unwrap();
    std::os::unix::fs::symlink("link", dir.path("link-to-link")).unwrap();
    for link in ["link", "link-to-link"] {
        dir.fails(2, &format!("fit-transform in.parquet new.parquet -m {link}")).says(&["the path of two outputs"]);
    }
    dir.ok("transform in.parquet link-to-link");
    assert_eq!(read(&dir.path("new.parquet")).num_rows(), 300);
}

/// Whether the folder may have another owner: only root may give files away.
#[cfg(unix)]
fn give_away(path: &std::path::Path) -> bool {
    std::os::unix::fs::lchown(path, Some(65_534), None).is_ok()
}

#[cfg(unix)]
#[test]
fn what_others_put_into_a_folder_that_is_open_to_all_is_not_written_through() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (dir, safe) = (with_model(), Workdir::new());
    std::fs::write(safe.path("mine"), "mine").unwrap();
    let mode = |mode: u32| std::fs::set_permissions(dir.path(""), std::fs::Permissions::from_mode(mode)).unwrap();
    symlink(safe.path("mine"), dir.path("link.parquet")).unwrap();
    std::fs::write(dir.path("theirs.parquet"), "theirs").unwrap();
    symlink(safe.path(""), dir.path("way")).unwrap();
    if ["link.parquet", "theirs.parquet", "way"].iter().any(|name| !give_away(&dir.path(name))) {
        return;
    }
    let says = ["belongs to another user", "choose another path"];
    for (of_folder, name) in [
        (0o777, "link.parquet"),
        (0o1777, "link.parquet"),
        (0o1777, "theirs.parquet"),
        (0o777, "way/new.parquet"),
        (0o1777, "way/new.parquet"),
    ] {
        mode(of_folder);
        // Where the kernel minds links itself, it says so before.
        let ran = dir.run(&format!("transform in.parquet {name} --force"));
        assert!(ran.output.status.code() == Some(1) || ran.exits(2).says(&says).stderr().contains(name), "{name}");
    }
    assert_eq!(std::fs::read_to_string(safe.path("mine")).unwrap(), "mine");
    // A link of one's own, or in a folder that is one's own, is followed.
    mode(0o755);
    dir.ok("transform in.parquet link.parquet --force");
    assert_eq!(read(&safe.path("mine")).num_rows(), 300);
    assert_eq!(safe.names(), ["mine"]);
    assert_eq!(dir.names(), ["in.parquet", "link.parquet", "theirs.parquet", "vae.safetensors", "way"]);
}

#[test]
fn a_model_is_not_overwritten_with_the_rows_it_scores() {
    let dir = with_model();
    let model = std::fs::read(dir.path("vae.safetensors")).unwrap();
    for target in ["vae.safetensors", "./vae.safetensors"] {
        dir.fails(2, &format!("transform in.parquet {target} --force")).says(&["is also the input vae.safetensors"]);
        dir.fails(2, &format!("impute in.parquet {target} --force")).says(&["is also the input vae.safetensors"]);
    }
    assert!(std::fs::read(dir.path("vae.safetensors")).unwrap() == model);
}

#[test]
fn metrics_are_appended_to_json_lines_only() {
    let dir = with_model();
    let held = |text: &str| {
        std::fs::write(dir.path("m"), text).unwrap();
        dir.fails(2, "fit in.parquet --epochs 1 -m new --metrics m").says(&["m: holds something else than JSON lines"]);
        assert_eq!(std::fs::read_to_string(dir.path("m")).unwrap(), text);
    };
    held("a,b\n1,2\n");
    held("{\n  \"a\": 1\n}\n");
    held("{}");
    let fit = "fit in.parquet --epochs 1 -m new --metrics";
    dir.fails(2, &format!("{fit} vae.safetensors")).says(&["vae.safetensors: holds something else"]);
    for sound in ["", "{}\n"] {
        std::fs::write(dir.path("m"), sound).unwrap();
        dir.ok(&format!("{fit} m --force"));
        assert!(std::fs::read_to_string(dir.path("m")).unwrap().starts_with(sound));
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let dir = with_model();
    assert!(std::process::Command::new("mkfifo").arg(dir.path("p")).status().unwrap().success());
    for command in [
        "fit in.parquet -m p --force",
        "fit in.parquet -m new --metrics p",
        "transform in.parquet p --force",
        "fit-transform in.parquet p --force",
        "fit-transform in.parquet out.parquet --force -m p",
    ] {
        dir.fails(2, command).says(&["p: is not a regular file"]);
    }
    std::fs::write(dir.path("out.parquet"), "there").unwrap();
    dir.fails(65, "transform in.parquet out.parquet --force -m p").says(&["p: not a usable model"]);
    dir.fails(78, "fit in.parquet --config p").says(&["p: is not a regular file"]);
}

#[test]
fn what_a_transform_would_refuse_is_refused_before_the_training() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    let both = "fit-transform in.parquet out.parquet --epochs 1000000 --patience 0 -m new";
    dir.fails(2, &format!("{both} --keep nme")).says(&["nme", "--keep named it"]);
    dir.fails(2, &format!("{both} --keep re:(")).says(&["is not a valid pattern", "--keep"]);
    dir.fails(2, &format!("{both} --threads 0")).says(&["threads is 0", "--threads sets it"]);
    dir.ok("fit-transform in.parquet scored.parquet --epochs 1");
    dir.fails(2, &format!("{} --force", both.replace("in.parquet", "scored.parquet")))
        .says(&["scored.parquet: already has a column \"z_0\"", "--prefix"]);
    assert_eq!(dir.names(), ["in.parquet", "scored.parquet"]);
}

#[test]
fn a_transform_takes_as_many_threads_as_a_fit() {
    let dir = with_model();
    for threads in ["0", "1025", "100000"] {
        let command = format!("transform in.parquet out.parquet --threads {threads}");
        dir.fails(2, &command).says(&["threads is", "1 to 1024", "--threads sets it"]);
    }
    dir.run_with(&[("VAEPIPE_THREADS", "0")], "transform in.parquet out.parquet").exits(78).says(&["VAEPIPE_THREADS"]);
    assert_eq!(dir.names(), ["in.parquet", "vae.safetensors"]);
}

#[cfg(target_os = "linux")]
#[test]
fn metrics_that_cannot_be_written_do_not_cost_the_model() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    for (command, made) in [
        ("fit in.parquet --epochs 2", vec!["in.parquet", "m", "vae.safetensors"]),
        ("fit-transform in.parquet out.parquet --epochs 2", vec!["in.parquet", "m", "out.parquet", "vae.safetensors"]),
    ] {
        // No byte more than a model has, and the metrics file is that long already.
        std::fs::write(dir.path("m"), "{}\n".repeat(1 << 19)).unwrap();
        let program = env!("CARGO_BIN_EXE_vaepipe");
        let script = format!("ulimit -f 1024; exec {program} {command} --force -m vae.safetensors --metrics m");
        let ran = std::process::Command::new("bash").args(["-c", &script]).current_dir(dir.path("")).output().unwrap();
        let stderr = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("error: m: cannot write"), "{stderr}");
        assert!(String::from_utf8(ran.stdout).unwrap().contains("model     vae.safetensors"));
        assert_eq!(dir.names(), made);
    }
}
