//! The README is short, and what it and the book tell people to do is what CI does.

use std::path::PathBuf;

use crate::workdir::repository;

/// The pages of the book.
pub fn book() -> Vec<PathBuf> {
    let files = std::fs::read_dir(repository("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.sort();
    pages
}

/// The README and the book as one text.
pub fn all_pages() -> String {
    let readme = [repository("README.md")];
    readme.iter().chain(&book()).map(|page| std::fs::read_to_string(page).unwrap()).collect()
}

#[test]
fn ci_runs_the_readmes_two_commands() {
    let [readme, ci] = ["README.md", ".ci/run"].map(|file| std::fs::read_to_string(repository(file)).unwrap());
    for command in [
        "cargo run --release -- fit-transform sample_data/digits.parquet scored.parquet --exclude label,split",
        "cargo test --release",
    ] {
        assert!(readme.contains(command) && ci.contains(command), "{command}");
    }
}

#[test]
fn the_readme_is_short() {
    let size = std::fs::metadata(repository("README.md")).unwrap().len();
    assert!(size <= 10_000, "README.md has {size} bytes: details go to docs/");
}
