//! Missing numbers of rows in order: they are filled by the rows on both sides, within the gaps that are said to be bridged.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int8Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;

use crate::sequence_commands::bits;
use crate::sequences::{fitted, numbers, readings, with};
use crate::tables::{names, read, write};
use crate::workdir::Workdir;

/// The rows without the values of `load` in those that are named.
fn without_load(rows: &RecordBatch, is_missing: impl Fn(usize) -> bool) -> RecordBatch {
    let load = numbers(rows, "load").into_iter().enumerate();
    let load: Float64Array = load.map(|(row, load)| (!is_missing(row)).then_some(load)).collect();
    with(rows, "load", Arc::new(load))
}

/// Writes these rows, fills them and reads them again.
fn filled(dir: &Workdir, name: &str, rows: &RecordBatch, flags: &str) -> RecordBatch {
    write(&dir.path(&format!("{name}.parquet")), rows, 90);
    dir.ok(&format!("impute {name}.parquet {name}-filled.parquet -m model.safetensors --force {flags}"));
    read(&dir.path(&format!("{name}-filled.parquet")))
}

#[test]
fn gaps_are_filled_by_the_rows_on_both_sides_and_intervals_hold_what_they_say() {
    let dir = fitted();
    let today = readings(2, 3000, 6000);
    let truth = numbers(&today, "load");
    for (gap, most) in [(1, 0.95), (5, 0.4), (20, 0.1)] {
        let is_missing = |row: usize| row > 40 && row < 5950 && row % (gap + 25) < gap;
        let with_gaps = without_load(&today, is_missing);
        let filled = filled(&dir, "gaps", &with_gaps, "--intervals 0.9");
        let load = numbers(&filled, "load");
        let linear = |row: usize| {
            let (before, after) = (row - row % (gap + 25) - 1, row - row % (gap + 25) + gap);
            let share = (row - before) as f64 / (after - before) as f64;
            truth[before] + (truth[after] - truth[before]) * share
        };
        let rows: Vec<usize> = (0..6000).filter(|row| is_missing(*row)).collect();
        let error = |of: &dyn Fn(usize) -> f64| {
            rows.iter().map(|&row| (of(row) - truth[row]).abs()).sum::<f64>() / rows.len() as f64
        };
        let (ours, straight) = (error(&|row| load[row]), error(&linear));
        assert!(ours < most * straight, "gaps of {gap}: an error of {ours}, and {straight} of straight lines");
        let [low, high] = ["load_low", "load_high"].map(|name| filled.column_by_name(name).unwrap().clone());
        let [low, high] = [&low, &high].map(|bound| bound.as_primitive::<arrow::datatypes::Float64Type>());
        let held = rows.iter().filter(|&&row| (low.value(row)..=high.value(row)).contains(&truth[row])).count();
        let share = held as f64 / rows.len() as f64;
        assert!((0.86..0.99).contains(&share), "gaps of {gap}: intervals of 90 % hold {share}");
        assert!((0..6000).all(|row| low.is_null(row) != is_missing(row)));
    }
}

#[test]
fn nothing_else_changes_and_nothing_depends_on_batches_threads_and_formats() {
    let dir = fitted();
    let today = readings(2, 3000, 1400);
    let modes = today.column(3).as_string::<i32>();
    let modes: StringArray = modes.iter().enumerate().map(|(row, mode)| mode.filter(|_| row != 9)).collect();
    let is_missing = |row: usize| row % 7 == 3 || (100..131).contains(&row) || (600..700).contains(&row);
    let with_gaps = with(&without_load(&today, is_missing), "mode", Arc::new(modes));
    let flags = "--intervals 0.9 --draws 3 --flag";
    let whole = filled(&dir, "gaps", &with_gaps, &format!("{flags} --threads 1"));
    let (before, after) = (bits(&with_gaps, "load"), bits(&whole, "load"));
    assert!((0..1400).all(|row| after[row].is_some() && (is_missing(row) || after[row] == before[row])));
    assert_eq!(whole.column(2), with_gaps.column(2), "what is known stays");
    assert_eq!(whole.column_by_name("mode").unwrap().null_count(), 0, "a word is filled by the network");
    let draws = [0, 1].map(|n| bits(&whole, &format!("load_draw_{n}")));
    assert!((0..1400).filter(|row| is_missing(*row)).any(|row| draws[0][row] != draws[1][row]));
    write(&dir.path("large.parquet"), &with_gaps, 1 << 20);
    for more in ["", "--threads 3", "--compression zstd"] {
        dir.ok(&format!("impute large.parquet large-filled.parquet -m model.safetensors --force {flags} {more}"));
        let large = read(&dir.path("large-filled.parquet"));
        assert_eq!(large.columns(), whole.columns(), "{more}");
    }
    dir.ok(&format!("impute gaps.parquet gaps.arrow -m model.safetensors {flags}"));
    dir.ok("impute gaps.arrow again.parquet -m model.safetensors");
}

#[test]
fn long_gaps_and_ends_of_files_are_filled_by_the_rows_before() {
    let dir = fitted();
    let today = readings(2, 3000, 900);
    // A gap of 64 rows, one of 65, and one at the end.
    let is_missing = |row: usize| (100..164).contains(&row) || (300..365).contains(&row) || row >= 880;
    let with_gaps = without_load(&today, is_missing);
    let filled = filled(&dir, "gaps", &with_gaps, "");
    dir.ok("transform gaps.parquet scored.parquet -m model.safetensors --expected 0.9");
    let (load, expected) = (bits(&filled, "load"), bits(&read(&dir.path("scored.parquet")), "load_expected"));
    assert!((100..164).all(|row| load[row] != expected[row]), "bridged");
    // Beyond a window without a value nothing is expected, and the network fills it.
    let causal = (300..365).chain(880..900).filter(|row| expected[*row].is_some());
    assert!(causal.clone().count() >= 30 && causal.into_iter().all(|row| load[row] == expected[row]));
    // What comes after a gap counts.
    let moved: Float64Array = numbers(&today, "load")
        .into_iter()
        .enumerate()
        .map(|(row, load)| (!is_missing(row)).then_some(if row >= 164 { load + 50.0 } else { load }))
        .collect();
    let moved = self::filled(&dir, "moved", &with(&today, "load", Arc::new(moved)), "");
    assert_ne!(bits(&moved, "load")[100..164], load[100..164]);
    assert_eq!(bits(&moved, "load")[..100], load[..100]);
}

#[test]
fn a_gap_that_a_file_begins_with_is_filled_by_the_rows_after_it() {
    let dir = fitted();
    // A quarter of a wave after its mean.
    let today = readings(2, 3005, 900);
    let truth = numbers(&today, "load");
    let mean = truth.iter().sum::<f64>() / 900.0;
    for gap in [1, 6, 64] {
        let filled = filled(&dir, "gap", &without_load(&today, |row| row < gap), "--intervals 0.9");
        let [load, low, high] = ["load", "load_low", "load_high"].map(|name| numbers(&filled, name));
        let error = |of: &dyn Fn(usize) -> f64| (0..gap.min(6)).map(|row| (of(row) - truth[row]).abs()).sum::<f64>();
        if gap <= 6 {
            let (ours, of_mean) = (error(&|row| load[row]), error(&|_| mean));
            assert!(ours < 0.4 * of_mean, "gap of {gap}: an error of {ours}, and {of_mean} of the mean");
        }
        let held = (0..gap).filter(|&row| (low[row]..=high[row]).contains(&truth[row])).count();
        assert!(held * 10 >= gap * 8, "gap of {gap}: {held} within intervals of 90 %");
        // What comes after it counts.
        let later =
            with(&today, "load", Arc::new(Float64Array::from_iter_values(truth.iter().map(|load| load + 50.0))));
        let moved = self::filled(&dir, "moved", &without_load(&later, |row| row < gap), "");
        assert!((numbers(&moved, "load")[gap - 1] - load[gap - 1] - 50.0).abs() < 1e-3);
    }
}

#[test]
fn a_gap_goes_on_from_a_history_and_not_over_the_end_of_a_file() {
    let dir = fitted();
    let both = without_load(&readings(2, 3000, 900), |row| (599..604).contains(&row) || (700..704).contains(&row));
    let whole = bits(&filled(&dir, "both", &both, ""), "load");
    write(&dir.path("yesterday.parquet"), &both.slice(0, 600), 1000);
    let today = filled(&dir, "today", &both.slice(600, 300), "--history yesterday.parquet");
    assert_eq!(bits(&today, "load"), whole[600..]);
    let alone = bits(&filled(&dir, "alone", &both.slice(600, 300), ""), "load");
    assert_ne!(alone[..4], whole[600..604]);
    assert_eq!(alone[100..], whole[700..]);
    // The gap begins in the first file, which does not know of the second.
    std::fs::create_dir(dir.path("parts")).unwrap();
    write(&dir.path("parts/1.parquet"), &both.slice(0, 600), 1000);
    write(&dir.path("parts/2.parquet"), &both.slice(600, 300), 1000);
    dir.ok("impute parts parts-filled.parquet -m model.safetensors");
    dir.ok("impute yesterday.parquet first.parquet -m model.safetensors");
    let parts = bits(&read(&dir.path("parts-filled.parquet")), "load");
    assert_eq!(parts[..600], bits(&read(&dir.path("first.parquet")), "load"));
    assert_eq!(parts[600..], alone);
}

#[test]
fn sequences_that_alternate_are_bridged_by_themselves_within_a_distance() {
    let dir = Workdir::new();
    let of = |name: &str, seed, rows: usize| {
        let batch = readings(seed, 0, rows);
        let machine: ArrayRef = Arc::new(StringArray::from(vec![name; rows]));
        let columns = names(&batch).into_iter().zip(batch.columns().to_vec());
        RecordBatch::try_from_iter([("machine".to_owned(), machine)].into_iter().chain(columns)).unwrap()
    };
    let [a, b] = [of("a", 1, 900), of("b", 2, 900)];
    let alternating: Vec<RecordBatch> = (0..900).flat_map(|row| [a.slice(row, 1), b.slice(row, 1)]).collect();
    let both = concat_batches(&a.schema(), &alternating).unwrap();
    write(&dir.path("past.parquet"), &both, 1000);
    dir.ok("fit past.parquet -m model.safetensors --order-by ts --by machine --window 8 --epochs 5");
    let is_missing = |row: usize| row % 50 < 9;
    let joint = bits(&filled(&dir, "joint", &without_load(&both, |row| is_missing(row / 2)), ""), "load");
    for (place, machine) in [&a, &b].into_iter().enumerate() {
        let alone = bits(&filled(&dir, "alone", &without_load(machine, is_missing), ""), "load");
        assert_eq!(joint.iter().copied().skip(place).step_by(2).collect::<Vec<_>>(), alone);
    }
    // The machine a waits for more rows than are read ahead.
    let long = of("b", 3, 16_500);
    let rows = |others: usize| {
        let parts = [a.slice(0, 400), long.slice(0, others), a.slice(400, 100)];
        let all = concat_batches(&a.schema(), &parts).unwrap();
        without_load(&all, |row| (397..400).contains(&row))
    };
    let alone =
        bits(&filled(&dir, "near", &without_load(&a.slice(0, 500), |row| (397..400).contains(&row)), ""), "load");
    let near = bits(&filled(&dir, "near", &rows(16_300), ""), "load");
    let far = bits(&filled(&dir, "far", &rows(16_500), ""), "load");
    assert_eq!(near[397..400], alone[397..400]);
    assert_ne!(far[397..400], alone[397..400]);
}

#[test]
fn what_is_expected_beyond_the_range_of_a_type_is_the_end_of_that_range() {
    let dir = Workdir::new();
    let count = |row: usize| Some((127.0 * (row as f64 / 3.0).sin()).round() as i8);
    let rows = |is_missing: &dyn Fn(usize) -> bool| {
        let counts: Int8Array = (0..900).map(|row| count(row).filter(|_| !is_missing(row))).collect();
        with(&readings(1, 0, 900), "load", Arc::new(counts))
    };
    write(&dir.path("past.parquet"), &rows(&|_| false), 1000);
    dir.ok("fit past.parquet -m model.safetensors --order-by ts --window 8 --epochs 2");
    let is_missing = |row: usize| row % 19 > 8;
    let filled = filled(&dir, "gaps", &rows(&is_missing), "--intervals 0.99 --draws 2");
    for name in ["load", "load_draw_0", "load_draw_1"] {
        assert_eq!(filled.column_by_name(name).unwrap().null_count(), 0, "{name}");
    }
    for name in ["load_low", "load_high"] {
        let bound = filled.column_by_name(name).unwrap();
        assert!((0..900).all(|row| bound.is_valid(row) == is_missing(row)), "{name}");
    }
}
