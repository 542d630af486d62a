//! What `thresholds` says of scored rows: alerts at other thresholds, by day and group, and the flag for those that are wanted.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float32Array, Float64Array, StringArray, TimestampMicrosecondArray};
use arrow::array::{Int64Array, RecordBatch};
use serde_json::json;

use crate::tables::{Uniform, names, read, write};
use crate::workdir::Workdir;

/// 240 rows of ten days and three devices, a score that falls from row to row, and p-values that rise.
fn scored() -> Workdir {
    let dir = Workdir::new();
    let rows = 0..240_i64;
    let columns: [(&str, ArrayRef); 5] = [
        ("day", Arc::new(rows.clone().map(|row| Some((row % 10) as i32)).collect::<Date32Array>())),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                rows.clone().map(|row| row % 10 * 86_400_000_000 + 1),
            )),
        ),
        (
            "device",
            Arc::new(rows.clone().map(|row| Some(["a", "b", "c"][(row % 3) as usize])).collect::<StringArray>()),
        ),
        (
            "anomaly_score",
            Arc::new(rows.clone().map(|row| (row != 7).then_some(240.5 - row as f32)).collect::<Float32Array>()),
        ),
        ("p_value", Arc::new(rows.map(|row| (row != 7).then_some((row + 1) as f64 / 241.0)).collect::<Float64Array>())),
    ];
    write(
        &dir.path("scored.parquet"),
        &RecordBatch::try_from_iter_with_nullable(columns.map(|(name, it)| (name, it, true))).unwrap(),
        50,
    );
    dir
}

#[test]
fn alerts_are_counted_by_p_value_score_day_and_group() {
    let dir = scored();
    let found = dir.ok("thresholds scored.parquet --per day:day,device --alerts 2 --summary json").json();
    assert_eq!([&found["rows"], &found["periods"], &found["groups"]], [&json!(239), &json!(10), &json!(3)]);
    let at = |p: f64| found["by_p_value"].as_array().unwrap().iter().find(|it| it["p_value"] == p).unwrap().clone();
    // Rows 0 to 23 have a p-value of at most 0.1, but for row 7, which has none.
    let tenth = at(0.1);
    assert_eq!((&tenth["alerts"], &tenth["score"]), (&json!(23), &json!(217.5)));
    assert_eq!(tenth["periods"], json!({"mean": 2.3, "median": 2.0, "most": 3, "without": 0}));
    assert_eq!(tenth["groups"]["most"], 8);
    assert_eq!((&at(0.005)["alerts"], &at(0.005)["periods"]["without"]), (&json!(1), &json!(9)));
    // Twenty alerts in ten days: the 20 highest scores, of rows 0 to 20.
    assert_eq!((&found["wanted"]["alerts"], &found["flag"]), (&json!(20), &json!("--threshold 220.5")));
    assert_eq!(found["by_score"][0]["alerts"], 10);
    // Rows 0, 10 and 20 are of the first day; of the rows up to 23 but 7, eight are of device a.
    let (day, group) = (&found["each_period"][0], &found["each_group"][0]);
    assert_eq!((&day["name"], &day["rows"], &day["by_p_value"][9]), (&json!("1970-01-01"), &json!(24), &json!(3)));
    assert_eq!((&group["name"], &group["rows"], &group["by_p_value"][9]), (&json!("a"), &json!(80), &json!(8)));
    let sum = |each: &str| -> u64 {
        found[each].as_array().unwrap().iter().map(|part| part["wanted"].as_u64().unwrap()).sum()
    };
    assert_eq!([sum("each_period"), sum("each_group")], [20, 20]);
    for per in ["at:day", "day:day"] {
        let same = dir.ok(&format!("thresholds scored.parquet --per {per} --summary json")).json();
        assert_eq!(same["by_p_value"][9]["periods"], tenth["periods"]);
    }
    let weeks = dir.ok("thresholds scored.parquet --per at:week --summary json").json();
    assert_eq!(weeks["periods"], 2, "1970 began on a Thursday");
    assert_eq!(dir.ok("thresholds scored.parquet --per at:month --summary json").json()["periods"], 1);
    assert_eq!(dir.ok("thresholds scored.parquet --per at:hour --summary json").json()["periods"], 10);
    assert_eq!(weeks["each_period"][0]["name"], "1969-12-29");
    dir.ok("thresholds scored.parquet --per day:day,device --alerts 2").prints(&[
        "day from    rows  p up to 0.001  p up to 0.01  p up to 0.05  wanted",
        "1970-01-10    24",
        "group",
        "239 with a score in 10 days of 3 groups",
        "most in a day  days without  most in a group  groups without",
        "at most 2 a day: --threshold 220.5 makes 20 alerts, 2.00 a day",
    ]);
    let all = dir.ok("thresholds scored.parquet --alerts 3 --summary json").json();
    assert_eq!((&all["wanted"]["alerts"], &all["periods"]), (&json!(3), &json!(null)));
}

#[test]
fn the_flag_makes_the_alerts_that_it_says() {
    let dir = Workdir::new();
    let mut uniform = Uniform::new(1);
    let mut column = || -> ArrayRef { Arc::new((0..1500).map(|_| Some(uniform.next())).collect::<Float64Array>()) };
    let days: ArrayRef = Arc::new((0..1500).map(|row| Some(row / 50)).collect::<Date32Array>());
    let columns = [("x", column()), ("y", column()), ("z", column()), ("day", days)];
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 400);
    dir.ok("fit in.parquet -m vae.safetensors --exclude day --epochs 3");
    dir.ok("transform in.parquet scored.parquet -m vae.safetensors");
    let found = dir.ok("thresholds scored.parquet --per day:day --alerts 1.5 --summary json").json();
    let flag = found["flag"].as_str().unwrap();
    let done = dir.ok(&format!("transform in.parquet again.parquet -m vae.safetensors {flag} --summary json")).json();
    assert_eq!(found["wanted"]["alerts"], 45);
    assert_eq!(done["anomalies"], found["wanted"]["alerts"]);
    dir.ok("report scored.parquet -o report.html --time day");
    assert!(std::fs::read_to_string(dir.path("report.html")).unwrap().contains("What if"));
}

#[test]
fn ties_are_alerts_together_and_what_cannot_be_counted_is_refused() {
    let dir = Workdir::new();
    let columns: [(&str, ArrayRef); 2] = [
        ("anomaly_score", Arc::new(Float32Array::from(vec![2.0, 2.0, 2.0, 1.0]))),
        ("n", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
    ];
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 10);
    let found = dir.ok("thresholds in.parquet --alerts 2 --summary json").json();
    assert_eq!((&found["wanted"]["alerts"], &found["flag"]), (&json!(0), &json!(null)));
    dir.ok("thresholds in.parquet --alerts 2").prints(&["no score makes so few"]);
    assert_eq!(dir.ok("thresholds in.parquet --alerts 3 --summary json").json()["wanted"]["alerts"], 3);
    dir.fails(65, "thresholds in.parquet --per n:day").says(&["n", "a date or a time, to count rows by"]);
    dir.fails(2, "thresholds in.parquet --per m").says(&["no column \"m\""]);
    dir.fails(2, "thresholds in.parquet --per n:day,n:week").says(&["one column of times"]);
    dir.fails(2, "thresholds in.parquet --alerts 0").says(&["above 0"]);
    let empty = read(&dir.path("in.parquet")).slice(0, 0);
    write(&dir.path("none.parquet"), &empty, 10);
    assert_eq!(names(&empty).len(), 2);
    let none = dir.ok("thresholds none.parquet --alerts 2 --summary json").json();
    assert_eq!((&none["rows"], &none["flag"]), (&json!(0), &json!(null)));
    dir.fails(2, "thresholds").says(&["SCORED"]);
}
