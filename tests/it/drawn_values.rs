//! Drawn values are such as the column has: of its precision, in its order, and of all its categories.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, DurationMillisecondArray, Float32Array, Float64Array, ListArray,
    RecordBatch, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use serde_json::{Value, json};
use vaepipe::{Device, Model, TraverseConfig};

use crate::model_file::{put_together, take_apart};
use crate::tables::{Uniform, read, write};
use crate::workdir::Workdir;

const DAY: i64 = 86_400;

/// Columns of every precision, all of them after one number.
fn precise(rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(5);
    let t: Vec<f64> = (0..rows).map(|_| uniform.next()).collect();
    let mut near = |scale: f64| -> Vec<f64> { t.iter().map(|t| scale * (t + 0.2 * uniform.next())).collect() };
    let to = |decimals: i32, x: f64| (x * 10_f64.powi(decimals)).round() / 10_f64.powi(decimals);
    let whole = |values: Vec<f64>| values.into_iter().map(|x| x.round() as i64);
    // Midnight in Berlin is at 22 or 23 o'clock of the day before, by the season.
    let berlin = whole(near(180.0)).map(|day| {
        let summer = (19_814..=20_023).contains(&(19_900 + day));
        ((19_900 + day) * DAY - if summer { 7200 } else { 3600 }) * 1_000_000
    });
    let halves = near(20.0).into_iter().map(|x| Some([Some(to(0, x) as f32 / 2.0), Some(to(0, -x) as f32)]));
    let column = |array: ArrayRef| array;
    let missing = near(30.0).into_iter().enumerate().map(|(row, x)| (row % 5 > 0).then_some(to(0, x)));
    RecordBatch::try_from_iter_with_nullable([
        ("cents", column(Arc::new(near(90.0).into_iter().map(|x| Some(to(2, x))).collect::<Float64Array>())), true),
        ("whole", Arc::new(missing.collect::<Float64Array>()), true),
        ("single", Arc::new(near(9.0).into_iter().map(|x| Some(to(1, x) as f32)).collect::<Float32Array>()), true),
        ("free", Arc::new(Float64Array::from(near(7.0))), true),
        (
            "day",
            Arc::new(TimestampNanosecondArray::from_iter_values(whole(near(200.0)).map(|x| x * DAY * 1_000_000_000))),
            true,
        ),
        ("berlin", Arc::new(TimestampMicrosecondArray::from_iter_values(berlin).with_timezone("Europe/Berlin")), true),
        (
            "minute",
            Arc::new(TimestampMicrosecondArray::from_iter_values(whole(near(9e4)).map(|x| x * 60_000_000))),
            true,
        ),
        ("date", Arc::new(Date32Array::from_iter_values(whole(near(99.0)).map(|x| x as i32))), true),
        (
            "clock",
            Arc::new(Time64MicrosecondArray::from_iter_values(whole(near(300.0)).map(|x| (700 + x) * 60_000_000))),
            true,
        ),
        (
            "took",
            Arc::new(DurationMillisecondArray::from_iter_values(whole(near(50.0)).map(|x| (100 + x) * 3_600_000))),
            true,
        ),
        ("list", Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(halves)), true),
    ])
    .unwrap()
}

/// The known values as integers of the column's unit.
fn counts(array: &ArrayRef) -> Vec<i64> {
    cast(array, &DataType::Int64).unwrap().as_primitive::<Int64Type>().iter().flatten().collect()
}

fn numbers(array: &ArrayRef) -> Vec<f64> {
    cast(array, &DataType::Float64).unwrap().as_primitive::<Float64Type>().iter().flatten().collect()
}

/// The values of a column with decimals are those of the same text.
fn has_decimals(decimals: usize, values: &[f64]) -> bool {
    values.iter().all(|x| format!("{x:.decimals$}").parse() == Ok(*x))
}

fn assert_precise(rows: &RecordBatch) {
    assert!(has_decimals(2, &numbers(&rows["cents"])) && !has_decimals(1, &numbers(&rows["cents"])));
    assert!(has_decimals(0, &numbers(&rows["whole"])));
    for singles in [&rows["single"], rows["list"].as_list::<i32>().values()] {
        let mut singles = singles.as_primitive::<Float32Type>().iter().flatten();
        assert!(singles.all(|x| format!("{x:.1}").parse() == Ok(x)));
    }
    assert!(!has_decimals(3, &numbers(&rows["free"])), "it has no precision");
    let each = |column: &str, unit: i64| counts(&rows[column]).into_iter().all(|count| count % unit == 0);
    assert!(each("day", DAY * 1_000_000_000) && each("minute", 60_000_000) && each("took", 3_600_000));
    let clock = rows["clock"].as_primitive::<arrow::datatypes::Time64MicrosecondType>();
    assert!(clock.values().iter().all(|time| time % 60_000_000 == 0));
    let local = cast(&rows["berlin"], &DataType::Utf8).unwrap();
    assert!(local.as_string::<i32>().iter().flatten().all(|text| text.contains("T00:00:00+")));
}

#[test]
fn decoded_values_have_the_precision_of_their_column() {
    let dir = Workdir::new();
    let rows = precise(1500);
    assert_precise(&rows);
    write(&dir.path("in.parquet"), &rows, 400);
    dir.ok("fit in.parquet --epochs 10 --latent-dim 2 --columns *,day,berlin,minute,date");
    dir.ok("generate -n 3000 drawn.parquet");
    let drawn = read(&dir.path("drawn.parquet"));
    assert_eq!((drawn.num_rows(), drawn.num_columns()), (3000, 11));
    assert_precise(&drawn);
    dir.ok("reconstruct in.parquet rebuilt.parquet");
    assert_precise(&read(&dir.path("rebuilt.parquet")));
    dir.ok("impute in.parquet filled.parquet");
    let filled = read(&dir.path("filled.parquet"));
    assert_eq!(filled["whole"].null_count(), 0);
    assert_precise(&filled);
    let model = Model::load(dir.path("vae.safetensors"), Device::Cpu).unwrap();
    assert!(has_decimals(2, &numbers(&model.traverse(&TraverseConfig::new()).unwrap()["cents"])));
    // A given time is that of a training row, to the second that f32 resolves; it is a whole day as well.
    dir.ok("fit in.parquet --epochs 1 --latent-dim 2 --hidden 4 --force");
    dir.ok("generate -n 500 given.parquet");
    let given = read(&dir.path("given.parquet"));
    assert!(counts(&given["day"]).into_iter().all(|count| count % (DAY * 1_000_000_000) == 0));
}

/// Orders of a shop, and numbers whose order is chance.
fn orders(rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(3);
    let mut columns: HashMap<&str, Vec<f64>> = HashMap::new();
    for row in 0..rows {
        let mut push = |name, value| columns.entry(name).or_default().push(value);
        let mut any = |from: f64, to: f64| from + (to - from) * (uniform.next() + 1.0) / 2.0;
        let start = any(0.0, 300.0).floor();
        push("start", start);
        push("end", start + any(1.0, 15.0).floor());
        let net = any(100.0, 900.0).round() / 100.0;
        let gross = net + (any(0.0, 300.0).round() / 100.0);
        push("net", net);
        push("gross", (gross * 100.0).round() / 100.0);
        push("billed", ((gross + any(0.0, 2.0)) * 100.0).round() / 100.0);
        // It is below the gross price but in one row.
        push("paid", if row == rows / 2 { 13.0 } else { net * 0.5 });
        push("other", any(0.0, 12.0));
        // Above all of them but for a few rows.
        push("high", any(12.99, 99.0));
    }
    let days = |name: &str| {
        let counts = columns[name].iter().map(|day| *day as i64 * DAY * 1_000_000);
        Arc::new(TimestampMicrosecondArray::from_iter_values(counts)) as ArrayRef
    };
    let float = |name: &str| Arc::new(Float64Array::from(columns[name].clone())) as ArrayRef;
    let all = ["start", "end", "net", "gross", "billed", "paid", "other", "high"];
    let of = |name| (name, if matches!(name, "start" | "end") { days(name) } else { float(name) });
    RecordBatch::try_from_iter(all.map(of)).unwrap()
}

/// The pairs that a model keeps in order, with their gaps.
fn pairs(dir: &Workdir) -> Vec<(String, String, f64)> {
    let model = Model::load(dir.path("vae.safetensors"), Device::Cpu).unwrap();
    let pair = |pair: &vaepipe::OrderedPair| (pair.low.to_string(), pair.high.to_string(), pair.gap);
    let mut pairs: Vec<_> = model.metadata().ordered.iter().map(pair).collect();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    pairs
}

fn assert_in_order(rows: &RecordBatch) {
    let smallest = |low: &str, high: &str| {
        let (low, high) = (numbers(&rows[low]), numbers(&rows[high]));
        low.iter().zip(&high).map(|(low, high)| high - low).fold(f64::INFINITY, f64::min)
    };
    assert!(smallest("start", "end") >= DAY as f64 * 1e6, "no order ends on the day it starts");
    assert!(smallest("net", "gross") >= 0.0 && smallest("gross", "billed") >= 0.0);
}

#[test]
fn pairs_that_are_in_order_in_all_rows_are_drawn_in_order() {
    let dir = Workdir::new();
    let rows = orders(2000);
    assert_in_order(&rows);
    write(&dir.path("in.parquet"), &rows, 700);
    dir.ok("fit in.parquet --epochs 8 --latent-dim 2 --columns *,start,end");
    // Not net before billed, which follows; not what one row breaks; not what chance explains.
    let found = pairs(&dir);
    let names: Vec<_> = found.iter().map(|(low, high, _)| (low.as_str(), high.as_str())).collect();
    assert_eq!(names, [("gross", "billed"), ("net", "gross"), ("start", "end")]);
    assert!((found[0].2, found[1].2, found[2].2) == (0.0, 0.0, DAY as f64), "{found:?}");
    dir.ok("generate -n 6000 drawn.parquet --threads 2");
    let drawn = read(&dir.path("drawn.parquet"));
    assert_in_order(&drawn);
    for column in ["net", "gross", "billed"] {
        assert!(has_decimals(2, &numbers(&drawn[column])), "{column}");
    }
    dir.ok("generate -n 60 few.parquet --threads 1");
    assert_eq!(drawn.slice(0, 60), read(&dir.path("few.parquet")));
    dir.ok("generate -n 3000 wild.parquet --temperature 5 --nulls");
    assert_in_order(&read(&dir.path("wild.parquet")));
    // The model continued with more rows keeps what they confirm.
    let broken = {
        let mut columns = rows.columns().to_vec();
        columns[2] = columns[3].clone();
        columns[3] = rows.column(2).clone();
        RecordBatch::try_new(rows.schema(), columns).unwrap()
    };
    write(&dir.path("broken.parquet"), &broken, 700);
    dir.ok("fit broken.parquet --init vae.safetensors --accept-worse --epochs 1 --force");
    let kept: Vec<_> = pairs(&dir).into_iter().map(|(low, ..)| low).collect();
    assert_eq!(kept, ["gross", "start"], "the net price is above the gross one now");
}

#[test]
fn a_given_or_fixed_value_stays_and_the_other_one_moves() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &orders(2000), 700);
    dir.ok("fit in.parquet --epochs 3 --latent-dim 2 --columns *,end --given start,net");
    dir.ok("generate -n 4000 drawn.parquet");
    let (before, drawn) = (read(&dir.path("in.parquet")), read(&dir.path("drawn.parquet")));
    assert_in_order(&drawn);
    let known: std::collections::HashSet<i64> = counts(&before["start"]).into_iter().collect();
    assert!(counts(&drawn["start"]).iter().all(|start| known.contains(start)));
    dir.ok("generate -n 500 fixed.parquet --at net=7.5");
    let fixed = read(&dir.path("fixed.parquet"));
    assert!(numbers(&fixed["net"]).iter().all(|net| *net == 7.5));
    assert!(numbers(&fixed["gross"]).iter().all(|gross| *gross >= 7.5));
}

#[test]
fn few_rows_and_equal_columns_have_no_order_and_missing_values_break_none() {
    let dir = Workdir::new();
    let fit = |rows: &RecordBatch, flags: &str| {
        write(&dir.path("in.parquet"), rows, 700);
        dir.ok(&format!("fit in.parquet --epochs 1 --latent-dim 1 --hidden 4 --force {flags}"));
        pairs(&dir).into_iter().map(|(low, high, _)| format!("{low} {high}")).collect::<Vec<_>>()
    };
    assert!(fit(&orders(50), "--columns *,start,end").is_empty());
    let rows = orders(1000);
    let of = |columns: [(&str, ArrayRef); 2]| {
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
    };
    assert!(fit(&of([("net", rows["net"].clone()), ("same", rows["net"].clone())]), "").is_empty());
    // An order that is still open has no end; the latest starts are later than all ends.
    let open = numbers(&rows["end"]).into_iter().map(|end| (end < 200.0 * DAY as f64 * 1e6).then_some(end as i64));
    let end: ArrayRef = Arc::new(open.collect::<TimestampMicrosecondArray>());
    let start = rows["start"].clone();
    assert_eq!(fit(&of([("start", start), ("end", end)]), "--columns start,end"), ["start end"]);
    dir.ok("generate -n 3000 drawn.parquet --nulls");
    let drawn = read(&dir.path("drawn.parquet"));
    assert!(drawn["end"].null_count() > 300);
    let counts = |name: &str| cast(&drawn[name], &DataType::Int64).unwrap().as_primitive::<Int64Type>().clone();
    let (starts, ends) = (counts("start"), counts("end"));
    let both = starts.iter().zip(ends.iter()).filter_map(|(start, end)| Some((start?, end?)));
    assert!(both.into_iter().all(|(start, end)| start < end));
}

#[test]
fn every_category_is_drawn_in_proportion() {
    let dir = Workdir::new();
    let mut uniform = Uniform::new(9);
    let words: Vec<String> = (0..3000)
        .map(|row| match row {
            7 => "once".to_owned(),
            100 | 2000 => "twice".to_owned(),
            row if row % 60 == 3 => format!("rare {}", row / 60 % 4),
            row => ["big", "bigger"][row % 2].to_owned(),
        })
        .collect();
    let x: ArrayRef = Arc::new(Float64Array::from_iter_values(words.iter().map(|_| uniform.next())));
    let rows = RecordBatch::try_from_iter([("x", x), ("word", Arc::new(StringArray::from(words.clone())) as ArrayRef)]);
    write(&dir.path("in.parquet"), &rows.unwrap(), 1000);
    // Two words have a class of their own; or all that come three times.
    for flags in ["--max-categories 2", ""] {
        dir.ok(&format!("fit in.parquet --epochs 6 --latent-dim 1 --force {flags}"));
        dir.ok("generate -n 60000 drawn.parquet --force");
        let drawn = read(&dir.path("drawn.parquet"));
        assert_eq!(drawn["word"].null_count(), 0);
        let mut counts = HashMap::new();
        let drawn = cast(&drawn["word"], &DataType::Utf8).unwrap();
        drawn.as_string::<i32>().iter().flatten().for_each(|word| *counts.entry(word.to_owned()).or_insert(0) += 1);
        for word in &words {
            let (share, expected) = (
                f64::from(counts.get(word).copied().unwrap_or_default()) / 60_000.0,
                words.iter().filter(|other| *other == word).count() as f64 / 3000.0,
            );
            assert!(share > 0.2 * expected && share < 5.0 * expected, "{word}: {share}, and not {expected} {flags}");
        }
        assert_eq!(counts.len(), 8, "{counts:?}");
    }
    // A value that is filled or rebuilt is a word that is likely.
    dir.ok("reconstruct in.parquet rebuilt.parquet");
    assert_eq!(read(&dir.path("rebuilt.parquet"))["word"].null_count(), 0);
}

#[test]
fn a_model_without_these_facts_draws_without_them_and_wrong_ones_are_refused() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &orders(1000), 700);
    dir.ok("fit in.parquet --epochs 1 --latent-dim 1 --hidden 4 --columns *,start,end");
    let path = dir.path("vae.safetensors");
    let (model, tensors) = take_apart(&path);
    let written = |change: &dyn Fn(&mut Value)| {
        let mut model = model.clone();
        change(&mut model);
        put_together(&path, &model.to_string(), &tensors);
    };
    written(&|model| {
        model.as_object_mut().unwrap().remove("ordered").unwrap();
        for feature in model["features"].as_array_mut().unwrap() {
            feature.as_object_mut().unwrap().remove("precision");
        }
    });
    dir.ok("generate -n 300 plain.parquet");
    let plain = read(&dir.path("plain.parquet"));
    assert!(!has_decimals(2, &numbers(&plain["net"])) && counts(&plain["start"]).iter().any(|time| time % DAY > 0));
    let refused = |change: &dyn Fn(&mut Value)| {
        written(change);
        dir.fails(65, "generate -n 3 no.parquet").says(&["vae.safetensors"]);
    };
    let back = json!({ "low": "end", "high": "start", "gap": 0.0 });
    refused(&|model| model["ordered"].as_array_mut().unwrap().push(back.clone()));
    refused(&|model| model["ordered"][0]["high"] = "high time".into());
    refused(&|model| model["ordered"][0]["low"] = model["ordered"][0]["high"].clone());
    refused(&|model| model["ordered"][0]["gap"] = (-1.0).into());
    refused(&|model| model["features"][0]["precision"] = json!({ "decimals": 99 }));
}
