//! The documented tables are the real ones.

use vaepipe::SCORES;

use crate::workdir::repository;

#[test]
fn the_readme_and_the_schema_list_every_score() {
    for file in ["README.md", "schemas/output.md"] {
        let text = std::fs::read_to_string(repository(file)).unwrap();
        for score in SCORES {
            assert!(text.contains(&format!("| `{}` |", score.name)), "{file} lacks {}", score.name);
        }
    }
}
