//! All input and output formats give the same rows and scores, to the bit.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::csv;
use arrow::datatypes::{DataType, Int64Type};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow::json::LineDelimitedWriter;
use std::sync::Arc;

use crate::general::read_ipc;
use crate::tables::{carries, curve, names, new_bits, read, write};
use crate::workdir::{Ran, Workdir};

/// A model of rows, and these in a Parquet file.
pub fn fitted(rows: usize) -> (Workdir, RecordBatch) {
    let (dir, batch) = (Workdir::new(), curve(rows));
    write(&dir.path("in.parquet"), &batch, 300);
    dir.ok("fit in.parquet --epochs 1 --latent-dim 2 --hidden 4");
    (dir, batch)
}

/// An Arrow IPC stream in batches of `rows` rows.
pub fn stream(batch: &RecordBatch, rows: usize) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    for start in (0..batch.num_rows()).step_by(rows) {
        writer.write(&batch.slice(start, rows.min(batch.num_rows() - start))).unwrap();
    }
    writer.into_inner().unwrap()
}

/// All rows of a stream.
pub fn read_stream(bytes: &[u8]) -> RecordBatch {
    let reader = StreamReader::try_new(bytes, None).unwrap();
    let schema = reader.schema();
    concat_batches(&schema, &reader.map(Result::unwrap).collect::<Vec<_>>()).unwrap()
}

/// Runs the program with these bytes on stdin.
pub fn piped(dir: &Workdir, arguments: &str, bytes: &[u8]) -> Ran {
    let mut command = dir.command(arguments);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let feeder = std::thread::spawn(move || {
        // It may have seen enough before the end.
        let _ = stdin.write_all(&bytes);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Ran::of(arguments, output)
}

pub fn write_ipc(path: &Path, batch: &RecordBatch, compression: Option<CompressionType>) {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = FileWriter::try_new_with_options(File::create(path).unwrap(), &batch.schema(), options).unwrap();
    for start in (0..batch.num_rows()).step_by(170) {
        writer.write(&batch.slice(start, 170.min(batch.num_rows() - start))).unwrap();
    }
    writer.finish().unwrap();
}

pub fn write_csv(path: &Path, batch: &RecordBatch) {
    csv::Writer::new(File::create(path).unwrap()).write(batch).unwrap();
}

pub fn write_ndjson(path: &Path, batch: &RecordBatch) {
    let mut writer = LineDelimitedWriter::new(File::create(path).unwrap());
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

pub fn gzip(path: &Path) {
    let zipped = std::process::Command::new("gzip").arg("-k").arg(path).status().unwrap();
    assert!(zipped.success());
}

#[test]
fn every_format_gives_the_same_scores_to_the_bit() {
    let (dir, batch) = fitted(1000);
    dir.ok("transform in.parquet out.parquet");
    let expected = read(&dir.path("out.parquet"));
    write_ipc(&dir.path("plain.arrow"), &batch, None);
    write_ipc(&dir.path("lz4.feather"), &batch, Some(CompressionType::LZ4_FRAME));
    write_ipc(&dir.path("named.parquet"), &batch, Some(CompressionType::ZSTD));
    std::fs::write(dir.path("stream"), stream(&batch, 333)).unwrap();
    write_csv(&dir.path("rows.csv"), &batch);
    gzip(&dir.path("rows.csv"));
    write_ndjson(&dir.path("rows.ndjson"), &batch);
    for input in ["plain.arrow", "lz4.feather", "named.parquet", "stream", "rows.csv", "rows.csv.gz", "rows.ndjson"] {
        dir.ok(&format!("transform {input} out.parquet --force"));
        let found = read(&dir.path("out.parquet"));
        let mut columns = names(&expected);
        if input == "rows.ndjson" {
            // Its first row has no name, whose key is therefore seen later.
            let name = columns.remove(1);
            columns.insert(6, name);
        }
        assert_eq!((names(&found), found.num_rows()), (columns, 1000), "{input}");
        assert!(new_bits(&found) == new_bits(&expected), "{input}");
        if !input.starts_with("rows") {
            carries(&batch, &found);
        }
        dir.ok(&format!("transform {input} out.arrow --force --threads 1"));
        assert!(new_bits(&read_ipc(&dir.path("out.arrow"))) == new_bits(&expected), "{input}");
    }
    for (rows, flags) in [(1, ""), (333, " --threads 1"), (5000, " --std")] {
        let ran = piped(&dir, &format!("transform - -{flags}"), &stream(&batch, rows)).exits(0);
        let found = read_stream(&ran.output.stdout);
        carries(&batch, &found);
        if flags != " --std" {
            assert!(new_bits(&found) == new_bits(&expected), "{rows}");
        }
    }
}

#[test]
fn text_is_read_as_the_types_the_model_learned() {
    let dir = Workdir::new();
    let codes: Vec<String> = (0..300).map(|row| format!("{:03}", row % 4)).collect();
    let floats = arrow::array::Float32Array::from_iter_values((0..300).map(|row| (row as f32 / 7.0).sin()));
    let batch = RecordBatch::try_from_iter([
        ("code", Arc::new(StringArray::from(codes)) as ArrayRef),
        ("x", Arc::new(floats) as ArrayRef),
    ]);
    let batch = batch.unwrap();
    write(&dir.path("in.parquet"), &batch, 1000);
    write_csv(&dir.path("in.csv"), &batch);
    dir.ok("fit in.parquet --epochs 1");
    for input in ["in.parquet", "in.csv"] {
        dir.ok(&format!("transform {input} {input}.out"));
    }
    let [parquet, csv] = ["in.parquet.out", "in.csv.out"].map(|name| read(&dir.path(name)));
    assert!(new_bits(&parquet) == new_bits(&csv));
    assert_eq!(parquet.column(0), csv.column(0), "007 is no number to this model");
}

#[test]
fn two_text_files_have_types_that_hold_both() {
    let dir = Workdir::new();
    std::fs::write(dir.path("a.csv"), "x,y,z,w\n1,,2020-01-01,1\n2,,2020-01-02,2\n").unwrap();
    std::fs::write(dir.path("b.csv"), "y,x,w,z\n5,0.5,a,2020-01-01T00:00:00\n").unwrap();
    let ran = dir.ok("inspect a.csv b.csv --summary json");
    let types: Vec<_> = ran.json()["columns"].as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
    assert_eq!(types, ["Float64", "Int64", "Timestamp(s)", "Utf8"]);
    assert_eq!(ran.json()["rows"], 3);
}

/// Rows cut into files of a lake, by a key of each.
pub fn lake(dir: &Workdir, batch: &RecordBatch) -> Vec<(String, RecordBatch)> {
    let cut = |n: usize| batch.slice(n * 250, 250);
    let files = [
        ("day=2013-01-01/k=1/a.parquet", 0),
        ("day=2013-01-01/k=2/a.parquet", 1),
        ("day=2013-01-02/k=__HIVE_DEFAULT_PARTITION__/b.parquet", 2),
        ("day=2013-01-02/k=3/b.parquet", 3),
    ];
    let mut written = Vec::new();
    for (name, n) in files {
        let path = dir.path("lake").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&path, &cut(n), 100);
        written.push((name.to_owned(), cut(n)));
    }
    std::fs::write(dir.path("lake/_SUCCESS"), "").unwrap();
    std::fs::write(dir.path("lake/.x.crc"), "").unwrap();
    // The order of paths: _ comes after 3.
    written.swap(2, 3);
    written
}

#[test]
fn a_lake_becomes_a_lake_or_one_file_with_its_keys() {
    let (dir, batch) = fitted(1000);
    let files = lake(&dir, &batch);
    dir.ok("transform in.parquet flat.parquet");
    let flat = new_bits(&read(&dir.path("flat.parquet")));

    let ran = dir.ok("transform lake scored/ --summary json");
    assert_eq!((&ran.json()["files"], &ran.json()["rows"]), (&4.into(), &1000.into()));
    for (name, rows) in &files {
        let out = read(&dir.path("scored").join(name));
        carries(rows, &out);
        assert!(!names(&out).contains(&"k".to_owned()), "keys stay in the path");
        let first = rows.column(0).as_primitive::<Int64Type>().value(0) as usize;
        assert!(new_bits(&out) == flat[first..first + 250]);
    }
    // A copy of each column, byte for byte: the path of a single file.
    let leaves = batch.num_columns();
    assert!(
        crate::splice::chunks(&dir.path("lake").join(&files[0].0), leaves)
            == crate::splice::chunks(&dir.path("scored").join(&files[0].0), leaves)
    );

    for (output, input) in [("one.parquet", "lake"), ("glob.parquet", "lake/*/k=*/*.parquet"), ("one.arrow", "lake/")] {
        dir.ok(&format!("transform {input} {output}"));
        let one = if output.ends_with("arrow") { read_ipc(&dir.path(output)) } else { read(&dir.path(output)) };
        let own = batch.num_columns();
        assert_eq!(names(&one)[own..own + 2], ["day", "k"]);
        let schema = one.schema();
        assert_eq!(
            (schema.field(own).data_type(), schema.field(own + 1).data_type()),
            (&DataType::Date32, &DataType::Int64)
        );
        let mut row = 0;
        for (n, (_, rows)) in files.iter().enumerate() {
            carries(rows, &one.slice(row, 250));
            let k = one.column(own + 1).as_primitive::<Int64Type>().slice(row, 250);
            let expected = [Some(1), Some(2), Some(3), None][n];
            assert_eq!(k, Int64Array::from(vec![expected; 250]));
            let first = rows.column(0).as_primitive::<Int64Type>().value(0) as usize;
            assert!(new_bits(&one.slice(row, 250)) == flat[first..first + 250]);
            row += 250;
        }
        assert_eq!(one.num_rows(), row);
    }
}

#[test]
fn keys_of_a_lake_can_be_learned_and_are_needed_then() {
    let (dir, batch) = fitted(1000);
    let files = lake(&dir, &batch);
    let said = dir.ok("fit lake -m lake.safetensors --epochs 1 --columns x0,k,day --summary json").json();
    assert_eq!((&said["features"], &said["rows"]), (&3.into(), &1000.into()));
    dir.ok("transform lake out/ -m lake.safetensors");
    dir.ok("transform lake one.parquet -m lake.safetensors");
    let one = new_bits(&read(&dir.path("one.parquet")));
    assert!(new_bits(&read(&dir.path("out").join(&files[0].0))) == one[..250]);
    // Of one partition by itself the path still has the keys.
    dir.ok("transform lake/day=2013-01-01/k=2/ part.parquet -m lake.safetensors");
    assert!(new_bits(&read(&dir.path("part.parquet"))) == one[250..500]);
    dir.fails(65, "transform in.parquet no.parquet -m lake.safetensors")
        .says(&["the model needs column \"day\", which is missing"]);
}

#[test]
fn files_are_one_table_whatever_their_formats_are() {
    let (dir, batch) = fitted(1000);
    write(&dir.path("a.parquet"), &batch.slice(0, 400), 1000);
    write_ipc(&dir.path("b.arrow"), &batch.slice(400, 350), None);
    std::fs::write(dir.path("c"), stream(&batch.slice(750, 250), 90)).unwrap();
    dir.ok("transform in.parquet one.parquet");
    dir.ok("transform a.parquet b.arrow c three.parquet");
    let (one, three) = (read(&dir.path("one.parquet")), read(&dir.path("three.parquet")));
    carries(&batch, &three);
    assert!(new_bits(&one) == new_bits(&three));
    // A fit sees the same rows under the same numbers.
    dir.ok("fit a.parquet b.arrow c -m three.safetensors --epochs 1 --latent-dim 2 --hidden 4");
    let model = |name: &str| std::fs::read(dir.path(name)).unwrap();
    assert!(model("vae.safetensors") == model("three.safetensors"));
    let ran =
        piped(&dir, "fit - -m piped.safetensors --epochs 1 --latent-dim 2 --hidden 4", &stream(&batch, 77)).exits(0);
    assert!(model("vae.safetensors") == model("piped.safetensors"));
    ran.says(&["1000 rows are kept in a scratch file"]);
    assert!(!dir.names().iter().any(|name| name.contains("tmp")), "{:?}", dir.names());
}

#[test]
fn files_that_differ_are_one_table() {
    let (dir, batch) = fitted(300);
    write(&dir.path("less.parquet"), &batch.project(&[0, 1, 2, 3, 4, 5]).unwrap(), 1000);
    let wide = RecordBatch::try_from_iter_with_nullable(batch.schema().fields().iter().zip(batch.columns()).map(
        |(field, column)| {
            let column = if field.name() == "id" {
                arrow::compute::cast(column, &DataType::Int32).unwrap()
            } else {
                column.clone()
            };
            (field.name().clone(), column, field.is_nullable())
        },
    ));
    write(&dir.path("wide.parquet"), &wide.unwrap(), 1000);
    let order: Vec<usize> = (0..7).rev().collect();
    write(&dir.path("turned.parquet"), &batch.project(&order).unwrap(), 1000);
    dir.ok("transform in.parquet less.parquet out").says(&["column \"flag\" is missing in 1 of 2 files"]);
    dir.ok("transform wide.parquet in.parquet out --force").says(&["column \"id\" is read as Int64"]);
    assert_eq!(read(&dir.path("out")).num_rows(), 600);
    dir.ok("transform in.parquet turned.parquet out --force");
    let out = read(&dir.path("out"));
    carries(&batch, &out.slice(0, 300));
    carries(&batch, &out.slice(300, 300));
    // Alone, a file has to have what the model needs.
    dir.fails(65, "transform less.parquet alone").says(&["less.parquet", "\"flag\""]);
    std::fs::create_dir(dir.path("each")).unwrap();
    dir.ok("transform in.parquet less.parquet wide.parquet each");
}

#[test]
fn the_general_path_gives_the_table_a_splice_gives() {
    let dir = crate::splice::fitted();
    let batch = crate::splice::every_kind(1000);
    write(&dir.path("in.parquet"), &batch, 300);
    dir.ok("transform in.parquet spliced.parquet");
    let spliced = read(&dir.path("spliced.parquet"));
    for flags in [
        "--compression none",
        "--compression snappy",
        "--compression gzip",
        "--compression lz4",
        "--compression brotli",
        "--compression zstd",
        "--row-group-size 64",
    ] {
        dir.ok(&format!("transform in.parquet general.parquet --force {flags}"));
        let general = read(&dir.path("general.parquet"));
        carries(&spliced, &general);
        carries(&batch, &general);
    }
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let file = SerializedFileReader::new(File::open(dir.path("general.parquet")).unwrap()).unwrap();
    let groups: Vec<i64> = file.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!((groups.len(), groups[0]), (16, 64));
    for flags in ["--compression lz4", "--compression zstd", "--compression none"] {
        dir.ok(&format!("transform in.parquet out.arrow --force {flags}"));
        assert!(new_bits(&read_ipc(&dir.path("out.arrow"))) == new_bits(&spliced));
    }
    dir.fails(2, "transform in.parquet new.arrow --compression gzip").says(&["none, lz4 or zstd", "--compression"]);
    dir.fails(2, "transform in.parquet new.arrow --row-group-size 5").says(&["--row-group-size"]);
    dir.fails(2, "transform in.parquet new --row-group-size 0").says(&["--row-group-size"]);
}

#[test]
fn what_is_there_is_skipped_and_a_failure_leaves_what_is_finished() {
    let (dir, batch) = fitted(300);
    std::fs::create_dir_all(dir.path("d")).unwrap();
    for name in ["a", "b", "c", "d"] {
        write(&dir.path(&format!("d/{name}.parquet")), &batch, 1000);
    }
    let mut torn = std::fs::read(dir.path("d/b.parquet")).unwrap();
    let sound = torn.clone();
    let half = torn.len() / 2;
    torn[8..half].fill(0xff);
    std::fs::write(dir.path("d/b.parquet"), &torn).unwrap();
    let there = || {
        let mut names: Vec<_> = std::fs::read_dir(dir.path("out"))
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    dir.fails(65, "transform d out/").says(&["d/b.parquet", "1 files are written and 3 are not", "--skip-existing"]);
    assert_eq!(there(), ["a.parquet"]);
    let first = std::fs::read(dir.path("out/a.parquet")).unwrap();
    std::fs::write(dir.path("d/b.parquet"), &sound).unwrap();
    dir.fails(2, "transform d out/").says(&["out/a.parquet: already exists"]);
    assert_eq!(there(), ["a.parquet"]);
    let json = dir.ok("transform d out/ --skip-existing --summary json").json();
    assert_eq!((&json["files"], &json["skipped"], &json["rows"]), (&3.into(), &1.into(), &900.into()));
    assert_eq!(there(), ["a.parquet", "b.parquet", "c.parquet", "d.parquet"]);
    assert!(first == std::fs::read(dir.path("out/a.parquet")).unwrap());
    assert_eq!(dir.ok("transform d out --skip-existing --summary json").json()["files"], 0);
    assert_eq!(dir.ok("transform d out --force --summary json").json()["files"], 4);
    dir.ok("transform d one.parquet");
    assert_eq!(dir.ok("transform d one.parquet --skip-existing --summary json").json()["skipped"], 1);
    dir.fails(2, "transform d one.parquet");
    dir.fails(2, "transform d out --force --skip-existing").says(&["cannot be used with"]);
    // Outputs among the inputs would be inputs the next time.
    for output in ["d/out.parquet", "d/out/", "d"] {
        dir.fails(2, &format!("transform d {output} --force")).says(&["is in the input directory d"]);
    }
}

#[test]
fn a_mirrored_text_file_becomes_parquet() {
    let (dir, batch) = fitted(300);
    std::fs::create_dir_all(dir.path("d/k=1")).unwrap();
    write_csv(&dir.path("d/k=1/a.csv"), &batch);
    write_ipc(&dir.path("d/b.arrow"), &batch, None);
    dir.ok("transform d out/");
    dir.ok("transform in.parquet whole.parquet");
    let whole = new_bits(&read(&dir.path("whole.parquet")));
    assert!(new_bits(&read(&dir.path("out/k=1/a.parquet"))) == whole);
    assert!(new_bits(&read_ipc(&dir.path("out/b.arrow"))) == whole);
}

#[test]
fn fit_and_transform_in_one_read_what_comes_once() {
    let (dir, batch) = fitted(300);
    let flags = "--epochs 1 --latent-dim 2 --hidden 4";
    dir.ok("transform in.parquet out.parquet");
    let expected = new_bits(&read(&dir.path("out.parquet")));
    piped(&dir, &format!("fit-transform - piped.parquet {flags}"), &stream(&batch, 50)).exits(0);
    carries(&batch, &read(&dir.path("piped.parquet")));
    assert!(new_bits(&read(&dir.path("piped.parquet"))) == expected);
    let ran = piped(&dir, &format!("fit-transform - - {flags}"), &stream(&batch, 50)).exits(0);
    assert!(new_bits(&read_stream(&ran.output.stdout)) == expected);
    assert!(dir.names().iter().all(|name| !name.contains("tmp")));
}

#[test]
fn metadata_that_describes_columns_is_brought_up_to_date_on_the_general_path() {
    let (dir, batch) = fitted(300);
    let pandas = r#"{"index_columns": [], "columns": []}"#;
    let schema = batch.schema().as_ref().clone().with_metadata(HashMap::from([
        ("pandas".to_owned(), pandas.to_owned()),
        ("mine".to_owned(), "kept".to_owned()),
    ]));
    let batch = RecordBatch::try_new(schema.into(), batch.columns().to_vec()).unwrap();
    let ran = piped(&dir, "transform - -", &stream(&batch, 100)).exits(0);
    let found = read_stream(&ran.output.stdout).schema().metadata().clone();
    assert!(found["pandas"].contains("\"z_0\"") && found["mine"] == "kept", "{found:?}");
    assert_eq!(found["vaepipe.score"], "anomaly_score");
    let ran = piped(&dir, "transform - - --latents list", &stream(&batch, 100)).exits(0);
    assert!(read_stream(&ran.output.stdout).schema().metadata()["pandas"].contains("list[float32]"));
    piped(&dir, "transform - out.parquet", &stream(&batch, 100)).exits(0);
    let keys = crate::tables::keys(&dir.path("out.parquet"));
    assert!(keys["pandas"].contains("\"z_0\"") && keys["mine"] == "kept");
}

#[test]
fn an_arrow_file_is_read_by_its_table_of_contents() {
    let (dir, batch) = fitted(1000);
    dir.ok("transform in.parquet out.parquet");
    let expected = new_bits(&read(&dir.path("out.parquet")));
    write_ipc(&dir.path("file.arrow"), &batch, Some(CompressionType::LZ4_FRAME));
    let whole = std::fs::read(dir.path("file.arrow")).unwrap();
    // As polars writes it: there is no schema between the word it begins with and the first batch.
    let mut bytes = whole.clone();
    let length = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    bytes[8..16 + length].fill(7);
    std::fs::write(dir.path("file.arrow"), &bytes).unwrap();
    dir.ok("transform file.arrow out.parquet --force");
    let out = read(&dir.path("out.parquet"));
    carries(&batch, &out);
    assert!(new_bits(&out) == expected);

    for end in [8, 9, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(dir.path("cut.arrow"), &whole[..end]).unwrap();
        dir.fails(65, "transform cut.arrow no.parquet").says(&["begins as an Arrow file and does not end as one"]);
    }
    // The first buffer with a size before it that no memory holds: the ids of 170 rows.
    let size = 170_i64 * 8;
    let is_claim = |&at: &usize| whole[at..at + 8] == size.to_le_bytes() && whole[at + 8] == 4;
    let claims: Vec<usize> = (0..whole.len() - 8).filter(is_claim).collect();
    assert!(!claims.is_empty(), "a size stands before an LZ4 frame");
    let mut hostile = whole.clone();
    for at in claims {
        hostile[at..at + 8].copy_from_slice(&(1_i64 << 50).to_le_bytes());
    }
    std::fs::write(dir.path("hostile.arrow"), &hostile).unwrap();
    dir.fails(65, "transform hostile.arrow no.parquet").says(&["its compressed buffers claim to hold"]);
    assert!(!dir.path("no.parquet").exists());
}

#[test]
fn a_directory_whose_first_file_fails_leaves_no_directories() {
    let (dir, batch) = fitted(300);
    std::fs::create_dir_all(dir.path("d/k=1/j=2")).unwrap();
    write(&dir.path("d/k=1/j=2/a.parquet"), &batch, 1000);
    let path = dir.path("d/k=1/j=2/a.parquet");
    let mut torn = std::fs::read(&path).unwrap();
    let half = torn.len() / 2;
    torn[8..half].fill(0xff);
    std::fs::write(&path, &torn).unwrap();
    dir.fails(65, "transform d out/");
    assert!(!dir.path("out").exists());
    std::fs::create_dir_all(dir.path("out/k=1")).unwrap();
    dir.fails(65, "transform d out/");
    assert!(dir.path("out/k=1").exists() && !dir.path("out/k=1/j=2").exists(), "what was there stays");
}

#[cfg(not(feature = "cloud"))]
#[test]
fn a_build_without_object_stores_says_so() {
    let (dir, _) = fitted(300);
    for arguments in [
        "transform s3://lake/in.parquet out.parquet",
        "transform gs://lake/ out/",
        "transform in.parquet az://lake/out.parquet",
        "transform in.parquet out.parquet -m https://there/vae.safetensors",
        "fit in.parquet -m s3://lake/vae.safetensors",
    ] {
        dir.fails(1, arguments).says(&["://", "--features cloud"]);
    }
}

#[test]
fn files_with_names_of_many_formats_are_read_in_a_directory_if_the_format_is_given() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(200), 100);
    dir.ok("fit in.parquet -m a.st --epochs 1");
    for (name, format, named) in [("lines.ndjson", "ndjson", "part-0.json"), ("rows.csv", "csv", "part-0.txt")] {
        let folder = dir.path(format);
        std::fs::create_dir(&folder).unwrap();
        dir.ok(&format!("transform in.parquet {name} -m a.st --keep id,name,x0,x1,x2,x3,flag --prefix p_"));
        std::fs::rename(dir.path(name), folder.join(named)).unwrap();
        std::fs::write(folder.join("README"), "no rows").unwrap();
        dir.fails(1, &format!("inspect {format}")).says(&["has no file to read", "--input-format ndjson reads *.json"]);
        dir.ok(&format!("transform {format} {format}-out/ -m a.st --input-format {format}"));
        assert_eq!(read(&dir.path(&format!("{format}-out/part-0.parquet"))).num_rows(), 200);
    }
    std::fs::write(dir.path("array.json"), "[{\"x0\": 1}]").unwrap();
    dir.fails(65, "inspect array.json").says(&["--input-format ndjson reads one JSON object a line", "jq -c"]);
    dir.fails(65, "inspect array.json --input-format ndjson").says(&["not a JSON object", "jq -c"]);
    std::fs::write(dir.path("nan.ndjson"), "{\"x0\": 1}\n{\"x0\": NaN}\n").unwrap();
    dir.fails(65, "inspect nan.ndjson")
        .says(&["line 2: not valid JSON at column 8: NaN is no number in JSON, write null"]);
    dir.fails(65, "drift a.st in.parquet -m a.st").says(&["a model is named by -m: -m a.st"]);
}
