//! Outputs in CSV and NDJSON: as named, with the values that went in.

use std::fs::File;
use std::io::Read;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array,
    ListArray, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, TimeUnit};
use arrow::ipc::writer::FileWriter;
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::formats::piped;
use crate::general::read_ipc;
use crate::tables::{Uniform, names, new_bits, read, write};
use crate::workdir::Workdir;

const ROWS: usize = 400;

/// Numbers of all sizes, words and times, with nulls, that every format holds.
fn mixed() -> RecordBatch {
    let mut uniform = Uniform::new(3);
    let x: Vec<f64> = (0..ROWS).map(|_| uniform.next()).collect();
    let some = |row: usize| row % 11 != 4;
    let at = |row: usize| 1_700_000_000_123_i64 + row as i64 * 3_600_123;
    let column = |array: ArrayRef| array;
    RecordBatch::try_from_iter_with_nullable([
        ("x", column(Arc::new(Float64Array::from(x.clone()))), true),
        ("y", Arc::new((0..ROWS).map(|n| some(n).then_some(x[n] * 1e-7 + 0.1)).collect::<Float64Array>()), true),
        ("single", Arc::new((0..ROWS).map(|n| Some((x[n] * x[n]) as f32)).collect::<Float32Array>()), true),
        ("count", Arc::new((0..ROWS).map(|n| some(n).then_some((x[n] * 1e17) as i64)).collect::<Int64Array>()), true),
        (
            "word",
            Arc::new((0..ROWS).map(|n| some(n).then_some(["a,b", "", "c\n\"d\""][n % 3])).collect::<StringArray>()),
            true,
        ),
        ("flag", Arc::new((0..ROWS).map(|n| some(n).then_some(x[n] > 0.0)).collect::<BooleanArray>()), true),
        (
            "day",
            Arc::new((0..ROWS).map(|n| some(n).then_some(19_000 + (n as i32 * 7) % 900)).collect::<Date32Array>()),
            true,
        ),
        (
            "at",
            Arc::new(
                (0..ROWS).map(|n| some(n).then_some(at(n))).collect::<TimestampMillisecondArray>().with_timezone("UTC"),
            ),
            true,
        ),
    ])
    .unwrap()
}

fn write_ipc(dir: &Workdir, name: &str, batch: &RecordBatch) {
    let mut writer = FileWriter::try_new(File::create(dir.path(name)).unwrap(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

/// The rows of a text output as this program reads them again.
fn again(dir: &Workdir, name: &str) -> RecordBatch {
    dir.ok(&format!("transform {name} again.arrow --prefix again_ --force"));
    read_ipc(&dir.path("again.arrow"))
}

/// The bits of the new columns in a file, whatever its format.
fn bits(dir: &Workdir, name: &str) -> Vec<Vec<Option<u32>>> {
    let batch = match name.rsplit_once('.').unwrap().1 {
        "parquet" => read(&dir.path(name)),
        "arrow" => read_ipc(&dir.path(name)),
        _ => again(dir, name),
    };
    let columns = names(&batch).into_iter().filter(|name| !name.starts_with("again_"));
    let column = |name: String| {
        let column = batch.column_by_name(&name).unwrap().clone();
        let is_new = ["z_", "recon_", "anomaly_"].iter().any(|start| name.starts_with(start));
        // Text has the shortest number that is this single.
        (name, if is_new { cast(&column, &DataType::Float32).unwrap() } else { column })
    };
    new_bits(&RecordBatch::try_from_iter(columns.map(column)).unwrap())
}

#[test]
fn the_same_values_have_the_same_scores_in_and_out_of_every_format() {
    let (dir, batch) = (Workdir::new(), mixed());
    write(&dir.path("in.parquet"), &batch, 150);
    write_ipc(&dir, "in.arrow", &batch);
    dir.ok("fit in.parquet --epochs 2 --latent-dim 2 --hidden 8");
    for copy in ["in.csv", "in.tsv", "in.ndjson"] {
        // The values themselves, by way of another output.
        dir.ok(&format!("transform in.parquet {copy} --keep {} --prefix new_", names(&batch).join(",")));
    }
    dir.ok("transform in.parquet expected.parquet --keep x");
    let expected = new_bits(&read(&dir.path("expected.parquet")));
    for input in ["in.parquet", "in.arrow", "in.csv", "in.tsv", "in.ndjson"] {
        for output in ["out.parquet", "out.arrow", "out.csv", "out.ndjson"] {
            dir.ok(&format!("transform {input} {output} --force"));
            assert!(bits(&dir, output) == expected, "{input} to {output}");
        }
    }
}

/// Values of every type that text can carry, the odd ones first.
fn odd() -> RecordBatch {
    let local = |row: usize| 1_700_000_000 + row as i64;
    let x = [0.1 + 0.2, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX, 1e16, 3.0];
    let single = [0.1_f32, f32::MIN_POSITIVE, f32::MAX, 16_777_217.0, -0.0, 1e-45, 3.4e5, 1e9, 7.0];
    let whole = [i64::MIN, i64::MAX, (1 << 53) + 1, 0, -1, 10, 100, 7, 8];
    let texts = ["", "NA", " x ", "a,\"b\"\n\tc", "7", "2020-01-01", "naïve ☃", "null", "-"];
    let row = |n: usize| n % 9;
    let column = |array: ArrayRef| array;
    RecordBatch::try_from_iter_with_nullable([
        ("base", column(Arc::new((0..ROWS).map(|n| Some((n as f64).sin())).collect::<Float64Array>())), true),
        ("x", Arc::new((0..ROWS).map(|n| (n % 10 != 9).then_some(x[row(n)])).collect::<Float64Array>()), true),
        ("single", Arc::new((0..ROWS).map(|n| Some(single[row(n)])).collect::<Float32Array>()), true),
        ("whole", Arc::new((0..ROWS).map(|n| (n % 10 != 9).then_some(whole[row(n)])).collect::<Int64Array>()), true),
        ("large", Arc::new((0..ROWS).map(|n| Some(u64::MAX - n as u64)).collect::<UInt64Array>()), true),
        ("text", Arc::new((0..ROWS).map(|n| (n % 10 != 9).then_some(texts[row(n)])).collect::<StringArray>()), true),
        ("flag", Arc::new((0..ROWS).map(|n| (n % 10 != 9).then_some(n % 2 == 0)).collect::<BooleanArray>()), true),
        ("day", Arc::new((0..ROWS).map(|n| (n % 10 != 9).then_some(n as i32 - 200)).collect::<Date32Array>()), true),
        ("s", Arc::new((0..ROWS).map(|n| Some(local(n))).collect::<TimestampSecondArray>()), true),
        ("ms", Arc::new((0..ROWS).map(|n| Some(local(n) * 1000)).collect::<TimestampMillisecondArray>()), true),
        (
            "us",
            Arc::new((0..ROWS).map(|n| Some(local(n) * 1_000_000 + 5)).collect::<TimestampMicrosecondArray>()),
            true,
        ),
        (
            "ns",
            Arc::new((0..ROWS).map(|n| Some(local(n) * 1_000_000_000 + 1)).collect::<TimestampNanosecondArray>()),
            true,
        ),
        (
            "utc",
            Arc::new(
                (0..ROWS)
                    .map(|n| Some(local(n) * 1000 + 7))
                    .collect::<TimestampMillisecondArray>()
                    .with_timezone("UTC"),
            ),
            true,
        ),
    ])
    .unwrap()
}

#[test]
fn csv_gives_back_the_types_and_values_that_it_can_hold() {
    let (dir, batch) = (Workdir::new(), odd());
    write_ipc(&dir, "in.arrow", &batch);
    dir.ok("fit in.arrow --epochs 1 --latent-dim 1 --hidden 4 --columns base");
    for output in ["out.csv", "out.csv.gz", "out.tsv", "out.tsv.gz"] {
        dir.ok(&format!("transform in.arrow {output}"));
        let found = again(&dir, output);
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let found = found.column_by_name(field.name()).unwrap();
            match field.name().as_str() {
                // A single becomes a double, and integers beyond i64 become text.
                "single" => assert_eq!(&cast(found, &DataType::Float32).unwrap(), column, "{output}"),
                "large" => assert_eq!(found, &cast(column, &DataType::Utf8).unwrap(), "{output}"),
                // NaN is not equal to itself.
                "x" => assert_eq!(found.to_data().buffers(), column.to_data().buffers(), "{output}"),
                name => assert_eq!(found, column, "{output}: {name}"),
            }
            assert_eq!(found.null_count(), column.null_count());
        }
    }
    let header = std::fs::read_to_string(dir.path("out.csv")).unwrap();
    assert!(
        header.starts_with("base,x,single,whole,large,text,flag,day,s,ms,us,ns,utc,z_0,recon_error,anomaly_score,")
    );
    let mut text = String::new();
    GzDecoder::new(File::open(dir.path("out.csv.gz")).unwrap()).read_to_string(&mut text).unwrap();
    assert_eq!(text, header);
}

#[test]
fn ndjson_gives_back_the_values_that_json_has_and_nested_ones() {
    let (dir, batch) = (Workdir::new(), odd());
    let lists = (0..ROWS).map(|n| (n % 4 != 1).then(|| vec![Some(n as f64 / 3.0), None, Some(0.5)]));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists));
    let (mut fields, mut columns) = (batch.schema().fields().to_vec(), batch.columns().to_vec());
    fields.push(arrow::datatypes::Field::new("list", lists.data_type().clone(), true).into());
    columns.push(lists);
    let batch = RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), columns).unwrap();
    write_ipc(&dir, "in.arrow", &batch);
    dir.ok("fit in.arrow --epochs 1 --latent-dim 1 --hidden 4 --columns base");
    let told = "160 values that JSON cannot hold (infinities, times out of range) are written as null";
    for output in ["out.ndjson", "out.jsonl.gz"] {
        let infinities = batch.column_by_name("x").unwrap().as_primitive::<Float64Type>();
        let infinities = infinities.iter().flatten().filter(|x| x.is_infinite()).count();
        dir.ok(&format!("transform in.arrow {output} --explain 2 --explain-rows all"))
            .says(&[&told.replace("160", &infinities.to_string())]);
    }
    let found = again(&dir, "out.ndjson");
    for name in ["base", "whole", "text", "flag", "list"] {
        assert_eq!(found.column_by_name(name), batch.column_by_name(name), "{name}");
    }
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(&cast(found.column_by_name("single").unwrap(), &DataType::Float32).unwrap(), column("single"));
    assert_eq!(found.column_by_name("large").unwrap(), &cast(column("large"), &DataType::Utf8).unwrap());
    // Times are strings in JSON; the same strings as in CSV.
    let times = found.column_by_name("utc").unwrap().as_string::<i32>();
    assert_eq!((times.value(0), times.value(1)), ("2023-11-14T22:13:20.007Z", "2023-11-14T22:13:21.007Z"));
    let line: Value = {
        let text = std::fs::read_to_string(dir.path("out.ndjson")).unwrap();
        serde_json::from_str(text.lines().nth(1).unwrap()).unwrap()
    };
    assert_eq!((&line["x"], &line["whole"], &line["list"]), (&Value::Null, &i64::MAX.into(), &Value::Null));
    assert_eq!(line["large"].as_u64(), Some(u64::MAX - 1));
    assert!(line["top_features"][0]["contribution"].is_number());
    assert!(line.as_object().unwrap().contains_key("x"), "a null has its key");
}

#[test]
fn a_column_that_csv_cannot_hold_is_refused_before_anything_is_written() {
    let (dir, batch) = (Workdir::new(), mixed());
    let lists = (0..ROWS).map(|n| Some(vec![Some(n as i32)]));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..ROWS).map(|n| [n as u8, 255])));
    let columns = [("x", batch.column(0).clone()), ("list", lists), ("bytes", bytes)];
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 150);
    dir.ok("fit in.parquet --epochs 1 --latent-dim 1 --hidden 4 --columns x");
    let before = dir.names();
    dir.fails(65, "transform in.parquet out.csv").says(&[
        "out.csv, column \"list\": a column of this type in CSV is not supported",
        "write to *.ndjson, *.arrow or *.parquet, or leave the column out with --keep",
    ]);
    dir.fails(65, "transform in.parquet out.csv --keep x --explain 1").says(&["column \"top_features\""]);
    assert_eq!(dir.names(), before);
    dir.ok("transform in.parquet out.csv --keep x,bytes");
    let text = std::fs::read_to_string(dir.path("out.csv")).unwrap();
    assert!(text.lines().nth(16).unwrap().contains(",0fff,"), "bytes are hexadecimal");
}

#[test]
fn names_and_options_of_other_formats_are_refused() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &mixed(), 150);
    dir.ok("fit in.parquet --epochs 1 --latent-dim 1 --hidden 4");
    let before = dir.names();
    for name in ["out.json", "out.csv.zst", "out.txt", "out.parquet.gz", "out.xlsx", "out.gz"] {
        for command in ["transform in.parquet", "fit-transform in.parquet", "generate --rows 5"] {
            dir.fails(2, &format!("{command} {name}"))
                .says(&[&format!("{name}: an output of this name is not supported")]);
        }
    }
    for flags in ["out.csv --compression zstd", "out.csv --compression gzip", "out.csv.gz --compression none"] {
        dir.fails(2, &format!("transform in.parquet {flags}")).says(&["left to the name of a text output"]);
    }
    dir.fails(2, "transform in.parquet out.csv --row-group-size 10").says(&["left to Parquet outputs"]);
    dir.fails(2, "transform in.parquet out.csv --output-format csv").says(&["left to outputs on stdout"]);
    assert_eq!(dir.names(), before);
    dir.ok("transform in.parquet out.csv.gz --compression gzip");
    dir.fails(2, "transform in.parquet out.csv.gz --if-newer=model").says(&[
        "the hash of the model, by which outputs are kept, in a text file is not supported",
        "--if-newer alone compares times",
    ]);
    dir.ok("transform in.parquet out.csv.gz --if-newer").prints(&["skipped"]);
}

#[test]
fn stdout_is_in_the_format_that_is_asked_for() {
    let (dir, batch) = (Workdir::new(), mixed());
    write(&dir.path("in.parquet"), &batch, 150);
    dir.ok("fit in.parquet --epochs 1 --latent-dim 1 --hidden 4");
    for (format, name) in [("csv", "out.csv"), ("tsv", "out.tsv"), ("ndjson", "out.ndjson")] {
        dir.ok(&format!("transform in.parquet {name}"));
        let ran = dir.ok(&format!("transform in.parquet - --output-format {format}"));
        assert!(ran.output.stdout == std::fs::read(dir.path(name)).unwrap(), "{format}");
    }
    let stream = dir.ok("transform in.parquet - --output-format arrow").output.stdout;
    let csv = piped(&dir, "transform - - --output-format csv", &crate::formats::stream(&batch, 7)).exits(0);
    assert!(csv.output.stdout == std::fs::read(dir.path("out.csv")).unwrap());
    assert_eq!(crate::formats::read_stream(&stream).num_rows(), ROWS);
}

#[test]
fn a_command_that_makes_rows_writes_text_too() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &mixed(), 150);
    dir.ok("fit-transform in.parquet scored.ndjson -m vae.safetensors --epochs 1 --latent-dim 1 --hidden 4");
    dir.ok("transform in.parquet expected.ndjson");
    assert!(std::fs::read(dir.path("scored.ndjson")).unwrap() == std::fs::read(dir.path("expected.ndjson")).unwrap());
    dir.ok("generate drawn.csv --rows 50");
    dir.ok("generate drawn.parquet --rows 50");
    let (text, rows) = (again(&dir, "drawn.csv"), read(&dir.path("drawn.parquet")));
    for name in ["x", "count", "flag", "day"] {
        assert_eq!(text.column_by_name(name), rows.column_by_name(name), "{name}");
    }
    let single = cast(text.column_by_name("single").unwrap(), &DataType::Float32).unwrap();
    assert_eq!(
        single.as_primitive::<Float32Type>(),
        rows.column_by_name("single").unwrap().as_primitive::<Float32Type>()
    );
    assert_eq!(
        rows.column_by_name("at").unwrap().data_type(),
        &DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
    );
}

#[test]
fn a_time_beyond_the_calendar_is_empty_in_csv_and_null_in_json() {
    let dir = Workdir::new();
    let times: ArrayRef = Arc::new(TimestampSecondArray::from(
        (0..ROWS as i64).map(|n| if n == 399 { i64::MAX } else { n }).collect::<Vec<_>>(),
    ));
    let batch = RecordBatch::try_from_iter([("x", mixed().column(0).clone()), ("at", times)]).unwrap();
    write_ipc(&dir, "in.arrow", &batch);
    dir.ok("fit in.arrow --epochs 1 --latent-dim 1 --hidden 4 --columns x");
    dir.ok("transform in.arrow out.csv --keep x,at")
        .says(&["out.csv: 1 times out of the range of the calendar are left empty"]);
    let text = std::fs::read_to_string(dir.path("out.csv")).unwrap();
    let at = |row: usize| text.lines().nth(row + 1).unwrap().split(',').nth(1).unwrap();
    assert_eq!((at(398), at(399)), ("1970-01-01T00:06:38", ""));
    dir.ok("transform in.arrow out.ndjson").says(&["1 values that JSON cannot hold"]);
}

#[test]
fn other_programs_read_it() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &mixed(), 150);
    dir.ok("fit in.parquet --epochs 1 --latent-dim 1 --hidden 4");
    dir.ok("transform in.parquet out.csv");
    // The csv crate, which is strict about quotes and widths.
    let mut reader = csv::Reader::from_path(dir.path("out.csv")).unwrap();
    let rows: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), ROWS);
    let word = |row: usize| rows[row].get(4).unwrap().to_owned();
    assert_eq!((word(0), word(1), word(2)), ("a,b".to_owned(), String::new(), "c\n\"d\"".to_owned()));
    // An empty text and none look alike to most readers; their bytes differ.
    let text = std::fs::read_to_string(dir.path("out.csv")).unwrap();
    assert!(text.contains(",\"\",") && text.contains(",,"));
    dir.ok("transform in.parquet out.ndjson");
    let checked =
        Command::new("sh").arg("-c").arg("test $(wc -l < out.ndjson) = 400").current_dir(dir.path("")).status();
    assert!(checked.unwrap().success());
}
