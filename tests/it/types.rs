//! Logical types: what the values of columns are, where their stored type does not say it, or is another one than at fit.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    Time64MicrosecondArray, TimestampMillisecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int8Type, Int64Type, TimeUnit};

use crate::tables::{Uniform, new_bits, read, write};
use crate::workdir::Workdir;

const FIT: &str = "--epochs 2 --latent-dim 2 --hidden 8 -q --force";
const ROWS: usize = 400;

fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let columns = columns.iter().map(|(name, array)| (*name, array.clone(), true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn texts<T: ToString>(values: &[T]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values.iter().map(ToString::to_string)))
}

fn numbers(seed: u64) -> Vec<f64> {
    let mut uniform = Uniform::new(seed);
    (0..ROWS).map(|_| uniform.next()).collect()
}

/// Minutes of the day around midnight.
fn minutes() -> Vec<i64> {
    numbers(3).iter().map(|x| ((x * 200.0) as i64).rem_euclid(1440)).collect()
}

fn hhmm() -> Vec<i64> {
    minutes().iter().map(|minute| minute / 60 * 100 + minute % 60).collect()
}

/// Milliseconds since 1970, all over a year.
fn milliseconds() -> Vec<i64> {
    (0..ROWS as i64).map(|row| 1_704_067_200_000 + row * 7 % 400 * 79_200_000 + row * 1000).collect()
}

fn iso(milliseconds: &[i64]) -> Vec<String> {
    let time = |&at: &i64| chrono::DateTime::from_timestamp_millis(at).unwrap().format("%Y-%m-%d %H:%M:%S").to_string();
    milliseconds.iter().map(time).collect()
}

/// The latents and scores of a file under the model `m.st`.
fn scores(dir: &Workdir, file: &str) -> Vec<Vec<Option<u32>>> {
    dir.ok(&format!("transform {file} o.parquet -m m.st --force -q"));
    new_bits(&read(&dir.path("o.parquet")))
}

#[test]
fn a_time_of_the_day_is_the_same_in_every_type_and_lies_on_a_circle() {
    let dir = Workdir::new();
    let micros: Vec<i64> = minutes().iter().map(|minute| minute * 60_000_000).collect();
    let padded: Vec<String> = hhmm().iter().map(|clock| format!("{clock:04}")).collect();
    let colons: Vec<String> = minutes().iter().map(|minute| format!("{:02}:{:02}", minute / 60, minute % 60)).collect();
    let x: ArrayRef = Arc::new(Float64Array::from(numbers(1)));
    let forms: [(&str, ArrayRef); 5] = [
        ("time.parquet", Arc::new(Time64MicrosecondArray::from(micros))),
        ("integer.parquet", Arc::new(Int64Array::from(hhmm()))),
        ("float.parquet", Arc::new(Float64Array::from_iter_values(hhmm().iter().map(|&clock| clock as f64)))),
        ("padded.parquet", texts(&padded)),
        ("colons.parquet", texts(&colons)),
    ];
    for (file, clock) in &forms {
        write(&dir.path(file), &batch(&[("clock", clock.clone()), ("x", x.clone())]), 100);
    }
    let csv: String = hhmm().iter().zip(numbers(1)).map(|(clock, x)| format!("{clock},{x}\n")).collect();
    std::fs::write(dir.path("a.csv"), format!("clock,x\n{csv}")).unwrap();
    let ndjson = hhmm().into_iter().zip(numbers(1)).map(|(clock, x)| format!("{{\"clock\":\"{clock}\",\"x\":{x}}}\n"));
    std::fs::write(dir.path("a.ndjson"), ndjson.collect::<String>()).unwrap();
    let mut all = Vec::new();
    for file in forms.iter().map(|(file, _)| *file).chain(["a.csv", "a.ndjson"]) {
        let types = if file == "time.parquet" { "" } else { "--types clock=hhmm" };
        dir.ok(&format!("fit {file} -m m.st {FIT} {types}"));
        dir.ok("inspect m.st").prints(&["clock    time of the day, on a circle"]);
        all.push(scores(&dir, file));
    }
    assert!(all.iter().all(|of| *of == all[0]), "every form has the same bits");

    // The model remembers the type; outputs have the column as it was.
    dir.ok(&format!("fit integer.parquet -m m.st {FIT} --types clock=hhmm"));
    assert_eq!(scores(&dir, "padded.parquet"), all[0]);
    assert_eq!(read(&dir.path("o.parquet")).column(0).to_data(), texts(&padded).to_data());
    // Two minutes around midnight are neighbours.
    let same: ArrayRef = Arc::new(Float64Array::from(vec![0.1; 4]));
    let clock: ArrayRef = Arc::new(Int64Array::from(vec![2359, 2400, 0, 1200]));
    write(&dir.path("night.parquet"), &batch(&[("clock", clock), ("x", same)]), 10);
    let night = scores(&dir, "night.parquet");
    let row = |row: usize| night[row].iter().map(|bits| f32::from_bits(bits.unwrap()));
    let far = |one: usize| row(one).zip(row(2)).map(|(one, other)| (one - other).abs()).sum::<f32>();
    assert!(night[1] == night[2], "2400 is 0");
    assert!(far(0) < 0.2 * far(3), "{} {}", far(0), far(3));
}

#[test]
fn counts_and_texts_of_times_are_read_as_the_times_that_they_are() {
    let dir = Workdir::new();
    let at = milliseconds();
    let x: ArrayRef = Arc::new(Float64Array::from(numbers(1)));
    let seconds: Vec<i64> = at.iter().map(|at| at / 1000).collect();
    let forms: [(&str, ArrayRef, &str); 4] = [
        ("time", Arc::new(TimestampMillisecondArray::from(at.clone()).with_timezone("UTC")), ""),
        ("epoch", Arc::new(Int64Array::from(at.clone())), "--types at=epoch_ms"),
        ("words", texts(&seconds), "--types at=epoch_s"),
        ("iso", texts(&iso(&at)), "--types at=timestamp"),
    ];
    let mut all = Vec::new();
    for (name, at, types) in &forms {
        write(&dir.path(&format!("{name}.parquet")), &batch(&[("at", at.clone()), ("x", x.clone())]), 100);
        dir.ok(&format!("fit {name}.parquet -m m.st {FIT} {types}"));
        all.push(scores(&dir, &format!("{name}.parquet")));
        let out = read(&dir.path("o.parquet"));
        assert_eq!(out.column(0).data_type(), at.data_type(), "{name}");
    }
    assert!(all.iter().all(|of| *of == all[0]));

    // A model of times: texts have one meaning, integers have no unit until it is given.
    dir.ok(&format!("fit time.parquet -m m.st {FIT}"));
    assert_eq!(scores(&dir, "iso.parquet"), all[0]);
    dir.fails(65, "transform epoch.parquet o.parquet -m m.st --force")
        .says(&["column \"at\": is Int64, but must be a date or a timestamp", "--types at=epoch_s"]);
    dir.ok("transform epoch.parquet o.parquet -m m.st --force -q --types at=epoch_ms");
    assert_eq!(new_bits(&read(&dir.path("o.parquet"))), all[0]);
}

#[test]
fn columns_whose_type_moves_have_the_same_numbers_where_the_meaning_is_the_same() {
    let dir = Workdir::new();
    let q: Vec<i64> = (0..ROWS as i64).map(|row| row * 31 % 47).collect();
    let flags: Vec<bool> = numbers(2).iter().map(|x| *x > 0.0).collect();
    let codes: Vec<String> = q.iter().map(|q| (q % 9).to_string()).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("q", Arc::new(Int64Array::from(q.clone()))),
        ("b", Arc::new(BooleanArray::from(flags.clone()))),
        ("code", texts(&codes)),
        ("x", Arc::new(Float64Array::from(numbers(1)))),
    ];
    write(&dir.path("in.parquet"), &batch(&columns), 100);
    dir.ok(&format!("fit in.parquet -m m.st {FIT}"));
    let expected = scores(&dir, "in.parquet");
    let float = |array: &ArrayRef| cast(&cast(array, &DataType::Int64).unwrap(), &DataType::Float64).unwrap();
    let spelled: Vec<String> =
        q.iter().map(|q| [format!("{q}"), format!("{q}.0"), format!(" {q}")][*q as usize % 3].clone()).collect();
    let moved: Vec<(usize, ArrayRef)> = vec![
        (0, float(&columns[0].1)),
        (0, texts(&spelled)),
        (1, cast(&columns[1].1, &DataType::Int8).unwrap()),
        (1, float(&columns[1].1)),
        (1, texts(&flags)),
        (2, float(&columns[2].1)),
        (2, cast(&columns[2].1, &DataType::Int32).unwrap()),
        (2, Arc::new(BinaryArray::from_iter_values(codes.iter().map(String::as_bytes)))),
        (3, texts(&numbers(1))),
    ];
    for (column, array) in moved {
        let mut other = columns.clone();
        other[column].1 = array.clone();
        write(&dir.path("moved.parquet"), &batch(&other), 100);
        assert_eq!(scores(&dir, "moved.parquet"), expected, "{} as {}", columns[column].0, array.data_type());
        assert_eq!(read(&dir.path("o.parquet")).column(column).to_data(), array.to_data(), "it is carried as it is");
    }
}

#[test]
fn words_for_null_in_a_number_column_of_ndjson_are_null_and_other_words_are_errors_with_their_place() {
    let dir = Workdir::new();
    let line = |row: usize, q: &str| format!("{{\"q\":{q},\"x\":{}}}\n", (row * 13 % 29) as f64 + 0.5);
    let file = |name: &str, of: &dyn Fn(usize) -> String| {
        std::fs::write(dir.path(name), (0..ROWS).map(|row| line(row, &of(row))).collect::<String>()).unwrap();
    };
    let q = |row: usize| row * 7 % 50;
    file("in.ndjson", &|row| q(row).to_string());
    file("null.ndjson", &|row| if row == 200 { "null".to_owned() } else { q(row).to_string() });
    for word in ["NA", "null", "", "n/a"] {
        file("word.ndjson", &|row| if row == 200 { format!("\"{word}\"") } else { format!("\"{}\"", q(row)) });
        dir.ok(&format!("fit in.ndjson -m m.st {FIT}"));
        assert_eq!(scores(&dir, "word.ndjson"), scores(&dir, "null.ndjson"), "{word:?}");
    }
    file("bad.ndjson", &|row| if row == 200 { "\"many\"".to_owned() } else { format!("\"{}\"", q(row)) });
    dir.fails(65, "transform bad.ndjson o2.parquet -m m.st").says(&[
        "bad.ndjson",
        "column \"q\"",
        "row 200",
        "\"many\"",
        "must be a number",
    ]);
    assert!(!dir.path("o2.parquet").exists());
    dir.fails(65, &format!("fit in.ndjson -m m2.st {FIT} --types x=hhmm")).says(&[
        "column \"x\"",
        "row 0",
        "must be a time of the day",
    ]);
    dir.fails(2, "fit in.ndjson --types p=string").says(&["\"p\""]);
    dir.fails(2, "fit in.ndjson --types q=clock").says(&["hhmm"]);
}

#[test]
fn strings_that_are_numbers_or_times_are_named_with_the_way_to_read_them() {
    let dir = Workdir::new();
    let columns: [(&str, ArrayRef); 5] = [
        ("when", texts(&iso(&milliseconds()))),
        ("price", texts(&numbers(4))),
        ("code", texts(&(0..ROWS).map(|row| format!("{:03}", row % 7)).collect::<Vec<_>>())),
        ("word", texts(&(0..ROWS).map(|row| ["a", "b"][row % 2]).collect::<Vec<_>>())),
        ("x", Arc::new(Float64Array::from(numbers(1)))),
    ];
    write(&dir.path("in.parquet"), &batch(&columns), 100);
    let hints = ["--types when=timestamp", "--types price=float"];
    let ran = dir.ok("inspect in.parquet");
    ran.prints(&hints);
    assert!(!ran.stdout().contains("code=") && !ran.stdout().contains("word="));
    dir.ok("fit in.parquet -m m.st --epochs 1").prints(&hints);
    let plan = dir.ok("inspect in.parquet --summary json --types when=timestamp,price=float").json();
    let of = |n: usize, of: &str| plan["columns"][n][of]["kind"].as_str().unwrap_or_default().to_owned();
    assert_eq!([of(0, "given"), of(1, "learned")], ["time", "number"]);
}

#[test]
fn filled_and_drawn_values_have_the_type_of_the_column_and_the_unit() {
    let dir = Workdir::new();
    let missing = |row: usize| row.is_multiple_of(10);
    let clock = hhmm().into_iter().enumerate().map(|(row, clock)| (!missing(row)).then_some(clock));
    let columns: [(&str, ArrayRef); 5] = [
        ("clock", Arc::new(clock.collect::<Int64Array>())),
        ("flag", Arc::new(numbers(2).iter().map(|x| Some(i8::from(*x > 0.0))).collect::<arrow::array::Int8Array>())),
        ("code", Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|row| row % 5)))),
        (
            "price",
            Arc::new(
                numbers(4)
                    .iter()
                    .enumerate()
                    .map(|(row, x)| (!missing(row)).then(|| format!("{x:.2}")))
                    .collect::<StringArray>(),
            ),
        ),
        ("x", Arc::new(Float64Array::from(numbers(1)))),
    ];
    let input = batch(&columns);
    write(&dir.path("in.parquet"), &input, 100);
    dir.ok(&format!("fit in.parquet -m m.st {FIT} --types clock=hhmm,flag=boolean,code=string,price=float"));
    dir.ok("inspect m.st").prints(&["flag, 0 or 1", "category: 0, 1, 2"]);
    dir.ok("impute in.parquet full.parquet -m m.st -q");
    dir.ok("generate new.parquet -m m.st -n 50 -q");
    for file in ["full.parquet", "new.parquet"] {
        let out = read(&dir.path(file));
        assert_eq!(out.schema().fields().len(), 5);
        for column in 0..4 {
            assert_eq!(out.column(column).data_type(), input.column(column).data_type(), "{file}");
            assert_eq!(out.column(column).null_count(), 0, "{file}, column {column}");
        }
        let clocks = out.column(0).as_primitive::<Int64Type>();
        assert!(clocks.values().iter().all(|clock| (0..2400).contains(clock) && clock % 100 < 60), "{clocks:?}");
        assert!(out.column(1).as_primitive::<Int8Type>().values().iter().all(|flag| (0..2).contains(flag)));
        assert!(out.column(3).as_string::<i32>().iter().flatten().all(|price| price.parse::<f64>().is_ok()));
    }
    let full = read(&dir.path("full.parquet"));
    let known = |of: &RecordBatch| -> Vec<i64> {
        let clocks = of.column(0).as_primitive::<Int64Type>();
        (0..ROWS).filter(|row| !missing(*row)).map(|row| clocks.value(row)).collect()
    };
    assert_eq!(known(&full), known(&input), "known values stay");
    let drift = dir.ok("drift in.parquet -m m.st").stdout().to_owned();
    assert!(["clock", "flag", "code", "price"].iter().all(|column| drift.contains(column)), "{drift}");
    dir.ok("transform in.parquet o.parquet -m m.st -q --explain 2 --explain-rows all");
}

#[test]
fn a_column_constant_at_fit_is_watched_in_its_own_spelling() {
    let dir = Workdir::new();
    let table = |code: &str, at: &str| {
        let rows = vec![code; ROWS];
        batch(&[
            ("code", texts(&rows)),
            ("at", texts(&vec![at; ROWS])),
            ("x", Arc::new(Float64Array::from(numbers(1)))),
        ])
    };
    let put = |path: &Path, batch: &RecordBatch| write(path, batch, 100);
    put(&dir.path("in.parquet"), &table("7", "2024-01-31"));
    put(&dir.path("other.parquet"), &table("8", "2024-02-01"));
    dir.ok(&format!("fit in.parquet -m m.st {FIT} --types code=integer,at=date"));
    let found = |file: &str| {
        dir.ok(&format!("transform {file} o.parquet -m m.st --force --summary json -q")).json()["found"].clone()
    };
    assert_eq!(found("in.parquet").as_array().unwrap().len(), 0);
    let found = found("other.parquet");
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found[0]["column"], "code", "later rows have later times");
    dir.ok("generate new.parquet -m m.st -n 20 -q");
    let new = read(&dir.path("new.parquet"));
    assert!(new.column(0).as_string::<i32>().iter().all(|code| code == Some("7")));
}

#[test]
fn a_time_of_the_day_in_any_unit_is_learned_without_a_word() {
    let dir = Workdir::new();
    let micros: ArrayRef = Arc::new(Time64MicrosecondArray::from_iter_values(minutes().iter().map(|m| m * 60_000_000)));
    let nanos = cast(&micros, &DataType::Time64(TimeUnit::Nanosecond)).unwrap();
    let millis = cast(&micros, &DataType::Time32(TimeUnit::Millisecond)).unwrap();
    let x: ArrayRef = Arc::new(Float64Array::from(numbers(1)));
    for (name, clock) in [("us", micros), ("ns", nanos), ("ms", millis)] {
        write(&dir.path(&format!("{name}.parquet")), &batch(&[("clock", clock), ("x", x.clone())]), 100);
    }
    dir.ok(&format!("fit us.parquet -m m.st {FIT}"));
    dir.ok("inspect m.st").prints(&["time of the day"]);
    let expected = scores(&dir, "us.parquet");
    assert!(scores(&dir, "ns.parquet") == expected && scores(&dir, "ms.parquet") == expected);
    dir.ok("generate new.parquet -m m.st -n 20 -q");
    assert_eq!(read(&dir.path("new.parquet")).column(0).data_type(), &DataType::Time64(TimeUnit::Microsecond));
}
