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

/// The anchors of a page's headings.
fn anchors(page: &str) -> Vec<String> {
    let headings =
        page.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#').trim());
    let slug = |heading: &str| {
        let kept = heading.to_lowercase().replace(|c: char| !c.is_alphanumeric() && !matches!(c, ' ' | '-' | '_'), "");
        kept.replace(' ', "-")
    };
    headings.map(slug).collect()
}

#[test]
fn links_lead_somewhere() {
    let pages = [
        "README.md",
        "CONTRIBUTING.md",
        "ARCHITECTURE.md",
        "python/README.md",
        "benches/README.md",
        "sample_data/README.md",
    ];
    for page in pages.map(repository).into_iter().chain(book()) {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            if path.starts_with("http") {
                continue;
            }
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: no {link}", page.display());
            let found =
                anchor.is_empty() || anchors(&std::fs::read_to_string(&target).unwrap()).contains(&anchor.to_owned());
            assert!(found, "{}: no heading {link}", page.display());
        }
    }
}
