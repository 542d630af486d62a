//! Missing values in columns that had none at fit, and numbers of a sign that none had, are odd: found, counted and named.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Float64Array, ListArray, RecordBatch, StringArray,
    UInt32Array, new_null_array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Float64Type};

use crate::scores::top;
use crate::tables::{Uniform, floats, read, write};
use crate::workdir::Workdir;

const ROWS: usize = 4000;
/// The columns that have no missing value at fit.
const WHOLE: [&str; 6] = ["x", "y", "flag", "word", "pair", "constant"];

/// Numbers that depend on each other, and a column of each other kind; `sparse` misses a twentieth.
fn table(seed: u64, rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let x: Vec<f64> = (0..rows).map(|_| uniform.next()).collect();
    let y = x.iter().map(|x| 3.0 * x + 0.2 * uniform.next()).collect::<Float64Array>();
    let sparse = (0..rows).map(|row| (row % 20 != 3).then_some(uniform.next())).collect::<Float64Array>();
    let flag = (0..rows).map(|row| Some(row % 3 == 0)).collect::<BooleanArray>();
    let word = (0..rows).map(|row| Some(["a", "b", "c"][row % 7 % 3])).collect::<StringArray>();
    let pair = x.iter().map(|x| Some([Some(*x), Some(uniform.next())]));
    let pair = FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(pair, 2);
    let constant = StringArray::from(vec!["ok"; rows]);
    RecordBatch::try_from_iter_with_nullable([
        ("x", Arc::new(Float64Array::from(x)) as ArrayRef, true),
        ("y", Arc::new(y), true),
        ("sparse", Arc::new(sparse), true),
        ("flag", Arc::new(flag), true),
        ("word", Arc::new(word), true),
        ("pair", Arc::new(pair), true),
        ("constant", Arc::new(constant), true),
    ])
    .unwrap()
}

/// The rows, without the value of a column in some of them.
fn without(rows: &RecordBatch, column: &str, missing: impl Fn(usize) -> bool) -> RecordBatch {
    let place = rows.schema().index_of(column).unwrap();
    let kept = (0..rows.num_rows()).map(|row| (!missing(row)).then_some(row as u32)).collect::<UInt32Array>();
    let mut columns = rows.columns().to_vec();
    columns[place] = take(&columns[place], &kept, None).unwrap();
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

fn fitted(preset: &str) -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("train.parquet"), &table(1, ROWS), 1000);
    dir.ok(&format!("fit train.parquet --preset {preset}"));
    dir
}

/// The rows that are anomalies in `out.parquet`.
fn anomalies(dir: &Workdir) -> Vec<usize> {
    let out = read(&dir.path("out.parquet"));
    let odd = out.column_by_name("is_anomaly").unwrap().as_boolean();
    (0..out.num_rows()).filter(|&row| odd.value(row)).collect()
}

#[test]
fn a_missing_value_where_the_fit_saw_none_is_found_and_named() {
    for preset in ["reduce", "anomaly"] {
        let dir = fitted(preset);
        let fresh = table(2, 1000);
        // Each of six rows misses another column.
        let odd =
            WHOLE.iter().enumerate().fold(fresh.clone(), |rows, (n, column)| without(&rows, column, |row| row == n));
        write(&dir.path("odd.parquet"), &odd, 300);
        let ran = dir.ok("transform odd.parquet out.parquet --explain 3 --force");
        ran.says(&["6 values are missing, unlike in the training data"]);
        let found = anomalies(&dir);
        assert!((0..6).all(|row| found.contains(&row)), "{preset}: {found:?}");
        assert!(found.len() < 6 + 30, "{preset}: {found:?}");
        let out = read(&dir.path("out.parquet"));
        for (row, column) in WHOLE.iter().enumerate() {
            let (named, _, value, _) = top(&out, row)[0].clone();
            assert!(named.starts_with(column) && value == "null", "{preset}: {column}, {named} {value}");
        }
    }
}

#[test]
fn a_column_that_is_missing_all_night_is_the_reason_of_every_row() {
    let dir = fitted("reduce");
    write(&dir.path("night.parquet"), &without(&table(3, 500), "y", |_| true), 300);
    dir.ok("transform night.parquet out.parquet --explain 1");
    assert_eq!(anomalies(&dir).len(), 500);
    let out = read(&dir.path("out.parquet"));
    assert!((0..500).all(|row| top(&out, row)[0].0 == "y"));
}

#[test]
fn a_value_in_a_column_that_was_empty_at_fit_is_found_and_named() {
    let dir = Workdir::new();
    let with = |rows: RecordBatch, empty: [(&str, ArrayRef); 3]| {
        let old =
            rows.schema().fields().iter().map(|it| it.name().clone()).zip(rows.columns().to_vec()).collect::<Vec<_>>();
        let new = empty.into_iter().map(|(name, array)| (name.to_owned(), array));
        let all = old.into_iter().chain(new).map(|(name, array)| (name, array, true));
        RecordBatch::try_from_iter_with_nullable(all).unwrap()
    };
    let none = |data_type, rows| new_null_array(&data_type, rows);
    let train = [
        ("error", none(DataType::Utf8, ROWS)),
        ("code", none(DataType::Float64, ROWS)),
        ("note", none(DataType::Null, ROWS)),
    ];
    write(&dir.path("train.parquet"), &with(table(1, ROWS), train), 1000);
    let odd: [(&str, ArrayRef); 3] = [
        ("error", Arc::new((0..1000).map(|row| (row == 3).then_some("disk failure")).collect::<StringArray>())),
        ("code", Arc::new((0..1000).map(|row| (row == 7).then_some(500.0)).collect::<Float64Array>())),
        ("note", Arc::new((0..1000).map(|row| (row == 11).then_some("x")).collect::<StringArray>())),
    ];
    write(&dir.path("odd.parquet"), &with(table(2, 1000), odd), 300);
    let all_bad: [(&str, ArrayRef); 3] = [
        ("error", Arc::new(StringArray::from(vec!["disk failure"; 500]))),
        ("code", Arc::new(Float64Array::from(vec![500.0; 500]))),
        ("note", none(DataType::Null, 500)),
    ];
    write(&dir.path("all_bad.parquet"), &with(table(3, 500), all_bad), 300);
    for preset in ["reduce", "anomaly"] {
        dir.ok(&format!("fit train.parquet --epochs 5 --preset {preset} --force"));
        let ran = dir.ok("transform odd.parquet out.parquet --explain 1 --force");
        ran.says(&[
            "3 values are in columns that are empty in the training data: \"note\" (1), \"error\" (1), \"code\" (1)",
        ]);
        let (found, out) = (anomalies(&dir), read(&dir.path("out.parquet")));
        for (row, column, value) in [(3, "error", "disk failure"), (7, "code", "500.0"), (11, "note", "x")] {
            assert!(found.contains(&row), "{preset}: {found:?}");
            let (named, _, given, expected) = top(&out, row)[0].clone();
            assert_eq!((named.as_str(), given.as_str(), expected.as_str()), (column, value, "null"), "{preset}");
        }
        dir.ok("drift all_bad.parquet").prints(&["error", "code"]);
    }
}

#[test]
fn a_list_that_is_missing_or_too_short_or_has_a_missing_number_is_found_and_explained() {
    let dir = Workdir::new();
    let lists = |seed: u64, rows: usize, odd: bool| {
        let mut uniform = Uniform::new(seed);
        let mut list = |row: usize| {
            let numbers: Vec<Option<f64>> = (0..4).map(|_| Some(uniform.next())).collect();
            match row {
                5 if odd => None,
                6 if odd => Some(numbers[..2].to_vec()),
                7 if odd => Some(Vec::new()),
                8 if odd => Some(vec![numbers[0], None, None, numbers[3]]),
                9 if odd => Some(vec![numbers[0], numbers[1], numbers[2], Some(f64::INFINITY)]),
                _ => Some(numbers),
            }
        };
        let lists = ListArray::from_iter_primitive::<Float64Type, _, _>((0..rows).map(&mut list));
        let x: ArrayRef = Arc::new((0..rows).map(|_| uniform.next()).collect::<Float64Array>());
        RecordBatch::try_from_iter_with_nullable([("vec", Arc::new(lists) as ArrayRef, true), ("x", x, true)]).unwrap()
    };
    write(&dir.path("train.parquet"), &lists(1, ROWS, false), 1000);
    write(&dir.path("odd.parquet"), &lists(2, 300, true), 100);
    for preset in ["reduce", "anomaly"] {
        dir.ok(&format!("fit train.parquet --epochs 5 --preset {preset} --force"));
        dir.ok("transform odd.parquet out.parquet --explain 4 --force");
        let (found, out) = (anomalies(&dir), read(&dir.path("out.parquet")));
        for row in 5..10 {
            assert!(found.contains(&row), "{preset} {row}: {found:?}");
            assert!(top(&out, row)[0].0.starts_with("vec["), "{preset} {row}: {:?}", top(&out, row));
        }
        let named = |row, count| {
            let mut named: Vec<_> = top(&out, row).into_iter().take(count).map(|(name, ..)| name).collect();
            named.sort();
            named
        };
        assert_eq!(named(8, 2), ["vec[1]", "vec[2]"], "{preset}");
        assert_eq!(named(9, 1), ["vec[3]"], "{preset}");
    }
}

#[test]
fn infinities_and_missing_values_are_odd_only_where_the_fit_saw_neither() {
    let dir = fitted("reduce");
    let fresh = table(4, 1000);
    let with = |column: &str, value: f64| {
        let place = fresh.schema().index_of(column).unwrap();
        let numbers = fresh.column(place).as_primitive::<Float64Type>().iter();
        let numbers = numbers.enumerate().map(|(row, x)| if row < 5 { Some(value) } else { x });
        let mut columns = fresh.columns().to_vec();
        columns[place] = Arc::new(numbers.collect::<Float64Array>());
        RecordBatch::try_new(fresh.schema(), columns).unwrap()
    };
    let usual = {
        write(&dir.path("new.parquet"), &fresh, 300);
        dir.ok("transform new.parquet out.parquet --force");
        anomalies(&dir)
    };
    for (column, value, odd) in [("x", f64::INFINITY, 5), ("x", 1e308, 5), ("x", f64::NAN, 5), ("sparse", f64::NAN, 0)]
    {
        write(&dir.path("new.parquet"), &with(column, value), 300);
        dir.ok("transform new.parquet out.parquet --force");
        let found = anomalies(&dir).into_iter().filter(|row| *row < 5 && !usual.contains(row)).count();
        assert!(found >= odd && found <= odd + 1, "{column} {value}: {found}");
    }
}

#[test]
fn a_sign_that_the_fit_never_saw_is_found_and_named() {
    let amounts = |seed: u64, rows: usize| {
        let mut uniform = Uniform::new(seed);
        let price: ArrayRef =
            Arc::new((0..rows).map(|_| -20.0 * (0.5 - uniform.next() / 2.0).ln() + 0.01).collect::<Float64Array>());
        let count: ArrayRef =
            Arc::new((0..rows).map(|_| (2.0 + 2.0 * uniform.next()).floor()).collect::<Float64Array>());
        let loss: ArrayRef =
            Arc::new((0..rows).map(|_| (0.5 - uniform.next() / 2.0).ln() - 0.01).collect::<Float64Array>());
        let both: ArrayRef = Arc::new((0..rows).map(|_| uniform.next()).collect::<Float64Array>());
        RecordBatch::try_from_iter_with_nullable([
            ("price", price, true),
            ("count", count, true),
            ("loss", loss, true),
            ("both", both, true),
        ])
        .unwrap()
    };
    let with = |rows: &RecordBatch, changes: &[(usize, &str, f64)]| {
        let mut columns = rows.columns().to_vec();
        for &(row, column, value) in changes {
            let place = rows.schema().index_of(column).unwrap();
            let mut values = columns[place].as_primitive::<Float64Type>().values().to_vec();
            values[row] = value;
            columns[place] = Arc::new(Float64Array::from(values));
        }
        RecordBatch::try_new(rows.schema(), columns).unwrap()
    };
    let unseen = [(0, "price", 0.0), (1, "price", -3.0), (2, "count", -1.0), (3, "loss", 0.5), (4, "loss", 0.0)];
    for preset in ["reduce", "anomaly"] {
        let dir = Workdir::new();
        write(&dir.path("train.parquet"), &amounts(5, ROWS), 1000);
        write(&dir.path("usual.parquet"), &amounts(6, 2000), 1000);
        let odd = with(&with(&amounts(7, 1000), &unseen), &[(5, "both", 0.0), (6, "count", 0.0)]);
        write(&dir.path("odd.parquet"), &odd, 300);
        dir.ok(&format!("fit train.parquet --preset {preset}"));
        let ran = dir.ok("transform usual.parquet out.parquet");
        assert!(!ran.stderr().contains("unlike any in the training data"), "{}", ran.stderr());
        assert!(anomalies(&dir).len() < 50, "{preset}");
        let ran = dir.ok("transform odd.parquet out.parquet --explain 1 --force");
        ran.says(&[
            "5 values are negative, zero or positive, unlike any in the training data: \"price\" (2), \"loss\" (2), \"count\" (1)",
        ]);
        let (found, out) = (anomalies(&dir), read(&dir.path("out.parquet")));
        for (row, column, value) in unseen {
            assert!(found.contains(&row), "{preset}: {column} {value}");
            assert_eq!(top(&out, row)[0].0, column, "{preset}: {value}");
        }
        assert!(found.len() < 5 + 30 && !found.contains(&5) && !found.contains(&6), "{preset}: {found:?}");
    }
}

#[test]
fn a_mean_that_is_missing_in_a_window_is_no_surprise_of_its_own() {
    let dir = Workdir::new();
    let in_order = |seed: u64, rows: usize| {
        let mut uniform = Uniform::new(seed);
        let at: ArrayRef = Arc::new((0..rows).map(|row| row as f64).collect::<Float64Array>());
        let mut wave = |phase: f64| -> ArrayRef {
            let value = |row: usize| (row as f64 / 9.0 + phase).sin() + 0.3 * uniform.next();
            Arc::new((0..rows).map(value).collect::<Float64Array>())
        };
        RecordBatch::try_from_iter_with_nullable([("at", at, true), ("x", wave(0.0), true), ("y", wave(1.0), true)])
            .unwrap()
    };
    write(&dir.path("train.parquet"), &in_order(1, 3000), 1000);
    dir.ok("fit train.parquet --order-by at --window 8 --epochs 5");
    // For longer than a window, so that its means are missing as well.
    write(&dir.path("new.parquet"), &without(&in_order(2, 300), "x", |row| (100..200).contains(&row)), 300);
    dir.ok("transform new.parquet out.parquet --score elbo");
    let scores = floats(&read(&dir.path("out.parquet")), "elbo");
    let mean = |rows: std::ops::Range<usize>| {
        let count = rows.len() as f32;
        scores[rows].iter().map(|score| score.unwrap()).sum::<f32>() / count
    };
    let more = mean(120..200) - mean(20..100);
    // ln(2 · 3,001) is 8.7 nats.
    assert!((4.0..18.0).contains(&more), "{more}");
}
