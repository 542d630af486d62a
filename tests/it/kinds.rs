//! Each kind of column, from a real file.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, IntervalUnit, TimeUnit};

use crate::model_file::{learned, take_apart};
use crate::tables::{Uniform, carries, new_bits, read, write};
use crate::workdir::Workdir;

const ROWS: usize = 400;

/// One number a row, some of them missing, that everything else is made of.
fn hidden(seed: u64) -> Vec<Option<f64>> {
    let mut uniform = Uniform::new(seed);
    (0..ROWS).map(|row| Some(uniform.next()).filter(|_| row % 11 != 3)).collect()
}

fn floats(scale: f64) -> ArrayRef {
    Arc::new(hidden(1).into_iter().map(|x| x.map(|x| (x * scale).round())).collect::<Float64Array>())
}

fn integers(scale: f64) -> ArrayRef {
    cast(&floats(scale), &DataType::Int64).unwrap()
}

/// Integers after the hidden number that do not order the rows by it: three of its values have the same.
fn folded(scale: f64) -> ArrayRef {
    let fold = |x: f64| ((4.0 * x * x - 3.0) * x * scale).round() as i64;
    Arc::new(hidden(1).into_iter().map(|x| x.map(fold)).collect::<Int64Array>())
}

/// Five words, after the hidden number.
fn words() -> ArrayRef {
    let word = |x: f64| ["one", "two", "three", "", "five"][((x + 1.0) * 2.5) as usize];
    Arc::new(hidden(1).into_iter().map(|x| x.map(word)).collect::<StringArray>())
}

/// Vectors of three numbers in a list of this type, some of them null, and some with a null.
fn vectors(data_type: &DataType) -> ArrayRef {
    let rows = hidden(1).into_iter().enumerate().map(|(row, x)| {
        let x = x?;
        Some(vec![Some(x.round()), (row % 13 > 0).then_some((9.0 * x).round()), Some(row as f64 % 5.0)])
    });
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows));
    cast(&list, data_type).unwrap()
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

fn dictionary(keys: DataType, values: DataType) -> DataType {
    DataType::Dictionary(Box::new(keys), Box::new(values))
}

fn word_types() -> Vec<DataType> {
    use DataType::{Int8, Int16, Int32, Int64, LargeUtf8, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View};
    let keys = [Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64];
    let dictionaries = keys.map(|keys| dictionary(keys, Utf8));
    [vec![Utf8, LargeUtf8, Utf8View, dictionary(Int32, LargeUtf8)], dictionaries.to_vec()].concat()
}

/// A column of every type that is learned, of one row in ten nulls.
pub fn every_kind() -> RecordBatch {
    use DataType::{
        Date32, Date64, Decimal128, Decimal256, Duration, FixedSizeList, Float16, LargeList, List, Timestamp,
    };
    let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let numbers = [DataType::Int8, DataType::UInt16, DataType::Int64, Float16, DataType::Float32, DataType::Float64];
    let decimals = [Decimal128(9, 2), Decimal128(38, 10), Decimal256(76, 40)];
    for data_type in numbers.iter().chain(&decimals) {
        columns.push((format!("number {data_type}"), cast(&floats(100.0), data_type).unwrap()));
    }
    for unit in units {
        columns.push((format!("duration {unit:?}"), cast(&integers(1e5), &Duration(unit)).unwrap()));
        for zone in [None, Some("Europe/Berlin"), Some("-03:30")] {
            // Up to 58 days around the epoch in seconds, fewer in the finer units.
            let times = cast(&folded(5e6), &Timestamp(unit, zone.map(Into::into))).unwrap();
            columns.push((format!("time {unit:?} {}", zone.unwrap_or("local")), times));
        }
    }
    columns.push(("day Date32".to_owned(), cast(&cast(&folded(900.0), &DataType::Int32).unwrap(), &Date32).unwrap()));
    let milliseconds = cast(&cast(&folded(900.0), &DataType::Int32).unwrap(), &Date32).unwrap();
    columns.push(("day Date64".to_owned(), cast(&milliseconds, &Date64).unwrap()));
    for data_type in word_types() {
        columns.push((format!("word {data_type}"), cast(&words(), &data_type).unwrap()));
    }
    let flags: BooleanArray = hidden(1).into_iter().map(|x| x.map(|x| x > 0.2)).collect();
    columns.push(("flag".to_owned(), Arc::new(flags)));
    let float = || item(DataType::Float32);
    for data_type in [List(float()), LargeList(float()), FixedSizeList(float(), 3), List(item(DataType::Int16))] {
        columns.push((format!("vector {data_type}"), vectors(&data_type)));
    }
    let inner = StructArray::from(vec![
        (item(DataType::Float64), floats(7.0)),
        (Arc::new(Field::new("word", DataType::Utf8, true)), words()),
    ]);
    let mask = NullBuffer::from((0..ROWS).map(|row| row % 17 != 5).collect::<Vec<_>>());
    let field = Arc::new(Field::new("inner", inner.data_type().clone(), true));
    let outer = StructArray::new(vec![field].into(), vec![Arc::new(inner)], Some(mask));
    columns.push(("struct".to_owned(), Arc::new(outer)));
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

/// A selection of all its columns, which names the times: else they are given.
pub fn every_column() -> String {
    let schema = every_kind().schema();
    let times =
        schema.fields().iter().filter(|field| ["time ", "day "].iter().any(|kind| field.name().starts_with(kind)));
    ["*"].into_iter().chain(times.map(|field| field.name().as_str())).collect::<Vec<_>>().join(",")
}

/// A table of these columns in a file of this name.
fn table(dir: &Workdir, name: &str, columns: Vec<(&str, ArrayRef)>) {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    write(&dir.path(name), &RecordBatch::try_from_iter_with_nullable(columns).unwrap(), 150);
}

#[test]
fn every_kind_is_learned_and_comes_out_as_it_was() {
    let (dir, all) = (Workdir::new(), every_kind());
    write(&dir.path("in.parquet"), &all, 130);
    let variables = [("VAEPIPE_COLUMNS", every_column())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    dir.ok_with(&variables, "fit-transform in.parquet out.parquet -m vae.safetensors --epochs 2");
    let mut learned = learned(&dir.path("vae.safetensors"));
    let schema = all.schema();
    let leaves = schema.fields().iter().flat_map(|field| match field.data_type() {
        DataType::Struct(_) => vec!["struct.inner.item".to_owned(), "struct.inner.word".to_owned()],
        _ => vec![field.name().clone()],
    });
    let mut expected: Vec<String> = leaves.collect();
    learned.sort();
    expected.sort();
    assert_eq!(learned, expected);
    carries(&read(&dir.path("in.parquet")), &read(&dir.path("out.parquet")));
}

#[test]
fn what_is_of_no_kind_is_carried_with_its_type_as_the_reason() {
    let dir = Workdir::new();
    let of = |data_type: &DataType| arrow::array::new_null_array(data_type, ROWS);
    table(
        &dir,
        "in.parquet",
        vec![
            ("x", floats(9.0)),
            ("interval", of(&DataType::Interval(IntervalUnit::YearMonth))),
            ("time of day", of(&DataType::Time32(TimeUnit::Second))),
            ("lists", of(&DataType::List(item(DataType::List(item(DataType::Int8)))))),
            ("names", of(&DataType::List(item(DataType::Utf8)))),
            ("bytes", of(&DataType::FixedSizeBinary(3))),
            ("nothing", of(&DataType::Null)),
        ],
    );
    dir.ok("fit in.parquet --epochs 1").prints(&[
        "time of day: has no usable value",
        "bytes: is binary",
        "names: is a list",
    ]);
    assert_eq!(learned(&dir.path("vae.safetensors")), ["x"]);
}

#[test]
fn a_dictionary_at_fit_and_a_plain_string_at_transform_are_the_same_column() {
    let dir = Workdir::new();
    let types = word_types();
    for (n, data_type) in types.iter().enumerate() {
        table(&dir, &format!("{n}.parquet"), vec![("x", floats(9.0)), ("word", cast(&words(), data_type).unwrap())]);
    }
    for fitted in [0, types.len() - 1] {
        dir.ok(&format!("fit {fitted}.parquet --epochs 2 --force"));
        let bits = |n: usize| {
            dir.ok(&format!("transform {n}.parquet out.parquet --force"));
            new_bits(&read(&dir.path("out.parquet")))
        };
        let own = bits(fitted);
        for (n, data_type) in types.iter().enumerate() {
            assert!(bits(n) == own, "fitted to {}, given {data_type}", types[fitted]);
        }
    }
}

#[test]
fn rare_and_unseen_words_share_a_class() {
    let dir = Workdir::new();
    // "a" and "b" often, ten more twice each.
    let word = |row: usize| if row < 20 { format!("rare {}", row / 2) } else { ["a", "b"][row % 2].to_owned() };
    let of = |change: fn(String) -> String| -> ArrayRef {
        Arc::new((0..ROWS).map(|row| Some(change(word(row)))).collect::<StringArray>())
    };
    table(&dir, "in.parquet", vec![("x", floats(9.0)), ("word", of(|word| word))]);
    table(&dir, "new.parquet", vec![("x", floats(9.0)), ("word", of(|word| word.replace("rare", "new")))]);
    dir.ok("fit in.parquet --epochs 2");
    dir.ok("inspect vae.safetensors").prints(&["category: a, b, other"]);
    let scored = |name: &str| {
        let ran = dir.ok(&format!("transform {name} out.parquet --force --summary json"));
        (read(&dir.path("out.parquet")), ran.json()["found"].clone())
    };
    let (rare, unseen) = (scored("in.parquet"), scored("new.parquet"));
    for column in ["z_0", "recon_error"] {
        assert_eq!(crate::tables::floats(&rare.0, column), crate::tables::floats(&unseen.0, column));
    }
    assert_eq!(rare.1.as_array().unwrap().len(), 0, "a rare word was seen at fit");
    assert_eq!((&unseen.1[0]["column"], &unseen.1[0]["unseen"]), (&"word".into(), &20.into()));
    dir.ok("fit in.parquet --epochs 1 --force --max-categories 5");
    dir.fails(2, "fit in.parquet --force --max-categories 1").says(&["2 to 4096"]);
}

#[test]
fn a_string_that_hardly_repeats_is_carried_and_said_or_hashed_if_it_is_named() {
    let dir = Workdir::new();
    let names: ArrayRef = Arc::new((0..ROWS).map(|row| Some(format!("N{row}"))).collect::<StringArray>());
    let codes: ArrayRef = Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| (row * 7 % 5) as i64)));
    table(&dir, "in.parquet", vec![("x", floats(9.0)), ("tail", names), ("code", codes)]);
    dir.ok("fit in.parquet --epochs 1").prints(&["tail: looks like an identifier: 400 different words"]);
    assert_eq!(learned(&dir.path("vae.safetensors")), ["x", "code"]);
    dir.ok("fit in.parquet --epochs 1 --force --categorical tail,code --max-categories 16");
    dir.ok("inspect vae.safetensors")
        .prints(&["category, hashed into 16 classes", "category: 0, 1, 2, … 2 more, other"]);
    let features = take_apart(&dir.path("vae.safetensors")).0["features"].clone();
    assert_eq!(features[1]["words"].as_array().unwrap().len(), 16);
    dir.ok("transform in.parquet out.parquet");
    dir.fails(2, "fit in.parquet --force --categorical x").says(&["x"]);
}

#[test]
fn a_vector_is_its_numbers_in_every_kind_of_list() {
    let dir = Workdir::new();
    let float = || item(DataType::Float64);
    let types = [DataType::List(float()), DataType::LargeList(float()), DataType::FixedSizeList(float(), 3)];
    for (n, data_type) in types.iter().enumerate() {
        table(&dir, &format!("{n}.parquet"), vec![("v", vectors(data_type)), ("w", words())]);
    }
    // The same numbers as columns.
    let fixed = vectors(&types[2]);
    let fixed = fixed.as_any().downcast_ref::<FixedSizeListArray>().unwrap();
    let number = |at: usize| -> ArrayRef {
        let value = |row: usize| fixed.is_valid(row).then(|| fixed.value(row));
        let column = (0..ROWS).map(|row| {
            let list = value(row)?;
            let list = list.as_any().downcast_ref::<Float64Array>().unwrap();
            list.is_valid(at).then(|| list.value(at))
        });
        Arc::new(column.collect::<Float64Array>())
    };
    table(&dir, "apart.parquet", vec![("a", number(0)), ("b", number(1)), ("c", number(2)), ("w", words())]);
    let bits = |name: &str| {
        let json = dir.ok(&format!("fit-transform {name} out.parquet --force --epochs 3 --summary json")).json();
        (new_bits(&read(&dir.path("out.parquet"))), json["fit"]["held_out_loss"].to_string())
    };
    let apart = bits("apart.parquet");
    for (n, data_type) in types.iter().enumerate() {
        assert!(bits(&format!("{n}.parquet")) == apart, "{data_type}");
    }
}

#[test]
fn a_vector_of_another_length_is_missing_and_counted() {
    let dir = Workdir::new();
    let of = |short: bool| -> ArrayRef {
        let list = |row: usize| {
            let numbers = if short && row < 5 { 2 } else { 3 };
            Some((0..numbers).map(|at| Some((row * (at + 1) % 7) as f64)).collect::<Vec<_>>())
        };
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>((0..ROWS).map(list)))
    };
    table(&dir, "in.parquet", vec![("v", of(false)), ("x", floats(9.0))]);
    table(&dir, "short.parquet", vec![("v", of(true)), ("x", floats(9.0))]);
    dir.ok("fit in.parquet --epochs 1");
    let ran = dir.ok("transform short.parquet out.parquet --summary json");
    ran.says(&[r#"5 values are of another length"#]);
    assert_eq!(ran.json()["found"][0]["unusable"], 5);
    dir.ok("fit short.parquet --epochs 1 --force").prints(&["v: holds lists of several lengths (2 and 3, say)"]);
}

#[test]
fn a_vector_is_scaled_by_its_numbers_or_as_a_whole() {
    let dir = Workdir::new();
    table(&dir, "in.parquet", vec![("v", vectors(&DataType::List(item(DataType::Float64))))]);
    let scales = |flags: &str| -> Vec<String> {
        dir.ok(&format!("fit in.parquet --epochs 1 --force {flags}"));
        let features = take_apart(&dir.path("vae.safetensors")).0["features"].clone();
        features[0]["numbers"].as_array().unwrap().iter().map(|number| number["scale"].to_string()).collect()
    };
    let (element, whole) = (scales("--vector-scale element"), scales("--vector-scale whole"));
    assert!(element[0] != element[1] && element == scales(""), "{element:?}");
    assert!(whole.len() == 3 && whole.iter().all(|scale| *scale == whole[0]), "{whole:?}");
}

#[test]
fn a_skewed_number_is_learned_on_the_curve_that_is_asked_for() {
    let dir = Workdir::new();
    let skewed: ArrayRef =
        Arc::new(hidden(2).into_iter().map(|x| x.map(|x| (6.0 * x).exp())).collect::<Float64Array>());
    table(&dir, "in.parquet", vec![("x", skewed), ("w", words())]);
    for (curve, words) in [("asinh", "x = asinh((x - "), ("log1p", "x = sign(x) ln(1 + |x|)"), ("quantile", "rank")] {
        dir.ok(&format!("fit in.parquet --epochs 2 --force --map x={curve}"));
        dir.ok("inspect vae.safetensors").prints(&[words]);
        let ran = dir.ok("transform in.parquet out.parquet --force --summary json");
        assert_eq!(ran.json()["found"].as_array().unwrap().len(), 0, "nothing is outside the range seen");
    }
    dir.ok("fit in.parquet --epochs 2 --force --map x=auto");
    dir.ok("inspect vae.safetensors").prints(&["x = "]);
    dir.fails(2, "fit in.parquet --force --map x=cube").says(&["cube"]);
    dir.fails(2, "fit in.parquet --force --map w=log1p").says(&["\"w\""]);
    dir.fails(2, "fit in.parquet --force --map y=log1p").says(&["no column \"y\""]);
}

#[test]
fn a_time_is_learned_with_the_cycles_it_varies_in() {
    let dir = Workdir::new();
    let every = |seconds: i64| -> ArrayRef {
        let times: ArrayRef =
            Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|row| row * seconds % (460 * 86_400))));
        cast(&times, &DataType::Timestamp(TimeUnit::Second, Some("America/New_York".into()))).unwrap()
    };
    table(
        &dir,
        "in.parquet",
        vec![("minutes", every(7)), ("hours", every(1000)), ("days", every(86_400 * 5)), ("all", every(7_654_321))],
    );
    dir.ok("fit in.parquet --epochs 1 --columns minutes,hours,days,all");
    let shown = dir.ok("inspect vae.safetensors");
    let line = |name: &str| shown.stdout().lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("minutes").contains("time: elapsed") && !line("minutes").contains("hour"), "{}", line("minutes"));
    assert!(line("hours").contains("elapsed, hour, weekday in America/New_York"), "{}", line("hours"));
    assert!(line("days").contains("elapsed, weekday, day of year in America/New_York"), "{}", line("days"));
    assert!(line("all").contains("elapsed, hour, weekday, day of year in America/New_York"), "{}", line("all"));
}
