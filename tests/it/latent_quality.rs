//! Whether latents keep the neighbours of rows. That the numbers are right, tests/latents.py checks.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, NullArray, RecordBatch, StringArray};

use crate::tables::{Uniform, curve, write};
use crate::workdir::Workdir;

/// Two groups of rows with a word for each, three numbers, and a word that has nothing to do with them.
fn two(rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(4);
    let mut number = |shift: f64| -> ArrayRef {
        let value = |row: usize| shift * (row % 2) as f64 + uniform.next();
        Arc::new(Float64Array::from_iter_values((0..rows).map(value)))
    };
    let numbers = [("a", number(6.0)), ("b", number(4.0)), ("c", number(0.0))];
    let group = (0..rows).map(|row| (row % 5 != 4).then_some(["odd", "even"][row % 2]));
    let group: ArrayRef = Arc::new(group.collect::<StringArray>());
    let other: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("w{}", row / 2 % 3))));
    RecordBatch::try_from_iter(numbers.into_iter().chain([("group", group), ("other", other)])).unwrap()
}

#[test]
fn neighbours_are_compared_and_a_label_is_told() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &two(600), 200);
    dir.ok("fit in.parquet --exclude group,other --latent-dim 2 --epochs 60");
    let told = dir.ok("evaluate in.parquet --latents --summary json").json();
    assert_eq!((&told["rows"], &told["sampled"], &told["label"]), (&600.into(), &600.into(), &serde_json::Value::Null));
    let sizes: Vec<u64> =
        told["neighbors"].as_array().unwrap().iter().map(|it| it["neighbors"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [5, 15, 50]);
    for kept in told["neighbors"].as_array().unwrap() {
        let share = |name: &str| kept[name].as_f64().unwrap();
        assert!(share("trustworthiness") > 0.8 && share("continuity") > 0.8 && share("overlap") > 0.1, "{kept}");
    }
    let of_label = dir.ok("evaluate in.parquet --latents --label group --summary json").json();
    assert_eq!((&of_label["rows"], &of_label["unlabelled"]), (&480.into(), &120.into()));
    let label = &of_label["label"];
    assert_eq!(label["classes"], 2);
    for space in ["latents", "columns"] {
        let (accuracy, silhouette) = (&label[space]["accuracy"][0], label[space]["silhouette"].as_f64().unwrap());
        assert!(accuracy["accuracy"].as_f64().unwrap() > 0.99 && silhouette > 0.3, "{label}");
    }
    let of_noise = dir.ok("evaluate in.parquet --latents --label other --summary json").json();
    let accuracy = of_noise["label"]["latents"]["accuracy"][1]["accuracy"].as_f64().unwrap();
    assert!((0.2..0.5).contains(&accuracy), "{of_noise}");
    dir.ok("evaluate in.parquet --latents --label group").prints(&[
        "rows      480",
        "120 without a label are left out",
        "neighbours  trustworthiness  continuity  overlap",
        "label of 2 classes",
        "accuracy of 5 neighbours",
        "silhouette",
    ]);
}

#[test]
fn a_sample_is_the_same_for_any_files_and_row_groups() {
    let dir = Workdir::new();
    let rows = curve(12_000);
    write(&dir.path("in.parquet"), &rows, 5000);
    dir.ok("fit in.parquet --epochs 1 --latent-dim 2");
    let told = dir.ok("evaluate in.parquet --latents --summary json").json();
    assert_eq!((&told["rows"], &told["sampled"]), (&12_000.into(), &10_000.into()));
    write(&dir.path("a.parquet"), &rows.slice(0, 777), 100);
    write(&dir.path("b.parquet"), &rows.slice(777, 11_223), 4000);
    assert_eq!(dir.ok("evaluate a.parquet b.parquet --latents --summary json").json(), told);
}

#[test]
fn few_rows_and_columns_that_are_not_there_are_answered() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &two(300), 1000);
    dir.ok("fit in.parquet --exclude group,other --epochs 2");
    write(&dir.path("few.parquet"), &two(10), 1000);
    let told = dir.ok("evaluate few.parquet --latents --label group --summary json").json();
    assert_eq!(
        (told["neighbors"].as_array().unwrap().len(), &told["label"]["latents"]["accuracy"]),
        (0, &serde_json::json!([]))
    );
    dir.ok("evaluate few.parquet --latents").prints(&["too few to compare neighbours"]);
    write(&dir.path("none.parquet"), &two(300).slice(0, 0), 1000);
    let told = dir.ok("evaluate none.parquet --latents --label group --summary json").json();
    assert_eq!((&told["rows"], &told["label"]["classes"]), (&0.into(), &0.into()));
    dir.fails(2, "evaluate in.parquet --latents --label grop").says(&["group"]);
    dir.fails(2, "evaluate in.parquet --latents --likelihood");
    dir.fails(2, "evaluate in.parquet --latents --top 3");
    dir.fails(2, "evaluate in.parquet --latents --samples 3").says(&["--latents"]);
    let nothing: ArrayRef = Arc::new(NullArray::new(300));
    let rows = two(300);
    let columns = rows.columns()[..3].iter().cloned().chain([nothing]);
    let named = ["a", "b", "c", "nothing"].into_iter().zip(columns).map(|(name, column)| (name, column, true));
    let unlabelled = RecordBatch::try_from_iter_with_nullable(named).unwrap();
    write(&dir.path("unlabelled.parquet"), &unlabelled, 1000);
    let told = dir.ok("evaluate unlabelled.parquet --latents --label nothing --summary json").json();
    assert_eq!((&told["rows"], &told["unlabelled"]), (&0.into(), &300.into()), "a column of no type has no labels");
    dir.fails(2, "evaluate in.parquet").says(&["--label, --latents or --likelihood"]);
    let without = two(300).project(&[0, 1, 3]).unwrap();
    write(&dir.path("less.parquet"), &without, 1000);
    dir.fails(65, "evaluate less.parquet --latents").says(&["\"c\""]);
}

#[test]
fn a_fit_measures_neighbours_on_its_calibration_rows() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(3000), 1000);
    let told = dir.ok("fit in.parquet --epochs 20 --latent-dim 3 --summary json").json();
    let kept = told["health"]["neighbors"].as_array().unwrap();
    assert_eq!(kept.iter().map(|it| it["neighbors"].as_u64().unwrap()).collect::<Vec<_>>(), [5, 15, 50]);
    let fitted = dir.ok("fit in.parquet --epochs 20 --latent-dim 3 --force");
    fitted.prints(&["% of the 5 nearest neighbours are kept, trustworthiness"]);
    dir.ok("inspect -m vae.safetensors").prints(&["neighbours  trustworthiness  continuity  overlap"]);
    // A few rows have no neighbourhood to compare.
    write(&dir.path("in.parquet"), &curve(40), 1000);
    let told = dir.ok("fit in.parquet --epochs 2 --force --summary json").json();
    assert!(told["health"].get("neighbors").is_none(), "{told}");
}
