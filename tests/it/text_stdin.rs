//! Text and whole files on stdin.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};

use crate::formats::{fitted, piped, stream};
use crate::general::read_ipc;
use crate::tables::{new_bits, read};
use crate::workdir::Workdir;

/// A model and its rows as CSV and NDJSON, with their scores in `scored.parquet`.
fn texts() -> (Workdir, Vec<u8>, Vec<u8>) {
    let (dir, _) = fitted(600);
    dir.ok("transform in.parquet scored.parquet");
    for name in ["rows.csv", "rows.ndjson"] {
        dir.ok(&format!("transform in.parquet {name} --prefix new_"));
    }
    let bytes = |name: &str| std::fs::read(dir.path(name)).unwrap();
    let (csv, ndjson) = (bytes("rows.csv"), bytes("rows.ndjson"));
    (dir, csv, ndjson)
}

#[test]
fn stdin_is_read_in_the_format_that_is_given_or_found() {
    let (dir, csv, ndjson) = texts();
    let expected = new_bits(&read(&dir.path("scored.parquet")));
    let parquet = std::fs::read(dir.path("in.parquet")).unwrap();
    dir.ok("transform in.parquet whole.arrow");
    let arrow = std::fs::read(dir.path("whole.arrow")).unwrap();
    let gzip = {
        dir.ok("transform in.parquet rows.csv.gz --prefix new_");
        std::fs::read(dir.path("rows.csv.gz")).unwrap()
    };
    let tsv = {
        dir.ok("transform in.parquet rows.tsv --prefix new_");
        std::fs::read(dir.path("rows.tsv")).unwrap()
    };
    for (bytes, flags) in [
        (&csv, "--input-format csv"),
        (&gzip, "--input-format csv"),
        (&tsv, "--input-format csv"),
        (&tsv, "--input-format tsv"),
        (&ndjson, "--input-format ndjson"),
        (&ndjson, ""),
        (&parquet, ""),
        (&parquet, "--input-format parquet"),
    ] {
        let ran = piped(&dir, &format!("transform - out.parquet --force {flags}"), bytes).exits(0);
        assert!(new_bits(&read(&dir.path("out.parquet"))) == expected, "{flags}");
        assert_eq!(ran.stderr().contains("it is read as"), flags.is_empty(), "{}", ran.stderr());
    }
    let ran = piped(&dir, "transform - out.arrow --prefix again_ --input-format arrow", &arrow).exits(0);
    drop(ran);
    assert_eq!(read_ipc(&dir.path("out.arrow")).num_rows(), 600);
    // The rule that takes two passes can have them.
    piped(&dir, "transform - out.parquet --force --fdr 0.1", &ndjson).exits(0);
    assert!(!dir.names().iter().any(|name| name.starts_with('.')));
}

#[test]
fn every_command_reads_text_from_stdin() {
    let (dir, csv, ndjson) = texts();
    piped(&dir, "fit - -m new --epochs 1 --latent-dim 2 --hidden 4 --input-format csv --exclude new_*", &csv).exits(0);
    piped(&dir, "inspect - --input-format csv", &csv).exits(0).prints(&["x0", "600"]);
    piped(&dir, "drift -", &ndjson).exits(0);
    piped(&dir, "fit-transform - out.csv --epochs 1 --latent-dim 1 --hidden 4 --exclude new_*", &ndjson).exits(0);
    let lines = std::fs::read_to_string(dir.path("out.csv")).unwrap().lines().count();
    assert_eq!(lines, 601);
    // The model of text on stdin is that of the same text in a file.
    dir.ok("fit rows.csv -m file --epochs 1 --latent-dim 2 --hidden 4 --exclude new_*");
    let hash = |name: &str| dir.ok(&format!("inspect {name} --summary json")).json()["hash"].clone();
    assert_eq!(hash("new"), hash("file"));
}

#[test]
fn what_is_neither_an_arrow_stream_nor_ndjson_has_to_be_named() {
    let (dir, csv, ndjson) = texts();
    for bytes in [&csv[..], b"", b"\x1f\x8b\x08"] {
        piped(&dir, "transform - out.parquet", bytes)
            .exits(65)
            .says(&["stdin has to be an Arrow IPC stream or NDJSON, unless --input-format names another format"]);
    }
    piped(&dir, "transform - out.parquet --input-format csv", b"").exits(65);
    piped(&dir, "transform - out.parquet", &ndjson[..ndjson.len() - 9]).exits(65).says(&["line 600: not valid JSON"]);
    piped(&dir, "transform - out.parquet --input-format csv", b"x0,x1,x2,x3\n1,2,3,4\n1,2\n")
        .exits(65)
        .says(&["line 3"]);
    dir.fails(2, "transform - out.parquet --input-format json").says(&["arrow, parquet, csv, tsv, ndjson"]);
    assert!(!dir.path("out.parquet").exists());
}

#[test]
fn the_type_of_a_value_is_what_it_is_in_text_on_stdin() {
    let (dir, _) = fitted(300);
    // An integer column of the model with decimals in its last row.
    let mut rows = String::from("id,x0,x1,x2,x3,flag\n");
    (0..50).for_each(|n| rows += &format!("{n},0.1,0.2,0.3,0.4,true\n"));
    rows += "41.5,0.1,0.2,0.3,0.4,true\n";
    piped(&dir, "transform - out.parquet --input-format csv", rows.as_bytes()).exits(0);
    let out = read(&dir.path("out.parquet"));
    let id = out.column_by_name("id").unwrap();
    assert_eq!((id.data_type(), id.null_count()), (&DataType::Float64, 0));
    assert_eq!(id.as_primitive::<Float64Type>().value(50), 41.5);
}

#[test]
fn a_named_file_of_an_unknown_name_is_read_as_it_is_said() {
    let (dir, csv, _) = texts();
    let expected = new_bits(&read(&dir.path("scored.parquet")));
    std::fs::write(dir.path("rows.dat"), &csv).unwrap();
    dir.fails(65, "transform rows.dat out.parquet").says(&["--input-format names the format"]);
    dir.ok("transform rows.dat out.parquet --input-format csv");
    assert!(new_bits(&read(&dir.path("out.parquet"))) == expected);
    // Content beats what is said, and a directory is read by names.
    dir.ok("transform in.parquet out.parquet --force --input-format csv");
    std::fs::create_dir(dir.path("lake")).unwrap();
    std::fs::write(dir.path("lake/README"), "not rows").unwrap();
    std::fs::write(dir.path("lake/a.csv"), &csv).unwrap();
    dir.ok("transform lake out.parquet --force --input-format csv");
    assert_eq!(read(&dir.path("out.parquet")).num_rows(), 600);
}

#[test]
fn an_arrow_stream_is_not_copied() {
    let (dir, batch) = fitted(300);
    let ran = piped(&dir, "transform - out.parquet -v", &stream(&batch, 100)).exits(0);
    assert!(!ran.stderr().contains("scratch file"), "{}", ran.stderr());
}
