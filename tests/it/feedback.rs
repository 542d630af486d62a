//! `feedback` and `fit --feedback`: what people said of rows changes the scores of rows like them, and nothing else.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Float32Type, Float64Type};

use crate::tables::{Uniform, names, read, write};
use crate::workdir::Workdir;

/// What a row is.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Is {
    /// On the line, as the past is.
    Ordinary,
    /// Above it: odd, and harmless.
    Backup,
    /// Below it.
    Fault,
}

/// Points: every 20th is none of the line, if some are `odd`, now above it and now below.
fn points(seed: u64, rows: usize, odd: bool) -> (RecordBatch, Vec<Is>) {
    let mut uniform = Uniform::new(seed);
    let (mut x, mut y, mut load, mut of) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows {
        let is = match row % 40 {
            19 if odd => Is::Backup,
            39 if odd => Is::Fault,
            _ => Is::Ordinary,
        };
        let off = match is {
            Is::Ordinary => 0.0,
            Is::Backup => 3.0,
            Is::Fault => -3.0,
        };
        x.push(uniform.next());
        y.push(2.0 * x[row] + 0.1 * uniform.next() + off + if off == 0.0 { 0.0 } else { 0.3 * uniform.next() });
        load.push(uniform.next());
        of.push(is);
    }
    let column = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    (RecordBatch::try_from_iter([("x", column(x)), ("y", column(y)), ("load", column(load))]).unwrap(), of)
}

/// A model of the past, and a night of odd rows, scored.
fn night() -> (Workdir, Vec<Is>) {
    let dir = Workdir::new();
    write(&dir.path("past.parquet"), &points(1, 4000, false).0, 1000);
    let (tonight, of) = points(2, 1000, true);
    write(&dir.path("tonight.parquet"), &tonight, 300);
    write(&dir.path("ordinary.parquet"), &points(4, 8000, false).0, 3000);
    dir.ok("fit past.parquet -m vae.safetensors --preset anomaly --epochs 20");
    dir.ok("transform tonight.parquet scored.parquet -m vae.safetensors");
    (dir, of)
}

/// Writes the rows of `scored.parquet` with a verdict on the first few of a kind, and none on others.
fn review(dir: &Workdir, of: &[Is], name: &str, said: &[(Is, &str, usize)]) {
    let scored = read(&dir.path("scored.parquet"));
    let mut verdicts = vec![None; of.len()];
    for &(is, verdict, rows) in said {
        (0..of.len()).filter(|&row| of[row] == is).take(rows).for_each(|row| verdicts[row] = Some(verdict));
    }
    let verdicts: ArrayRef = Arc::new(StringArray::from(verdicts));
    let columns = scored.schema_ref().fields().iter().map(|field| field.name().clone());
    let columns = columns.zip(scored.columns().iter().cloned()).chain([("verdict".to_owned(), verdicts)]);
    let all = columns.map(|(name, array)| (name, array, true));
    write(&dir.path(name), &RecordBatch::try_from_iter_with_nullable(all).unwrap(), 400);
}

/// The p-values of the rows of another night by a model, with what they are.
fn p_values(dir: &Workdir, model: &str, seed: u64) -> Vec<(Is, f64)> {
    let (rows, of) = points(seed, 2000, true);
    write(&dir.path("next.parquet"), &rows, 700);
    dir.ok(&format!("transform next.parquet next-scored.parquet -m {model} --force"));
    let scored = read(&dir.path("next-scored.parquet"));
    let p = scored.column_by_name("p_value").unwrap().as_primitive::<Float64Type>();
    of.into_iter().zip(p.values().iter().copied()).collect()
}

/// The share of the rows of a kind with a p-value of at most this.
fn share(rows: &[(Is, f64)], is: Is, most: f64) -> f64 {
    let of = || rows.iter().filter(|row| row.0 == is);
    of().filter(|row| row.1 <= most).count() as f64 / of().count() as f64
}

#[test]
fn rows_like_false_alarms_stay_quiet_and_rows_like_anomalies_are_found() {
    let (dir, of) = night();
    let before = p_values(&dir, "vae.safetensors", 3);
    assert_eq!([share(&before, Is::Backup, 0.01), share(&before, Is::Fault, 0.01)], [1.0, 1.0]);
    review(&dir, &of, "reviewed.parquet", &[(Is::Backup, "normal", 6), (Is::Fault, "anomaly", 4)]);
    dir.ok("feedback vae.safetensors reviewed.parquet").prints(&["6 normal rows, 4 anomalies"]);
    let after = p_values(&dir, "vae.safetensors", 3);
    let back = share(&after, Is::Backup, 0.01);
    assert!(back <= 0.05, "{back} of the false alarms come back");
    assert_eq!(share(&after, Is::Fault, 0.01), 1.0);
    // One wrong verdict among four is outvoted.
    review(&dir, &of, "wrong.parquet", &[(Is::Fault, "normal", 1)]);
    dir.ok("feedback vae.safetensors wrong.parquet -o wrong.safetensors");
    assert!(share(&p_values(&dir, "wrong.safetensors", 3), Is::Fault, 0.01) > 0.9);
}

#[test]
fn p_values_of_ordinary_rows_stay_valid() {
    let (dir, of) = night();
    review(
        &dir,
        &of,
        "reviewed.parquet",
        &[(Is::Backup, "anomaly", 4), (Is::Fault, "anomaly", 4), (Is::Ordinary, "anomaly", 2)],
    );
    dir.ok("feedback vae.safetensors reviewed.parquet -o taught.safetensors");
    let share = |model: &str| {
        dir.ok(&format!("transform ordinary.parquet out.parquet -m {model} --force"));
        let scored = read(&dir.path("out.parquet"));
        let p = scored.column_by_name("p_value").unwrap().as_primitive::<Float64Type>().clone();
        [0.01, 0.05, 0.2].map(|most| p.values().iter().filter(|p| **p <= most).count() as f64 / 8000.0)
    };
    // Calibrated on 400 rows: the share for p = 0.05 is 0.05 ± 0.011.
    for (share, most) in share("taught.safetensors").into_iter().zip([0.01, 0.05, 0.2]) {
        let deviation = (most * (1.0 - most) / 400.0_f64).sqrt();
        assert!((share - most).abs() < 3.0 * deviation + 0.003, "{share} of the p-values are at most {most}");
    }
    // Reviewing the rows that a model is calibrated on changes what is said of them, not what others are compared with.
    let top = "past-scored.parquet";
    dir.ok(&format!("transform past.parquet {top} -m vae.safetensors"));
    let scored = read(&dir.path(top));
    let scores = scored.column_by_name("anomaly_score").unwrap().as_primitive::<Float32Type>();
    let mut ranked: Vec<i64> = (0..4000).collect();
    ranked.sort_by(|a, b| scores.value(*b as usize).total_cmp(&scores.value(*a as usize)));
    let highest = take_record_batch(&scored, &Int64Array::from(ranked[..20].to_vec())).unwrap();
    let verdict: ArrayRef = Arc::new(BooleanArray::from(vec![false; 20]));
    let columns = names(&highest).into_iter().zip(highest.columns().iter().cloned());
    let highest = RecordBatch::try_from_iter(columns.chain([("is_fault".to_owned(), verdict)])).unwrap();
    write(&dir.path("highest.parquet"), &highest, 100);
    dir.ok("feedback vae.safetensors highest.parquet --verdict is_fault -o quiet.safetensors")
        .prints(&["20 normal rows"]);
    let [now, before] = ["quiet.safetensors", "vae.safetensors"].map(share);
    assert!(now[0] <= before[0] + 0.004 && now[1] <= before[1] + 0.006, "{now:?} {before:?}");
}

#[test]
fn what_was_learned_is_listed_and_can_be_taken_back() {
    let (dir, of) = night();
    let made = std::fs::read(dir.path("vae.safetensors")).unwrap();
    review(&dir, &of, "reviewed.parquet", &[(Is::Backup, "normal", 2), (Is::Fault, "anomaly", 1)]);
    dir.ok("feedback vae.safetensors reviewed.parquet");
    let json = dir.ok("inspect vae.safetensors --summary json").json();
    let rows = json["metadata"]["feedback"]["rows"].as_array().unwrap().clone();
    let told: Vec<_> =
        rows.iter().map(|row| (row["verdict"].as_str().unwrap(), row["row"].as_u64().unwrap())).collect();
    assert_eq!(told, [("normal", 20), ("anomaly", 40), ("normal", 60)]);
    assert_eq!((&rows[0]["file"], &rows[0]["feature"]), (&"reviewed.parquet".into(), &"y".into()));
    let scores = json["reviewed_scores"].as_array().unwrap();
    assert!(scores[0].as_f64().unwrap() < 1.0 && scores[1].as_f64().unwrap() > 50.0, "{scores:?}");
    dir.ok("inspect vae.safetensors").prints(&["reviewed.parquet, row 20", "2 normal rows, 1 anomaly"]);
    // A row that is reviewed again has the newer verdict.
    review(&dir, &of, "again.csv", &[(Is::Backup, "anomaly", 1)]);
    dir.ok("feedback vae.safetensors again.csv --summary json");
    let again = dir.ok("inspect vae.safetensors --summary json").json();
    let rows = again["metadata"]["feedback"]["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["verdict"]), (3, &"anomaly".into()));

    dir.fails(2, "feedback vae.safetensors --forget 4").says(&["4", "reviewed row"]);
    dir.ok("feedback vae.safetensors --forget 1,3").prints(&["0 normal rows, 1 anomaly"]);
    dir.ok("feedback vae.safetensors --forget all");
    assert_eq!(std::fs::read(dir.path("vae.safetensors")).unwrap(), made, "to the byte");
}

#[test]
fn a_fit_with_feedback_is_a_fit_and_then_feedback() {
    let (dir, of) = night();
    review(&dir, &of, "a.parquet", &[(Is::Backup, "normal", 2)]);
    review(&dir, &of, "b.parquet", &[(Is::Fault, "anomaly", 2)]);
    dir.ok("feedback vae.safetensors a.parquet");
    dir.ok("feedback vae.safetensors b.parquet");
    let fit = "past.parquet --preset anomaly --epochs 20 --feedback a.parquet --feedback b.parquet";
    dir.ok(&format!("fit {fit} -m both.safetensors"));
    let model = |name: &str| std::fs::read(dir.path(name)).unwrap();
    assert_eq!(model("both.safetensors"), model("vae.safetensors"));
    dir.ok(&format!("fit-transform {fit} out.parquet -m third.safetensors"));
    assert_eq!(model("third.safetensors"), model("vae.safetensors"));
    // Threads and row groups change no byte.
    let scored = ["1", "2"].map(|threads| {
        let out = format!("out-{threads}.parquet");
        dir.ok(&format!("transform tonight.parquet {out} -m vae.safetensors --threads {threads} --score all"));
        read(&dir.path(&out))
    });
    assert_eq!(scored[0], scored[1]);
    write(&dir.path("parts.parquet"), &read(&dir.path("tonight.parquet")), 7);
    dir.ok("transform parts.parquet parts-scored.parquet -m vae.safetensors --score all");
    assert_eq!(read(&dir.path("parts-scored.parquet")), scored[0]);
    // The score by itself stays beside the one that follows feedback.
    let column = |name: &str| scored[0].column_by_name(name).unwrap().as_primitive::<Float32Type>().clone();
    let (combined, ranked) = (column("combined"), column("anomaly_score"));
    let backup = of.iter().position(|is| *is == Is::Backup).unwrap();
    assert!(ranked.value(backup) < 1.0 && combined.value(backup) > 5.0);
    assert!(
        (ranked.value(0) / combined.value(0) - 1.0).abs() < 1e-5,
        "a row far from all reviewed ones keeps its score"
    );
}

#[test]
fn what_cannot_be_learned_is_refused_and_the_model_stays() {
    let (dir, of) = night();
    let made = std::fs::read(dir.path("vae.safetensors")).unwrap();
    review(&dir, &of, "odd.parquet", &[(Is::Backup, "normal", 1), (Is::Fault, "broken", 1)]);
    dir.fails(65, "feedback vae.safetensors odd.parquet").says(&["verdict", "row 40", "broken", "normal, anomaly"]);
    dir.fails(2, "feedback vae.safetensors odd.parquet --verdict verdicts").says(&["verdicts", "verdict"]);
    dir.fails(65, "feedback vae.safetensors odd.parquet --verdict y").says(&["Float64", "Booleans"]);
    dir.fails(2, "feedback vae.safetensors").says(&["no reviewed rows", "verdicts"]);
    dir.fails(2, "feedback vae.safetensors --forget 1").says(&["no feedback"]);
    dir.ok("fit past.parquet -m plain.safetensors --epochs 3");
    dir.fails(2, "feedback plain.safetensors odd.parquet").says(&["combined", "--preset anomaly"]);
    dir.fails(2, "fit past.parquet -m new.safetensors --feedback odd.parquet").says(&["combined"]);
    assert!(!dir.path("new.safetensors").exists(), "before the training");
    assert_eq!(std::fs::read(dir.path("vae.safetensors")).unwrap(), made);
    let all = concat_batches(&points(5, 10, true).0.schema(), &[points(5, 10, true).0]).unwrap();
    write(&dir.path("unreviewed.parquet"), &all, 10);
    dir.fails(2, "feedback vae.safetensors unreviewed.parquet").says(&["verdict"]);
}

#[test]
fn p_values_stay_valid_where_rows_repeat() {
    let dir = Workdir::new();
    // Few combinations of values, some rare.
    let rows = |seed: u64, rows: usize| {
        let mut uniform = Uniform::new(seed);
        let columns = ["a", "b", "c"].map(|name| {
            let word = |it: f64| {
                if it < 0.7 {
                    "often"
                } else if it < 0.9 {
                    "less"
                } else {
                    "rare"
                }
            };
            let words: ArrayRef = Arc::new((0..rows).map(|_| Some(word(uniform.next()))).collect::<StringArray>());
            (name, words)
        });
        RecordBatch::try_from_iter(columns).unwrap()
    };
    write(&dir.path("past.parquet"), &rows(1, 20_000), 5000);
    write(&dir.path("next.parquet"), &rows(2, 20_000), 5000);
    dir.ok("fit past.parquet -m vae.safetensors --preset anomaly --categorical a,b,c --epochs 10");
    let some = rows(3, 20_000);
    let word = |name: &str, row: usize| some.column_by_name(name).unwrap().as_string::<i32>().value(row).to_owned();
    let twice = (0..20_000).filter(|&row| word("a", row) == "rare" && word("b", row) == "rare").take(5);
    let reviewed = take_record_batch(&some, &twice.map(|row| row as i64).collect::<Int64Array>()).unwrap();
    let verdict: ArrayRef = Arc::new(BooleanArray::from(vec![true; 5]));
    let columns = names(&reviewed).into_iter().zip(reviewed.columns().iter().cloned());
    let reviewed = RecordBatch::try_from_iter(columns.chain([("verdict".to_owned(), verdict)])).unwrap();
    write(&dir.path("reviewed.parquet"), &reviewed, 10);
    dir.ok("feedback vae.safetensors reviewed.parquet -o taught.safetensors").prints(&["5 anomalies"]);
    dir.ok("transform next.parquet out.parquet -m taught.safetensors");
    let scored = read(&dir.path("out.parquet"));
    let p = scored.column_by_name("p_value").unwrap().as_primitive::<Float64Type>();
    for most in [0.01, 0.05] {
        let share = p.values().iter().filter(|p| **p <= most).count() as f64 / 20_000.0;
        assert!(share <= most + 3.0 * (most * (1.0 - most) / 2000.0_f64).sqrt(), "{share} at most {most}");
    }
}

#[test]
fn rows_are_named_by_their_files_and_equal_rows_each_count() {
    let (dir, of) = night();
    std::fs::create_dir(dir.path("rev")).unwrap();
    review(&dir, &of, "rev/a.parquet", &[(Is::Backup, "normal", 1)]);
    review(&dir, &of, "rev/b.parquet", &[(Is::Fault, "anomaly", 1)]);
    dir.ok("feedback vae.safetensors rev");
    let said = |row: usize| {
        let json = dir.ok("inspect vae.safetensors --summary json").json();
        let row = &json["metadata"]["feedback"]["rows"][row];
        (row["file"].as_str().unwrap().to_owned(), row["row"].as_u64().unwrap())
    };
    assert_eq!([said(0), said(1)], [("a.parquet".to_owned(), 20), ("b.parquet".to_owned(), 40)]);
    // Nine say one thing of equal rows, and one another.
    let fault = of.iter().position(|is| *is == Is::Fault).unwrap() as i64;
    let equal = take_record_batch(&read(&dir.path("scored.parquet")), &Int64Array::from(vec![fault; 10])).unwrap();
    let verdict: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..10).map(|n| if n < 9 { "normal" } else { "anomaly" })));
    let columns = names(&equal).into_iter().zip(equal.columns().iter().cloned());
    let equal = RecordBatch::try_from_iter(columns.chain([("verdict".to_owned(), verdict)])).unwrap();
    write(&dir.path("equal.parquet"), &equal, 10);
    dir.ok("feedback vae.safetensors --forget all");
    dir.ok("feedback vae.safetensors equal.parquet").prints(&["9 normal rows, 1 anomaly"]);
}

#[test]
fn a_model_without_calibration_rows_is_fitted_and_takes_no_feedback() {
    let (dir, of) = night();
    review(&dir, &of, "reviewed.parquet", &[(Is::Backup, "normal", 1)]);
    dir.ok("fit past.parquet -m none.safetensors --preset anomaly --epochs 2 --val-fraction 0 --threshold 3");
    dir.fails(2, "feedback none.safetensors reviewed.parquet").says(&["no calibration rows"]);
    let tag = "--preset anomaly --epochs 2 --val-fraction 0 --threshold 3 --ignore-above-p 0.01";
    dir.fails(2, &format!("fit past.parquet -m x.safetensors {tag}")).says(&["ignore_above_p", "calibration rows"]);
    // What would fail at the end costs no training.
    let fit = "fit past.parquet -m x.safetensors --preset anomaly";
    dir.fails(2, &format!("{fit} --feedback reviewed.parquet --verdict vedict")).says(&["vedict", "verdict"]);
    dir.fails(2, &format!("{fit} --verdict verdict")).says(&["--feedback"]);
}
