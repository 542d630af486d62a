//! Which columns are learned.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int32Array, ListArray, RecordBatch, StringArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type};

use crate::model_file::learned;
use crate::tables::{curve, write};
use crate::workdir::Workdir;

#[test]
fn what_is_carried_has_its_reason_and_the_rest_is_learned() {
    let dir = Workdir::new();
    let rows = 100;
    let numbers = Float64Array::from_iter_values((0..rows).map(|row| f64::from(row * row % 13)));
    let lists = |length: fn(i32) -> i32| {
        let list = |row: i32| Some((0..length(row)).map(|at| Some(row * at % 7)).collect::<Vec<_>>());
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>((0..rows).map(list)))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("number", Arc::new(numbers.clone())),
        ("same", Arc::new(Int32Array::from_iter_values((0..rows).map(|_| 4)))),
        ("nothing", Arc::new(Int32Array::from_iter((0..rows).map(|_| None::<i32>)))),
        ("not_a_number", Arc::new(Float64Array::from_iter_values((0..rows).map(|_| f64::NAN)))),
        ("row_number", Arc::new(Int32Array::from_iter_values((0..rows).map(|row| 5000 - 3 * row)))),
        ("text", Arc::new(StringArray::from_iter_values((0..rows).map(|row| row.to_string())))),
        ("bytes", Arc::new(BinaryArray::from_iter_values((0..rows).map(|row| row.to_le_bytes())))),
        ("list", lists(|_| 3)),
        ("ragged", lists(|row| row % 3)),
        ("word", Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("word {}", row % 4))))),
        ("day", Arc::new(arrow::array::Date32Array::from_iter_values(0..rows))),
        (
            "struct",
            Arc::new(StructArray::from(RecordBatch::try_from_iter([("a", Arc::new(numbers) as ArrayRef)]).unwrap())),
        ),
    ];
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 1000);
    dir.ok("fit in.parquet --epochs 1").prints(&[
        "same: is constant (4)",
        "nothing: has no usable value (100 null, 0 NaN or infinite)",
        "not_a_number: has no usable value (0 null, 100 NaN or infinite)",
        "row_number: looks like an identifier",
        "text: looks like an identifier: 100 different words",
        "bytes: is binary",
        "ragged: holds lists of several lengths (0 and 1, say)",
    ]);
    assert_eq!(learned(&dir.path("vae.safetensors")), ["number", "list", "struct.a", "word"]);
    dir.ok("fit in.parquet --epochs 1 --force --columns number,row_number");
    assert_eq!(learned(&dir.path("vae.safetensors")), ["number", "row_number"], "named, it is learned");
    dir.ok("fit in.parquet --epochs 1 --force --columns text,struct --max-categories 8");
    assert_eq!(learned(&dir.path("vae.safetensors")), ["struct.a", "text"]);
    dir.ok("inspect vae.safetensors").prints(&["text      category, hashed into 8 classes"]);
}

#[test]
fn every_numeric_type_is_learned_and_transforms() {
    let dir = Workdir::new();
    let values: ArrayRef = Arc::new(Float64Array::from_iter_values((0..64).map(|row| f64::from(row * row % 11))));
    let types = [
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(9, 2),
        DataType::Decimal128(30, 4),
        DataType::Decimal256(60, 3),
    ];
    let names: Vec<String> =
        types.iter().map(|data_type| format!("{data_type}").replace(['(', ')', ',', ' '], "_")).collect();
    let columns = names.iter().zip(&types).map(|(name, data_type)| (name.as_str(), cast(&values, data_type).unwrap()));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    assert_eq!(batch.column(11).as_any().downcast_ref::<Decimal128Array>().unwrap().value(2), 400);
    write(&dir.path("in.parquet"), &batch, 1000);
    dir.ok("fit in.parquet --epochs 1");
    assert_eq!(learned(&dir.path("vae.safetensors")), names);
    dir.ok("transform in.parquet out.parquet");

    // The same numbers under other numeric types are the same rows.
    let other = names.iter().map(|name| (name.as_str(), cast(&values, &DataType::Float64).unwrap()));
    write(&dir.path("other.parquet"), &RecordBatch::try_from_iter(other).unwrap(), 1000);
    dir.ok("transform other.parquet other_out.parquet");
    let bits = |name| crate::tables::new_bits(&crate::tables::read(&dir.path(name)));
    assert_eq!(bits("out.parquet"), bits("other_out.parquet"));
    assert_eq!(arrow::array::AsArray::as_primitive::<Float64Type>(&values).value(2), 4.0);
}

#[test]
fn columns_and_exclude_take_names_globs_and_expressions() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    let fit = |flags: &str| {
        dir.ok(&format!("fit in.parquet --epochs 1 --force {flags}"));
        learned(&dir.path("vae.safetensors"))
    };
    assert_eq!(fit(""), ["x0", "x1", "x2", "x3", "flag"]);
    assert_eq!(fit("--columns x1,flag"), ["x1", "flag"]);
    assert_eq!(fit("--columns x* --exclude re:[13]$"), ["x0", "x2"]);
    assert_eq!(fit("--exclude flag --exclude x0"), ["x1", "x2", "x3"]);
    assert_eq!(fit("--exclude nothing_like_*"), ["x0", "x1", "x2", "x3", "flag"], "a pattern may match nothing");
}

#[test]
fn a_name_that_matches_nothing_lists_its_neighbours() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 1000);
    dir.fails(2, "fit in.parquet --exclude flags").says(&[
        r#"no column "flags""#,
        r#"did you mean "flag""#,
        "--exclude",
    ]);
    dir.fails(2, "fit in.parquet --columns X1").says(&[r#"no column "X1""#, r#""x1""#, "--columns"]);
    dir.fails(2, "fit in.parquet --categorical x0")
        .says(&[r#"column "x0" cannot be learned as a category"#, "a number"]);
    dir.fails(2, "fit in.parquet --map flag=asinh")
        .says(&[r#"column "flag" cannot be learned on a curve"#, "a Boolean"]);
    dir.fails(2, "fit in.parquet --exclude re:(").says(&["not a valid pattern"]);
    assert_eq!(dir.names(), ["in.parquet"]);
}
