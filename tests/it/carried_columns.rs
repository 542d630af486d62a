//! Carried columns of any type: they come out as they went in, or are refused by name.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    ListViewArray, RecordBatch, RunArray, StringArray, StructArray, UnionArray,
};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int8Type, Int32Type, IntervalMonthDayNano, TimeUnit, UnionFields};
use arrow::ipc::writer::FileWriter;

use crate::formats::{piped, read_stream, stream};
use crate::general::read_ipc;
use crate::tables::{carries, names, read};
use crate::workdir::Workdir;

const ROWS: usize = 60;

fn numbers() -> ArrayRef {
    Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| (row * row % 17) as f64)))
}

/// Each row an integer or a text.
fn union() -> ArrayRef {
    let fields = UnionFields::try_new(
        [0, 5],
        [Field::new("number", DataType::Int32, true), Field::new("text", DataType::Utf8, true)],
    );
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..ROWS as i32));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("text {row}"))));
    let types: ScalarBuffer<i8> = (0..ROWS).map(|row| if row % 3 == 0 { 5 } else { 0 }).collect();
    Arc::new(UnionArray::try_new(fields.unwrap(), types, None, vec![numbers, texts]).unwrap())
}

fn intervals() -> ArrayRef {
    let interval =
        |row: usize| (!row.is_multiple_of(5)).then(|| IntervalMonthDayNano::new(row as i32, -3, row as i64 * 7));
    Arc::new((0..ROWS).map(interval).collect::<IntervalMonthDayNanoArray>())
}

fn runs() -> ArrayRef {
    let texts: Vec<_> = (0..ROWS).map(|row| (row / 20 != 1).then(|| format!("run {}", row / 10))).collect();
    Arc::new(texts.iter().map(Option::as_deref).collect::<RunArray<Int32Type>>())
}

/// Columns of types that few know, and `x` and `pair.left`, which a fit learns.
fn foreign() -> RecordBatch {
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
    let keys = (0..ROWS).map(|row| (row % 4 != 0).then_some((row % 3) as i8)).collect();
    let view = ListViewArray::new(
        Arc::new(Field::new("item", DataType::Float64, true)),
        (0..ROWS as i32).map(|row| row / 2).collect(),
        (0..ROWS as i32).map(|row| row % 3).collect(),
        numbers(),
        None,
    );
    let pair = StructArray::from(vec![
        (Arc::new(Field::new("left", DataType::Float64, true)), numbers()),
        (Arc::new(Field::new("right", union().data_type().clone(), true)), union()),
    ]);
    RecordBatch::try_from_iter_with_nullable([
        ("x", numbers(), true),
        ("union", union(), true),
        ("interval", intervals(), true),
        ("runs", runs(), true),
        ("flags", Arc::new(DictionaryArray::<Int8Type>::new(keys, flags)) as ArrayRef, true),
        ("view", Arc::new(view), true),
        ("pair", Arc::new(pair), true),
    ])
    .unwrap()
}

fn write_ipc(path: &Path, batch: &RecordBatch) {
    let mut writer = FileWriter::try_new(File::create(path).unwrap(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

/// As an Arrow output has them: dictionaries written out.
fn plain(batch: &RecordBatch) -> RecordBatch {
    let written = |(field, array): (&Arc<Field>, &ArrayRef)| match array.data_type() {
        DataType::Dictionary(_, values) => (field.name().clone(), cast(array, values).unwrap(), true),
        _ => (field.name().clone(), array.clone(), true),
    };
    let columns = batch.schema().fields().iter().zip(batch.columns()).map(written).collect::<Vec<_>>();
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn fitted() -> (Workdir, RecordBatch) {
    let (dir, batch) = (Workdir::new(), foreign());
    write_ipc(&dir.path("in.arrow"), &batch);
    dir.ok("fit in.arrow --exclude union --epochs 1 --latent-dim 1 --hidden 4");
    (dir, batch)
}

#[test]
fn columns_of_any_type_are_told_and_left_alone() {
    let (dir, _) = fitted();
    let told = dir.ok("inspect in.arrow");
    told.prints(&["pair.left", "pair.right", "union", "interval", "runs"]);
    dir.ok("inspect vae.safetensors").prints(&["pair.left", "interval"]);
}

#[test]
fn columns_of_any_type_go_from_arrow_to_arrow() {
    let (dir, batch) = fitted();
    dir.ok("transform in.arrow out.arrow");
    carries(&plain(&batch), &read_ipc(&dir.path("out.arrow")));
    let scored = piped(&dir, "transform - -", &stream(&batch, 25)).exits(0);
    carries(&plain(&batch), &read_stream(&scored.output.stdout));
    dir.ok("fit-transform in.arrow both.arrow --epochs 1 --latent-dim 1 --hidden 4");
    carries(&plain(&batch), &read_ipc(&dir.path("both.arrow")));
}

#[test]
fn what_parquet_cannot_hold_is_refused_by_name_and_the_rest_written() {
    let (dir, batch) = fitted();
    for command in ["transform in.arrow out.parquet", "fit-transform in.arrow out.parquet --epochs 1"] {
        let refused = dir.fails(65, command);
        refused.says(&["column \"union\"", "in a Parquet file", "*.arrow", "--keep"]);
    }
    dir.fails(65, "transform in.arrow out.parquet --keep x,interval").says(&["column \"interval\""]);
    dir.ok("transform in.arrow out.parquet --keep x,runs");
    let after = read(&dir.path("out.parquet"));
    assert_eq!(names(&after)[..2], ["x", "runs"]);
    let texts = |array: &ArrayRef| cast(array, &DataType::Utf8).unwrap();
    assert_eq!(&texts(&after["runs"]), &texts(&batch["runs"]));
}

#[test]
fn rows_of_stdin_that_cannot_be_kept_are_refused_by_name() {
    let dir = Workdir::new();
    let refused = piped(&dir, "fit-transform - out.arrow --epochs 1", &stream(&foreign(), 25)).exits(65);
    refused.says(&["-, column \"union\"", "reading a stream twice with a column of this type"]);
    // Nothing of it is needed again.
    piped(&dir, "fit - --epochs 1 --latent-dim 1 --hidden 4", &stream(&foreign(), 25)).exits(0);
    assert_eq!(dir.names(), ["vae.safetensors"]);
}

/// Times in units that Parquet has no type for, of any value, also where others are within; `x` to learn from.
fn times() -> RecordBatch {
    let numbers_of = |of: i64| {
        Arc::new(Int64Array::from_iter((0..ROWS as i64).map(|row| (row % 7 > 0).then_some(row * of)))) as ArrayRef
    };
    let seconds = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
    let of_type = |data_type: &DataType, of: i64| cast(&numbers_of(of), data_type).unwrap();
    let times = of_type(&seconds, i64::MAX / 100);
    let dates = of_type(&DataType::Date64, 12_345_678);
    let clock = cast(&of_type(&DataType::Int32, 1_000), &DataType::Time32(TimeUnit::Second)).unwrap();
    let keys = || (0..ROWS).map(|row| (row % 4 != 0).then_some((row % 3) as i8)).collect();
    let coded = |values: &ArrayRef| Arc::new(DictionaryArray::<Int8Type>::new(keys(), values.slice(1, 3))) as ArrayRef;
    let durations = of_type(&DataType::Duration(TimeUnit::Second), 5);
    let pair = StructArray::from(vec![
        (Arc::new(Field::new("date", DataType::Date64, true)), dates.clone()),
        (Arc::new(Field::new("runs", runs().data_type().clone(), true)), runs()),
    ]);
    RecordBatch::try_from_iter_with_nullable([
        ("x", numbers(), true),
        ("times", times.clone(), true),
        ("dates", dates.clone(), true),
        ("clock", clock, true),
        ("coded times", coded(&times), true),
        ("coded dates", coded(&dates), true),
        ("coded durations", coded(&durations), true),
        (
            "coded flags",
            coded(&(Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), None])) as ArrayRef)),
            true,
        ),
        ("runs", runs(), true),
        ("pair", Arc::new(pair), true),
    ])
    .unwrap()
}

#[test]
fn times_of_any_value_are_carried_where_no_parquet_file_is_written() {
    let (dir, batch) = (Workdir::new(), times());
    write_ipc(&dir.path("in.arrow"), &batch);
    dir.ok("inspect in.arrow").prints(&["dates", "clock"]);
    dir.ok("fit in.arrow --columns x --epochs 1 --latent-dim 1 --hidden 4");
    dir.ok("fit-transform in.arrow out.arrow --columns x --epochs 1 --latent-dim 1 --hidden 4 --force");
    carries(&plain(&batch), &read_ipc(&dir.path("out.arrow")));
    let command = "fit-transform - piped.arrow --columns x --epochs 1 --latent-dim 1 --hidden 4 --force";
    piped(&dir, command, &stream(&batch, 25)).exits(0);
    let read = read_ipc(&dir.path("piped.arrow"));
    let but_pair: Vec<usize> = (0..batch.num_columns() - 1).collect();
    carries(&plain(&batch.project(&but_pair).unwrap()), &read);
    dir.fails(65, "transform in.arrow out.parquet").says(&["in.arrow, column \"times\"", "64-bit milliseconds"]);
}

#[test]
fn structs_without_fields_stop_no_fit() {
    let dir = Workdir::new();
    let empty = || Arc::new(StructArray::new_empty_fields(ROWS, None)) as ArrayRef;
    let holder = StructArray::from(vec![(Arc::new(Field::new("empty", empty().data_type().clone(), true)), empty())]);
    let columns = [("x", numbers(), true), ("empty", empty(), true), ("holder", Arc::new(holder) as ArrayRef, true)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    write_ipc(&dir.path("in.arrow"), &batch);
    dir.ok("fit in.arrow --epochs 1 --latent-dim 1 --hidden 4");
    dir.ok("transform in.arrow out.arrow");
    carries(&batch, &read_ipc(&dir.path("out.arrow")));
}
