//! Given values come back to the digit: those of training rows as they were, and those that a user fixes as they were written;
//! of a time also a part alone.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;

use crate::tables::{Uniform, read, write};
use crate::workdir::Workdir;

const ROWS: usize = 3000;
const GIVEN: [&str; 4] = ["ts", "day", "k", "h"];

/// A month of rows at random microseconds, with numbers that f32 cannot tell apart from others, and a few that miss.
fn table() -> RecordBatch {
    let mut uniform = Uniform::new(7);
    let mut random = |_: usize| uniform.next().abs();
    let day = |x: f64| 19_723 + (x * 10_000.0) as i32;
    let some = |n: usize| !n.is_multiple_of(50);
    let ts = (0..ROWS).map(&mut random).map(|x| 1_704_067_200_000_000 + (x * 28.0 * 864e8) as i64).collect::<Vec<_>>();
    let days = Date32Array::from_iter_values((0..ROWS).map(&mut random).map(day));
    let k = (0..ROWS).map(&mut random).enumerate().map(|(n, x)| some(n).then_some(7 + (x * 1e15) as i64));
    let k = k.collect::<Int64Array>();
    let h = Float64Array::from_iter_values((0..ROWS).map(&mut random).map(|x| (x * 1e4).round() / 100.0));
    let x = Float64Array::from_iter_values((0..ROWS).map(&mut random));
    let y = Float64Array::from_iter_values((0..ROWS).map(|n| x.value(n) + h.value(n) / 100.0));
    RecordBatch::try_from_iter_with_nullable([
        ("ts", Arc::new(TimestampMicrosecondArray::from(ts)) as ArrayRef, true),
        ("day", Arc::new(days) as ArrayRef, true),
        ("k", Arc::new(k) as ArrayRef, true),
        ("h", Arc::new(h) as ArrayRef, true),
        ("x", Arc::new(x) as ArrayRef, true),
        ("y", Arc::new(y) as ArrayRef, true),
    ])
    .unwrap()
}

/// The given values of each row, as text.
fn given(batch: &RecordBatch) -> Vec<Vec<String>> {
    let text = |name: &&str, row| array_value_to_string(batch.column_by_name(name).unwrap(), row).unwrap();
    (0..batch.num_rows()).map(|row| GIVEN.iter().map(|name| text(name, row)).collect()).collect()
}

fn fitted() -> (Workdir, RecordBatch) {
    let (dir, rows) = (Workdir::new(), table());
    write(&dir.path("in.parquet"), &rows, 1000);
    dir.ok("fit in.parquet --given ts,day,k,h --epochs 2");
    (dir, rows)
}

#[test]
fn given_values_that_are_drawn_are_those_of_training_rows() {
    let (dir, rows) = fitted();
    dir.ok("generate drawn.parquet --rows 1000");
    let known: HashSet<Vec<String>> = given(&rows).into_iter().collect();
    let drawn = given(&read(&dir.path("drawn.parquet")));
    assert!(drawn.iter().all(|row| known.contains(row)), "{:?}", drawn[0]);
    assert!(drawn.iter().any(|row| row[2].is_empty()));
}

#[test]
fn a_given_value_that_is_fixed_is_written_as_it_is() {
    let (dir, _) = fitted();
    // Within the range of the fit, and outside of it.
    for (at, ts, k) in [
        ("ts=2024-01-10T03:00:00,k=123456789", 1_704_855_600_000_000, 123_456_789),
        ("ts=2024-02-15T03:00:00.000001,k=1234567890123456789", 1_707_966_000_000_001, 1_234_567_890_123_456_789),
    ] {
        for command in ["generate out.parquet --rows 100", "traverse out.parquet"] {
            dir.ok(&format!("{command} --at {at} --force"));
            let out = read(&dir.path("out.parquet"));
            let times = out.column_by_name("ts").unwrap().as_primitive::<TimestampMicrosecondType>();
            let numbers = out.column_by_name("k").unwrap().as_primitive::<Int64Type>();
            assert_eq!(times.null_count() + numbers.null_count(), 0);
            assert!(times.values().iter().all(|time| *time == ts), "{command} {times:?}");
            assert!(numbers.values().iter().all(|number| *number == k), "{command} {numbers:?}");
        }
    }
    dir.ok("generate out.csv --rows 3 --at h=12.34,day=2050-12-31");
    let csv = std::fs::read_to_string(dir.path("out.csv")).unwrap();
    assert!(csv.lines().skip(1).all(|line| line.contains(",2050-12-31,") && line.contains(",12.34,")), "{csv}");
}

#[test]
fn a_part_of_a_given_time_is_fixed_and_the_rest_is_drawn() {
    let (dir, rows) = fitted();
    let known: HashSet<String> = given(&rows).into_iter().map(|row| row[0].clone()).collect();
    let times = |at: &str, rows: usize| {
        dir.ok(&format!("generate out.parquet --rows {rows} --at {at} --force"));
        let out = given(&read(&dir.path("out.parquet")));
        out.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect::<Vec<(String, String)>>()
    };
    // There are rows of such an hour, and their times are drawn.
    for at in ["hour=3", "ts.hour=3"] {
        let drawn = times(at, 500);
        assert!(drawn.iter().all(|(ts, _)| ts.contains("T03:") && known.contains(ts)), "{at} {:?}", drawn[0]);
        let days: HashSet<&str> = drawn.iter().map(|(ts, _)| &ts[..10]).collect();
        assert!(days.len() > 15, "{at} {days:?}");
    }
    // Of few rows the hour is set, and minutes, days and all else stay. 2024-01-06 is a Saturday.
    let drawn = times("ts.hour=23,ts.weekday=sat,month=feb,h=12.34", 500);
    assert!(drawn.iter().all(|(ts, day)| ts.contains("T23:") && &day[4..8] == "-02-"), "{:?}", drawn[0]);
    let saturdays = ["2024-01-06", "2024-01-13", "2024-01-20", "2024-01-27"];
    assert!(drawn.iter().all(|(ts, _)| saturdays.contains(&&ts[..10])));
    let minutes: HashSet<&str> = drawn.iter().map(|(ts, _)| &ts[14..]).collect();
    assert!(minutes.len() > 100, "{}", minutes.len());
    dir.ok("traverse out.csv --at hour=3,day.month=12 --force");
    let csv = std::fs::read_to_string(dir.path("out.csv")).unwrap();
    assert!(csv.lines().skip(1).all(|line| line.contains("T03:") && line.contains("-12-")), "{csv}");
}

#[test]
fn what_is_not_given_is_told_with_the_reason() {
    let (dir, rows) = fitted();
    let given =
        "the model is given \"ts\", \"day\", \"k\", \"h\", \"ts.hour\", \"ts.weekday\", \"day.weekday\", \"day.month\"";
    for name in ["x", "minute", "ts.month", "day.hour", "weekday"] {
        dir.fails(2, &format!("generate out.csv --rows 3 --at {name}=3"))
            .says(&[&format!("{name:?} is not given; {given}"), "--at takes given columns"]);
    }
    for (at, range) in [
        ("hour=24", "an hour, 0 to 23"),
        ("ts.hour=3.5", "an hour, 0 to 23"),
        ("ts.weekday=3", "a weekday, such as monday or mon"),
        ("month=0", "a month, 1 to 12, january or jan"),
    ] {
        dir.fails(2, &format!("traverse out.csv --at {at}")).says(&[at, "must be", range]);
    }
    dir.fails(2, "fit in.parquet --given nope* --force").says(&["no column \"nope*\""]);
    let word = |n: usize| format!("w{n}");
    let words = (0..ROWS).map(|n| Some(word(n))).collect::<arrow::array::StringArray>();
    let schema = rows.schema();
    let all = schema.fields().iter().map(|field| field.name().clone()).zip(rows.columns().iter().cloned());
    let same = Arc::new(Int64Array::from(vec![3; ROWS])) as ArrayRef;
    let all = all.chain([("id".to_owned(), Arc::new(words) as ArrayRef), ("same".to_owned(), same)]);
    write(&dir.path("ids.parquet"), &RecordBatch::try_from_iter(all).unwrap(), 1000);
    dir.ok("fit ids.parquet --given id,same --epochs 1 --force").says(&[
        "column \"id\" is not given: it hardly repeats: 3000 groups in 3000 rows",
        "column \"same\" is not given: it is constant (3)",
    ]);
}
