//! Rows out of a model: drawn, rebuilt, and along its dimensions. That their values are right, tests/latents.py checks.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int16Array,
    ListArray, RecordBatch, StringArray, StructArray,
};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int16Type, Int32Type};
use vaepipe::{Device, GenerateConfig, Model};

use crate::tables::{Uniform, carries, keys, names, read, write};
use crate::two_commands::sample;
use crate::workdir::Workdir;

/// Rows of every kind of column: some with nulls, in a struct, constant, or not to be learned.
fn everything(rows: usize) -> RecordBatch {
    let mut uniform = Uniform::new(11);
    let t: Vec<f64> = (0..rows).map(|_| uniform.next()).collect();
    let column = |array: ArrayRef| array;
    let small = column(Arc::new(Int16Array::from_iter_values(t.iter().map(|t| (100.0 * t) as i16))));
    let holes = t.iter().enumerate().map(|(n, t)| (n % 4 != 0).then_some(t * t));
    let inner: ArrayRef = Arc::new(Float64Array::from_iter_values(t.iter().map(|t| 1e6 + t)));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("row {n}"))));
    let fields = vec![
        Arc::new(Field::new("inner", DataType::Float64, false)),
        Arc::new(Field::new("name", DataType::Utf8, false)),
    ];
    let pair: ArrayRef = Arc::new(StructArray::new(fields.into(), vec![inner, names], None));
    let words = t.iter().map(|t| if *t > 0.3 { "high" } else { "low" });
    // Days do not order the rows by their number.
    let days = t.iter().map(|t| 19_000 + ((4.0 * t * t - 3.0) * t * 300.0) as i32);
    let lists = t.iter().map(|t| Some([Some(*t as f32), Some(3.0), Some(-*t as f32)]));
    let decimals = Decimal128Array::from_iter_values(t.iter().map(|t| (t * 1000.0) as i128));
    RecordBatch::try_from_iter_with_nullable([
        ("small", small, true),
        ("holes", Arc::new(holes.collect::<Float64Array>()), true),
        ("pair", pair, true),
        ("word", Arc::new(words.collect::<DictionaryArray<Int32Type>>()), true),
        ("flag", Arc::new(t.iter().map(|t| Some(*t > 0.0)).collect::<BooleanArray>()), true),
        ("day", Arc::new(Date32Array::from_iter_values(days)), true),
        ("list", Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists)), true),
        ("money", Arc::new(decimals.with_precision_and_scale(9, 2).unwrap()), true),
        ("same", Arc::new(StringArray::from(vec!["constant"; rows])), true),
        ("id", Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("id {n}")))), true),
    ])
    .unwrap()
}

fn fitted(flags: &str) -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &everything(1500), 400);
    dir.ok(&format!("fit in.parquet --epochs 30 --latent-dim 2 --columns *,day {flags}"));
    dir
}

#[test]
fn drawn_rows_have_the_columns_types_ranges_and_categories_of_the_input() {
    let dir = fitted("");
    dir.ok("generate -n 5000 out.parquet").prints(&["5,000 rows of 9 columns", "left out  id"]);
    let (before, after) = (read(&dir.path("in.parquet")), read(&dir.path("out.parquet")));
    let mut expected = names(&before);
    expected.retain(|name| name != "id");
    assert_eq!((names(&after), after.num_rows()), (expected, 5000));
    for field in after.schema().fields().iter().filter(|field| field.name() != "pair" && field.name() != "list") {
        assert_eq!(field.data_type(), before.schema().field_with_name(field.name()).unwrap().data_type());
    }
    let small = |batch: &RecordBatch| batch["small"].as_primitive::<Int16Type>().clone();
    let range = |values: &Int16Array| (values.values().iter().min().copied(), values.values().iter().max().copied());
    let (of_before, of_after) = (range(&small(&before)), range(&small(&after)));
    assert!(of_after.0 >= of_before.0 && of_after.1 <= of_before.1);
    for column in after.columns() {
        assert_eq!(column.null_count(), 0);
    }
    let pair = after["pair"].as_struct();
    assert_eq!((pair["inner"].null_count(), pair["name"].null_count()), (0, 5000), "what is not known is null");
    assert!(after["same"].as_string::<i32>().iter().all(|word| word == Some("constant")));
    let list = after["list"].as_list::<i32>();
    assert!((0..5000).all(|row| list.value(row).as_primitive::<Float32Type>().value(1) == 3.0));
    // Both words at about their rates; all columns come from one number, which they still agree on.
    let word = arrow::compute::cast(&after["word"], &DataType::Utf8).unwrap();
    let high = word.as_string::<i32>().iter().filter(|word| *word == Some("high")).count() as f64 / 5000.0;
    assert!((high - 0.35).abs() < 0.06, "{high}");
    let numbers = small(&after);
    let agree = numbers.values().iter().zip(after["flag"].as_boolean().iter());
    let agree = agree.filter(|(small, flag)| (**small > 0) == flag.unwrap()).count();
    assert!(agree > 4000, "{agree}");
    assert!(keys(&dir.path("out.parquet")).contains_key("vaepipe.model"));
}

#[test]
fn nulls_come_at_their_rate_when_they_are_asked_for() {
    let dir = fitted("");
    dir.ok("generate -n 4000 out.parquet --nulls");
    let after = read(&dir.path("out.parquet"));
    let share = after["holes"].null_count() as f64 / 4000.0;
    // Five standard errors.
    assert!((share - 0.25).abs() < 0.035, "{share}");
    assert_eq!(after["small"].null_count(), 0);
}

#[test]
fn the_same_seed_draws_the_same_rows_however_many() {
    let dir = fitted("--seed 4");
    dir.ok("generate -n 9000 a.parquet --seed 5 --threads 1");
    dir.ok("generate -n 9000 b.parquet --seed 5 --threads 4");
    let bytes = |name| std::fs::read(dir.path(name)).unwrap();
    assert!(bytes("a.parquet") == bytes("b.parquet"));
    dir.ok("generate -n 100 few.parquet --seed 5");
    dir.ok("generate -n 100 other.parquet --seed 6");
    dir.ok("generate -n 100 few.arrow --seed 5");
    assert_eq!(read(&dir.path("a.parquet")).slice(0, 100), read(&dir.path("few.parquet")));
    assert_ne!(read(&dir.path("few.parquet")), read(&dir.path("other.parquet")));
    let model = Model::load(dir.path("vae.safetensors"), Device::Cpu).unwrap();
    let mut config = GenerateConfig::new();
    config.seed = 5;
    let batches: Vec<_> = model.generate_batches(100, &config).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches[0].columns(), read(&dir.path("few.parquet")).columns());
    dir.ok("generate -n 0 none.parquet");
    assert_eq!((read(&dir.path("none.parquet")).num_rows(), names(&read(&dir.path("none.parquet"))).len()), (0, 9));
}

#[test]
fn temperature_narrows_the_draws_and_the_prior_can_be_had() {
    let dir = fitted("");
    let spread = |flags: &str| {
        dir.ok(&format!("generate -n 2000 out.parquet --force {flags}"));
        let values = read(&dir.path("out.parquet"))["small"].as_primitive::<Int16Type>().clone();
        let values: Vec<f64> = values.values().iter().map(|&value| f64::from(value)).collect();
        let mean = values.iter().sum::<f64>() / 2000.0;
        (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2000.0).sqrt()
    };
    let (whole, half, none) = (spread(""), spread("--temperature 0.3 --prior"), spread("--temperature 0 --prior"));
    assert!(whole > 1.5 * half && half > 5.0, "{whole} {half}");
    assert_eq!(none, 0.0, "the prior has one centre");
    dir.fails(2, "generate -n 5 a.parquet --temperature 11").says(&["temperature", "0 to 10"]);
    dir.fails(2, "generate -n 5 vae.safetensors --force").says(&["vae.safetensors"]);
    dir.fails(2, "generate -n 5 out.parquet").says(&["already exists"]);
}

#[test]
fn rebuilt_rows_keep_every_column_and_the_other_ones_as_they_are() {
    let dir = fitted("");
    dir.ok("reconstruct in.parquet out.parquet")
        .prints(&["bytes a row in the learned columns, 8 in the latents", "error"]);
    let (before, after) = (read(&dir.path("in.parquet")), read(&dir.path("out.parquet")));
    assert_eq!(names(&before), names(&after));
    for column in ["same", "id"] {
        assert_eq!(&before[column], &after[column]);
    }
    assert_eq!(&before["pair"].as_struct()["name"], &after["pair"].as_struct()["name"]);
    assert_eq!(after["holes"].null_count(), 0);
    let close = |column: &str| {
        let of = |batch: &RecordBatch| arrow::compute::cast(&batch[column], &DataType::Float64).unwrap();
        let (a, b) = (of(&before), of(&after));
        let pairs = a.as_primitive::<Float64Type>().iter().zip(b.as_primitive::<Float64Type>().iter());
        let off: Vec<f64> = pairs.filter_map(|(a, b)| Some((a? - b?).abs())).collect();
        off.iter().sum::<f64>() / off.len() as f64
    };
    assert!(close("small") < 12.0 && close("money") < 1.2, "{} {}", close("small"), close("money"));
}

#[test]
fn a_transform_is_taken_back_from_its_latents() {
    let dir = fitted("");
    dir.ok("reconstruct in.parquet straight.parquet");
    dir.ok("transform in.parquet reduced.parquet --drop-features --prefix v_");
    dir.ok("reconstruct reduced.parquet back.parquet --prefix v_").prints(&["8 bytes a row in the latents"]);
    let [straight, reduced, back] =
        ["straight.parquet", "reduced.parquet", "back.parquet"].map(|name| read(&dir.path(name)));
    carries(&reduced, &back);
    for column in ["small", "holes", "word", "flag", "day", "money"] {
        assert_eq!(&straight[column], &back[column], "{column}");
    }
    dir.ok("transform in.parquet whole.parquet");
    dir.ok("reconstruct whole.parquet from-latents.parquet --latents");
    assert_eq!(&read(&dir.path("from-latents.parquet"))["small"], &straight["small"]);
    dir.fails(65, "reconstruct reduced.parquet no.parquet").says(&["needs column"]);
    dir.fails(65, "reconstruct in.parquet no.parquet --latents").says(&["z_0"]);
}

#[test]
fn a_walk_goes_from_minus_three_to_three_along_each_dimension() {
    let dir = fitted("");
    dir.ok("traverse walk.parquet --steps 5").prints(&["10 rows, 5 along each of 2 dimensions"]);
    let walk = read(&dir.path("walk.parquet"));
    assert_eq!(&names(&walk)[..3], ["dimension", "z", "small"]);
    assert_eq!(walk["dimension"].as_primitive::<Int32Type>().values(), &[0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    let z = [-3.0, -1.5, 0.0, 1.5, 3.0];
    assert_eq!(walk["z"].as_primitive::<Float32Type>().values(), &[z, z].concat());
    let small = walk["small"].as_primitive::<Int16Type>();
    assert_eq!(small.value(2), small.value(7), "both walks go through the middle");
    assert!(small.values().iter().any(|value| *value != small.value(2)), "and do not stay there");
    dir.fails(2, "traverse again.parquet --steps 1").says(&["steps"]);
}

#[test]
fn inspect_tells_what_dimensions_mean() {
    let dir = fitted("");
    let told = dir.ok("inspect vae.safetensors --latents --summary json").json();
    let latents = told["latents"].as_array().unwrap();
    assert_eq!((latents.len(), &latents[1]["latent"]), (2, &"z_1".into()));
    // All there is in a row is one number, which one of the dimensions has to carry.
    let correlation = |latent: &serde_json::Value, column: &str| {
        let influence = latent["influences"].as_array().unwrap().iter().find(|it| it["column"] == column).unwrap();
        influence["rank_correlation"].as_f64().unwrap()
    };
    let best = latents.iter().map(|latent| correlation(latent, "small")).max_by(|a, b| a.abs().total_cmp(&b.abs()));
    assert!(best.unwrap().abs() > 0.7, "{told}");
    dir.ok("inspect vae.safetensors --latents").prints(&[
        "z_0",
        "list[0]",
        "list[2]",
        "probability",
        "circle's radius",
    ]);
    dir.fails(2, "inspect in.parquet --latents").says(&["--latents is of a model"]);
}

#[test]
fn models_of_flags_alone_and_without_held_out_rows_draw_as_well() {
    let dir = Workdir::new();
    let flags = |n: usize| Arc::new((0..400).map(|row| Some(row % n == 0)).collect::<BooleanArray>()) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("a", flags(2)), ("b", flags(4))]).unwrap();
    write(&dir.path("in.parquet"), &batch, 1000);
    dir.ok("fit in.parquet --val-fraction 0 --epochs 20");
    dir.ok("generate -n 2000 out.parquet");
    let after = read(&dir.path("out.parquet"));
    let share = after["b"].as_boolean().true_count() as f64 / 2000.0;
    assert!((share - 0.25).abs() < 0.08, "{share}");
    dir.ok("inspect vae.safetensors --latents").prints(&["a"]);
    dir.ok("transform in.parquet scored.parquet");
}

#[test]
fn flights_are_drawn_rebuilt_and_walked() {
    let dir = Workdir::new();
    let flights = sample("flights.parquet");
    dir.ok(&format!("fit {flights} --epochs 3"));
    dir.ok("generate -n 500 drawn.parquet --nulls");
    dir.ok(&format!("reconstruct {flights} rebuilt.parquet"));
    dir.ok("traverse walk.parquet");
    let schema = |name: &str| {
        let schema = read(&dir.path(name)).schema();
        let types = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone()));
        types.collect::<Vec<_>>()
    };
    let mut expected = read(flights.as_ref())
        .schema()
        .fields()
        .iter()
        .map(|f| (f.name().clone(), f.data_type().clone()))
        .collect::<Vec<_>>();
    assert_eq!(schema("rebuilt.parquet"), expected);
    expected.retain(|(name, _)| !["tailnum", "year", "month", "day"].contains(&name.as_str()));
    assert_eq!(schema("drawn.parquet"), expected);
    assert_eq!(schema("walk.parquet")[2..], expected);
}

/// Names that mean something to whoever spells a type as text.
#[test]
fn fields_of_structs_may_be_called_anything() {
    let odd = ["", "a\"b", "a\\b", "a'b", "a\nb", "a\tb", "ünï 🙂", "a:b", "a, \"b\": Float64", ")", "a.b", "left"];
    let values: ArrayRef = Arc::new(Float64Array::from_iter_values((0..200).map(|n| f64::from(n * n % 31))));
    for name in odd {
        let dir = Workdir::new();
        let inner = StructArray::from(vec![(Arc::new(Field::new(name, DataType::Float64, true)), values.clone())]);
        let outer = Arc::new(Field::new(name, inner.data_type().clone(), true));
        let pair: ArrayRef = Arc::new(StructArray::from(vec![(outer, Arc::new(inner) as ArrayRef)]));
        let rows = RecordBatch::try_from_iter_with_nullable([("x", values.clone(), true), ("pair", pair, true)]);
        write(&dir.path("in.parquet"), &rows.unwrap(), 200);
        dir.ok("fit in.parquet --epochs 1 --latent-dim 1 --hidden 4");
        dir.ok("inspect vae.safetensors");
        dir.ok("generate -n 5 out.parquet");
        let (before, after) = (read(&dir.path("in.parquet")), read(&dir.path("out.parquet")));
        assert_eq!(after.schema().fields(), before.schema().fields(), "{name:?}");
        assert_eq!(after["pair"].null_count(), 0, "{name:?}");
    }
}
