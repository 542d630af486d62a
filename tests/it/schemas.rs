//! The documented tables are the real ones.

use vaepipe::SCORES;

use crate::readme::all_pages;
use crate::workdir::repository;

#[test]
fn the_book_lists_every_score() {
    let text = std::fs::read_to_string(repository("docs/output.md")).unwrap();
    for score in SCORES {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{}` |", score.name)));
        let row = row.unwrap_or_else(|| panic!("docs/output.md lacks {}", score.name));
        let unit = if score.name == "recon_error" { "float32" } else { score.unit };
        assert!(row.contains(score.about) && row.contains(unit), "{row}");
    }
}

#[test]
fn help_and_schemas_have_the_scores_of_the_table() {
    let all: Vec<&str> = SCORES.iter().map(|score| score.name).collect();
    let help =
        crate::workdir::Workdir::new().ok("transform --help").stdout().split_whitespace().collect::<Vec<_>>().join(" ");
    for score in SCORES {
        assert!(help.contains(&format!("- {}: {}", score.name, score.about)), "{}", score.name);
    }
    for (file, path) in [
        ("model", "/properties/scoring/properties/anomaly_score/enum"),
        ("config", "/$defs/settings/properties/anomaly_score/enum"),
    ] {
        let text = std::fs::read_to_string(repository(&format!("schemas/{file}.schema.json"))).unwrap();
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema.pointer(path), Some(&serde_json::json!(all)), "{file}");
    }
}

#[test]
fn every_schema_is_linked_from_the_book() {
    let book = all_pages();
    for file in std::fs::read_dir(repository("schemas")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(book.contains(&format!("](../schemas/{name})")), "{name}");
    }
}
