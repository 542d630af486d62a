//! Every command reads what a transform reads, and writes what it writes.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::util::display::array_value_to_string;

use crate::formats::{fitted, gzip, lake, piped, read_stream, stream, write_csv, write_ipc, write_ndjson};
use crate::general::read_ipc;
use crate::tables::{names, read, write};
use crate::workdir::Workdir;

/// The values of each column as text: the formats differ in how they store strings.
fn texts(batch: &RecordBatch) -> BTreeMap<String, Vec<String>> {
    let values =
        |array: &ArrayRef| (0..batch.num_rows()).map(|row| array_value_to_string(array, row).unwrap()).collect();
    names(batch).into_iter().zip(batch.columns().iter().map(values)).collect()
}

/// Checks that `command` gives the same rows whatever they come in and go to.
fn rows_are_the_same_in_every_format(dir: &Workdir, batch: &RecordBatch, command: &str) {
    dir.ok(&format!("{command} in.parquet expected.parquet"));
    let expected = texts(&read(&dir.path("expected.parquet")));
    for input in ["rows.arrow", "rows.csv", "rows.csv.gz", "rows.ndjson", "--where id>=0 in.parquet"] {
        dir.ok(&format!("{command} {input} out.parquet --force"));
        assert_eq!(texts(&read(&dir.path("out.parquet"))), expected, "{input}");
    }
    dir.ok(&format!("{command} in.parquet out.arrow --force --threads 1"));
    assert_eq!(texts(&read_ipc(&dir.path("out.arrow"))), expected);
    dir.ok(&format!("{command} in.parquet out.parquet --force --compression snappy --row-group-size 100"));
    assert_eq!(texts(&read(&dir.path("out.parquet"))), expected);
    for rows in [1, 333, 5000] {
        let ran = piped(dir, &format!("{command} - - --summary json"), &stream(batch, rows)).exits(0);
        assert_eq!(texts(&read_stream(&ran.output.stdout)), expected, "{rows}");
        ran.says(&["\"rows\":1000"]);
    }
}

/// Rows of a model in every format.
fn in_every_format() -> (Workdir, RecordBatch) {
    let (dir, batch) = fitted(1000);
    write_ipc(&dir.path("rows.arrow"), &batch, None);
    write_csv(&dir.path("rows.csv"), &batch);
    gzip(&dir.path("rows.csv"));
    write_ndjson(&dir.path("rows.ndjson"), &batch);
    (dir, batch)
}

#[test]
fn impute_fills_rows_of_every_format() {
    let (dir, batch) = in_every_format();
    rows_are_the_same_in_every_format(&dir, &batch, "impute --flag --intervals 0.9");
    let out = read(&dir.path("expected.parquet"));
    assert_eq!(names(&out)[7..], ["x1_imputed", "x1_low", "x1_high"]);
    assert_eq!(out.column_by_name("x1").unwrap().null_count(), 0);
}

#[test]
fn reconstruct_rebuilds_rows_of_every_format() {
    let (dir, batch) = in_every_format();
    rows_are_the_same_in_every_format(&dir, &batch, "reconstruct");
}

#[test]
fn a_lake_is_filled_file_by_file_or_into_one() {
    let (dir, batch) = fitted(1000);
    let parts = lake(&dir, &batch);
    dir.ok("impute lake/ filled/ --flag");
    dir.ok("impute lake/ one.parquet --flag");
    let one = read(&dir.path("one.parquet"));
    let mut mirrored = Vec::new();
    for (path, before) in &parts {
        let after = read(&dir.path(&format!("filled/{path}")));
        // The keys of the path are not repeated in the file.
        let mut columns = names(before);
        columns.push("x1_imputed".to_owned());
        assert_eq!(names(&after), columns, "{path}");
        assert_eq!(after.column_by_name("x1").unwrap().null_count(), 0, "{path}");
        mirrored.push(after);
    }
    let mirrored = concat_batches(&mirrored[0].schema(), &mirrored).unwrap();
    let (mirrored, one) = (texts(&mirrored), texts(&one));
    assert!(mirrored.iter().all(|(column, values)| one[column] == *values));

    dir.ok("impute lake/ filled/ --flag --skip-existing --summary json").prints(&["\"files\":0", "\"skipped\":"]);
    dir.fails(2, "impute lake/ filled/ --flag");
    dir.fails(2, "reconstruct lake/ filled/");
    dir.ok("reconstruct lake/ rebuilt/");
    assert_eq!(names(&read(&dir.path(&format!("rebuilt/{}", parts[0].0)))), names(&parts[0].1));
}

#[test]
fn a_column_that_a_file_of_a_lake_lacks_is_filled_there() {
    let (dir, batch) = fitted(1000);
    std::fs::create_dir(dir.path("lake")).unwrap();
    write(&dir.path("lake/a.parquet"), &batch.slice(0, 500), 300);
    let without: Vec<usize> = (0..7).filter(|&column| column != 3).collect();
    write(&dir.path("lake/b.parquet"), &batch.slice(500, 500).project(&without).unwrap(), 300);
    dir.ok("impute lake/ filled/ --summary json").prints(&["\"column\":\"x1\""]);
    let filled = read(&dir.path("filled/b.parquet"));
    assert_eq!(names(&filled), ["id", "name", "x0", "x2", "x3", "flag", "x1"]);
    assert_eq!(filled.column_by_name("x1").unwrap().null_count(), 0);
    dir.ok("impute lake/ one.parquet");
    let whole = read(&dir.path("one.parquet"));
    assert_eq!(texts(&whole.slice(500, 500))["x1"], texts(&filled)["x1"]);
}

#[test]
fn a_transformed_file_of_any_format_goes_back_to_its_columns() {
    let (dir, _) = fitted(1000);
    dir.ok("transform in.parquet scored.parquet --drop-features");
    dir.ok("transform in.parquet scored.arrow --drop-features");
    dir.ok("reconstruct scored.parquet a.parquet");
    dir.ok("reconstruct scored.arrow b.parquet");
    let [a, b] = ["a.parquet", "b.parquet"].map(|name| read(&dir.path(name)));
    assert!(names(&a).contains(&"x1".to_owned()));
    assert_eq!(texts(&a), texts(&b));
}

#[test]
fn generated_and_traversed_rows_can_be_a_stream() {
    let (dir, _) = fitted(1000);
    for command in ["generate -n 300", "traverse"] {
        dir.ok(&format!("{command} out.parquet --force"));
        let ran = piped(&dir, &format!("{command} -"), b"").exits(0);
        assert_eq!(texts(&read_stream(&ran.output.stdout)), texts(&read(&dir.path("out.parquet"))), "{command}");
        dir.ok(&format!("{command} out.parquet --skip-existing")).prints(&["1 existing output"]);
        dir.ok(&format!("{command} out.parquet --force --row-group-size 10 --compression none"));
        dir.fails(2, &format!("{command} out.parquet --force --row-group-size 0"));
    }
}

/// Two scored files in a directory and one with the same rows.
fn scored() -> Workdir {
    let (dir, batch) = fitted(1000);
    std::fs::create_dir(dir.path("rows")).unwrap();
    for (name, from) in [("a", 0), ("b", 500)] {
        write(&dir.path(&format!("rows/{name}.parquet")), &batch.slice(from, 500), 300);
    }
    dir.ok("transform rows/ scored/");
    dir.ok("transform rows/ scored.parquet");
    dir.ok("transform rows/ scored.arrow");
    dir
}

#[test]
fn evaluate_reads_scored_rows_of_every_format() {
    let dir = scored();
    let evaluated =
        |inputs: &str| dir.ok(&format!("evaluate {inputs} --label flag --summary json")).stdout().to_owned();
    let expected = evaluated("scored.parquet");
    for inputs in ["scored/", "scored/a.parquet scored/b.parquet", "scored.arrow", "--where id>=0 scored.parquet"] {
        assert_eq!(evaluated(inputs), expected, "{inputs}");
    }
    let bytes = stream(&read(&dir.path("scored.parquet")), 400);
    let ran = piped(&dir, "evaluate - --label flag --summary json", &bytes).exits(0);
    assert_eq!(ran.stdout(), expected);

    let likely = |inputs: &str| dir.ok(&format!("evaluate {inputs} --likelihood --samples 10 --summary json"));
    let expected = likely("rows/").stdout().to_owned();
    write_csv(&dir.path("rows.csv"), &read(&dir.path("in.parquet")));
    assert_eq!(likely("rows.csv").stdout(), expected);
    assert_eq!(likely("in.parquet").stdout(), expected);
}

#[test]
fn report_reads_scored_rows_of_every_format() {
    let dir = scored();
    let page = |inputs: &str| {
        dir.ok(&format!("report {inputs} -m vae.safetensors -o report.html --force"));
        std::fs::read_to_string(dir.path("report.html")).unwrap()
    };
    let expected = page("scored.parquet");
    assert!(page("scored.arrow").replace("scored.arrow", "scored.parquet") == expected);
    // Several files are counted by file as well; the rest is the same.
    let rest = |page: &str| {
        let from = page.find("<h2 id=\"scores\">").unwrap();
        page[from..].split("<h2 id=\"not-shown\">").next().unwrap().split("</main>").next().unwrap().to_owned()
    };
    assert!(rest(&page("scored/")) == rest(&expected));
}
