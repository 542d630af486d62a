//! What `evaluate` says of labelled scores.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float32Array, Int8Array, Int64Array, RecordBatch, StringArray};

use crate::tables::{Uniform, write};
use crate::workdir::Workdir;

/// Rows of which one in 20 is far off, with labels; one of them has none.
fn labelled(dir: &Workdir) {
    let mut uniform = Uniform::new(5);
    let odd = |row: usize| row % 20 == 7;
    let mut float = |off: f64| {
        let values = (0..2000).map(|row| (uniform.next() + if odd(row) { off } else { 0.0 }) as f32);
        Arc::new(Float32Array::from_iter_values(values)) as ArrayRef
    };
    let (a, b, c) = (float(1.5), float(-1.2), float(0.0));
    let labels: ArrayRef =
        Arc::new((0..2000).map(|row| (row != 0).then_some(i8::from(odd(row)))).collect::<Int8Array>());
    let flags: ArrayRef = Arc::new(BooleanArray::from_iter((0..2000).map(|row| Some(odd(row)))));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..2000).map(|row| format!("row {row}"))));
    let ids: ArrayRef = Arc::new(arrow::array::Int64Array::from_iter_values(0..2000));
    let columns = [("id", ids), ("name", names), ("a", a), ("b", b), ("c", c), ("label", labels), ("flag", flags)];
    let columns = columns.map(|(name, column)| (name, column, true));
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).unwrap(), 300);
    dir.ok("fit in.parquet --exclude label,flag --preset anomaly --epochs 20");
    dir.ok("transform in.parquet scored.parquet --score all --prefix s_ --contamination 0.05");
}

#[test]
fn every_score_is_compared_with_the_norm_of_the_row() {
    let dir = Workdir::new();
    labelled(&dir);
    let told = dir.ok("evaluate scored.parquet --label label --format json").json();
    assert_eq!((&told["rows"], &told["anomalies"], &told["unlabelled"]), (&1999.into(), &100.into(), &1.into()));
    let scores: Vec<&str> = told["scores"].as_array().unwrap().iter().map(|it| it["score"].as_str().unwrap()).collect();
    let all = [
        "recon_error",
        "recon_nll",
        "kl",
        "elbo",
        "latent_distance",
        "elbo_iw",
        "neighbor_distance",
        "marginal_nll",
        "combined",
    ];
    let all = all.map(|name| format!("s_{name}"));
    assert_eq!(scores[0], "s_anomaly_score");
    assert_eq!(scores[1..10], all);
    assert_eq!(scores[10], "squared_norm");
    let auroc = |n: usize| told["scores"][n]["auroc"].as_f64().unwrap();
    assert_eq!(auroc(0), auroc(9), "the anomaly score is combined");
    assert!(auroc(0) > 0.85 && auroc(10) > 0.85, "{told}");
    let found = &told["at_threshold"];
    let counts = ["true_positives", "false_positives", "false_negatives", "true_negatives"];
    let counts = counts.map(|count| found[count].as_u64().unwrap());
    assert_eq!((counts.iter().sum::<u64>(), counts[0] + counts[2]), (1999, 100));
    assert!((90..=110).contains(&(counts[0] + counts[1])), "{found}");

    let by_flag = dir.ok("evaluate scored.parquet --label flag --summary json --top 10").json();
    assert_eq!((&by_flag["rows"], &by_flag["scores"][0]["top"]["rows"]), (&2000.into(), &10.into()));
    let chosen = dir.ok("evaluate scored.parquet --label flag --score s_kl,c --threshold 0.5 --summary json").json();
    assert_eq!((&chosen["scores"][0]["score"], &chosen["scores"][1]["score"]), (&"s_kl".into(), &"c".into()));
    assert_eq!(chosen["at_threshold"]["threshold"], 0.5);
    // Of what is_anomaly says, the score that decides finds all.
    let decided = dir.ok("evaluate scored.parquet --label s_is_anomaly --summary json").json();
    assert_eq!(decided["scores"][0]["auroc"], 1.0);
    dir.ok("evaluate scored.parquet --label label").prints(&[
        "rows      1,999 with a label, 100 of them anomalies, 5.0 %",
        "1 without a label are left out",
        "precision@100",
        "squared_norm",
        "not found",
    ]);
}

#[test]
fn what_is_no_label_and_no_score_is_refused() {
    let dir = Workdir::new();
    labelled(&dir);
    for (code, flags, says) in [
        (2, "--label lable", [r#"no column "lable""#, r#""label""#]),
        (2, "--label label --score s_klo", [r#"no column "s_klo""#, "--score"]),
        (65, "--label id", ["column \"id\"", "0 or 1, for an anomaly"]),
        (65, "--label name", ["column \"name\"", "is \"row 0\" somewhere"]),
        (65, "--label name=none", ["column \"name\": is none in no row", "none in some row, an anomaly"]),
        (2, "--label nam=x", [r#"no column "nam=x""#, r#""name""#]),
        (65, "--label label --score name", ["column \"name\"", "a number or a Boolean"]),
        (2, "--score s_kl", ["--label", ""]),
    ] {
        dir.fails(code, &format!("evaluate scored.parquet {flags}")).says(&says);
    }
    let none: ArrayRef = Arc::new(BooleanArray::from(vec![false; 3]));
    let one: ArrayRef = Arc::new(Float32Array::from(vec![1.0; 3]));
    write(
        &dir.path("none.parquet"),
        &RecordBatch::try_from_iter([("label", none), ("anomaly_score", one)]).unwrap(),
        10,
    );
    dir.fails(65, "evaluate none.parquet --label label").says(&["1 in no row", "an anomaly"]);
    dir.fails(2, "evaluate in.parquet --label label").says(&[r#"no column "anomaly_score""#]);
}

#[test]
fn labels_are_words_and_numbers_of_many_kinds() {
    let dir = Workdir::new();
    labelled(&dir);
    let scored = crate::tables::read(&dir.path("scored.parquet"));
    let odd = scored.column_by_name("flag").unwrap().as_boolean().clone();
    let words = |yes: &str, no: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(odd.iter().map(|odd| if odd == Some(true) { yes } else { no })))
    };
    let numbers = |yes: i64, no: i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(odd.iter().map(|odd| if odd == Some(true) { yes } else { no })))
    };
    let columns: [(&str, ArrayRef); 7] = [
        ("tf", words("True", "False")),
        ("yn", words("yes", "no")),
        ("word", words("Anomaly", "normal")),
        ("kind", words("Fraud", "Genuine")),
        ("pm", numbers(-1, 1)),
        ("two", numbers(2, 0)),
        ("a=b", numbers(1, 0)),
    ];
    let schema = scored.schema();
    let all = schema
        .fields()
        .iter()
        .zip(scored.columns())
        .map(|(field, column)| (field.name().trim_start_matches("s_"), column.clone()));
    let all = all.chain(columns).map(|(name, column)| (name, column, true));
    write(&dir.path("more.parquet"), &RecordBatch::try_from_iter_with_nullable(all).unwrap(), 700);
    let found = |label: &str| {
        let json = dir.ok(&format!("evaluate more.parquet --label {label} --summary json")).json();
        [json["rows"].clone(), json["anomalies"].clone(), json["scores"][0].clone()]
    };
    let expected = found("flag");
    for label in ["tf", "yn", "word", "kind=Fraud", "pm=-1", "two=2", "a=b", "flag=true", "tf=True"] {
        assert_eq!(found(label), expected, "{label}");
    }
    dir.fails(65, "evaluate more.parquet --label kind").says(&[
        "is \"Genuine\" somewhere, but must be 0 or 1, for an anomaly; or true and false",
        "--label kind=VALUE",
    ]);
    let report = |label: &str, name: &str| {
        dir.ok(&format!("report more.parquet --label {label} -o {name}.html"));
        let page = std::fs::read_to_string(dir.path(&format!("{name}.html"))).unwrap();
        assert!(page.contains("labelled anomalies"), "{label}");
    };
    report("kind=Fraud", "kind");
    report("tf", "tf");
}

/// Of a linear model of one latent dimension, a row's likelihood is that of a normal distribution with covariance w wᵀ + s
/// (Tipping & Bishop 1999, "Probabilistic principal component analysis").
#[test]
fn the_bound_of_a_linear_model_comes_near_the_likelihood_of_its_normal_distribution() {
    let dir = Workdir::new();
    labelled(&dir);
    dir.ok("fit in.parquet --columns a,b --hidden none --latent-dim 1 --epochs 60 -m linear");
    let told = dir.ok("evaluate in.parquet --likelihood -m linear --samples 1000 --summary json").json();
    assert_eq!((&told["rows"], &told["samples"], &told["dimensions"]), (&2000.into(), &1000.into(), &1.into()));
    let (metadata, weights) = crate::model_file::take_apart(&dir.path("linear"));
    let of = |name: &str| -> Vec<f64> {
        let bytes = &weights.iter().find(|(other, ..)| other == name).unwrap().3;
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()).into()).collect()
    };
    let floor = metadata["network"]["noise_floor"].as_f64().unwrap();
    let s: Vec<f64> = of("likelihood.gaussian.log_variance").iter().map(|s| s.max(floor).exp()).collect();
    let (w, bias) = (of("output.weight"), of("output.bias"));
    let [w0, w1] = [w[0], w[1]];
    let covariance = [w0 * w0 + s[0], w0 * w1, w1 * w1 + s[1]];
    let determinant = covariance[0] * covariance[2] - covariance[1] * covariance[1];
    let rows = crate::tables::read(&dir.path("in.parquet"));
    let column = |n: usize| -> Vec<f64> {
        let scaling = &metadata["features"][n]["scaling"];
        let of = |key: &str| scaling[key].as_f64().unwrap();
        let name = metadata["features"][n]["column"].as_str().unwrap();
        let values = rows.column_by_name(name).unwrap();
        let values = arrow::array::AsArray::as_primitive::<arrow::datatypes::Float32Type>(values);
        values.values().iter().map(|&x| (f64::from(x) - of("center")) / of("scale") - bias[n]).collect()
    };
    let exact = column(0).into_iter().zip(column(1)).map(|(x, y)| {
        let square = covariance[2] * x * x - 2.0 * covariance[1] * x * y + covariance[0] * y * y;
        -(2.0 * std::f64::consts::PI).ln() - 0.5 * determinant.ln() - 0.5 * square / determinant
    });
    let exact = exact.sum::<f64>() / 2000.0;
    let of = |key: &str| told[key].as_f64().unwrap();
    assert!((of("importance_weighted") - exact).abs() < 0.01, "{told} {exact}");
    assert!(of("elbo") <= of("importance_weighted") && of("standard_error") > 0.0, "{told}");
    dir.ok("evaluate in.parquet --likelihood -m linear --samples 10").prints(&["importance-weighted by 10 draws each"]);
    dir.fails(2, "evaluate in.parquet").says(&["--label, --latents or --likelihood is missing"]);
    dir.fails(2, "evaluate in.parquet --likelihood --label label").says(&["--likelihood"]);
    dir.fails(2, "evaluate in.parquet --likelihood -m linear --samples 0")
        .says(&["samples is 0, but must be 1 to 100000"]);
}
