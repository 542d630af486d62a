//! Lakes that change: many files, by many writers, over years, as one table.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, NullArray,
    RecordBatch, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    new_null_array,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float32Type};

use crate::tables::{Uniform, floats, names, read, write};
use crate::workdir::Workdir;

const FIT: &str = "--epochs 2 --latent-dim 2 --hidden 8 -q";

/// Columns of `rows` rows: two numbers that go together, a count and a word.
fn columns(seed: u64, rows: usize) -> (Vec<f64>, Vec<f64>, Vec<i64>, Vec<&'static str>) {
    let mut numbers = Uniform::new(seed);
    let x: Vec<f64> = (0..rows).map(|_| numbers.next()).collect();
    let y = x.iter().map(|x| 2.0 * x + 0.1 * numbers.next()).collect();
    let n = (0..rows).map(|row| ((row * 31 + seed as usize * 7) % 40) as i64).collect();
    let w = (0..rows).map(|row| ["a", "b", "c"][(row * 7 + seed as usize) % 3]).collect();
    (x, y, n, w)
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// Three parts of one table as three writers store them, and the table with one type a column.
fn parts(dir: &Workdir) -> RecordBatch {
    std::fs::create_dir_all(dir.path("lake")).unwrap();
    let mut whole = Vec::new();
    for (n, rows) in [300, 200, 250].into_iter().enumerate() {
        let (x, y, count, word) = columns(n as u64, rows);
        let times: Vec<i64> = (0..rows as i64).map(|row| 1_700_000_000_000_000 + row * 3_600_000_000).collect();
        let plain: Vec<(&str, ArrayRef)> = vec![
            ("x", Arc::new(Float64Array::from(x.clone()))),
            ("y", Arc::new(Float32Array::from_iter_values(y.iter().map(|&y| y as f32)))),
            ("n", Arc::new(Int64Array::from(count.clone()))),
            ("w", Arc::new(StringArray::from(word.clone()))),
            ("t", Arc::new(TimestampNanosecondArray::from_iter_values(times.iter().map(|time| time * 1000)))),
        ];
        let [y, count, word, time] = [1, 2, 3, 4].map(|n: usize| plain[n].1.clone());
        let part: Vec<(&str, ArrayRef)> = match n {
            0 => vec![
                ("x", plain[0].1.clone()),
                ("y", cast(&y, &DataType::Float64).unwrap()),
                ("n", cast(&count, &DataType::Int32).unwrap()),
                ("w", Arc::new(LargeStringArray::from_iter_values(word.as_string::<i32>().iter().flatten()))),
                ("t", Arc::new(TimestampMicrosecondArray::from(times))),
            ],
            1 => vec![
                ("w", cast(&word, &DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into())).unwrap()),
                ("n", cast(&count, &DataType::Int8).unwrap()),
                ("y", y),
                ("t", time),
                ("x", plain[0].1.clone()),
            ],
            _ => vec![
                ("x", plain[0].1.clone()),
                ("y", cast(&y, &DataType::Float64).unwrap()),
                ("n", count),
                ("w", Arc::new(StringViewArray::from_iter_values(word.as_string::<i32>().iter().flatten()))),
                ("t", time),
            ],
        };
        write(&dir.path(&format!("lake/p{n}.parquet")), &batch(part), 100);
        let mut wide = plain;
        wide[1].1 = cast(&wide[1].1, &DataType::Float64).unwrap();
        whole.push(batch(wide));
    }
    let whole = concat_batches(&whole[0].schema(), &whole).unwrap();
    write(&dir.path("whole.parquet"), &whole, 1000);
    whole
}

fn column(batch: &RecordBatch, name: &str) -> ArrayRef {
    batch.column_by_name(name).unwrap().clone()
}

/// The scores of an output.
fn scores(path: &Path) -> Vec<Option<f32>> {
    floats(&read(path), "anomaly_score")
}

#[test]
fn files_of_many_writers_are_one_table() {
    let dir = Workdir::new();
    let whole = parts(&dir);
    dir.ok(&format!("fit lake -m lake.st {FIT}")).says(&[]);
    dir.ok(&format!("fit whole.parquet -m whole.st {FIT}"));
    dir.ok("fit lake -m again.st --epochs 1").says(&["column \"n\" is read as Int64", "column \"w\" is read as"]);
    for output in ["one.parquet", "out/", "one.arrow"] {
        dir.ok(&format!("transform lake {output} -m lake.st -q"));
    }
    dir.ok("transform whole.parquet whole-out.parquet -m lake.st -q");
    let expected = scores(&dir.path("whole-out.parquet"));
    assert_eq!(scores(&dir.path("one.parquet")), expected);
    let mirrored: Vec<_> = (0..3).flat_map(|n| scores(&dir.path(&format!("out/p{n}.parquet")))).collect();
    assert_eq!(mirrored, expected);
    let one = read(&dir.path("one.parquet"));
    for column in whole.schema().fields() {
        let [before, after] =
            [&whole, &one].map(|rows| cast(rows.column_by_name(column.name()).unwrap(), column.data_type()).unwrap());
        assert_eq!(&before, &after, "{}", column.name());
    }
    // Both fits learned the same from the same values.
    dir.ok("transform whole.parquet by-whole.parquet -m whole.st -q");
    assert_eq!(scores(&dir.path("by-whole.parquet")), expected);
    // A mirrored file keeps the columns and types of its input.
    let part = read(&dir.path("lake/p1.parquet"));
    assert_eq!(names(&read(&dir.path("out/p1.parquet")))[..5], names(&part)[..]);
}

#[test]
fn a_column_that_only_later_files_have_is_learned_and_null_before() {
    let dir = Workdir::new();
    std::fs::create_dir_all(dir.path("lake")).unwrap();
    for n in 0..3 {
        let (x, y, _, word) = columns(n, 300);
        let mut part: Vec<(&str, ArrayRef)> =
            vec![("x", Arc::new(Float64Array::from(x))), ("y", Arc::new(Float64Array::from(y)))];
        if n == 2 {
            part.insert(1, ("channel", Arc::new(StringArray::from(word))));
        }
        write(&dir.path(&format!("lake/p{n}.parquet")), &batch(part), 100);
    }
    let fitted = dir.ok("fit lake -m a.st --epochs 2 --latent-dim 2");
    fitted.says(&["column \"channel\" is missing in 2 of 3 files, and null there"]).prints(&["x, y, channel"]);
    dir.ok("transform lake out/ -m a.st -q");
    dir.ok("transform lake all.parquet -m a.st -q");
    let mirrored: Vec<_> = (0..3).flat_map(|n| scores(&dir.path(&format!("out/p{n}.parquet")))).collect();
    assert_eq!(mirrored, scores(&dir.path("all.parquet")));
    assert_eq!(names(&read(&dir.path("out/p0.parquet")))[..2], ["x", "y"], "a file keeps its own columns");
    let channel = column(&read(&dir.path("all.parquet")), "channel");
    assert_eq!((channel.len(), channel.null_count()), (900, 600));
    // A file alone has to have what the model learned.
    dir.fails(65, "transform lake/p0.parquet alone.parquet -m a.st").says(&["channel"]);
    dir.ok("inspect lake").prints(&["channel"]);
    dir.ok("drift lake -m a.st");
    dir.ok("transform lake where.parquet -m a.st -q --where channel='a'");
    assert_eq!(read(&dir.path("where.parquet")).num_rows(), 100);
    dir.ok(&format!("fit lake -m w.st {FIT} --where \"channel\"='a'"));
}

#[test]
fn types_that_do_not_meet_are_an_error_with_both_unless_the_column_is_left_out() {
    let dir = Workdir::new();
    std::fs::create_dir_all(dir.path("lake")).unwrap();
    for n in 0..2 {
        let (x, y, count, word) = columns(n, 300);
        let odd: ArrayRef = match n {
            0 => Arc::new(Int64Array::from(count)),
            _ => Arc::new(StringArray::from(word)),
        };
        let part: Vec<(&str, ArrayRef)> =
            vec![("x", Arc::new(Float64Array::from(x))), ("y", Arc::new(Float64Array::from(y))), ("odd", odd)];
        write(&dir.path(&format!("lake/p{n}.parquet")), &batch(part), 100);
    }
    let says = ["p1.parquet", "\"odd\"", "is Utf8, but Int64 in lake/p0.parquet", "--exclude"];
    dir.fails(65, "fit lake -m a.st").says(&says);
    dir.ok(&format!("fit lake -m a.st {FIT} --exclude odd"));
    // Each file of a mirrored directory carries its own.
    dir.ok("transform lake out/ -m a.st -q");
    assert!(column(&read(&dir.path("out/p1.parquet")), "odd").data_type().is_string());
    dir.fails(65, "transform lake one.parquet -m a.st").says(&["p1.parquet", "\"odd\"", "--keep"]);
    dir.ok("transform lake one.parquet -m a.st --keep x,y -q");
}

#[test]
fn a_column_without_values_is_null_of_any_type() {
    let dir = Workdir::new();
    std::fs::create_dir_all(dir.path("lake")).unwrap();
    let part = |n: u64, empty: bool| {
        let (x, y, _, word) = columns(n, 300);
        let list = |x: &[f64]| {
            let lists = x.iter().map(|&x| Some(vec![Some(x as f32), Some(1.0 - x as f32)]));
            Arc::new(arrow::array::ListArray::from_iter_primitive::<Float32Type, _, _>(lists)) as ArrayRef
        };
        let item = Arc::new(Field::new("item", DataType::Null, true));
        let (coupon, vector): (ArrayRef, ArrayRef) = match empty {
            true => (Arc::new(NullArray::new(300)), new_null_array(&DataType::List(item), 300)),
            false => (Arc::new(StringArray::from(word)), list(&x)),
        };
        let (x, y): (ArrayRef, ArrayRef) = (Arc::new(Float64Array::from(x)), Arc::new(Float64Array::from(y)));
        batch(vec![("x", x), ("y", y), ("coupon", coupon), ("vector", vector)])
    };
    for (n, empty) in [(0, false), (1, true), (2, false)] {
        write(&dir.path(&format!("lake/p{n}.parquet")), &part(n, empty), 1000);
    }
    write(&dir.path("full.parquet"), &part(0, false), 1000);
    dir.ok(&format!("fit lake -m lake.st {FIT}"));
    dir.ok(&format!("fit full.parquet -m full.st {FIT}"));
    // The day on which nobody had a coupon, alone.
    for model in ["lake.st", "full.st"] {
        dir.ok(&format!("transform lake/p1.parquet out.parquet -m {model} --force -q"));
        assert!(scores(&dir.path("out.parquet")).iter().all(Option::is_some));
    }
    dir.ok("impute lake/p1.parquet filled.parquet -m full.st -q");
    let filled = read(&dir.path("filled.parquet"));
    assert_eq!(column(&filled, "coupon").null_count(), 0);
    assert!(
        cast(&column(&filled, "coupon"), &DataType::Utf8)
            .unwrap()
            .as_string::<i32>()
            .iter()
            .flatten()
            .all(|it| it.len() == 1)
    );
}

#[test]
fn fields_of_structs_meet_by_name() {
    let dir = Workdir::new();
    let part = |n: u64, fields: &[&str]| {
        let (x, y, count, word) = columns(n, 300);
        let of = |name: &str| -> (Arc<Field>, ArrayRef) {
            let array: ArrayRef = match name {
                "a" => Arc::new(Float64Array::from(y.clone())),
                "b" => Arc::new(StringArray::from(word.clone())),
                _ => Arc::new(Int64Array::from(count.clone())),
            };
            (Arc::new(Field::new(name, array.data_type().clone(), true)), array)
        };
        let fields: Vec<_> = fields.iter().map(|name| of(name)).collect();
        batch(vec![("x", Arc::new(Float64Array::from(x)) as ArrayRef), ("s", Arc::new(StructArray::from(fields)))])
    };
    write(&dir.path("a.parquet"), &part(0, &["a", "b"]), 1000);
    dir.ok(&format!("fit a.parquet -m a.st {FIT}"));
    for (name, fields) in [("more", &["a", "b", "c"][..]), ("less", &["a"]), ("order", &["b", "a"])] {
        write(&dir.path(&format!("{name}.parquet")), &part(1, fields), 1000);
        dir.ok(&format!("transform {name}.parquet {name}-out.parquet -m a.st -q"));
        dir.ok(&format!("fit a.parquet {name}.parquet -m both.st {FIT} --force"));
    }
    let [order, more] = ["order", "more"].map(|name| scores(&dir.path(&format!("{name}-out.parquet"))));
    assert_eq!(order, more, "the order of fields says nothing");
    assert!(scores(&dir.path("less-out.parquet")).iter().all(Option::is_some));
}

#[test]
fn what_holds_no_rows_is_left_alone_and_a_damaged_file_can_be_left_out() {
    let dir = Workdir::new();
    parts(&dir);
    for name in ["README.md", "notes.txt", "p0.parquet.crc", "_SUCCESS", "vae.safetensors"] {
        std::fs::write(dir.path(&format!("lake/{name}")), "no rows").unwrap();
    }
    dir.ok("fit lake -m a.st --epochs 1").says(&["files without rows are skipped: 4"]);
    dir.ok("transform lake out/ -m a.st");
    assert!(dir.path("out/p2.parquet").exists() && !dir.path("out/README.md").exists());
    // One of the files is cut off.
    let whole = std::fs::read(dir.path("lake/p1.parquet")).unwrap();
    std::fs::write(dir.path("lake/p1.parquet"), &whole[..whole.len() / 2]).unwrap();
    dir.fails(65, "transform lake cut/ -m a.st").says(&["p1.parquet"]);
    assert!(!dir.path("cut").exists());
    let ran = dir.fails(1, "transform lake cut/ -m a.st --keep-going");
    ran.says(&["p1.parquet", "the file is skipped", "2 files are written and 1 is not"]);
    assert!(dir.path("cut/p0.parquet").exists() && dir.path("cut/p2.parquet").exists());
    // One output of all files cannot do without one.
    dir.fails(65, "transform lake one.parquet -m a.st --keep-going").says(&["p1.parquet", "it is cut short"]);
    assert!(!dir.path("one.parquet").exists());
    // Named, a file has to hold rows.
    dir.fails(65, "transform lake/README.md x.parquet -m a.st");
    std::fs::create_dir(dir.path("empty")).unwrap();
    std::fs::write(dir.path("empty/README.md"), "no rows").unwrap();
    dir.fails(1, "fit empty -m b.st").says(&["empty"]);
}

#[test]
fn outputs_in_an_input_directory_are_left_out() {
    let dir = Workdir::new();
    parts(&dir);
    dir.ok("fit lake -m a.st --epochs 1 -q");
    dir.ok("transform lake/p0.parquet scored.parquet -m a.st -q");
    std::fs::copy(dir.path("scored.parquet"), dir.path("lake/scored.parquet")).unwrap();
    dir.ok("transform lake all.parquet -m a.st").says(&["outputs of vaepipe in an input directory are skipped: 1"]);
    assert_eq!(read(&dir.path("all.parquet")).num_rows(), 750);
    // A directory of outputs alone is a table as any other.
    dir.ok("transform lake out/ -m a.st -q");
    dir.ok("drift out -m a.st");
}

#[test]
fn a_key_of_the_path_agrees_with_the_column_of_the_file() {
    let dir = Workdir::new();
    for (key, stored) in [("1", 1), ("2", 2)] {
        std::fs::create_dir_all(dir.path(&format!("lake/k={key}"))).unwrap();
        let (x, y, _, _) = columns(stored as u64, 200);
        let k: ArrayRef = Arc::new(Int32Array::from(vec![stored; 200]));
        let part =
            vec![("x", Arc::new(Float64Array::from(x)) as ArrayRef), ("y", Arc::new(Float64Array::from(y))), ("k", k)];
        write(&dir.path(&format!("lake/k={key}/p.parquet")), &batch(part), 1000);
    }
    dir.ok(&format!("fit lake -m a.st {FIT}"));
    std::fs::rename(dir.path("lake/k=2"), dir.path("lake/k=3")).unwrap();
    dir.fails(65, "transform lake out/ -m a.st").says(&[
        "k=3/p.parquet",
        "\"k\"",
        "is 2, but must be 3 as in the path",
        "rename",
    ]);
}

#[test]
fn a_mirrored_file_of_which_no_row_is_read_is_not_written() {
    let dir = Workdir::new();
    parts(&dir);
    dir.ok("fit lake -m a.st --epochs 1 -q");
    for (n, rows) in [(0, 10), (1, 20)] {
        std::fs::create_dir_all(dir.path(&format!("keys/k={n}"))).unwrap();
        let part = read(&dir.path("lake/p2.parquet")).slice(n * 10, rows);
        write(&dir.path(&format!("keys/k={n}/p.parquet")), &part, 100);
    }
    dir.ok("transform keys out/ -m a.st --where k=1").says(&["no row matches"]);
    assert!(dir.path("out/k=1/p.parquet").exists() && !dir.path("out/k=0").exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_lake_may_have_more_files_than_a_process_may_open() {
    let dir = Workdir::new();
    let (x, y, _, word) = columns(1, 2400);
    let whole = batch(vec![
        ("x", Arc::new(Float64Array::from(x)) as ArrayRef),
        ("y", Arc::new(Float64Array::from(y))),
        ("w", Arc::new(StringArray::from(word))),
    ]);
    for n in 0..300 {
        std::fs::create_dir_all(dir.path(&format!("lake/day={n:03}"))).unwrap();
        write(&dir.path(&format!("lake/day={n:03}/p.parquet")), &whole.slice(n * 8, 8), 100);
    }
    let limited = |arguments: &str| {
        let script = format!("ulimit -n 128; exec {} {arguments}", env!("CARGO_BIN_EXE_vaepipe"));
        let ran = std::process::Command::new("bash").args(["-c", &script]).current_dir(dir.path(".")).output().unwrap();
        assert!(ran.status.success(), "{arguments}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    limited(&format!("fit lake -m a.st {FIT}"));
    limited("transform lake out/ -m a.st -q");
    limited("transform lake one.parquet -m a.st -q");
    let mirrored: Vec<_> = (0..300).flat_map(|n| scores(&dir.path(&format!("out/day={n:03}/p.parquet")))).collect();
    assert_eq!(mirrored, scores(&dir.path("one.parquet")));
    let days = cast(&column(&read(&dir.path("one.parquet")), "day"), &DataType::Utf8).unwrap();
    assert_eq!(days.as_string::<i32>().value(2399), "299");
}

#[test]
#[cfg(target_os = "linux")]
fn a_replaced_output_keeps_its_group() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let dir = Workdir::new();
    parts(&dir);
    dir.ok("fit lake -m a.st --epochs 1 -q");
    dir.ok("transform lake/p0.parquet out.parquet -m a.st -q");
    let out = dir.path("out.parquet");
    std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o640)).unwrap();
    // Whoever is not root may only give it to a group of their own.
    let group = if chown(&out, None, Some(100)).is_ok() { 100 } else { std::fs::metadata(&out).unwrap().gid() };
    dir.ok("transform lake/p0.parquet out.parquet -m a.st -q --force");
    let about = std::fs::metadata(&out).unwrap();
    assert_eq!((about.mode() & 0o777, about.gid()), (0o640, group));
}

#[test]
fn an_empty_file_of_text_in_a_directory_is_skipped_with_a_warning() {
    let dir = Workdir::new();
    parts(&dir);
    dir.ok("fit lake -m a.st --epochs 1");
    std::fs::create_dir(dir.path("texts")).unwrap();
    dir.ok("transform lake/p0.parquet texts/a.csv -m a.st --prefix old_");
    std::fs::write(dir.path("texts/b.csv"), "").unwrap();
    dir.ok("transform texts out/ -m a.st").says(&["texts/b.csv: the file is empty, and is skipped"]);
    assert!(dir.path("out/a.parquet").exists() && !dir.path("out/b.parquet").exists());
    dir.fails(65, "transform texts/b.csv x.parquet -m a.st").says(&["it has no columns"]);
}

#[test]
fn a_run_that_leaves_files_out_sums_up_the_others() {
    let dir = Workdir::new();
    parts(&dir);
    dir.ok("fit lake -m a.st --epochs 1");
    let path = |name: &str| dir.path(&format!("lake/{name}.parquet"));
    let whole = std::fs::read(path("p1")).unwrap();
    std::fs::write(path("cut"), &whole[..whole.len() / 2]).unwrap();
    // One whose pages are damaged is found out when rows are already written.
    let mut pages = whole.clone();
    pages[200..400].fill(0xff);
    std::fs::write(path("pages"), pages).unwrap();
    std::fs::create_dir(dir.path("sound")).unwrap();
    for name in ["p0", "p1", "p2"] {
        std::fs::copy(path(name), dir.path(&format!("sound/{name}.parquet"))).unwrap();
    }
    for (command, counted) in [
        ("transform", ["rows", "anomalies", "scores", "found", "drift"].as_slice()),
        ("reconstruct", ["rows", "error", "column_bytes_per_row"].as_slice()),
        ("impute", ["rows", "columns"].as_slice()),
    ] {
        let expected = dir.ok(&format!("{command} sound {command}-sound/ -m a.st --summary json")).json();
        assert_eq!(expected["unreadable"], serde_json::json!([]));
        let ran = dir.fails(1, &format!("{command} lake {command}/ -m a.st --keep-going --summary json"));
        ran.says(&["3 files are written and 2 are not"]);
        let found = ran.json();
        for name in counted {
            assert_eq!(found[name], expected[name], "{command}: {name}");
        }
        let files: Vec<&str> =
            found["unreadable"].as_array().unwrap().iter().map(|it| it["file"].as_str().unwrap()).collect();
        assert_eq!(files, ["lake/cut.parquet", "lake/pages.parquet"], "{command}");
        let ran = dir.fails(1, &format!("{command} lake {command}/ -m a.st --keep-going --force"));
        ran.prints(&[
            "in 3 files",
            "left out",
            "lake/cut.parquet: damaged: it begins as a Parquet file",
            "lake/pages.parquet: row group 0, ",
        ]);
    }
    // Without any sound file there is nothing to sum up.
    for name in ["p0", "p1", "p2"] {
        std::fs::remove_file(path(name)).unwrap();
    }
    for command in ["transform", "reconstruct", "impute"] {
        dir.fails(1, &format!("{command} lake none/ -m a.st --keep-going"))
            .says(&["0 files are written and 2 are not"]);
    }
    std::fs::copy(dir.path("sound/p0.parquet"), path("p0")).unwrap();
    // A check that fails is still told, but what is not there counts for more.
    let rate = "transform lake rate/ -m a.st --keep-going --alpha 0.5 --fail-on-anomaly-rate 0.01";
    dir.fails(1, rate).says(&["of the rows are anomalies, more than 1.0 %", "2 are not"]);
}
