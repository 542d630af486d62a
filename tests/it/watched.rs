//! What a fit leaves out since it does not vary, and words that it did not see, are surprises: scored, counted and named.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use serde_json::{Value, json};

use crate::model_file::{learned, take_apart};
use crate::scores::top;
use crate::tables::{Uniform, floats, new_bits, read, write};
use crate::workdir::Workdir;

const ROWS: usize = 3000;

/// The values of one row in the columns that are constant in a fit, and its word.
#[derive(Clone, Copy)]
struct Row {
    error_count: Option<i64>,
    status: Option<&'static str>,
    sensor: Option<f64>,
    left: Option<i64>,
    word: Option<&'static str>,
}

const USUAL: Row =
    Row { error_count: Some(0), status: Some("OK"), sensor: Some(20.0), left: Some(1), word: Some("often") };
const BAD: Row = Row { error_count: Some(500), status: Some("FAIL"), sensor: Some(-40.0), ..USUAL };

/// Rows with numbers `x` and `y` that depend on each other, `x` also in the struct `pair`; `same` of them are alike in these.
fn table(seed: u64, rows: &[Row], same: bool) -> RecordBatch {
    let mut uniform = Uniform::new(seed);
    let x: Vec<f64> = rows.iter().map(|_| if same { 0.25 } else { uniform.next() }).collect();
    let y = x.iter().map(|x| if same { 0.5 } else { 2.0 * x + 0.1 * uniform.next() });
    let y: ArrayRef = Arc::new(y.collect::<Float64Array>());
    let x: ArrayRef = Arc::new(Float64Array::from(x));
    let left: ArrayRef = Arc::new(rows.iter().map(|row| row.left).collect::<Int64Array>());
    let field = |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
    let pair = StructArray::from(vec![(field("left", &left), left.clone()), (field("right", &x), x.clone())]);
    let texts =
        |of: fn(&Row) -> Option<&'static str>| Arc::new(rows.iter().map(of).collect::<StringArray>()) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([
        ("error_count", Arc::new(rows.iter().map(|row| row.error_count).collect::<Int64Array>()) as ArrayRef, true),
        ("x", x, true),
        ("y", y, true),
        ("status", texts(|row| row.status), true),
        ("sensor", Arc::new(rows.iter().map(|row| row.sensor).collect::<Float64Array>()), true),
        ("pair", Arc::new(pair), true),
        ("word", texts(|row| row.word), true),
    ])
    .unwrap()
}

/// A usual row, by number: a hundredth of `word` is missing.
fn usual(n: usize) -> Row {
    let word = if n < 2 { "rare" } else { ["often", "more often"][n % 3 / 2] };
    Row { word: (n % 100 != 5).then_some(word), ..USUAL }
}

/// A folder with a model fitted to `train.parquet`, in which a tenth of `sensor` is missing.
fn fitted(flags: &str) -> Workdir {
    let dir = Workdir::new();
    let row = |n: usize| Row { sensor: (n % 10 != 1).then_some(20.0), ..usual(n) };
    write(&dir.path("train.parquet"), &table(1, &(0..ROWS).map(row).collect::<Vec<_>>(), false), 1000);
    dir.ok(&format!("fit train.parquet --epochs 3 {flags}"));
    dir
}

/// A thousand rows of which the first `bad` deviate.
fn with_bad(bad: usize) -> RecordBatch {
    let row = |n: usize| {
        let usual = usual(n + 100);
        if n < bad { Row { word: usual.word, ..BAD } } else { usual }
    };
    table(2, &(0..1000).map(row).collect::<Vec<_>>(), false)
}

fn shift<'a>(drift: &'a Value, name: &str) -> &'a Value {
    let mut columns = drift["columns"].as_array().unwrap().iter();
    columns.find(|shift| shift["name"] == name).unwrap_or_else(|| panic!("no {name} in {drift}"))
}

#[test]
fn rows_that_deviate_from_a_constant_are_the_oddest_and_their_columns_are_named() {
    for preset in ["reduce", "anomaly"] {
        let dir = fitted(&format!("--preset {preset}"));
        write(&dir.path("new.parquet"), &with_bad(10), 300);
        let ran = dir.ok("transform new.parquet out.parquet --explain 4 --summary json");
        ran.says(&[
            r#"30 values are other than the constant of the training data: "#,
            r#""error_count" (10, not 0)"#,
            r#""status" (10, not OK)"#,
            r#""sensor" (10, not 20.0)"#,
        ]);
        let found = |column: &str| json!({"column": column, "null": 0, "unusable": 0, "unseen": 10, "beyond": 0});
        let all = ran.json()["found"].as_array().unwrap().clone();
        for column in ["error_count", "status", "sensor"] {
            assert!(all.contains(&found(column)), "{column} in {all:?}");
        }
        let batch = read(&dir.path("out.parquet"));
        let scores: Vec<f32> = floats(&batch, "anomaly_score").into_iter().flatten().collect();
        let usual = scores[10..].iter().copied().fold(f32::MIN, f32::max);
        assert!(scores[..10].iter().all(|score| *score > usual), "{preset}: {:?} {usual}", &scores[..10]);
        let anomalies = batch.column_by_name("is_anomaly").unwrap().as_boolean();
        assert!((0..10).all(|row| anomalies.value(row)));
        for row in 0..10 {
            let reasons = top(&batch, row);
            for (column, value, constant) in
                [("error_count", "500", "0"), ("status", "FAIL", "OK"), ("sensor", "-40.0", "20.0")]
            {
                let reason = reasons.iter().find(|reason| reason.0 == column).unwrap_or_else(|| panic!("{reasons:?}"));
                assert!((reason.2.as_str(), reason.3.as_str()) == (value, constant) && reason.1 > 0.1, "{reason:?}");
            }
            assert!(reasons.iter().map(|reason| reason.1).sum::<f32>() <= 1.0 + 1e-5);
        }
        // A column that is left out on request is not watched.
        dir.ok(&format!("fit train.parquet --epochs 1 --preset {preset} --exclude status,sensor --force"));
        let ran = dir.ok("transform new.parquet out.parquet --summary json --force");
        let said = ran.json()["found"].to_string();
        assert!(said.contains("error_count") && !said.contains("status") && !said.contains("sensor"), "{said}");
    }
}

#[test]
fn a_surprise_is_the_logarithm_of_the_probability_of_half_a_value() {
    let dir = fitted("");
    let (base, rare) = (USUAL, Row { word: Some("rare"), ..USUAL });
    // A row, the row it is compared with, and the known values at fit of each column in which it is a surprise.
    let cases: [(Row, Row, &[usize]); 11] = [
        (Row { status: Some("FAIL"), ..base }, base, &[3000]),
        (Row { status: Some(""), error_count: Some(1), ..base }, base, &[3000, 3000]),
        (Row { sensor: Some(-40.0), ..base }, base, &[2700]),
        (Row { left: Some(2), ..base }, base, &[3000]),
        (Row { sensor: Some(20.000_000_000_1), left: None, ..base }, base, &[2700, 3000]),
        (Row { word: Some("new"), ..base }, rare, &[2970]),
        (Row { word: Some("new"), status: Some("FAIL"), ..base }, rare, &[2970, 3000]),
        (Row { status: None, ..base }, base, &[3000]),
        (Row { sensor: None, error_count: None, ..base }, base, &[3000]),
        (Row { sensor: Some(f64::NAN), ..base }, base, &[]),
        (Row { sensor: Some(f64::INFINITY), ..base }, base, &[]),
    ];
    let rows: Vec<Row> = cases.iter().flat_map(|(row, other, _)| [*row, *other]).collect();
    write(&dir.path("new.parquet"), &table(3, &rows, true), 1000);
    dir.ok("transform new.parquet out.parquet --score all");
    let batch = read(&dir.path("out.parquet"));
    let score =
        |name: &str| floats(&batch, name).into_iter().map(|score| f64::from(score.unwrap())).collect::<Vec<_>>();
    for (n, (_, _, known)) in cases.iter().enumerate() {
        let surprise: f64 = known.iter().map(|&known| ((known as f64 + 1.0) / 0.5).ln()).sum();
        for name in ["recon_nll", "elbo", "elbo_iw", "anomaly_score"] {
            let score = score(name);
            let found = score[2 * n] - score[2 * n + 1];
            assert!((found - surprise).abs() < 1e-4, "{name} of case {n}: {found} for {surprise}");
        }
        for name in ["z_0", "recon_error", "kl", "latent_distance"] {
            assert_eq!(score(name)[2 * n], score(name)[2 * n + 1], "{name} of case {n}");
        }
    }
}

#[test]
fn a_constant_that_is_one_no_more_is_drift() {
    let dir = fitted("");
    write(&dir.path("new.parquet"), &with_bad(0), 300);
    write(&dir.path("all_bad.parquet"), &with_bad(1000), 300);
    let same = dir.ok("drift new.parquet --summary json --fail-on-drift 0.25").json();
    assert!(shift(&same, "status")["psi"].as_f64().unwrap() < 1e-3);
    let ran = dir.fails(3, "drift all_bad.parquet --summary json --fail-on-drift 0.25");
    // Shares of the constant and of all else, half a row more in each.
    let (fit, now) = ([3000.5 / 3001.0, 0.5 / 3001.0], [0.5 / 1001.0, 1000.5 / 1001.0]);
    let psi: f64 = (0..2).map(|bin| (now[bin] - fit[bin]) * f64::ln(now[bin] / fit[bin])).sum();
    for column in ["error_count", "status"] {
        ran.says(&["drift above 0.25", &format!("{column} (PSI ")]);
        let drift = ran.json();
        let shift = shift(&drift, column);
        assert!((shift["psi"].as_f64().unwrap() - psi).abs() < 1e-9 && shift["unseen"] == 1.0, "{shift}");
    }
    assert!(shift(&ran.json(), "sensor")["psi"].as_f64().unwrap() > 1.0);
    dir.fails(3, "transform all_bad.parquet out.parquet --fail-on-drift 0.25").says(&["status (PSI "]);
    // A file without the columns is as good as before.
    let columns = ["x", "y", "word", "pair"].map(|name| with_bad(0).schema().index_of(name).unwrap());
    write(&dir.path("few.parquet"), &with_bad(0).project(&columns).unwrap(), 300);
    let drift = dir.ok("drift few.parquet --summary json --fail-on-drift 0.25").json();
    assert!(!drift.to_string().contains("status"));
    dir.ok("transform few.parquet few_out.parquet");
    dir.ok("transform new.parquet new_out.parquet");
    assert!(new_bits(&read(&dir.path("few_out.parquet"))) == new_bits(&read(&dir.path("new_out.parquet"))));
}

#[test]
fn neither_the_way_nor_threads_nor_row_groups_nor_types_change_a_surprise() {
    // More constant columns than are read at once.
    let wide = |rows: usize, value: &dyn Fn(usize, usize) -> f64| {
        let numbers = table(4, &vec![USUAL; rows], false);
        let number = |name: &str| (name.to_owned(), numbers.column_by_name(name).unwrap().clone());
        let constant = |n: usize| {
            let values = (0..rows).map(|row| value(row, n));
            let typed = [DataType::Float32, DataType::Int64, DataType::Utf8][n % 3].clone();
            (format!("c{n}"), cast(&(Arc::new(values.collect::<Float64Array>()) as ArrayRef), &typed).unwrap())
        };
        RecordBatch::try_from_iter((0..50).map(constant).chain(["x", "y"].map(number))).unwrap()
    };
    let dir = Workdir::new();
    write(&dir.path("train.parquet"), &wide(2000, &|_, n| n as f64), 1000);
    dir.ok("fit train.parquet --epochs 2");
    assert_eq!(learned(&dir.path("vae.safetensors")), ["x", "y"]);
    let batch = wide(10_000, &|row, n| if row % (n + 3) == 0 { -1.0 } else { n as f64 });
    write(&dir.path("one.parquet"), &batch, 10_000);
    write(&dir.path("many.parquet"), &batch, 77);
    let of = |file: &str, flags: &str| {
        let ran = dir.ok(&format!("transform {file} out.parquet --force --score all --summary json {flags}"));
        let (mut found, batch) = (ran.json()["found"].clone(), read(&dir.path("out.parquet")));
        found.as_array_mut().unwrap().sort_by_key(|found| found["column"].to_string());
        (new_bits(&batch), found)
    };
    let expected = of("one.parquet", "--threads 1");
    let deviates =
        |found: &&Value| found["column"].as_str().unwrap().starts_with('c') && found["unseen"].as_u64() > Some(0);
    assert_eq!(expected.1.as_array().unwrap().iter().filter(deviates).count(), 50);
    for (file, flags) in [
        ("one.parquet", "--threads 2"),
        ("many.parquet", "--threads 2"),
        ("many.parquet", "--threads 1 --compression zstd"),
        ("one.parquet", "--explain 2"),
    ] {
        assert!(of(file, flags) == expected, "{file} {flags}");
    }
    let model = vaepipe::Model::load(dir.path("vae.safetensors"), vaepipe::Device::Cpu).unwrap();
    let config = vaepipe::TransformConfig::new();
    dir.ok("transform one.parquet out.parquet --force");
    let scores = floats(&read(&dir.path("out.parquet")), "anomaly_score");
    // Of other types, in another order.
    let types = |field: &str, array: &ArrayRef| match array.data_type() {
        DataType::Int64 => cast(array, &DataType::Int16).unwrap(),
        DataType::Float32 => cast(array, &DataType::Float64).unwrap(),
        DataType::Utf8 if field.ends_with('8') => {
            cast(array, &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))).unwrap()
        }
        DataType::Utf8 => cast(array, &DataType::LargeUtf8).unwrap(),
        _ => array.clone(),
    };
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).rev();
    let columns = columns.map(|(field, array)| (field.name().clone(), types(field.name(), array)));
    let other = RecordBatch::try_from_iter(columns).unwrap();
    assert_eq!(floats(&model.transform_batch(&other, &config).unwrap(), "anomaly_score"), scores);
}

#[test]
fn a_column_with_one_deviating_row_is_learned_on_any_scale() {
    let dir = Workdir::new();
    let row = |n: usize| Row { error_count: Some(if n == 1234 { 500 } else { 0 }), ..USUAL };
    write(&dir.path("in.parquet"), &table(5, &(0..ROWS).map(row).collect::<Vec<_>>(), false), 1000);
    for flags in ["--preset anomaly", "--map error_count=asinh", "--scale minmax", "--scale robust"] {
        dir.ok(&format!("fit in.parquet --epochs 1 --force {flags}"));
        assert!(learned(&dir.path("vae.safetensors")).contains(&"error_count".to_owned()), "{flags}");
    }
}

#[test]
fn what_varies_in_the_rows_of_a_continued_fit_is_watched_no_more() {
    let dir = fitted("");
    let row = |n: usize| match n % 3 {
        0 => Row { status: Some("FAIL"), word: Some("new"), ..USUAL },
        _ => Row { sensor: None, ..USUAL },
    };
    write(&dir.path("next.parquet"), &table(6, &(0..ROWS).map(row).collect::<Vec<_>>(), false), 1000);
    dir.ok("fit --init vae.safetensors next.parquet -m next.safetensors --epochs 1 --accept-worse")
        .says(&[r#"other than the constant of the training data: "status" (1000, not OK)"#]);
    let metadata = take_apart(&dir.path("next.safetensors")).0;
    let carried = |column: &str| {
        metadata["carried"].as_array().unwrap().iter().find(|carried| carried["column"] == column).unwrap().clone()
    };
    assert_eq!(carried("status").get("constant"), None);
    assert_eq!((&carried("sensor")["constant"], &carried("sensor")["missing"]), (&json!("20.0"), &json!(2000)));
    let found =
        dir.ok("transform next.parquet out.parquet -m next.safetensors --summary json").json()["found"].to_string();
    assert!(!["status", "word", "sensor"].iter().any(|column| found.contains(column)), "{found}");
}
