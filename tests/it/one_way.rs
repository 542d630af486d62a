//! Columns that say when a row is, rather than what: counters, times as numbers, identifiers, parts of a date, partition
//! keys. They are carried, unless the user names them; honest columns are learned.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampSecondArray, UInt64Array,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::Float64Type;
use serde_json::Value;

use crate::tables::{Uniform, write};
use crate::workdir::Workdir;

const ROWS: usize = 3000;

/// 2024-01-01.
const START: i64 = 1_704_067_200;

const DAY: i64 = 86_400;

/// The numbers below `rows` in some random order.
fn shuffled(rows: usize, seed: u64) -> Vec<usize> {
    let mut uniform = Uniform::new(seed);
    let mut keyed: Vec<(f64, usize)> = (0..rows).map(|row| (uniform.next(), row)).collect();
    keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
    keyed.into_iter().map(|(_, row)| row).collect()
}

fn random(seed: u64) -> Vec<f64> {
    let mut uniform = Uniform::new(seed);
    (0..ROWS).map(|_| uniform.next()).collect()
}

fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

fn integers(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn times(seconds: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampSecondArray::from_iter_values(seconds))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Why a fit with these arguments would carry its columns.
fn reasons(dir: &Workdir, arguments: &str) -> BTreeMap<String, String> {
    let plan = dir.ok(&format!("inspect {arguments} --summary json")).json();
    let reason = |column: &Value| {
        let text = |key: &str| column[key].as_str().map(str::to_owned);
        Some((text("column")?, text("reason")?))
    };
    plan["columns"].as_array().unwrap().iter().filter_map(reason).collect()
}

fn expect(reasons: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    let expected: Vec<(&str, &str)> = expected.to_vec();
    let found: Vec<(&str, &str)> = reasons.iter().map(|(column, reason)| (column.as_str(), reason.as_str())).collect();
    assert_eq!(found, expected);
}

/// Times as integers in disorder, shuffled identifiers, and a number.
fn orders(x: &[f64]) -> RecordBatch {
    let seconds: Vec<i64> = x.iter().map(|x| START + (x.abs() * 28.0 * DAY as f64) as i64).collect();
    let ids = shuffled(ROWS, 5);
    table(vec![
        ("epoch", integers(seconds.clone())),
        ("epoch_ms", floats(seconds.iter().map(|&second| second as f64 * 1000.0 + 0.5))),
        ("ymd", integers(seconds.iter().map(|second| 20_240_101 + (second - START) / DAY))),
        ("order", integers(ids.iter().map(|&id| 10_000 + id as i64))),
        ("order_float", floats(ids.iter().map(|&id| id as f64))),
        ("x", floats(random(1))),
        // Of a thousand million, with a few repeats; of ten, with many.
        ("cents", integers(random(2).iter().map(|x| (x * 1e5) as i64))),
        ("pieces", integers(random(3).iter().map(|x| (x * 5.0) as i64))),
    ])
}

#[test]
fn times_as_numbers_and_identifiers_in_any_order_are_carried_and_named_back() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &orders(&random(4)), 1000);
    let never = "looks like an identifier: integers that never repeat";
    expect(
        &reasons(&dir, "in.parquet"),
        &[
            ("epoch", "looks like a time: seconds since 1970"),
            ("epoch_ms", "looks like a time: milliseconds since 1970"),
            ("order", never),
            ("order_float", never),
            ("ymd", "is the date of \"epoch\""),
        ],
    );
    expect(
        &reasons(&dir, "in.parquet --exclude epoch*"),
        &[
            ("epoch", "is excluded"),
            ("epoch_ms", "is excluded"),
            ("order", never),
            ("order_float", never),
            ("ymd", "looks like a time: dates as YYYYMMDD"),
        ],
    );
    dir.ok("fit in.parquet --epochs 1").prints(&["order, order_float: looks like an identifier"]);
    dir.ok("inspect vae.safetensors").prints(&["not learned: epoch: looks like a time: seconds since 1970"]);
    assert!(!reasons(&dir, "in.parquet --columns order,epoch,x").contains_key("epoch"));
    // A pattern does not name a column.
    assert!(reasons(&dir, "in.parquet --columns epoch,*").contains_key("order"));

    // The base model's choice stands.
    dir.ok("fit in.parquet --columns order,x --epochs 1 --model named.st");
    dir.ok("fit in.parquet --init named.st --epochs 1 --model next.st --accept-worse");
    let model = dir.ok("inspect next.st --summary json").json();
    assert_eq!(model["metadata"]["features"].as_array().unwrap().len(), 2);
}

#[test]
fn what_rises_with_time_is_carried_in_any_order_of_the_file() {
    let dir = Workdir::new();
    // The file is sorted by price; `t` is in disorder.
    let (order, noise) = (shuffled(ROWS, 9), random(6));
    let hour = |row: usize| order[row] as f64;
    let noisy =
        |value: &dyn Fn(f64, f64) -> f64| floats((0..ROWS).map(|row| value(hour(row), noise[row])).collect::<Vec<_>>());
    let phase = std::f64::consts::TAU / ROWS as f64;
    let all = table(vec![
        ("t", times(order.iter().map(|&hour| START + 3600 * hour as i64))),
        ("meter", noisy(&|hour, noise| 0.3 * hour + 5.0 * noise)),
        ("level", noisy(&|hour, _| (hour / 150.0).floor())),
        ("late", noisy(&|hour, noise| if noise > 0.9 { hour * (noise - 0.9) } else { hour })),
        ("price", floats((0..ROWS).map(|row| 10.0 + 0.37 * row as f64))),
        ("season", noisy(&|hour, noise| (hour * phase).sin() + 0.1 * noise)),
        ("trend", noisy(&|hour, noise| hour / ROWS as f64 + noise)),
        ("age", noisy(&|hour, _| 90.0 - hour / 50.0)),
    ]);
    write(&dir.path("in.parquet"), &all, 1000);
    let rises = "only moves one way: it rises with \"t\"";
    expect(&reasons(&dir, "in.parquet"), &[("late", rises), ("level", rises), ("meter", rises)]);
    expect(
        &reasons(&dir, "in.parquet --columns meter,age,price,t")
            .into_iter()
            .filter(|(column, _)| column == "meter")
            .collect(),
        &[],
    );
}

#[test]
fn a_counter_in_file_order_is_carried_and_a_sorted_column_is_learned() {
    let dir = Workdir::new();
    let mut sorted = random(8);
    sorted.sort_by(f64::total_cmp);
    let all = table(vec![
        ("seconds", floats((0..ROWS).map(|row| 0.5 * row as f64))),
        ("left", floats((0..ROWS).map(|row| 100.0 - 0.01 * (row / 2) as f64))),
        // Sorted by numbers, by amounts with a tail, and by a class.
        ("sorted", floats(sorted.iter().copied())),
        ("amount", floats(sorted.iter().map(|x| (3.0 * x).exp()))),
        ("class", integers((0..ROWS).map(|row| (row / 200) as i64))),
        ("x", floats(random(1))),
    ]);
    write(&dir.path("in.parquet"), &all, 1000);
    let way = |way: &str| format!("only moves one way: it {way} with the number of the row");
    expect(&reasons(&dir, "in.parquet"), &[("left", &way("falls")), ("seconds", &way("rises"))]);
    // Too few rows to tell.
    write(&dir.path("few.parquet"), &all.slice(0, 60), 1000);
    assert!(!reasons(&dir, "few.parquet").contains_key("seconds"));
}

const DEVICES: usize = 50;

/// A month of rows of devices that take turns: the meter of each, which starts anywhere, and honest columns.
fn meters() -> RecordBatch {
    let (mut order, noise) = (shuffled(ROWS, 12), random(13));
    order.rotate_left(7);
    let device: Vec<usize> = order.iter().map(|n| n % DEVICES).collect();
    let start: Vec<f64> = random(14)[..DEVICES].iter().map(|x| 10_f64.powf(4.0 + 2.0 * x)).collect();
    let day = |row: usize| row as f64 * 28.0 / ROWS as f64;
    let of = |value: &dyn Fn(usize) -> f64| floats((0..ROWS).map(value).collect::<Vec<_>>());
    table(vec![
        ("t", times((0..ROWS).map(|row| START + (day(row) * DAY as f64) as i64))),
        ("dev", Arc::new(device.iter().map(|n| Some(format!("d{n}"))).collect::<StringArray>())),
        ("kwh", of(&|row| start[device[row]] + 12.0 * day(row) + 0.1 * noise[row])),
        ("left", of(&|row| start[device[row]] - 5.0 * day(row))),
        ("load", of(&|row| start[device[row]] / 1e4 + noise[row])),
        ("trend", of(&|row| start[device[row]] / 1e4 + noise[row] + day(row) / 10.0)),
        ("level", of(&|row| start[device[row]])),
    ])
}

fn without(table: &RecordBatch, column: &str) -> RecordBatch {
    let keep: Vec<usize> = (0..table.num_columns()).filter(|n| table.schema().field(*n).name() != column).collect();
    table.project(&keep).unwrap()
}

fn taken(table: &RecordBatch, rows: &[usize]) -> RecordBatch {
    let rows = UInt64Array::from_iter_values(rows.iter().map(|row| *row as u64));
    take_record_batch(table, &rows).unwrap()
}

#[test]
fn the_meter_of_each_device_is_carried_where_the_device_is_given() {
    let dir = Workdir::new();
    let all = meters();
    write(&dir.path("in.parquet"), &all, 1000);
    expect(&reasons(&dir, "in.parquet --exclude dev"), &[("dev", "is excluded")]);
    let way = |way: &str, along: &str| format!("only moves one way: it {way} with {along} in each group of \"dev\"");
    let [rises, falls] = ["rises", "falls"].map(|it| way(it, "\"t\""));
    expect(&reasons(&dir, "in.parquet --given dev"), &[("kwh", &rises), ("left", &falls)]);
    expect(
        &reasons(&dir, "in.parquet --given dev --columns kwh,left,load,t"),
        &[("level", "is not among the columns to learn"), ("trend", "is not among the columns to learn")],
    );
    // Without times in the order of the file, in which devices take turns.
    write(&dir.path("rows.parquet"), &without(&all, "t"), 1000);
    let [rises, falls] = ["rises", "falls"].map(|it| way(it, "the number of the row"));
    expect(&reasons(&dir, "rows.parquet --given dev"), &[("kwh", &rises), ("left", &falls)]);
    // In any other order of the file what falls may be an age.
    let other = taken(&all, &shuffled(ROWS, 3));
    write(&dir.path("other.parquet"), &other, 1000);
    expect(&reasons(&dir, "other.parquet --given dev"), &[("kwh", &way("rises", "\"t\""))]);
}

#[test]
fn a_file_that_is_sorted_by_device_and_then_by_a_number_has_no_meters() {
    let dir = Workdir::new();
    let all = without(&meters(), "t");
    let column = |name: &str| all.column_by_name(name).unwrap().clone();
    let (devices, load) = (column("dev"), column("load"));
    let (devices, load) = (devices.as_string::<i32>(), load.as_primitive::<Float64Type>());
    let mut rows: Vec<usize> = (0..ROWS).collect();
    rows.sort_by(|&a, &b| devices.value(a).cmp(devices.value(b)).then(load.value(a).total_cmp(&load.value(b))));
    write(&dir.path("sorted.parquet"), &taken(&all, &rows), 1000);
    expect(&reasons(&dir, "sorted.parquet --given dev"), &[]);
    rows.sort_by(|&a, &b| load.value(a).total_cmp(&load.value(b)));
    write(&dir.path("load.parquet"), &taken(&all, &rows), 1000);
    expect(&reasons(&dir, "load.parquet --given dev"), &[]);
}

#[test]
fn within_a_day_the_time_of_the_day_does_not_move_one_way() {
    let dir = Workdir::new();
    let mut sorted = random(8);
    sorted.sort_by(f64::total_cmp);
    let seconds: Vec<i64> = sorted.iter().map(|x| (43_200.0 * (1.0 + x)) as i64).collect();
    let day = |days: i64| {
        let local = |second: i64, row: usize| second + row as i64 % days * DAY;
        table(vec![
            ("t", times(seconds.iter().enumerate().map(|(row, &second)| START + local(second, row)))),
            ("minute", floats(seconds.iter().map(|&second| second as f64 / 60.0))),
            ("hour", integers(seconds.iter().map(|second| second / 3600))),
            ("total", floats(seconds.iter().enumerate().map(|(row, &second)| local(second, row) as f64 * 1e-3))),
        ])
    };
    write(&dir.path("day.parquet"), &day(1), 1000);
    expect(&reasons(&dir, "day.parquet"), &[]);
    write(&dir.path("week.parquet"), &day(7), 1000);
    expect(&reasons(&dir, "week.parquet"), &[("total", "only moves one way: it rises with \"t\"")]);
}

#[test]
fn the_choice_does_not_depend_on_files_or_row_groups() {
    let dir = Workdir::new();
    let all = orders(&random(4));
    let order = shuffled(ROWS, 9);
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("t", times(order.iter().map(|&hour| START + 3600 * hour as i64))),
        ("meter", floats(order.iter().map(|&hour| 0.3 * hour as f64))),
    ];
    let schema = all.schema();
    columns.extend(schema.fields().iter().map(|field| field.name().as_str()).zip(all.columns().iter().cloned()));
    let all = table(columns);
    write(&dir.path("whole.parquet"), &all, ROWS);
    write(&dir.path("groups.parquet"), &all, 7);
    std::fs::create_dir(dir.path("parts")).unwrap();
    for (n, (from, to)) in [(0, 1), (1, 1200), (1200, ROWS)].into_iter().enumerate() {
        write(&dir.path(&format!("parts/{n}.parquet")), &all.slice(from, to - from), 500);
    }
    let columns = |input: &str| dir.ok(&format!("inspect {input} --summary json")).json()["columns"].clone();
    let whole = columns("whole.parquet");
    assert!(whole.to_string().contains("rises with"), "{whole}");
    assert_eq!(whole, columns("groups.parquet"));
    assert_eq!(whole, columns("parts"));
    assert_eq!(whole, columns("whole.parquet --threads 1"));
}

/// A month of rows in the order of local time, five hours behind `time`, with parts of the local date.
fn january(month: i64) -> RecordBatch {
    let local: Vec<i64> = (0..ROWS as i64).map(|row| row * 30 * DAY / ROWS as i64).collect();
    let noise = random(11);
    table(vec![
        ("time", times(local.iter().map(|local| START + local + 5 * 3600))),
        ("year", integers(local.iter().map(|_| 2024))),
        ("month", integers(local.iter().map(|_| month))),
        ("day", integers(local.iter().map(|local| local / DAY + 1))),
        ("dow", integers(local.iter().map(|local| local / DAY % 7))),
        ("hour", integers(local.iter().map(|local| local / 3600 % 24))),
        ("pieces", integers(noise.iter().map(|noise| if *noise > -0.96 { 1 } else { 2 }))),
        ("gate", integers(local.iter().map(|_| 1))),
        ("x", floats(noise.iter().copied())),
    ])
}

#[test]
fn parts_of_the_date_are_carried_and_those_of_the_next_month_are_no_surprise() {
    let dir = Workdir::new();
    write(&dir.path("january.parquet"), &january(1), 1000);
    // All else is as in January.
    write(&dir.path("february.parquet"), &january(2), 1000);
    let part = |part: &str| format!("is the {part} of \"time\"");
    expect(
        &reasons(&dir, "january.parquet"),
        &[
            ("day", &part("day of the month")),
            ("dow", &part("weekday")),
            ("gate", "is constant (1)"),
            ("month", &part("month")),
            ("year", &part("year")),
        ],
    );
    dir.ok("fit january.parquet --epochs 3");
    let scored = |month: &str| {
        let summary = dir.ok(&format!("transform {month}.parquet {month}-out.parquet --summary json")).json();
        summary["anomalies"].as_u64().unwrap()
    };
    let usual = scored("january");
    assert!(usual < ROWS as u64 / 20, "{usual}");
    assert_eq!(scored("february"), usual);
    // Named, it is what it is today: constant, and watched.
    dir.ok("fit january.parquet --columns month,x --epochs 1 --model named.st").prints(&["month: is constant (1)"]);
}

#[test]
fn partition_keys_are_carried_unless_they_are_named() {
    let dir = Workdir::new();
    let all = january(1);
    for (n, store) in [(0, "a"), (1, "b"), (2, "a"), (3, "b")] {
        let path = dir.path(&format!("lake/date=2024-01-0{}/store={store}/level={n}", n + 1));
        std::fs::create_dir_all(&path).unwrap();
        let rows = all.slice(n * ROWS / 4, ROWS / 4);
        let keep: Vec<usize> = (0..rows.num_columns()).filter(|&column| column > 4).collect();
        let days = integers((0..rows.num_rows()).map(|_| n as i64 + 1));
        let rows = rows.project(&keep).unwrap();
        let mut columns: Vec<(String, ArrayRef)> = vec![("day".to_owned(), days)];
        let schema = rows.schema();
        columns.extend(schema.fields().iter().map(|field| field.name().clone()).zip(rows.columns().iter().cloned()));
        write(&path.join("0.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 1000);
    }
    let key = "is a partition key";
    let found = reasons(&dir, "lake");
    for column in ["date", "store", "level"] {
        assert_eq!(found[column], key);
    }
    // A key that is a date is a time of the rows.
    assert_eq!(found["day"], "is the day of the month of \"date\"");
    let found = reasons(&dir, "lake --columns store,level,x --categorical level");
    assert!(!found.contains_key("store") && !found.contains_key("level"), "{found:?}");
    assert!(!reasons(&dir, "lake --categorical level").contains_key("level"));
    // Other partitions are no surprise.
    dir.ok("fit lake/date=2024-01-01 --epochs 1").prints(&["date, store, level: is a partition key"]);
    let summary = dir.ok("transform lake/date=2024-01-02 out.parquet --summary json").json();
    assert!(summary["anomalies"].as_u64().unwrap() < 100, "{summary}");
}
