//! Rows with fewer rows before them than a window holds: they are no yardstick for others, and a transform counts them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::Float32Type;

use crate::sequences::{fitted, numbers, readings, with};
use crate::tables::{names, new_bits, read, write};
use crate::workdir::Workdir;

#[test]
fn the_first_rows_of_a_sequence_do_not_hide_what_is_odd() {
    let dir = Workdir::new();
    write(&dir.path("past.parquet"), &readings(1, 0, 1500), 1000);
    dir.ok("fit past.parquet -m model.safetensors --order-by ts");
    let today = readings(2, 1500, 3000);
    let mut load = numbers(&today, "load");
    let spikes: Vec<usize> = (200..3000).step_by(200).collect();
    spikes.iter().for_each(|&row| load[row] += 12.0);
    write(&dir.path("today.parquet"), &with(&today, "load", Arc::new(Float64Array::from(load))), 1000);
    dir.ok("transform today.parquet scored.parquet -m model.safetensors");
    let scored = read(&dir.path("scored.parquet"));
    let p_values = numbers(&scored, "p_value");
    let found = spikes.iter().filter(|&&row| p_values[row] <= 0.01).count();
    assert!(found > spikes.len() * 3 / 4, "{found} of {} spikes", spikes.len());
    // Ordinary rows, from a time after a spike has left the window: p-values are uniform.
    let ordinary: Vec<f64> = spikes.iter().flat_map(|&row| p_values[row + 70..row + 130].to_vec()).collect();
    let share = |p: f64| ordinary.iter().filter(|&&value| value <= p).count() as f64 / ordinary.len() as f64;
    assert!(share(0.01) < 0.03 && (0.3..0.7).contains(&share(0.5)), "{} {}", share(0.01), share(0.5));
}

#[test]
fn the_first_rows_of_a_file_are_no_odder_than_others_and_what_is_odd_in_them_is_found() {
    let dir = Workdir::new();
    write(&dir.path("past.parquet"), &named("past", &readings(1, 0, 4000)), 1000);
    dir.ok("fit past.parquet -m model.safetensors --order-by ts --by machine");
    // Each begins at another time of the wave, and ends before its window is full.
    let of = |spike: f64| {
        let parts = (0..150).map(|n| {
            let rows = readings(100 + n, 7 * n as i64, 50);
            let mut load = numbers(&rows, "load");
            load[30] += spike;
            named(&format!("machine {n}"), &with(&rows, "load", Arc::new(Float64Array::from(load))))
        });
        let parts: Vec<RecordBatch> = parts.collect();
        concat_batches(&parts[0].schema(), &parts).unwrap()
    };
    let scored = |spike: f64| {
        write(&dir.path("today.parquet"), &of(spike), 1000);
        dir.ok("transform today.parquet scored.parquet -m model.safetensors --force --score neighbor_distance");
        read(&dir.path("scored.parquet"))
    };
    let ordinary = scored(0.0);
    let p_values = numbers(&ordinary, "p_value");
    let share = |p: f64| p_values.iter().filter(|&&value| value <= p).count() as f64 / p_values.len() as f64;
    assert!(share(0.01) < 0.03 && share(0.05) < 0.1, "{} {}", share(0.01), share(0.05));
    assert!((0.3..0.7).contains(&share(0.5)), "{}", share(0.5));
    let p_values = numbers(&scored(15.0), "p_value");
    let found = (0..150).filter(|n| p_values[50 * n + 30] <= 0.05).count();
    assert!(found > 112, "{found} of 150 spikes");
    // The score itself stays as it is, and the anomaly score is in its order among such rows.
    let [own, anomaly_score]: [Vec<f32>; 2] = ["neighbor_distance", "anomaly_score"]
        .map(|name| ordinary.column_by_name(name).unwrap().as_primitive::<Float32Type>().values().to_vec());
    let mut order: Vec<usize> = (0..own.len()).collect();
    order.sort_by(|&a, &b| own[a].total_cmp(&own[b]));
    assert!(own != anomaly_score && order.is_sorted_by_key(|&row| anomaly_score[row]));
}

#[test]
fn a_transform_counts_rows_without_a_full_window() {
    let dir = fitted();
    let today = readings(2, 3000, 500);
    for (name, rows) in [("whole", 0..500), ("first", 0..20), ("second", 20..500)] {
        write(&dir.path(&format!("{name}.parquet")), &today.slice(rows.start, rows.len()), 70);
    }
    let partial = |command: &str| dir.ok(&format!("{command} -m model.safetensors --force --summary json")).json();
    // Windows are of 16 rows.
    for (command, expected) in [
        ("transform whole.parquet out.parquet", 15),
        ("transform whole.parquet out.parquet --fdr 0.1", 15),
        ("transform whole.parquet out.arrow --fdr 0.1", 15),
        ("transform first.parquet second.parquet out.parquet", 30),
        ("transform second.parquet out.parquet --history first.parquet", 0),
        ("transform first.parquet out.parquet", 15),
    ] {
        assert_eq!(partial(command)["partial_windows"], expected, "{command}");
    }
    dir.ok("transform whole.parquet a.parquet -m model.safetensors").prints(&[
        "windows",
        "15 rows, 3.0 %, have fewer rows before them than a window of 16 holds, and are compared with rows like them; --history names",
    ]);
    let ran = dir.ok("transform second.parquet b.parquet -m model.safetensors --history first.parquet");
    assert!(!ran.stdout().contains("windows"), "{}", ran.stdout());
    dir.ok("fit past.parquet -m rows.safetensors --epochs 2");
    let rows = dir.ok("transform whole.parquet c.parquet -m rows.safetensors --summary json").json();
    assert!(rows["partial_windows"].is_null());
}

#[test]
fn the_rows_of_a_history_meet_the_condition_of_the_rows_after_it() {
    let dir = fitted();
    let both = readings(2, 3000, 900);
    for (name, rows) in [("both", 0..900), ("yesterday", 0..600), ("today", 600..900)] {
        write(&dir.path(&format!("{name}.parquet")), &both.slice(rows.start, rows.len()), 200);
    }
    let scored = |name: &str, history: &str| {
        dir.ok(&format!(
            "transform {name}.parquet {name}-out.parquet -m model.safetensors --where mode='auto'{history}"
        ));
        new_bits(&read(&dir.path(&format!("{name}-out.parquet"))))
    };
    let (all, today) = (scored("both", ""), scored("today", " --history yesterday.parquet"));
    assert!(today.len() > 100 && today.len() < 200);
    assert_eq!(today, all[all.len() - today.len()..]);
    // It is read in its dialect, too.
    std::fs::write(dir.path("past.csv"), csv(0..900)).unwrap();
    std::fs::write(dir.path("yesterday.csv"), csv(900..1000)).unwrap();
    std::fs::write(dir.path("today.csv"), csv(1000..1100)).unwrap();
    std::fs::write(dir.path("days.csv"), csv(900..1100)).unwrap();
    let dialect = "--csv-delimiter ; --csv-comment %";
    dir.ok(&format!("fit past.csv -m csv.safetensors --order-by n --window 8 --epochs 5 {dialect}"));
    dir.ok(&format!("transform today.csv a.parquet -m csv.safetensors --history yesterday.csv {dialect}"));
    dir.ok(&format!("transform days.csv b.parquet -m csv.safetensors {dialect}"));
    let [a, b] = ["a", "b"].map(|name| new_bits(&read(&dir.path(&format!("{name}.parquet")))));
    assert_eq!(a, b[100..]);
}

/// Rows of one machine.
fn named(name: &str, rows: &RecordBatch) -> RecordBatch {
    let machines: ArrayRef = Arc::new(StringArray::from(vec![name; rows.num_rows()]));
    let columns = names(rows).into_iter().zip(rows.columns().to_vec());
    RecordBatch::try_from_iter([("machine".to_owned(), machines)].into_iter().chain(columns)).unwrap()
}

/// Rows in a dialect.
fn csv(rows: std::ops::Range<u32>) -> String {
    let line = |row: u32| format!("{row};{:.4}\n", (f64::from(row) / 3.0).sin() + f64::from(row * 37 % 11) / 50.0);
    format!("% made\nn;load\n{}", rows.map(line).collect::<String>())
}

#[test]
fn a_history_from_which_no_sequence_goes_on_is_warned_of() {
    let dir = Workdir::new();
    for (file, name, start, rows) in
        [("past", "a", 0, 600), ("today", "a", 600, 50), ("renamed", "machine a", 600, 50), ("late", "a", 700, 50)]
    {
        write(&dir.path(&format!("{file}.parquet")), &named(name, &readings(1, start, rows)), 100);
    }
    dir.ok("fit past.parquet -m model.safetensors --order-by ts --by machine --window 8 --max-gap 30m --epochs 2");
    let transform = |file: &str| {
        dir.ok(&format!("transform {file}.parquet out.parquet -m model.safetensors --history past.parquet --force"))
    };
    transform("renamed")
        .says(&["no sequence goes on from the history: it has 1 sequences, such as \"a\", and the rows have others, such as \"machine a\""]);
    transform("late")
        .says(&["no sequence goes on from the history: the rows begin more than the largest gap after it"]);
    let ran = transform("today");
    assert!(!ran.stderr().contains("history"), "{}", ran.stderr());
}

#[test]
fn a_fit_warns_of_windows_that_are_seldom_full() {
    let dir = Workdir::new();
    let past = readings(1, 0, 400);
    write(&dir.path("past.parquet"), &past, 100);
    let fit = |flags: &str| {
        dir.ok(&format!("fit past.parquet -m model.safetensors --order-by ts --epochs 2 --force {flags}"))
    };
    let why = "have fewer rows before them than a window holds:";
    fit("--max-gap 30s").says(&[&format!("100 % of the rows {why} 399 steps are longer than max_gap, 30s")]);
    let sequences: ArrayRef = Arc::new((0..400).map(|row| row / 20).collect::<Int64Array>());
    write(&dir.path("past.parquet"), &with(&past, "mode", sequences), 100);
    fit("--by mode").says(&[&format!("100 % of the rows {why} 20 sequences are short")]);
    fit("--columns mode --categorical mode").says(&["no number is learned, and windows are of numbers"]);
    let ran = fit("--window 16");
    assert!(!ran.stderr().contains("window"), "{}", ran.stderr());
    // Two machines that alternate, and nothing tells them apart.
    let times: ArrayRef = Arc::new((0..400).map(|row| row / 2).collect::<Int64Array>());
    write(&dir.path("past.parquet"), &with(&past, "ts", times), 100);
    fit("--window 16").says(&["50 % of the rows have the same place in the order as the row before"]);
}
