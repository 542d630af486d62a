//! What the README tells people to do is what CI and the tests do.

use crate::formats::stream;
use crate::tables::{curve, names, read, write};
use crate::workdir::{Workdir, repository};

fn readme() -> String {
    std::fs::read_to_string(repository("README.md")).unwrap()
}

#[test]
fn ci_runs_the_readmes_two_commands() {
    let (readme, ci) = (readme(), std::fs::read_to_string(repository(".ci/run")).unwrap());
    for command in [
        "cargo run --release -- fit-transform sample_data/digits.parquet scored.parquet --exclude label,split",
        "cargo test --release",
    ] {
        assert!(readme.contains(command) && ci.contains(command), "{command}");
    }
}

#[cfg(unix)]
#[test]
fn the_readmes_pipeline_runs() {
    let (readme, dir, batch) = (readme(), Workdir::new(), curve(600));
    let commands = readme.split("```sh\n").find(|block| block.starts_with("vaepipe fit lake/")).unwrap();
    let commands = commands.split("```").next().unwrap();
    for (n, year) in [2022, 2023, 2024].into_iter().enumerate() {
        std::fs::create_dir_all(dir.path(&format!("lake/year={year}"))).unwrap();
        write(&dir.path(&format!("lake/year={year}/a.parquet")), &batch.slice(n * 200, 200), 1000);
    }
    std::fs::write(dir.path("rows.arrows"), stream(&batch, 100)).unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_vaepipe"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let ran = std::process::Command::new("bash")
        .args(["-ec", commands])
        .env("PATH", path)
        .current_dir(dir.path(""))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(names(&read(&dir.path("scored.parquet"))).contains(&"year".to_owned()));
    assert_eq!(std::fs::metadata(dir.path("some")).unwrap().len(), 1000);
    assert_eq!(read(&dir.path("scored/year=2024/a.parquet")).num_rows(), 200);
}
