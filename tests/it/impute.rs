//! Filling what is missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array,
};
use arrow::compute::{cast, filter, is_not_null, is_null, take_record_batch};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use arrow::util::display::array_value_to_string;

use crate::general::read_ipc;
use crate::kinds::{every_column, every_kind};
use crate::splice::chunks;
use crate::tables::{Uniform, as_written, curve, names, read, write};
use crate::workdir::Workdir;

/// A file of this table and a model fitted to it.
fn fitted(batch: &RecordBatch, flags: &str) -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), batch, 130);
    dir.ok(&format!("fit in.parquet --max-steps 30 {flags}"));
    dir
}

/// The leaves of a column that is a struct of structs, or itself.
fn leaves(array: &ArrayRef) -> Vec<ArrayRef> {
    match array.as_struct_opt() {
        Some(parent) => parent.columns().iter().flat_map(leaves).collect(),
        None => vec![array.clone()],
    }
}

/// Values as text, dictionaries and nulls included.
fn texts(array: &ArrayRef) -> Vec<Option<String>> {
    (0..array.len()).map(|row| array.is_valid(row).then(|| array_value_to_string(array, row).unwrap())).collect()
}

/// The least and greatest number, of a vector's numbers too.
fn range(array: &ArrayRef) -> (f64, f64) {
    let numbers = match array.data_type() {
        list if list.is_list() => {
            let large = DataType::LargeList(Arc::new(arrow::datatypes::Field::new("item", DataType::Float64, true)));
            cast(array, &large).unwrap().as_list::<i64>().values().clone()
        }
        other if other.is_temporal() => cast(&cast(array, &DataType::Int64).unwrap(), &DataType::Float64).unwrap(),
        _ => cast(array, &DataType::Float64).unwrap(),
    };
    let numbers = numbers.as_primitive::<Float64Type>();
    (arrow::compute::min(numbers).unwrap(), arrow::compute::max(numbers).unwrap())
}

#[test]
fn every_kind_is_filled_in_its_own_type_within_what_was_seen_and_the_rest_stays() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &every_kind(), 130);
    dir.ok_with(&[("VAEPIPE_COLUMNS", &every_column())], "fit in.parquet --max-steps 30");
    dir.ok("impute in.parquet out.parquet");
    let (before, after) = (read(&dir.path("in.parquet")), read(&dir.path("out.parquet")));
    for (before, after) in before.schema().fields().iter().zip(after.schema().fields()) {
        let expected = before.as_ref().clone().with_data_type(as_written(before.data_type()));
        assert_eq!(after.as_ref(), &expected);
    }
    for (field, (before, after)) in before.schema().fields().iter().zip(before.columns().iter().zip(after.columns())) {
        assert_eq!(before.nulls().filter(|_| before.as_struct_opt().is_some()), after.nulls(), "{}", field.name());
        for (before, after) in leaves(before).iter().zip(leaves(after)) {
            let known = is_not_null(before).unwrap();
            let [before_known, after_known] = [before, &after].map(|array| filter(array, &known).unwrap());
            if before.data_type().is_list() {
                // Those with a number missing are filled, too.
                assert_eq!(after.null_count(), 0, "{}", field.name());
            } else {
                assert_eq!(texts(&before_known), texts(&after_known), "{}", field.name());
            }
            if before.data_type().is_string() || matches!(before.data_type(), DataType::Dictionary(..)) {
                let seen: BTreeSet<_> = texts(&before_known).into_iter().collect();
                assert!(texts(&after).iter().filter(|text| text.is_some()).all(|text| seen.contains(text)));
            } else if *before.data_type() != DataType::Boolean {
                let (seen, filled) = (range(before), range(&after));
                assert!(seen.0 <= filled.0 && filled.1 <= seen.1, "{}: {seen:?} {filled:?}", field.name());
            }
        }
    }
    // Nothing is left to fill but what a missing struct would hold.
    let again = dir.ok("impute out.parquet again.parquet --summary json").json();
    assert_eq!(again["columns"], serde_json::json!([]));
}

#[test]
fn a_curve_and_a_number_that_f64_does_not_hold_keep_to_the_range_seen() {
    let value = |row: usize| (!row.is_multiple_of(6)).then_some([i64::MIN, i64::MAX, 0, 1 << 60, -5][row % 5]);
    let skewed = |row: usize| (!row.is_multiple_of(7)).then(|| (10.0 * (row as f64).sin()).exp());
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("wide", Arc::new((0..300).map(value).collect::<Int64Array>()) as ArrayRef, true),
        ("bent", Arc::new((0..300).map(skewed).collect::<Float64Array>()), true),
        ("x", Arc::new((0..300).map(|row| Some((row as f64).cos())).collect::<Float64Array>()), true),
    ])
    .unwrap();
    for curve in ["log1p", "asinh", "quantile"] {
        let dir = fitted(&batch, &format!("--map bent={curve}"));
        dir.ok("impute in.parquet out.parquet --draws 20");
        let (before, after) = (read(&dir.path("in.parquet")), read(&dir.path("out.parquet")));
        for (name, column) in names(&after).iter().zip(after.columns()).filter(|(name, _)| *name != "x") {
            let seen = range(before.column_by_name(name.split('_').next().unwrap()).unwrap());
            let filled = range(column);
            assert_eq!(column.null_count(), 0, "{curve} {name}");
            assert!(seen.0 <= filled.0 && filled.1 <= seen.1, "{curve} {name}: {seen:?} {filled:?}");
        }
    }
}

#[test]
fn what_was_constant_gets_its_constant_and_what_was_never_there_stays_away() {
    let value: ArrayRef = Arc::new(Int64Array::from_iter((0..100).map(|row| (row % 4 != 1).then_some(1_700_000_000))));
    let types = [
        DataType::Int64,
        DataType::UInt32,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(20, 3),
        DataType::Decimal256(60, 9),
        DataType::Duration(TimeUnit::Millisecond),
        DataType::Timestamp(TimeUnit::Second, None),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("Asia/Kolkata".into())),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8)),
    ];
    let mut columns: Vec<(String, ArrayRef)> =
        types.iter().map(|of| (format!("c {of}"), cast(&value, of).unwrap())).collect();
    let of_few = |row: usize| (row % 4 != 1).then_some(true);
    columns.push(("c flag".to_owned(), Arc::new((0..100).map(of_few).collect::<BooleanArray>())));
    let half: ArrayRef = Arc::new((0..100).map(|row| (row % 4 != 1).then_some(0.5)).collect::<Float64Array>());
    columns.push(("c half".to_owned(), cast(&half, &DataType::Float16).unwrap()));
    let days: ArrayRef =
        Arc::new(arrow::array::Int32Array::from_iter((0..100).map(|row| (row % 4 != 1).then_some(-9))));
    columns.push(("c day".to_owned(), cast(&days, &DataType::Date32).unwrap()));
    columns.push(("gone".to_owned(), arrow::array::new_null_array(&DataType::Float64, 100)));
    columns.push(("x".to_owned(), Arc::new((0..100).map(|row| Some((row as f64).sin())).collect::<Float64Array>())));
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    let dir = fitted(&RecordBatch::try_from_iter_with_nullable(columns).unwrap(), "");
    dir.ok("impute in.parquet out.parquet").prints(&["gone: has no usable value"]);
    let (before, after) = (read(&dir.path("in.parquet")), read(&dir.path("out.parquet")));
    for (field, (before, after)) in before.schema().fields().iter().zip(before.columns().iter().zip(after.columns())) {
        assert_eq!(&as_written(before.data_type()), after.data_type());
        if field.name().starts_with("c ") {
            let (constant, filled) = (&texts(before)[0], texts(after));
            assert!(constant.is_some() && filled.iter().all(|text| text == constant), "{}: {filled:?}", field.name());
        } else {
            assert_eq!(&before.to_data(), &after.to_data(), "{}", field.name());
        }
    }
}

#[test]
fn beside_a_filled_column_stand_its_flag_bounds_and_draws() {
    let dir = fitted(&curve(500), "--hidden 16");
    dir.ok("impute in.parquet out.parquet --flag --draws 3 --intervals 0.9 --samples 64 --prefix of_");
    let (before, after) = (read(&dir.path("in.parquet")), read(&dir.path("out.parquet")));
    let added = ["imputed", "low", "high", "draw_0", "draw_1", "draw_2"].map(|what| format!("of_x1_{what}"));
    assert_eq!(names(&after)[7..], added);
    let missing = is_null(before.column_by_name("x1").unwrap()).unwrap();
    assert_eq!(after.column(7).as_boolean(), &missing);
    let column = |name: &str| after.column_by_name(name).unwrap().as_primitive::<Float64Type>().clone();
    let [value, low, high] = ["x1", "of_x1_low", "of_x1_high"].map(column);
    let draws = [0, 1, 2].map(|n| column(&format!("of_x1_draw_{n}")));
    for row in 0..500 {
        if missing.value(row) {
            assert!(low.value(row) <= value.value(row) && value.value(row) <= high.value(row), "row {row}");
        } else {
            assert!(low.is_null(row) && high.is_null(row));
            assert!(draws.iter().all(|draw| draw.value(row) == value.value(row)), "row {row}");
        }
    }
    assert!((0..500).any(|row| draws[0].value(row) != draws[1].value(row)));
}

#[test]
fn only_the_columns_asked_for_are_filled_as_in_a_run_that_fills_all() {
    let mut uniform = Uniform::new(3);
    let mut column = |every: usize| -> ArrayRef {
        let value = |row: usize| (!row.is_multiple_of(every)).then(|| uniform.next());
        Arc::new((0..400).map(value).collect::<Float64Array>())
    };
    let names = ["a", "b", "c", "d"];
    let columns = names.into_iter().zip([5, 7, 9, 11]).map(|(name, every)| (name, column(every)));
    let dir = fitted(&RecordBatch::try_from_iter(columns).unwrap(), "");
    dir.ok("impute in.parquet all.parquet");
    let (before, all) = (read(&dir.path("in.parquet")), read(&dir.path("all.parquet")));
    for (output, columns) in [("some.parquet", "a,c"), ("some.arrow", "re:[ac]")] {
        dir.ok(&format!("impute in.parquet {output} --columns {columns}"))
            .prints(&["filled    125 values in 2 columns"]);
        let some = match output {
            "some.arrow" => read_ipc(&dir.path(output)),
            _ => read(&dir.path(output)),
        };
        for name in names {
            let expected = if ["a", "c"].contains(&name) { &all } else { &before };
            assert_eq!(texts(&some[name]), texts(&expected[name]), "{name}");
        }
    }
    dir.fails(2, "impute in.parquet x.parquet --columns ab").says(&["no column", "--columns"]);
}

#[test]
fn a_column_that_was_not_learned_cannot_be_asked_for() {
    let dir = fitted(&curve(500), "--exclude x1");
    dir.fails(2, "impute in.parquet x.parquet --columns x1")
        .says(&["column \"x1\"", "a column that the model did not learn"]);
    assert!(!dir.path("x.parquet").exists());
}

#[test]
fn what_has_no_hole_is_copied_byte_for_byte_and_the_same_again() {
    let dir = fitted(&curve(500), "");
    dir.ok("impute in.parquet out.parquet");
    dir.ok("impute in.parquet again.parquet --threads 1");
    let bytes = |name: &str| std::fs::read(dir.path(name)).unwrap();
    assert!(bytes("out.parquet") == bytes("again.parquet"));
    // All but x1, of which alone something learned is missing; name is carried.
    for (before, after) in chunks(&dir.path("in.parquet"), 7).iter().zip(chunks(&dir.path("out.parquet"), 7)) {
        let same: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before == after).collect();
        assert_eq!(same, [true, true, true, false, true, true, true]);
    }
    let more = |samples: usize| {
        dir.ok(&format!("impute in.parquet more.parquet --force --samples {samples}"));
        bytes("more.parquet") == bytes("out.parquet")
    };
    assert!(more(256) && !more(255), "256 draws are taken unless others are asked for");
}

#[test]
fn a_row_is_filled_the_same_whatever_its_neighbours() {
    let dir = fitted(&curve(500), "");
    let filled = |name: &str, flags: &str| {
        dir.ok(&format!("impute {name} out.parquet --force {flags}"));
        read(&dir.path("out.parquet"))
    };
    let flags = "--draws 2 --intervals 0.5";
    let whole = filled("in.parquet", flags);
    let backwards = UInt32Array::from_iter_values((0..500).rev());
    let reversed = take_record_batch(&read(&dir.path("in.parquet")), &backwards).unwrap();
    write(&dir.path("reversed.parquet"), &reversed, 77);
    let part = filled("reversed.parquet", &format!("{flags} --threads 1"));
    assert_eq!(take_record_batch(&part, &backwards).unwrap(), whole);
    let few = read(&dir.path("in.parquet")).slice(100, 5);
    write(&dir.path("few.parquet"), &few, 2);
    assert_eq!(filled("few.parquet", flags), whole.slice(100, 5));
}

#[test]
fn what_cannot_be_written_is_refused_before_any_work() {
    let dir = fitted(&curve(200), "");
    dir.ok("impute in.parquet out.parquet");
    dir.fails(2, "impute in.parquet out.parquet").says(&["already exists", "--force"]);
    dir.fails(2, "impute in.parquet in.parquet --force");
    dir.fails(2, "impute in.parquet new.parquet --intervals 1").says(&["intervals"]);
    dir.fails(2, "impute in.parquet new.parquet --samples 0").says(&["samples"]);
    let clash = read(&dir.path("in.parquet"));
    let fields = names(&clash).into_iter().map(|name| if name == "id" { "x1_imputed".to_owned() } else { name });
    let clash = RecordBatch::try_from_iter_with_nullable(
        fields.zip(clash.columns()).map(|(name, column)| (name, column.clone(), true)),
    );
    write(&dir.path("clash.parquet"), &clash.unwrap(), 100);
    dir.fails(2, "impute clash.parquet new.parquet --flag").says(&["x1_imputed", "--prefix"]);
    dir.ok("impute clash.parquet new.parquet --flag --prefix of_");
    write(&dir.path("none.parquet"), &curve(0), 100);
    dir.ok("impute none.parquet nothing.parquet --flag --draws 1 --intervals 0.9");
    assert_eq!(read(&dir.path("nothing.parquet")).num_rows(), 0);
}

const WIDTH: usize = 6;

/// What is expected of a row's missing values given the others, where rows are normal with this covariance and mean 0:
/// Σ_mk Σ_kk⁻¹ x_k.
fn expected(covariance: &[[f64; WIDTH]; WIDTH], row: &[Option<f64>]) -> Vec<f64> {
    let known: Vec<usize> = (0..WIDTH).filter(|&at| row[at].is_some()).collect();
    let mut system: Vec<Vec<f64>> =
        known.iter().map(|&a| known.iter().map(|&b| covariance[a][b]).chain(row[a]).collect()).collect();
    for pivot in 0..known.len() {
        let of_pivot = system[pivot].clone();
        for (at, line) in system.iter_mut().enumerate().filter(|(at, _)| *at != pivot) {
            let factor = line[pivot] / of_pivot[pivot];
            assert!(at != pivot && factor.is_finite());
            line.iter_mut().zip(&of_pivot).for_each(|(x, pivot)| *x -= factor * pivot);
        }
    }
    let weights: Vec<f64> = (0..known.len()).map(|at| system[at][known.len()] / system[at][at]).collect();
    (0..WIDTH).map(|at| known.iter().zip(&weights).map(|(&k, weight)| covariance[at][k] * weight).sum()).collect()
}

#[test]
fn of_normal_rows_it_finds_what_the_closed_form_expects_and_how_sure_that_is() {
    const ROWS: usize = 3000;
    let mut uniform = Uniform::new(11);
    let mut normal = || (0..6).map(|_| uniform.next()).sum::<f64>() / 2_f64.sqrt();
    let loadings = [[0.9, 0.1], [0.8, -0.5], [-0.7, 0.6], [0.3, 0.9], [0.1, -0.9], [-0.6, -0.6]];
    let noise = 0.4;
    let rows: Vec<[f64; WIDTH]> = (0..ROWS)
        .map(|_| {
            let (s, t) = (normal(), normal());
            loadings.map(|[a, b]| a * s + b * t + noise * normal())
        })
        .collect();
    let mut covariance = [[0.0; WIDTH]; WIDTH];
    for (a, line) in covariance.iter_mut().enumerate() {
        for (b, cell) in line.iter_mut().enumerate() {
            let own = if a == b { noise * noise } else { 0.0 };
            *cell = loadings[a][0] * loadings[b][0] + loadings[a][1] * loadings[b][1] + own;
        }
    }
    let mut chance = Uniform::new(12);
    let holed: Vec<Vec<Option<f64>>> =
        rows.iter().map(|row| row.iter().map(|&x| (chance.next() > -0.6).then_some(x)).collect()).collect();
    let column = |at: usize| Arc::new(holed.iter().map(|row| row[at]).collect::<Float64Array>()) as ArrayRef;
    let dir = Workdir::new();
    let columns = ["a", "b", "c", "d", "e", "f"].iter().enumerate().map(|(at, name)| (*name, column(at), true));
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).unwrap(), ROWS);
    dir.ok("fit in.parquet");
    dir.ok("impute in.parquet out.parquet --intervals 0.9");

    let out = read(&dir.path("out.parquet"));
    let (mut squares, mut count, mut covered) = ([0.0; 3], 0.0, 0.0);
    for at in 0..WIDTH {
        let name = names(&out)[at].clone();
        let of = |name: String| out.column_by_name(&name).unwrap().as_primitive::<Float64Type>().clone();
        let (filled, low, high) = (of(name.clone()), of(format!("{name}_low")), of(format!("{name}_high")));
        for (row, holed) in holed.iter().enumerate().filter(|(_, holed)| holed[at].is_none()) {
            let truth = rows[row][at];
            // The mean of a column is 0.
            let answers = [filled.value(row), expected(&covariance, holed)[at], 0.0];
            squares.iter_mut().zip(answers).for_each(|(sum, answer)| *sum += (answer - truth).powi(2));
            count += 1.0;
            covered += f64::from(low.value(row) <= truth && truth <= high.value(row));
        }
    }
    let [model, closed, mean] = squares.map(|sum| (sum / count).sqrt());
    assert!(model < 0.7 * mean && model < 1.06 * closed, "model {model}, closed form {closed}, mean {mean}");
    assert!((0.84..=0.96).contains(&(covered / count)), "{}", covered / count);
}

#[test]
fn a_hole_in_a_dictionary_of_words_or_numbers_is_filled() {
    let words: ArrayRef =
        Arc::new((0..300).map(|row| (row % 9 > 0).then_some(["a", "b", "c"][row % 3])).collect::<StringArray>());
    let number = |row: usize| match row % 9 {
        0 => None,
        1 => Some(f64::NAN),
        _ => Some((row % 3) as f64),
    };
    let numbers: ArrayRef = Arc::new((0..300).map(number).collect::<Float64Array>());
    let of = |values: &ArrayRef| DataType::Dictionary(Box::new(DataType::Int32), Box::new(values.data_type().clone()));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("word", cast(&words, &of(&words)).unwrap(), true),
        ("number", cast(&numbers, &of(&numbers)).unwrap(), true),
    ]);
    let dir = fitted(&batch.unwrap(), "");
    let filled = dir.ok("impute in.parquet out.parquet --summary json").json();
    assert_eq!(filled["columns"][1]["filled"], 34 + 34);
    let after = read(&dir.path("out.parquet"));
    assert!(texts(after.column(0)).iter().chain(&texts(after.column(1))).all(|text| text.as_deref() != Some("NaN")));
    assert_eq!((after.column(0).logical_null_count(), after.column(1).logical_null_count()), (0, 0));
}
