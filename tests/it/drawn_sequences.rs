//! Sequences drawn from a model of rows in order: they move as the data did.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type};

use crate::sequences::{fitted, numbers, readings, with};
use crate::tables::{Uniform, names, read, write};
use crate::workdir::Workdir;

/// The mean and standard deviation of some numbers, and their correlation with those so many rows before in the same sequence.
fn moments(values: &[f64], sequences: &[i64], lag: usize) -> [f64; 3] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let pairs: Vec<f64> = (lag..values.len())
        .filter(|&row| sequences[row] == sequences[row - lag])
        .map(|row| (values[row] - mean) * (values[row - lag] - mean))
        .collect();
    [mean, variance.sqrt(), pairs.iter().sum::<f64>() / pairs.len() as f64 / variance]
}

fn integers(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch.column_by_name(column).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn drawn_sequences_have_the_spread_and_the_rhythm_of_the_data() {
    let dir = fitted();
    dir.ok("generate -n 8000 --steps 200 drawn.parquet -m model.safetensors").prints(&["8,000 rows of 5 columns"]);
    let (past, drawn) = (readings(1, 0, 3000), read(&dir.path("drawn.parquet")));
    assert_eq!(names(&drawn), ["sequence", "ts", "load", "heat", "mode"].map(str::to_owned).to_vec());
    let sequences = integers(&drawn, "sequence");
    assert_eq!(sequences, (0..8000).map(|row| row / 200).collect::<Vec<i64>>());
    for column in ["load", "heat"] {
        for lag in [1, 5, 10, 20] {
            let [mean, spread, correlation] = moments(&numbers(&past, column), &[0; 3000], lag);
            let [drawn_mean, drawn_spread, drawn_correlation] = moments(&numbers(&drawn, column), &sequences, lag);
            assert!((mean - drawn_mean).abs() < 0.1 * spread, "{column}: {mean} and {drawn_mean}");
            assert!((0.85..1.15).contains(&(drawn_spread / spread)), "{column}: {spread} and {drawn_spread}");
            assert!(
                (correlation - drawn_correlation).abs() < 0.1,
                "{column}, lag {lag}: {correlation} and {drawn_correlation}"
            );
        }
    }
    // Both columns belong together.
    let (load, heat) = (numbers(&drawn, "load"), numbers(&drawn, "heat"));
    let [(l, sl), (h, sh)] = [&load, &heat].map(|of| {
        let [mean, spread, _] = moments(of, &sequences, 1);
        (mean, spread)
    });
    let joint = load.iter().zip(&heat).map(|(x, y)| (x - l) * (y - h)).sum::<f64>() / 8000.0 / sl / sh;
    assert!((joint - 1_f64.cos()).abs() < 0.1, "{joint}: the waves are 1 radian apart");
    // They are ordinary to the model that drew them, once their windows are full.
    std::fs::create_dir(dir.path("parts")).unwrap();
    for part in 0..10 {
        write(&dir.path(&format!("parts/{part}.parquet")), &drawn.slice(part * 200, 200), 1000);
    }
    dir.ok("transform parts scored.parquet -m model.safetensors");
    let scored = read(&dir.path("scored.parquet"));
    let odd = scored.column_by_name("is_anomaly").unwrap().as_boolean();
    let share = (0..2000).filter(|row| row % 200 >= 16 && odd.value(*row)).count() as f64 / 1840.0;
    assert!(share < 0.3, "{share}");
}

#[test]
fn a_drawn_row_depends_on_the_seed_and_its_number_alone() {
    let dir = fitted();
    let draw = |name: &str, flags: &str| {
        dir.ok(&format!("generate {name}.parquet -m model.safetensors {flags}"));
        read(&dir.path(&format!("{name}.parquet")))
    };
    let all = draw("all", "-n 20000 --steps 130 --threads 3");
    assert_eq!(draw("one", "-n 20000 --steps 130 --threads 1"), all);
    // The last sequence is shorter; rows before an end are the same rows.
    assert_eq!(draw("some", "-n 9999 --steps 130"), all.slice(0, 9999));
    assert_ne!(draw("other", "-n 130 --steps 130 --seed 1"), all.slice(0, 130));
    dir.ok("generate -n 260 --steps 130 drawn.arrow -m model.safetensors");
    dir.ok("generate -n 260 --steps 130 drawn.csv -m model.safetensors");
    dir.ok("generate -n 260 --steps 130 drawn.ndjson -m model.safetensors");
    let lines = |name: &str| std::fs::read_to_string(dir.path(name)).unwrap().lines().count();
    assert_eq!((lines("drawn.csv"), lines("drawn.ndjson")), (261, 260));
    // A sequence of the most likely rows does not depend on the residuals that are drawn.
    let still = draw("still", "-n 100 --steps 50 --temperature 0");
    assert_eq!(still.num_rows(), 100);
    let gaps = with(&readings(1, 0, 3000), "load", {
        let load: Float64Array = (0..3000).map(|row| (row % 4 != 0).then_some(f64::from(row % 20))).collect();
        Arc::new(load)
    });
    write(&dir.path("gaps.parquet"), &gaps, 1000);
    dir.ok("fit gaps.parquet -m gaps.safetensors --order-by ts --window 8 --epochs 3");
    dir.ok("generate -n 2000 --steps 100 nulls.parquet -m gaps.safetensors --nulls");
    dir.ok("generate -n 2000 --steps 100 whole.parquet -m gaps.safetensors");
    let nulls = |name: &str| read(&dir.path(name)).column_by_name("load").unwrap().null_count();
    assert!((400..600).contains(&nulls("nulls.parquet")) && nulls("whole.parquet") == 0);
}

#[test]
fn the_time_goes_on_by_the_typical_step_from_a_time_of_the_fit() {
    let dir = fitted();
    dir.ok("generate -n 600 --steps 200 drawn.parquet -m model.safetensors");
    let drawn = read(&dir.path("drawn.parquet"));
    let times = drawn.column_by_name("ts").unwrap();
    assert_eq!(*times.data_type(), DataType::Timestamp(TimeUnit::Microsecond, None));
    let times = times.as_primitive::<TimestampMicrosecondType>().values().to_vec();
    let start = 1_704_067_200_000_000;
    for sequence in times.chunks(200) {
        assert!((start..start + 3000 * 60_000_000).contains(&sequence[0]), "{}", sequence[0]);
        assert!(sequence.windows(2).all(|pair| pair[1] - pair[0] == 60_000_000));
    }
    let counter = with(&readings(1, 0, 900), "ts", Arc::new((0..900).map(|row| 7 + 5 * row).collect::<Int64Array>()));
    write(&dir.path("counter.parquet"), &counter, 500);
    dir.ok("fit counter.parquet -m counter.safetensors --order-by ts --window 8 --epochs 3");
    dir.ok("generate -n 20 --steps 10 counted.parquet -m counter.safetensors");
    let expected: Vec<i64> = (0..20).map(|row| 7 + 5 * (row % 10)).collect();
    assert_eq!(integers(&read(&dir.path("counted.parquet")), "ts"), expected);
}

#[test]
fn sequences_are_numbered_by_the_column_that_tells_them_apart_or_drawn_for_one_that_is_given() {
    let dir = Workdir::new();
    let mut uniform = Uniform::new(5);
    let machines = 4;
    let rows = 900;
    let level = |machine: usize| 10.0 * machine as f64;
    let names_of: StringArray = (0..rows * machines).map(|row| Some(format!("m{}", row % machines))).collect();
    let load: Float64Array = (0..rows * machines)
        .map(|row| Some(level(row % machines) + ((row / machines) as f64 / 3.0).sin() + 0.1 * uniform.next()))
        .collect();
    let times: Int64Array = (0..rows * machines).map(|row| Some((row / machines) as i64)).collect();
    let columns: [(&str, ArrayRef); 3] =
        [("machine", Arc::new(names_of)), ("n", Arc::new(times)), ("load", Arc::new(load))];
    write(&dir.path("past.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 1000);
    let fit = "fit past.parquet --order-by n --by machine --window 8 --epochs 5";
    dir.ok(&format!("{fit} -m apart.safetensors"));
    dir.ok("generate -n 30 --steps 10 apart.parquet -m apart.safetensors");
    let apart = read(&dir.path("apart.parquet"));
    assert_eq!(names(&apart), ["machine", "n", "load"].map(str::to_owned).to_vec());
    let machine = apart.column(0).as_string::<i32>();
    assert_eq!([0, 10, 29].map(|row| machine.value(row)), ["0", "1", "2"]);
    dir.ok("transform apart.parquet scored.parquet -m apart.safetensors");
    dir.ok(&format!("{fit} --given machine -m given.safetensors"));
    dir.ok("generate -n 300 --steps 100 given.parquet -m given.safetensors --at machine=m2");
    let given = read(&dir.path("given.parquet"));
    assert_eq!(names(&given), ["sequence", "machine", "n", "load"].map(str::to_owned).to_vec());
    let machine = given.column(1).as_string::<i32>();
    assert!(machine.iter().all(|machine| machine == Some("m2")));
    let load = numbers(&given, "load");
    assert!(load.iter().all(|load| (load - level(2)).abs() < 3.0), "{load:?}");
}

#[test]
fn sequences_need_a_model_of_rows_in_order() {
    let dir = fitted();
    dir.ok("fit past.parquet -m rows.safetensors --epochs 2");
    dir.fails(2, "generate -n 5 --steps 5 x.parquet -m rows.safetensors")
        .says(&["steps is 5, but must be left out, since the model learned no rows in order"]);
    dir.fails(2, "generate -n 5 --steps 0 x.parquet -m model.safetensors")
        .says(&["steps is 0, but must be 1 to 100000"]);
    dir.fails(2, "generate -n 5 --steps 5 --prior x.parquet -m model.safetensors")
        .says(&["prior is true, but must be left out, since sequences are drawn by the windows of training rows"]);
}

#[test]
fn a_word_is_drawn_for_each_row_though_the_fit_had_rows_without_one() {
    let dir = Workdir::new();
    let past = readings(1, 0, 900);
    let is_missing = |row: usize| !row.is_multiple_of(3) || (100..200).contains(&row);
    let modes = past.column(3).as_string::<i32>().iter().enumerate();
    let modes: StringArray = modes.map(|(row, mode)| mode.filter(|_| !is_missing(row))).collect();
    write(&dir.path("past.parquet"), &with(&past, "mode", Arc::new(modes)), 1000);
    dir.ok("fit past.parquet -m model.safetensors --order-by ts --window 8 --epochs 2");
    let nulls = |flags: &str| {
        dir.ok(&format!("generate -n 2000 --steps 100 drawn.parquet -m model.safetensors --force {flags}"));
        read(&dir.path("drawn.parquet")).column_by_name("mode").unwrap().null_count()
    };
    let missing = 2000 * (0..900).filter(|row| is_missing(*row)).count() / 900;
    assert_eq!(nulls(""), 0);
    assert!(nulls("--nulls").abs_diff(missing) < 100, "as often as in the data");
}

#[test]
fn the_order_is_written_as_it_was_read_and_no_two_columns_have_one_name() {
    let dir = Workdir::new();
    let first = 1_704_067_200_000_000_007;
    let times: Int64Array = (0..900).map(|row| Some(first + 60_000_000_003 * row)).collect();
    let past = with(&readings(1, 0, 900), "ts", Arc::new(times));
    let schema = past.schema();
    let renamed = schema.fields().iter().zip(past.columns()).map(|(field, column)| {
        let name = if field.name() == "ts" { "sequence" } else { field.name() };
        (name.to_owned(), column.clone())
    });
    write(&dir.path("past.parquet"), &RecordBatch::try_from_iter(renamed).unwrap(), 1000);
    for types in ["", "--types sequence=epoch_ns"] {
        dir.ok(&format!(
            "fit past.parquet -m model.safetensors --force --order-by sequence --window 8 --epochs 2 {types}"
        ));
        dir.ok("generate -n 20 --steps 10 drawn.parquet -m model.safetensors --force");
        let drawn = read(&dir.path("drawn.parquet"));
        assert_eq!(names(&drawn)[..2], ["sequence_2", "sequence"].map(str::to_owned));
        let times = integers(&drawn, "sequence");
        assert!(times[..10].windows(2).all(|pair| pair[1] - pair[0] == 60_000_000_003), "{types}: {times:?}");
        assert_eq!((times[0] - first) % 60_000_000_003, 0, "{types}");
    }
}

#[test]
fn counts_that_only_an_unsigned_integer_holds_go_on() {
    let dir = Workdir::new();
    let first = u64::MAX - 100_000;
    let counts: ArrayRef = Arc::new(UInt64Array::from_iter_values((0..600).map(|row| first + 7 * row)));
    write(&dir.path("past.parquet"), &with(&readings(1, 0, 600), "ts", counts), 1000);
    dir.ok("fit past.parquet -m model.safetensors --order-by ts --window 8 --epochs 2");
    dir.ok("generate -n 20 --steps 10 drawn.parquet -m model.safetensors");
    let drawn = read(&dir.path("drawn.parquet"));
    let counts = drawn.column_by_name("ts").unwrap().as_primitive::<UInt64Type>();
    assert!(counts.null_count() == 0 && counts.value(0) >= first);
    assert!((1..10).all(|row| counts.value(row) - counts.value(row - 1) == 7));
}
