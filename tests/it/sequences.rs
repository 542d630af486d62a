//! Rows in order: each row is learned and scored with the rows before it, in its own sequence, whatever the files, row groups
//! and threads.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};

use crate::tables::{Uniform, floats, names, new_bits, read, write};
use crate::workdir::Workdir;

const MINUTE: i64 = 60_000_000;

/// Readings of a machine, a minute apart from `start`: two waves that belong together, with noise, and a word.
pub(crate) fn readings(seed: u64, start: i64, rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let (mut load, mut heat, mut mode) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows {
        let phase = (start + row as i64) as f64 / 20.0 * std::f64::consts::TAU;
        load.push(100.0 + 10.0 * phase.sin() + uniform.next());
        heat.push(40.0 + 5.0 * (phase - 1.0).sin() + 0.5 * uniform.next());
        mode.push(["auto", "manual"][usize::from(uniform.next() > 0.0)]);
    }
    let times = (0..rows as i64).map(|row| 1_704_067_200_000_000 + (start + row) * MINUTE);
    RecordBatch::try_from_iter([
        ("ts", Arc::new(TimestampMicrosecondArray::from_iter_values(times)) as ArrayRef),
        ("load", Arc::new(Float64Array::from(load))),
        ("heat", Arc::new(Float64Array::from(heat))),
        ("mode", Arc::new(StringArray::from(mode))),
    ])
    .unwrap()
}

/// The same rows, with the values of a column replaced.
pub(crate) fn with(batch: &RecordBatch, column: &str, values: ArrayRef) -> RecordBatch {
    let columns = names(batch).into_iter().zip(batch.columns()).map(|(name, array)| {
        let array = if name == column { values.clone() } else { array.clone() };
        (name, array)
    });
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)).collect::<Vec<_>>())
        .unwrap()
}

pub(crate) fn numbers(batch: &RecordBatch, column: &str) -> Vec<f64> {
    batch.column_by_name(column).unwrap().as_primitive::<Float64Type>().values().to_vec()
}

/// A folder with `past.parquet` and a `model.safetensors` of windows of 16 rows.
pub(crate) fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("past.parquet"), &readings(1, 0, 3000), 1000);
    dir.ok("fit past.parquet -m model.safetensors --order-by ts --window 16 --epochs 20");
    dir
}

/// The rows of two machines, each with its name, in the order of their times.
fn alternating(rows: usize) -> RecordBatch {
    let of = |name: &str, seed| {
        let batch = readings(seed, 0, rows);
        let names: ArrayRef = Arc::new(StringArray::from(vec![name; rows]));
        let columns = crate::tables::names(&batch).into_iter().zip(batch.columns().to_vec());
        RecordBatch::try_from_iter([("machine".to_owned(), names)].into_iter().chain(columns)).unwrap()
    };
    let machines = [of("a", 1), of("b", 2)];
    let slices = (0..rows).flat_map(|row| machines.iter().map(move |batch| batch.slice(row, 1))).collect::<Vec<_>>();
    concat_batches(&machines[0].schema(), &slices).unwrap()
}

#[test]
fn the_columns_of_a_window_are_means_over_the_rows_before() {
    let dir = Workdir::new();
    let past = readings(1, 0, 800);
    write(&dir.path("past.parquet"), &past, 1000);
    // The same columns, by definition: the mean of the rows that there are stands for those before them.
    let mut columns: Vec<(String, ArrayRef)> = names(&past).into_iter().zip(past.columns().to_vec()).collect();
    for (from, to) in [(1, 1), (2, 3), (4, 7)] {
        for name in ["load", "heat"] {
            let values = numbers(&past, name);
            let mean = |row: usize| {
                let rows = match row {
                    0 => &values[..1],
                    row if row < from => &values[..row],
                    row => &values[row.saturating_sub(to)..=row - from],
                };
                rows.iter().sum::<f64>() / rows.len() as f64
            };
            let rows = if from == to { "1 row before".to_owned() } else { format!("{from} to {to} rows before") };
            let means: Float64Array = (0..values.len()).map(mean).collect::<Vec<_>>().into();
            columns.push((format!("{name}, {rows}"), Arc::new(means)));
        }
    }
    write(&dir.path("wide.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 1000);
    dir.ok("fit past.parquet -m ordered.safetensors --order-by ts --window 8 --epochs 5");
    dir.ok("fit wide.parquet -m wide.safetensors --preset anomaly --scale standard --hidden none --trim 0 --lr 0.002 --epochs 5");
    dir.ok("transform past.parquet ordered.parquet -m ordered.safetensors --score elbo");
    dir.ok("transform wide.parquet wide-scored.parquet -m wide.safetensors --score elbo");
    let (ordered, wide) = (read(&dir.path("ordered.parquet")), read(&dir.path("wide-scored.parquet")));
    for column in ["z_0", "recon_error", "elbo"] {
        for (row, (a, b)) in floats(&ordered, column).into_iter().zip(floats(&wide, column)).enumerate() {
            let (a, b) = (a.unwrap(), b.unwrap());
            assert!((a - b).abs() <= 1e-3 * (1.0 + b.abs()), "{column} of row {row}: {a} and {b}");
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_row_groups_threads_formats_and_after_any_earlier_rows() {
    let dir = fitted();
    let today = readings(2, 3000, 1200);
    write(&dir.path("today.parquet"), &today, 1 << 20);
    write(&dir.path("small.parquet"), &today, 77);
    dir.ok("transform today.parquet whole.parquet -m model.safetensors --threads 1");
    let whole = read(&dir.path("whole.parquet"));
    assert_eq!(names(&whole)[..4], names(&today)[..], "all columns of the input first");
    assert_eq!(whole.num_rows(), 1200);
    let bits = new_bits(&whole);
    assert!(bits.iter().flatten().all(Option::is_some), "every row has scores, from the first on");
    dir.ok("transform small.parquet small-scored.parquet -m model.safetensors --threads 3");
    assert_eq!(new_bits(&read(&dir.path("small-scored.parquet"))), bits);
    dir.ok("transform small.parquet explained.parquet -m model.safetensors --explain 2");
    assert_eq!(new_bits(&read(&dir.path("explained.parquet"))), bits);
    dir.ok("transform today.parquet general.parquet -m model.safetensors --compression zstd");
    assert_eq!(new_bits(&read(&dir.path("general.parquet"))), bits);
    // Fifteen rows before are the window.
    write(&dir.path("late.parquet"), &today.slice(500, 700), 1 << 20);
    dir.ok("transform late.parquet late-scored.parquet -m model.safetensors");
    let late = new_bits(&read(&dir.path("late-scored.parquet")));
    assert_eq!(late[15..], bits[515..]);
    assert_ne!(late[0], bits[500]);
}

#[test]
fn a_fit_depends_on_the_rows_alone() {
    let dir = Workdir::new();
    let past = readings(1, 0, 900);
    write(&dir.path("one.parquet"), &past, 1 << 20);
    write(&dir.path("many.parquet"), &past, 50);
    dir.ok("fit one.parquet -m one.safetensors --order-by ts --window 4 --epochs 3 --threads 1");
    dir.ok("fit many.parquet -m many.safetensors --order-by ts --window 4 --epochs 3 --threads 3");
    let [one, many] = ["one", "many"].map(|name| std::fs::read(dir.path(&format!("{name}.safetensors"))).unwrap());
    assert!(one == many);
}

#[test]
fn sequences_may_alternate() {
    let dir = Workdir::new();
    let both = alternating(900);
    write(&dir.path("both.parquet"), &both, 300);
    dir.ok("fit both.parquet -m model.safetensors --order-by ts --by machine --window 8 --epochs 5").prints(&[
        "windows of 8 rows of each machine in the order of ts; means over rows before are learned of 2 columns",
        "machine: tells sequences apart",
    ]);
    dir.ok("transform both.parquet scored.parquet -m model.safetensors");
    let scored = new_bits(&read(&dir.path("scored.parquet")));
    for (place, name) in ["a", "b"].into_iter().enumerate() {
        let machines = both.column(0).as_string::<i32>();
        let is_it: BooleanArray = machines.iter().map(|machine| Some(machine == Some(name))).collect();
        write(&dir.path("alone.parquet"), &filter_record_batch(&both, &is_it).unwrap(), 300);
        dir.ok("transform alone.parquet alone-scored.parquet -m model.safetensors --force");
        let expected: Vec<_> = scored.iter().skip(place).step_by(2).cloned().collect();
        assert_eq!(new_bits(&read(&dir.path("alone-scored.parquet"))), expected, "machine {name}");
    }
}

#[test]
fn sequences_beyond_the_most_begin_again_and_are_counted() {
    let dir = Workdir::new();
    let both = alternating(400);
    write(&dir.path("both.parquet"), &both, 300);
    let fit = "fit both.parquet --order-by ts --by machine --window 4 --epochs 2";
    dir.ok(&format!("{fit} --max-groups 1 -m one.safetensors"))
        .says(&["more than 1 sequences alternate: 799 windows were dropped"]);
    dir.ok(&format!("{fit} --max-groups 2 -m two.safetensors"));
    let ran = dir.ok("transform both.parquet scored.parquet -m two.safetensors");
    assert!(!ran.stderr().contains("alternate"), "{}", ran.stderr());
}

#[test]
fn gaps_and_file_ends_begin_new_windows() {
    let dir = Workdir::new();
    write(&dir.path("past.parquet"), &readings(1, 0, 1500), 1000);
    dir.ok("fit past.parquet -m model.safetensors --order-by ts --window 8 --max-gap 10m --epochs 5");
    let [first, near, far] =
        [(2, 2000, 50), (3, 2059, 50), (3, 2060, 50)].map(|(seed, at, rows)| readings(seed, at, rows));
    let score = |name: &str, batch: &RecordBatch| {
        write(&dir.path(&format!("{name}.parquet")), batch, 1000);
        dir.ok(&format!("transform {name}.parquet {name}-scored.parquet -m model.safetensors"));
        new_bits(&read(&dir.path(&format!("{name}-scored.parquet"))))
    };
    let joined = |second: &RecordBatch| concat_batches(&first.schema(), [&first, second]).unwrap();
    // The last of the first rows is at 2049: ten minutes are no gap, eleven are one.
    assert_eq!(score("far", &far), score("first-far", &joined(&far))[50..]);
    assert_ne!(score("near", &near), score("first-near", &joined(&near))[50..]);
    std::fs::create_dir(dir.path("parts")).unwrap();
    write(&dir.path("parts/1.parquet"), &first, 1000);
    write(&dir.path("parts/2.parquet"), &near, 1000);
    dir.ok("transform parts together.parquet -m model.safetensors");
    assert_eq!(new_bits(&read(&dir.path("together.parquet")))[50..], score("alone", &near));
}

#[test]
fn the_windows_of_a_history_go_on_into_the_rows_after_it() {
    let dir = fitted();
    let both = readings(2, 3000, 900);
    write(&dir.path("both.parquet"), &both, 1000);
    write(&dir.path("yesterday.parquet"), &both.slice(0, 600), 200);
    write(&dir.path("morning.parquet"), &both.slice(0, 590), 1000);
    write(&dir.path("evening.parquet"), &both.slice(590, 10), 1000);
    write(&dir.path("window.parquet"), &both.slice(585, 15), 1000);
    write(&dir.path("today.parquet"), &both.slice(600, 300), 70);
    dir.ok("transform both.parquet all.parquet -m model.safetensors");
    let expected = new_bits(&read(&dir.path("all.parquet")))[600..].to_vec();
    for history in ["yesterday.parquet", "morning.parquet,evening.parquet", "window.parquet"] {
        for flags in ["", "--compression zstd", "--explain 1"] {
            dir.ok(&format!(
                "transform today.parquet out.parquet -m model.safetensors --history {history} --force {flags}"
            ));
            assert_eq!(new_bits(&read(&dir.path("out.parquet"))), expected, "{history} {flags}");
        }
    }
    dir.ok("transform today.parquet alone.parquet -m model.safetensors");
    assert_ne!(new_bits(&read(&dir.path("alone.parquet"))), expected);
    dir.fails(65, "transform yesterday.parquet x.parquet -m model.safetensors --history today.parquet")
        .says(&["yesterday.parquet: the rows are not in the order of \"ts\": row 299 of today.parquet has"])
        .says(&["hint: --history takes earlier rows: they have to end before those after them"]);
    dir.ok("fit past.parquet -m rows.safetensors --epochs 2");
    dir.fails(2, "transform today.parquet x.parquet -m rows.safetensors --history yesterday.parquet")
        .says(&["history is yesterday.parquet, but must be left out, since the model learned no rows in order"])
        .says(&["hint: a fit with --order-by makes a model of rows in order"]);
}

#[test]
fn rows_out_of_order_are_an_error_that_names_both() {
    let dir = fitted();
    let today = readings(2, 3000, 40);
    let swapped =
        concat_batches(&today.schema(), [&today.slice(0, 20), &today.slice(30, 1), &today.slice(20, 10)]).unwrap();
    write(&dir.path("swapped.parquet"), &swapped, 7);
    for command in ["transform swapped.parquet out.parquet -m model.safetensors", "fit swapped.parquet --order-by ts"] {
        dir.fails(65, command).says(&[
            "swapped.parquet: the rows are not in the order of \"ts\": row 20 has 2024-01-03 02:30:00, and row 21, after it, \
             2024-01-03 02:20:00",
            "hint: --sort sorts the rows of each file by ts first",
        ]);
        assert!(!dir.path("out.parquet").exists());
    }
    let times: TimestampMicrosecondArray = (0..40).map(|row| (row != 5).then_some(row)).collect();
    write(&dir.path("null.parquet"), &with(&today, "ts", Arc::new(times)), 1000);
    dir.fails(65, "transform null.parquet out.parquet -m model.safetensors")
        .says(&["null.parquet: row 5 has no value in \"ts\", which orders the rows"]);
}

#[test]
fn sequences_out_of_order_are_answered_without_what_the_model_has() {
    let dir = Workdir::new();
    let both = alternating(300);
    write(&dir.path("both.parquet"), &both, 300);
    dir.ok("fit both.parquet -m model.safetensors --order-by ts --by machine --window 4 --epochs 2");
    let swapped = concat_batches(&both.schema(), [&both.slice(20, 20), &both.slice(0, 20)]).unwrap();
    write(&dir.path("swapped.parquet"), &swapped, 300);
    let ran = dir.fails(65, "transform swapped.parquet out.parquet -m model.safetensors");
    ran.says(&["hint: --sort sorts the rows of each file by ts first"]);
    assert!(!ran.stderr().contains("--by"), "{}", ran.stderr());
}

#[test]
fn rows_at_one_time_are_in_order_and_missing_values_are_left_out_of_means() {
    let dir = fitted();
    let today = readings(2, 3000, 200);
    let times = TimestampMicrosecondArray::from(vec![1_704_067_200_000_000; 200]);
    let holes: Float64Array =
        numbers(&today, "load").into_iter().enumerate().map(|(row, x)| (row % 3 != 0).then_some(x)).collect();
    let odd = with(&with(&today, "ts", Arc::new(times)), "load", Arc::new(holes));
    write(&dir.path("odd.parquet"), &odd, 64);
    dir.ok("transform odd.parquet scored.parquet -m model.safetensors");
    let scored = read(&dir.path("scored.parquet"));
    assert!(new_bits(&scored).iter().flatten().all(Option::is_some));
    // A number orders rows as well as a time does.
    let counter = with(&today, "ts", Arc::new((0..200).collect::<Int64Array>()));
    write(&dir.path("counter.parquet"), &counter, 64);
    dir.ok("fit counter.parquet -m counter.safetensors --order-by ts --window 4 --max-gap 1 --epochs 2")
        .prints(&["ts: orders the rows"]);
    dir.fails(65, "fit counter.parquet -m x.safetensors --order-by ts --max-gap 5m")
        .says(&["is Int64, but must be a date or timestamp, since the largest gap is a time"]);
}

#[test]
fn a_value_that_is_ordinary_by_itself_is_odd_after_the_rows_before_it() {
    let dir = fitted();
    let today = readings(2, 3000, 2000);
    // A sensor that is stuck at an ordinary value for a while.
    let mut load = numbers(&today, "load");
    load[1000..1040].fill(100.0);
    let stuck = with(&today, "load", Arc::new(Float64Array::from(load)));
    write(&dir.path("stuck.parquet"), &stuck, 1000);
    dir.ok("fit past.parquet -m rows.safetensors --preset anomaly --scale standard --epochs 20");
    let found = |model: &str| {
        dir.ok(&format!(
            "transform stuck.parquet {model}.parquet -m {model}.safetensors --explain 1 --explain-rows all"
        ));
        let scored = read(&dir.path(&format!("{model}.parquet")));
        let odd = scored.column_by_name("is_anomaly").unwrap().as_boolean().clone();
        let share = |rows: std::ops::Range<usize>| {
            let length = rows.len();
            rows.filter(|&row| odd.value(row)).count() as f64 / length as f64
        };
        (share(1016..1040), share(0..1000))
    };
    let (with_order, false_alarms) = found("model");
    assert!(with_order > 0.8 && false_alarms < 0.05, "{with_order} {false_alarms}");
    let (by_row, _) = found("rows");
    assert!(by_row < with_order, "{by_row}");
}

#[test]
fn a_reason_names_the_column_and_how_many_rows_before() {
    let dir = fitted();
    let today = readings(2, 3000, 100);
    let mut load = numbers(&today, "load");
    load[50] = 160.0;
    write(&dir.path("spike.parquet"), &with(&today, "load", Arc::new(Float64Array::from(load))), 1000);
    dir.ok("transform spike.parquet scored.parquet -m model.safetensors --explain 1 --explain-rows all");
    let scored = read(&dir.path("scored.parquet"));
    let reason = |row: usize| crate::scores::top(&scored, row)[0].0.clone();
    assert_eq!([50, 51, 53].map(reason), ["load", "load, 1 row before", "load, 2 to 3 rows before"]);
}

#[test]
fn options_about_the_order_need_one() {
    let dir = Workdir::new();
    write(&dir.path("past.parquet"), &readings(1, 0, 100), 1000);
    for (flag, value) in [("by", "mode"), ("window", "8"), ("max_gap", "10m"), ("max_groups", "5")] {
        dir.fails(2, &format!("fit past.parquet --{} {value}", flag.replace('_', "-")))
            .says(&[&format!("{flag} is {value}, but must be left out unless order_by names a column")])
            .says(&["hint: --order-by COL names the column that orders the rows"]);
    }
    dir.fails(2, "fit past.parquet --order-by ts --window 30")
        .says(&["window is 30, but must be a power of two, 2 to 1024"]);
    dir.fails(2, "fit past.parquet --order-by time").says(&["no column \"time\""]);
    dir.fails(65, "fit past.parquet --order-by mode").says(&[
        "is Utf8, but must be a date, a timestamp or a number",
        "hint: --types mode=timestamp reads text such as 2024-01-31 12:00:00",
    ]);
    dir.fails(65, "fit past.parquet --order-by mode --types mode=date").says(&["but must be a date like 2024-01-31"]);
    dir.fails(2, "fit past.parquet --order-by ts --max-gap long").says(&["\"long\" is neither a time"]);
    let unit = DataType::Timestamp(TimeUnit::Microsecond, None);
    assert_eq!(*readings(1, 0, 1).column(0).data_type(), unit);
    dir.fails(65, "fit past.parquet --order-by ts --max-gap 5")
        .says(&["must be a number, since the largest gap is one", "hint: --max-gap takes a time, such as 10m"]);
}

#[test]
fn a_table_must_not_have_the_names_of_windows() {
    let dir = Workdir::new();
    let past = readings(1, 0, 100);
    let columns =
        names(&past).into_iter().map(|name| if name == "mode" { "load, 1 row before".to_owned() } else { name });
    write(&dir.path("past.parquet"), &RecordBatch::try_from_iter(columns.zip(past.columns().to_vec())).unwrap(), 1000);
    dir.fails(2, "fit past.parquet --order-by ts").says(&["already has a column \"load, 1 row before\""]);
}
