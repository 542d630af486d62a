//! What the README tells people to do is what CI does.

use crate::workdir::repository;

#[test]
fn ci_runs_the_readmes_two_commands() {
    let read = |name: &str| std::fs::read_to_string(repository(name)).unwrap();
    let (readme, ci) = (read("README.md"), read(".ci/run"));
    for command in [
        "cargo run --release -- fit-transform sample_data/digits.parquet scored.parquet --exclude label,split",
        "cargo test --release",
    ] {
        assert!(readme.contains(command) && ci.contains(command), "{command}");
    }
}
