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

#[test]
fn the_readmes_table_of_columns_is_the_schemas() {
    let [schema, readme] =
        ["schemas/output.md", "README.md"].map(|file| std::fs::read_to_string(repository(file)).unwrap());
    let table: Vec<&str> =
        schema.lines().skip_while(|line| !line.starts_with("| column |")).take_while(|line| !line.is_empty()).collect();
    assert!(table.len() >= 6 && readme.contains(&table.join("\n")), "{table:#?}");
}

#[test]
fn every_schema_is_linked_from_the_readme() {
    let readme = std::fs::read_to_string(repository("README.md")).unwrap();
    for file in std::fs::read_dir(repository("schemas")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(readme.contains(&format!("](schemas/{name})")), "{name}");
    }
}
