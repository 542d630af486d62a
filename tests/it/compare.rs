//! `compare`: two models side by side, and on the same rows, held against the outputs of two transforms; and what a model
//! remembers of its fit.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float32Type, Float64Type};
use serde_json::{Value, json};

use crate::model_file::take_apart;
use crate::tables::{curve, read, write};
use crate::workdir::Workdir;

const A: &str = "a.safetensors";
const B: &str = "b.safetensors";

/// Two models of the same rows in three files: one does not know x3, and has other options.
fn two_models() -> Workdir {
    let dir = Workdir::new();
    let rows = curve(900);
    for (n, (first, count)) in [(0, 400), (400, 13), (413, 487)].into_iter().enumerate() {
        write(&dir.path(&format!("in{n}.parquet")), &rows.slice(first, count), 150);
    }
    dir.ok(&format!("fit in0.parquet in1.parquet in2.parquet -m {A} --exclude id,name --epochs 12 --val-fraction 0.3"));
    dir.ok(&format!(
        "fit in0.parquet in2.parquet -m {B} --exclude id,name,x3 --preset anomaly --epochs 8 --alpha 0.05"
    ));
    dir
}

/// The outputs of a transform of each file, as one table.
fn scored(dir: &Workdir, model: &str) -> RecordBatch {
    let parts: Vec<RecordBatch> = (0..3)
        .map(|n| {
            let flags = "--explain 3 --explain-rows all --force";
            dir.ok(&format!("transform in{n}.parquet out.parquet -m {model} {flags}"));
            read(&dir.path("out.parquet"))
        })
        .collect();
    concat_batches(&parts[0].schema(), &parts).unwrap()
}

/// The score, p-value and verdict of each row.
fn said(table: &RecordBatch) -> Vec<(f32, f64, bool)> {
    let column = |name: &str| table.column_by_name(name).unwrap();
    let (scores, p) =
        (column("anomaly_score").as_primitive::<Float32Type>(), column("p_value").as_primitive::<Float64Type>());
    let odd = column("is_anomaly").as_boolean();
    (0..table.num_rows()).map(|row| (scores.value(row), p.value(row), odd.value(row))).collect()
}

/// The names of the columns that raise the score of a row most.
fn features(table: &RecordBatch, row: usize) -> Vec<String> {
    let reasons = table.column_by_name("top_features").unwrap().as_list::<i32>().value(row);
    let names = reasons.as_struct().column_by_name("feature").unwrap().as_string::<i32>().clone();
    names.iter().map(|name| name.unwrap().to_owned()).collect()
}

/// Ranks by their definition: the values below, and half of the others that are equal.
fn ranks(values: &[f32]) -> Vec<f64> {
    let count = |test: &dyn Fn(f32) -> bool| values.iter().filter(|&&value| test(value)).count() as f64;
    values.iter().map(|&value| count(&|other| other < value) + (count(&|other| other == value) - 1.0) / 2.0).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let product = |a: &[f64], b: &[f64]| {
        let (of_a, of_b) = (mean(a), mean(b));
        a.iter().zip(b).map(|(a, b)| (a - of_a) * (b - of_b)).sum::<f64>()
    };
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[test]
fn scores_ranks_and_verdicts_are_those_of_two_transforms() {
    let dir = two_models();
    let tables = [A, B].map(|model| scored(&dir, model));
    let [a, b] = tables.each_ref().map(said);
    let found = dir.ok(&format!("compare {A} {B} in0.parquet in1.parquet in2.parquet --top 25 --summary json")).json();
    let rows = &found["rows"];
    let rows_where = |test: &dyn Fn(usize) -> bool| (0..900).filter(|&row| test(row)).count();
    let both = json!({"both": 900, "only_a": 0, "only_b": 0, "neither": 0});
    assert_eq!((&rows["rows"], &rows["scored"], &rows["ranked"]), (&json!(900), &both, &json!(900)));
    let verdicts = json!({
        "both": rows_where(&|row| a[row].2 && b[row].2),
        "only_a": rows_where(&|row| a[row].2 && !b[row].2),
        "only_b": rows_where(&|row| !a[row].2 && b[row].2),
        "neither": rows_where(&|row| !a[row].2 && !b[row].2),
    });
    assert_eq!(rows["anomalies"], verdicts);
    assert!(verdicts["only_b"].as_u64() > Some(5), "{verdicts}");
    let [of_a, of_b] = [&a, &b].map(|of| ranks(&of.iter().map(|row| row.0).collect::<Vec<_>>()));
    let expected = correlation(&of_a, &of_b);
    assert!((rows["rank_correlation"].as_f64().unwrap() - expected).abs() < 1e-12, "{expected}");
    for at in rows["p_values"].as_array().unwrap() {
        let most = at["p_value"].as_f64().unwrap();
        let expected = [&a, &b].map(|of| json!(rows_where(&|row| of[row].1 <= most)));
        assert_eq!([&at["rows_a"], &at["rows_b"]], expected.each_ref(), "{most}");
    }

    // The rows that differ most: other verdicts first, then the largest factor between p-values.
    let mut order: Vec<usize> = (0..900).collect();
    let factor = |row: usize| (a[row].1 / b[row].1).ln().abs();
    order.sort_by(|&one, &other| {
        let key = |row: usize| (a[row].2 != b[row].2, factor(row));
        key(other).partial_cmp(&key(one)).unwrap()
    });
    let listed = rows["top"].as_array().unwrap();
    assert_eq!(listed.len(), 25);
    for (listed, row) in listed.iter().zip(order) {
        let (file, first) = [("in2.parquet", 413), ("in1.parquet", 400), ("in0.parquet", 0)]
            .into_iter()
            .find(|(_, first)| *first <= row)
            .unwrap();
        assert_eq!((&listed["file"], &listed["row"]), (&json!(file), &json!(row - first)));
        for ((side, of), table) in [("a", &a), ("b", &b)].into_iter().zip(&tables) {
            let (score, p, odd) = of[row];
            let told = &listed[side];
            assert_eq!(
                (&told["score"], &told["p_value"], &told["is_anomaly"]),
                (&json!(score), &json!(p), &json!(odd))
            );
            let reasons: Vec<&str> =
                told["reasons"].as_array().unwrap().iter().map(|it| it["feature"].as_str().unwrap()).collect();
            assert_eq!(reasons, features(table, row), "{row}");
        }
    }
}

#[test]
fn neither_threads_nor_row_groups_nor_the_format_change_it() {
    let dir = two_models();
    let whole = curve(900);
    write(&dir.path("in.parquet"), &whole, 77);
    write(&dir.path("one.parquet"), &whole, 900);
    dir.ok(&format!("transform in.parquet in.csv -m {A} --keep id,name,x0,x1,x2,x3,flag"));
    let compared = |flags: &str| {
        let mut found = dir.ok(&format!("compare {A} {B} {flags} --summary json")).json();
        for row in found["rows"]["top"].as_array_mut().unwrap() {
            row["file"] = json!("");
        }
        [found["models"].take(), found["rows"].take()]
    };
    let expected = compared("in.parquet --threads 1");
    for flags in ["in.parquet --threads 3", "in.parquet --threads 8", "one.parquet", "in.csv"] {
        assert_eq!(compared(flags), expected, "{flags}");
    }
    // Rows of stdin are read by both.
    let file = std::fs::File::open(dir.path("in.csv")).unwrap();
    let arguments = format!("compare {A} {B} - --input-format csv --summary json");
    let output = dir.command(&arguments).stdin(file).output().unwrap();
    let piped = crate::workdir::Ran::of(&arguments, output).exits(0).json();
    assert_eq!(piped["rows"]["anomalies"], expected[1]["anomalies"]);
    let some = dir.ok(&format!("compare {A} {B} in.parquet --where id<100 --summary json")).json();
    assert_eq!(some["rows"]["rows"], 100);
    let none = dir.ok(&format!("compare {A} {B} in.parquet --where id<0 --summary json"));
    none.says(&["no row meets the condition"]);
    assert_eq!((&none.json()["rows"]["rank_correlation"], &none.json()["rows"]["top"]), (&json!(null), &json!([])));
}

#[test]
fn a_model_does_not_differ_from_itself() {
    let dir = two_models();
    let found = dir.ok(&format!("compare {A} {A} in0.parquet --summary json")).json();
    let (models, rows) = (&found["models"], &found["rows"]);
    assert_eq!((&models["identical"], &rows["rank_correlation"]), (&json!(true), &json!(1.0)));
    assert_eq!((&rows["anomalies"]["only_a"], &rows["anomalies"]["only_b"]), (&json!(0), &json!(0)));
    assert_eq!((&rows["top"], &rows["scores_a"]), (&json!([]), &rows["scores_b"]));
    for section in ["options", "data", "health", "scores", "sizes"] {
        let values = models[section].as_object().unwrap();
        assert!(values.len() >= 4 && values.values().all(|value| value["a"] == value["b"]), "{section}");
    }
    assert!(models["columns"].as_array().unwrap().iter().all(|column| column["change"] == "same"));
    let said = dir.ok(&format!("compare {A} {A}"));
    said.prints(&["the two files are the same, byte for byte"]);
    assert_eq!(said.stdout().lines().count(), 5, "{}", said.stdout());
    dir.ok(&format!("compare {A} {A} --all")).prints(&["latent dim", "x0", "same", "calibration rows"]);
}

#[test]
fn what_two_models_learned_is_side_by_side() {
    let dir = two_models();
    let found = dir.ok(&format!("compare {A} {B} --summary json")).json();
    assert_eq!(found["rows"], Value::Null);
    let models = &found["models"];
    let [a, b] = [A, B].map(|model| take_apart(&dir.path(model)).0);
    let column = |name: &str| {
        let columns = models["columns"].as_array().unwrap();
        columns.iter().find(|column| column["column"] == name).unwrap_or_else(|| panic!("no {name} in {models}"))
    };
    assert_eq!(column("x3")["change"], "gone");
    assert_eq!((&column("x3")["a"]["role"], &column("x3")["b"]["role"]), (&json!("learned"), &json!("carried")));
    assert_eq!((&column("x0")["change"], &column("flag")["change"]), (&json!("changed"), &json!("same")));
    assert_eq!(column("x0")["a"]["quality"], a["health"]["columns"][0]["value"]);
    for (name, pointer) in
        [("epochs", "/training/epochs"), ("preset", "/training/preset"), ("hidden", "/network/hidden")]
    {
        let expected = json!({"a": a.pointer(pointer), "b": b.pointer(pointer)});
        assert_eq!(models["options"][name], expected, "{name}");
    }
    assert_eq!(models["data"]["rows"], json!({"a": 900, "b": 887}));
    assert_eq!(models["health"]["error"], json!({"a": a["health"]["error"], "b": b["health"]["error"]}));
    assert_eq!(models["scores"]["decision"], json!({"a": {"alpha": 0.01}, "b": {"alpha": 0.05}}));
    let bytes = [A, B].map(|model| std::fs::metadata(dir.path(model)).unwrap().len());
    assert_eq!(models["sizes"]["bytes"], json!({"a": bytes[0], "b": bytes[1]}));
    // The other way around, what is gone is added.
    let back = dir.ok(&format!("compare {B} {A}"));
    back.prints(&["x3      added    not learned: is excluded", "alpha 0.05", "preset"]);
    assert!(!back.stdout().contains("noise floor") && !back.stdout().contains("flag"), "{}", back.stdout());
    // A list that was never asked for says nothing.
    assert!(!back.stdout().contains("max groups"));
}

#[test]
fn a_page_shows_both_and_is_made_of_its_input_alone() {
    let dir = two_models();
    let page = |flags: &str| {
        dir.ok_with(&[("SOURCE_DATE_EPOCH", "1764489600")], &format!("compare {A} {B} {flags}"));
        std::fs::read_to_string(dir.path("page.html")).unwrap()
    };
    let html = page("in2.parquet --html page.html --top 2");
    let found = dir.ok(&format!("compare {A} {B} in2.parquet --summary json")).json();
    let odd = &found["rows"]["anomalies"];
    let [both, only_a, only_b] = ["both", "only_a", "only_b"].map(|of| odd[of].as_u64().unwrap());
    for part in [
        format!("<h1>A finds {} of 487 rows odd, B {}</h1>", both + only_a, both + only_b),
        format!("{both} rows are odd by both, {only_a} only by A, {only_b} only by B."),
        "<dd>a.safetensors</dd>".to_owned(),
        "2025-11-30".to_owned(),
        "not learned: is excluded".to_owned(),
        format!("<td class=\"n\" data-l=\"row\">{}</td>", found["rows"]["top"][0]["row"]),
    ] {
        assert!(html.contains(&part), "no {part:?} in {html}");
    }
    assert_eq!(page("in2.parquet --html page.html --top 2 --force"), html);
    assert!(page("--html page.html --force").contains("<h1>Two models side by side</h1>"));
    dir.fails(2, &format!("compare {A} {B} --html page.html")).says(&["already exists", "--force"]);
    dir.fails(2, &format!("compare {A} {B} --html {B} --force"));
    assert!(take_apart(&dir.path(B)).0.is_object());
}

#[test]
fn a_column_of_one_model_alone_has_to_be_in_the_data() {
    let dir = two_models();
    write(&dir.path("without.parquet"), &curve(50).project(&[0, 2, 3, 4, 6]).unwrap(), 50);
    dir.fails(65, &format!("compare {A} {B} without.parquet"))
        .says(&["without.parquet", "only a.safetensors needs column \"x3\""]);
    dir.fails(65, &format!("compare {B} {A} without.parquet")).says(&["only a.safetensors needs column \"x3\""]);
    dir.ok(&format!("compare {B} {B} without.parquet"));
    dir.fails(1, &format!("compare {A} no.safetensors")).says(&["no.safetensors"]);
    dir.fails(65, &format!("compare {A} in0.parquet")).says(&["in0.parquet", "not a usable model"]);
    dir.fails(2, &format!("compare {A}")).says(&["<B>"]);
    dir.fails(2, &format!("compare {A} {B} in0.parquet --top 1001")).says(&["top is 1001, but must be 0 to 1000"]);
    let none = dir.ok(&format!("compare {A} {B} in0.parquet --top 0 --summary json")).json();
    assert_eq!(none["rows"]["top"], json!([]));
}

#[test]
fn models_without_p_values_or_verdicts_of_single_rows_are_compared_by_scores() {
    let dir = two_models();
    dir.ok("fit in0.parquet -m c.safetensors --exclude id,name --epochs 3 --val-fraction 0 --contamination 0.02");
    let found = dir.ok(&format!("compare {A} c.safetensors in2.parquet --top 3 --summary json")).json();
    let rows = &found["rows"];
    assert_eq!(rows["p_values"], json!([]));
    assert_eq!(rows["top"][0]["b"]["p_value"], Value::Null);
    let counts = |of: &Value| of.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    assert_eq!(counts(&rows["anomalies"]), 487);
    dir.ok("fit in0.parquet -m d.safetensors --exclude id,name --epochs 3 --fdr 0.2");
    let found = dir.ok(&format!("compare {A} d.safetensors in2.parquet --summary json")).json();
    assert_eq!(
        (&found["rows"]["anomalies"], &found["rows"]["top"][0]["b"]["is_anomaly"]),
        (&json!(null), &json!(null))
    );
    dir.ok(&format!("compare {A} d.safetensors in2.parquet")).prints(&["the decision of one depends on all rows"]);
}

#[test]
fn a_model_remembers_a_note_a_time_and_names_on_request_and_nothing_unasked() {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(300), 100);
    write(&dir.path("more.parquet"), &curve(400), 100);
    let at = |seconds: &'static str| [("SOURCE_DATE_EPOCH", seconds)];
    let bytes = |model: &str| std::fs::read(dir.path(model)).unwrap();
    let tags = |model: &str| take_apart(&dir.path(model)).0["provenance"]["tags"].clone();
    dir.ok("fit in.parquet -m plain.safetensors --epochs 2");
    assert_eq!(tags("plain.safetensors"), Value::Null);
    dir.ok("fit in.parquet -m noted.safetensors --epochs 2 --note first");
    dir.ok("fit in.parquet -m again.safetensors --epochs 2 --note first");
    assert_eq!(
        (bytes("noted.safetensors"), tags("noted.safetensors")),
        (bytes("again.safetensors"), json!({"note": "first"}))
    );
    for (model, when) in
        [("stamped.safetensors", "1764489600"), ("same.safetensors", "1764489600"), ("later.safetensors", "1764489601")]
    {
        dir.ok_with(&at(when), &format!("fit in.parquet -m {model} --epochs 2 --stamp"));
    }
    let stamp = json!({"time": "2025-11-30T08:00:00Z", "data": ["in.parquet"]});
    assert_eq!(tags("stamped.safetensors"), stamp);
    assert_eq!(bytes("stamped.safetensors"), bytes("same.safetensors"));
    assert_ne!(bytes("stamped.safetensors"), bytes("later.safetensors"));
    dir.ok("inspect stamped.safetensors").prints(&["fitted at 2025-11-30T08:00:00Z", "data      in.parquet"]);

    // A child knows its base model by hash and name, and what that one remembers.
    let fit =
        "fit more.parquet -m child.safetensors --init stamped.safetensors --epochs 1 --accept-worse --stamp --note";
    let output = dir.command(fit).arg("second\u{1b}[31m").envs(at("1764493200")).output().unwrap();
    crate::workdir::Ran::of(fit, output).exits(0);
    let child = take_apart(&dir.path("child.safetensors")).0["provenance"].clone();
    let own = json!({
        "note": "second\u{1b}[31m", "time": "2025-11-30T09:00:00Z", "data": ["more.parquet"], "base": "stamped.safetensors",
    });
    assert_eq!((&child["tags"], &child["init"]["tags"]), (&own, &stamp));
    dir.ok("inspect child.safetensors")
        .prints(&["base      stamped.safetensors, model ", "note      second\\u{1b}[31m"]);
    let data = dir.ok("compare stamped.safetensors child.safetensors --summary json").json()["models"]["data"].clone();
    assert_eq!(data["base_hash"], json!({"a": null, "b": child["init"]["model"]}));
    assert_eq!(data["base_time"]["b"], "2025-11-30T08:00:00Z");
    dir.ok("compare stamped.safetensors child.safetensors").prints(&["second\\u{1b}[31m", "2025-11-30T09:00:00Z"]);
    let again = dir.ok("inspect child.safetensors --summary json").json();
    assert_eq!(again["metadata"]["provenance"]["tags"], own);

    let long = "x".repeat(1001);
    dir.fails(2, &format!("fit in.parquet -m no.safetensors --note {long}"))
        .says(&["note is 1001 characters, but must be 1 to 1000 characters"]);
    dir.run_with(&at("soon"), "fit in.parquet -m no.safetensors --stamp").exits(78).says(&["SOURCE_DATE_EPOCH"]);
    dir.ok("fit-transform in.parquet out.parquet -m both.safetensors --epochs 2 --note first");
    assert_eq!(tags("both.safetensors"), json!({"note": "first"}));
}
