//! Values of files that store a column with different types, in outputs for all of them and for each.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, DurationMicrosecondArray, DurationSecondArray, FixedSizeListArray, Float64Array,
    Int32Array, Int64Array, ListArray, RecordBatch, StructArray, Time64MicrosecondArray, Time64NanosecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Float64Type};

use crate::tables::{Uniform, names, read, write};
use crate::workdir::Workdir;

const ROWS: usize = 200;
const FIT: &str = "--epochs 1 --latent-dim 1 --hidden 4 -q";

/// Two numbers, by their seed.
fn numbers(seed: u64) -> [ArrayRef; 2] {
    let mut numbers = Uniform::new(seed);
    let x: Vec<f64> = (0..ROWS).map(|_| numbers.next()).collect();
    let y: Vec<f64> = x.iter().map(|x| x + 0.1 * numbers.next()).collect();
    [Arc::new(Float64Array::from(x)), Arc::new(Float64Array::from(y))]
}

/// Writes a file of two numbers and more columns.
fn part(dir: &Workdir, name: &str, more: &[(&str, ArrayRef)]) -> RecordBatch {
    let [x, y] = numbers(name.len() as u64);
    let columns = [("x", x), ("y", y)].into_iter().chain(more.iter().cloned());
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    let path = dir.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write(&path, &batch, 150);
    batch
}

fn counts(unit: i64) -> Vec<i64> {
    (0..ROWS as i64).map(|row| row * 7 % 100 * unit).collect()
}

fn nested(values: ArrayRef) -> [ArrayRef; 2] {
    let field = Arc::new(Field::new("d", values.data_type().clone(), true));
    let offsets = arrow::buffer::OffsetBuffer::from_lengths(vec![1; values.len()]);
    let list = ListArray::new(field.clone(), offsets, values.clone(), None);
    [Arc::new(StructArray::from(vec![(field, values)])), Arc::new(list)]
}

fn vectors(length: i32) -> ArrayRef {
    let vector = |row: usize| Some(vec![Some(row as f64); length as usize]);
    Arc::new(FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>((0..ROWS).map(vector), length))
}

/// The same columns as one writer stores them, and as another does.
fn two_writers() -> [Vec<(&'static str, ArrayRef)>; 2] {
    let (seconds, micros) = (counts(1), counts(1_000_000));
    let short: ArrayRef = Arc::new(DurationSecondArray::from(seconds));
    let long: ArrayRef = Arc::new(DurationMicrosecondArray::from(micros.clone()));
    let ([in_struct, in_list], [in_other_struct, in_other_list]) = (nested(short.clone()), nested(long.clone()));
    let nanos = counts(1_000_000_000);
    [
        vec![
            ("duration", short),
            ("struct", in_struct),
            ("list", in_list),
            ("millis", Arc::new(TimestampMillisecondArray::from(counts(1000)))),
            ("micros", Arc::new(TimestampMicrosecondArray::from(micros.clone()))),
            ("time", Arc::new(Time64MicrosecondArray::from(micros.clone()))),
            ("zone", Arc::new(TimestampMicrosecondArray::from(micros.clone()).with_timezone("Europe/Berlin"))),
            ("vector", vectors(3)),
        ],
        vec![
            ("duration", long),
            ("struct", in_other_struct),
            ("list", in_other_list),
            ("millis", Arc::new(TimestampMicrosecondArray::from(micros.clone()))),
            ("micros", Arc::new(TimestampNanosecondArray::from(nanos.clone()))),
            ("time", Arc::new(Time64NanosecondArray::from(nanos))),
            ("zone", Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("Asia/Tokyo"))),
            ("vector", vectors(4)),
        ],
    ]
}

/// The carried columns of an output have the values of these parts, whatever type says what they are.
#[track_caller]
fn carries_values(output: &RecordBatch, parts: &[&RecordBatch], what: &str) {
    for name in names(parts[0]).iter().filter(|name| !["x", "y"].contains(&name.as_str())) {
        let found = &output[name.as_str()];
        let parts: Vec<ArrayRef> =
            parts.iter().map(|part| cast(&part[name.as_str()], found.data_type()).unwrap()).collect();
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        assert_eq!(found, &concat(&parts).unwrap(), "{what}: {name}");
    }
}

#[test]
fn merged_values_have_the_unit_that_the_output_names() {
    let dir = Workdir::new();
    let [one, other] = two_writers();
    let parts = [part(&dir, "lake/p0.parquet", &one), part(&dir, "lake/p1.parquet", &other)];
    dir.ok(&format!("fit lake -m a.st --columns x,y {FIT}"));
    for (n, command) in ["transform", "transform --compression snappy", "impute", "reconstruct"].iter().enumerate() {
        dir.ok(&format!("{command} lake o{n}.parquet -m a.st -q"));
        carries_values(&read(&dir.path(&format!("o{n}.parquet"))), &[&parts[0], &parts[1]], command);
        dir.ok(&format!("{command} lake o{n}/ -m a.st -q"));
        for (p, part) in parts.iter().enumerate() {
            carries_values(&read(&dir.path(&format!("o{n}/p{p}.parquet"))), &[part], command);
        }
    }
}

#[test]
fn two_columns_of_one_name_are_not_read_in_any_file() {
    let dir = Workdir::new();
    part(&dir, "plain.parquet", &[]);
    let [x, _] = numbers(9);
    let twins = part(&dir, "twins.parquet", &[("x", x)]);
    dir.ok(&format!("fit plain.parquet -m a.st {FIT}"));
    for inputs in ["plain.parquet twins.parquet", "twins.parquet plain.parquet", "twins.parquet"] {
        for output in ["out.parquet", "out.arrow"] {
            let ran = dir.fails(65, &format!("transform {inputs} {output} -m a.st"));
            ran.says(&["twins.parquet, column \"x\"", "shares its name", "rename one of the two"]);
        }
    }
    dir.fails(65, &format!("fit plain.parquet twins.parquet -m b.st {FIT}")).says(&["shares its name"]);
    // Nothing reads the columns of one name here: both are copied.
    dir.ok(&format!("fit plain.parquet -m y.st --columns y {FIT}"));
    dir.ok("transform twins.parquet copy.parquet -m y.st -q");
    let copy = read(&dir.path("copy.parquet"));
    for (place, column) in twins.columns().iter().enumerate() {
        assert_eq!(copy.column(place), column);
    }
}

#[test]
fn a_time_beyond_the_unit_of_other_files_is_named() {
    let dir = Workdir::new();
    let mut far = counts(1_000_000);
    far[160] = 253_402_214_400_000_000;
    part(&dir, "lake/p0.parquet", &[("t", Arc::new(TimestampNanosecondArray::from(counts(1))))]);
    part(&dir, "lake/p1.parquet", &[("t", Arc::new(TimestampMicrosecondArray::from(far)))]);
    let value =
        "\"t\": is Timestamp(µs) with the value 9999-12-31T00:00:00, but must be within Timestamp(ns) of other files";
    dir.fails(65, &format!("fit lake -m a.st {FIT}")).says(&["p1.parquet", value, "2262", "--exclude"]);
    dir.ok(&format!("fit lake -m a.st --exclude t {FIT}"));
    dir.fails(65, "transform lake out.parquet -m a.st").says(&["p1.parquet", value, "--keep"]);
    dir.ok("transform lake out/ -m a.st -q");
    dir.ok("transform lake out.parquet -m a.st -q --keep x,y");
}

#[test]
fn times_of_the_day_that_is_the_key_of_the_path_agree_with_it() {
    let dir = Workdir::new();
    const DAY: i64 = 86_400_000_000;
    for day in [0, 1] {
        let times = (0..ROWS as i64).map(|row| day * DAY + row * 60_000_000);
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(times));
        part(&dir, &format!("lake/t=1970-01-0{}/p.parquet", day + 1), &[("t", times)]);
    }
    dir.ok(&format!("fit lake -m a.st {FIT}"));
    dir.ok("transform lake out.parquet -m a.st -q");
    assert!(matches!(read(&dir.path("out.parquet"))["t"].data_type(), DataType::Timestamp(..)));
    std::fs::rename(dir.path("lake/t=1970-01-02"), dir.path("lake/t=1970-01-03")).unwrap();
    let expected = "column \"t\": is 1970-01-02T00:00:00, but must be 1970-01-03 as in the path";
    dir.fails(65, "transform lake other.parquet -m a.st").says(&[expected, "rename the directory"]);
}

#[test]
fn integers_that_become_doubles_are_told() {
    let dir = Workdir::new();
    let floats: ArrayRef = Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64 / 2.0)));
    let wide: ArrayRef = Arc::new(Int64Array::from(counts(1)));
    let narrow: ArrayRef = Arc::new(Int32Array::from_iter_values((0..ROWS as i32).map(|row| row % 50)));
    let days: ArrayRef = Arc::new(Date32Array::from_iter_values(0..ROWS as i32));
    part(&dir, "lake/p0.parquet", &[("wide", wide), ("narrow", narrow), ("day", days.clone())]);
    part(&dir, "lake/p1.parquet", &[("wide", floats.clone()), ("narrow", floats), ("day", days)]);
    let told = dir.ok("fit lake -m a.st --epochs 1");
    told.says(&["WARN column \"wide\" is Int64 in lake/p0.parquet and Float64 in lake/p1.parquet", "may be rounded"]);
    told.says(&["INFO column \"narrow\" is read as Float64"]);
    assert_eq!(told.stderr().matches("may be rounded").count(), 1);
}
