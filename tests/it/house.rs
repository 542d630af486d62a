//! The house: imports point only downward, and each foreign library has its rooms.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::workdir::repository;

/// Rooms by floor, from the ground up. A room may import rooms of its own floor, as long as there is no circle, and of
/// the floors below.
const FLOORS: [&[&str]; 6] = [
    &["config", "error", "numerics", "pipeline", "storage"],
    &["feature", "frame", "sink", "source"],
    &["batch", "model", "sequence"],
    &["artifact", "drift", "score"],
    &["bench", "decode", "export", "fit", "output", "transform"],
    &["analysis", "compare"],
];

/// Libraries and the only files that may name them, by the start of their path in src.
const ROOMS: [(&str, &[&str]); 24] = [
    ("candle_core", &["model/", "artifact/mod.rs"]),
    ("candle_nn", &["model/tensors/"]),
    (
        "arrow",
        &[
            "analysis/report/",
            "batch/",
            "bench.rs",
            "compare/",
            "decode/",
            "export/column.rs",
            "feature/",
            "fit/statistics.rs",
            "frame.rs",
            "output/mod.rs",
            "sequence/",
            "sink/",
            "source/",
            "transform/",
        ],
    ),
    ("parquet", &["sink/", "source/", "storage/positional_file.rs"]),
    (
        "flate2",
        &[
            "analysis/figure/image.rs",
            "sink/compressed.rs",
            "source/parquet/page_header.rs",
            "source/text/file.rs",
            "source/text/lines.rs",
        ],
    ),
    ("encoding_rs", &["config/flags.rs", "source/text/"]),
    ("brotli", &["source/parquet/page_header.rs"]),
    ("thrift", &["source/", "sink/"]),
    ("crossbeam_channel", &["pipeline/"]),
    ("rayon", &["model/kernels/", "pipeline/pool.rs"]),
    ("gemm", &["numerics/product.rs"]),
    ("pulp", &["numerics/vector.rs"]),
    ("safetensors", &["artifact/"]),
    ("prost", &["export/"]),
    ("object_store", &["storage/objects/"]),
    ("tokio", &["storage/objects/object.rs"]),
    ("delta_kernel", &["sink/delta_table.rs", "source/delta/"]),
    ("delta_kernel_default_engine", &["sink/delta_table.rs", "source/delta/engine.rs"]),
    ("reqwest", &[]),
    ("rustls", &["storage/objects/object.rs"]),
    ("clap", &["cli/", "config/"]),
    ("plotters", &["analysis/figure/"]),
    ("base64", &["analysis/figure/", "analysis/report/page.rs", "source/parquet/arrow_schema.rs"]),
    ("polars", &["analysis/", "frame.rs", "source/predicate"]),
];

/// Every source file of the library and program, by path in src, without its tests and comments.
fn sources() -> BTreeMap<String, String> {
    fn walk(folder: &Path, root: &Path, sources: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, sources);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
                let code =
                    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
                sources.insert(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"), code);
            }
        }
    }
    let (root, mut sources) = (repository("src"), BTreeMap::new());
    walk(&root, &root, &mut sources);
    assert!(sources.len() > 30);
    sources
}

fn room(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap()
}

/// The words of `code`, so that `parquet` is not found in `ParquetSource`.
fn words(code: &str) -> BTreeSet<&str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').collect()
}

#[test]
fn imports_point_downward_and_in_no_circle() {
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let mut imports = BTreeMap::<String, BTreeSet<String>>::new();
    for (path, code) in sources() {
        if ["lib.rs", "main.rs"].contains(&path.as_str()) || path.starts_with("cli/") {
            continue;
        }
        let here = room(&path);
        let height = floor(here).unwrap_or_else(|| panic!("{path} stands on no floor"));
        for import in code.split("crate::").skip(1) {
            let there = words(import.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
            for there in there.into_iter().filter(|there| *there != here && floor(there).is_some()) {
                assert!(floor(there).unwrap() <= height, "{path} imports {there} from a floor above");
                imports.entry(here.to_owned()).or_default().insert(there.to_owned());
            }
        }
    }
    take_away(imports);
}

#[test]
fn subjects_of_the_program_import_each_other_in_no_circle() {
    let mut imports = BTreeMap::<String, BTreeSet<String>>::new();
    for (path, code) in sources() {
        let Some(within) = path.strip_prefix("cli/").filter(|within| *within != "mod.rs") else { continue };
        let here = room(within);
        for import in code.split("crate::cli::").skip(1) {
            let there = room(import.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
            // What the root of the folder gives is a type, not a subject.
            if there != here && there.starts_with(char::is_lowercase) {
                imports.entry(here.to_owned()).or_default().insert(there.to_owned());
            }
        }
    }
    assert!(imports.len() > 10);
    take_away(imports);
}

/// Takes away what imports nothing any more until nothing is left; a circle would stay.
fn take_away(mut imports: BTreeMap<String, BTreeSet<String>>) {
    while !imports.is_empty() {
        let open: BTreeSet<String> = imports.keys().cloned().collect();
        imports.retain(|_, there| there.iter().any(|room| open.contains(room)));
        assert_ne!(open.len(), imports.len(), "these import each other in a circle: {open:?}");
    }
}

#[test]
fn files_of_a_folder_import_each_other_in_no_circle() {
    // Of each file that is not the root of its folder: the files beside it that it names.
    let mut imports = BTreeMap::<String, BTreeSet<String>>::new();
    let sources = sources();
    for (path, code) in &sources {
        let Some((folder, _)) = path.rsplit_once('/').filter(|(_, file)| *file != "mod.rs") else { continue };
        for named in code.split("super::").skip(1) {
            let listed = named.strip_prefix('{').map(|rest| rest.split('}').next().unwrap_or_default());
            let first = named.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            let beside = words(listed.unwrap_or(first)).into_iter().map(|name| format!("{folder}/{name}.rs"));
            imports.entry(path.clone()).or_default().extend(beside.filter(|file| sources.contains_key(file)));
        }
    }
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 100);
    take_away(imports);
}

#[test]
fn every_library_has_its_rooms() {
    for (path, code) in sources() {
        for (library, rooms) in ROOMS {
            let named = code.contains(&format!("{library}::"));
            assert!(!named || rooms.iter().any(|room| path.starts_with(room)), "{path} names {library}");
        }
        let code = code.replace("std::thread::sleep", "");
        assert!(path.starts_with("pipeline/") || !code.contains("std::thread"), "{path} names std::thread");
        assert!(!path.starts_with("feature/") || !code.contains("candle"), "{path} names candle");
    }
}

/// So that no operation meets tensors of two devices, and each copy is one that somebody meant.
#[test]
fn one_file_makes_tensors_of_numbers_and_numbers_of_tensors() {
    let words = ["Tensor::new", "Tensor::from_", "Tensor::zeros", "Tensor::ones", "Tensor::full", "Tensor::arange"];
    let words = words.iter().chain(&[".to_vec1", ".to_vec2", ".to_vec0", ".to_scalar", ".to_device", "Device::new"]);
    let mut copies = std::collections::BTreeSet::new();
    for (path, code) in sources() {
        if words.clone().any(|word| code.contains(word)) {
            copies.insert(path);
        }
    }
    assert_eq!(copies.into_iter().collect::<Vec<_>>(), ["model/device.rs", "model/tensors/placer.rs"]);
}

#[test]
fn the_program_uses_only_the_librarys_public_face() {
    for (path, code) in sources() {
        if path.starts_with("cli/") || path == "main.rs" {
            // Whether files may be written is asked before any work.
            let code = code.replace("crate::cli", "").replace("crate::storage::", "");
            assert!(!code.contains("crate::"), "{path} reaches past the public face");
        } else {
            assert!(!code.contains("println!") && !code.contains("process::exit"), "{path} speaks to the user");
        }
    }
}

#[test]
fn unsafe_code_is_where_it_is_known_to_be() {
    let found: Vec<String> =
        sources().into_iter().filter(|(_, code)| words(code).contains("unsafe")).map(|(path, _)| path).collect();
    assert_eq!(found, ["frame.rs", "main.rs", "numerics/product.rs"]);
    // Every other module, or one that it is in, forbids it.
    let root = |path: &str| path.trim_end_matches("mod.rs").trim_end_matches(".rs").trim_end_matches('/').to_owned();
    let forbids = |code: &String| code.contains("#![forbid(unsafe_code)]");
    let forbidding: Vec<String> =
        sources().iter().filter(|(_, code)| forbids(code)).map(|(path, _)| root(path) + "/").collect();
    let open = sources().into_keys().filter(|path| {
        let module = root(path) + "/";
        !forbidding.iter().any(|forbidding| module.starts_with(forbidding))
    });
    assert_eq!(open.collect::<Vec<_>>(), ["frame.rs", "lib.rs", "main.rs", "numerics/mod.rs", "numerics/product.rs"]);
}

/// So that a name read in one place means the same in another.
#[test]
fn no_two_types_share_a_name() {
    // What stands in for a type in a build without its feature has its name.
    let stand_ins = ["source/delta/none.rs", "source/no_predicate.rs", "storage/objects/none.rs"];
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for (path, code) in sources().into_iter().filter(|(path, _)| !stand_ins.contains(&path.as_str())) {
        for line in code.lines() {
            let line =
                line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ").trim_start_matches("pub ");
            let keyword = ["struct ", "enum ", "trait ", "type "].into_iter().find(|keyword| line.starts_with(keyword));
            let Some(rest) = keyword.and_then(|keyword| line.strip_prefix(keyword)) else { continue };
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
            places.entry(name).or_default().push(path.clone());
        }
    }
    assert!(places.len() > 300);
    let shared: Vec<_> = places.into_iter().filter(|(_, places)| places.len() > 1).collect();
    assert_eq!(shared, [], "types of one name");
}

#[test]
fn files_are_small_and_say_what_they_are() {
    for (path, _) in sources() {
        let text = std::fs::read_to_string(repository("src").join(&path)).unwrap();
        assert!(text.lines().count() <= 420, "{path} has {} lines", text.lines().count());
        assert!(text.starts_with("//!") || text.starts_with("#![doc"), "{path} does not say what it is");
    }
}
