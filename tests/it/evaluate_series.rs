//! What `evaluate --order-by` says of rows in order: volumes under surfaces, events and delays.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    Time64MicrosecondArray, TimestampNanosecondArray,
};
use arrow::compute::take;
use arrow::datatypes::Int64Type;
use serde_json::Value;

use crate::tables::write;
use crate::workdir::Workdir;

/// A labelled score, in order.
type Rows = Vec<(f64, bool)>;

/// 60 rows with two events; the score reaches one and the edge of the other.
/// i = np.arange(60); y = (i >= 20) & (i < 25) | (i >= 40) & (i < 43)
/// s = (i * 37 % 60) / 60 + .5 * ((i >= 22) & (i < 27)) + .3 * ((i >= 38) & (i < 41))
fn inner() -> Rows {
    let score = |i: usize| {
        let (near, before) = (f64::from((22..27).contains(&i)), f64::from((38..41).contains(&i)));
        (i * 37 % 60) as f64 / 60.0 + 0.5 * near + 0.3 * before
    };
    (0..60).map(|i| (score(i), (20..25).contains(&i) || (40..43).contains(&i))).collect()
}

fn with_labels(rows: Rows, label: fn(usize) -> bool) -> Rows {
    rows.into_iter().enumerate().map(|(i, (score, _))| (score, label(i))).collect()
}

fn with_scores(rows: Rows, map: fn(f64) -> f64) -> Rows {
    rows.into_iter().map(|(score, label)| (map(score), label)).collect()
}

/// Writes rows with their number as `at`, and a group.
fn save(dir: &Workdir, name: &str, groups: &[(&str, &Rows)]) {
    let all = groups.iter().flat_map(|(group, rows)| rows.iter().enumerate().map(move |(at, row)| (*group, at, *row)));
    let all: Vec<_> = all.collect();
    let at: ArrayRef = Arc::new(Int64Array::from_iter_values(all.iter().map(|row| row.1 as i64)));
    let group: ArrayRef = Arc::new(StringArray::from_iter_values(all.iter().map(|row| row.0)));
    let score: ArrayRef = Arc::new(Float64Array::from_iter_values(all.iter().map(|row| row.2.0)));
    let label: ArrayRef = Arc::new(BooleanArray::from_iter(all.iter().map(|row| Some(row.2.1))));
    let columns = [("at", at), ("group", group), ("anomaly_score", score), ("label", label)];
    write(&dir.path(name), &RecordBatch::try_from_iter(columns).unwrap(), 37);
}

fn evaluated(dir: &Workdir, flags: &str) -> Value {
    dir.ok(&format!("evaluate in.parquet --label label --order-by at {flags} --summary json")).json()
}

/// VUS-ROC and VUS-PR of the main score.
fn volumes(told: &Value) -> [f64; 2] {
    ["roc", "pr"].map(|key| told["scores"][0]["vus"][key].as_f64().unwrap())
}

fn assert_close(found: [f64; 2], expected: [f64; 2], what: &str) {
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{what}: {found:?}, {expected:?}");
}

/// Numbers of `generate_curve(y, s, window, 'opt', 250)[6:8]` of TSB-AD 1.5, module `evaluation.basic_metrics`.
#[test]
fn volumes_are_those_of_tsb_ad() {
    let dir = Workdir::new();
    let border = with_labels(inner(), |i| !(4..57).contains(&i));
    let dense = with_labels(inner(), |i| i % 3 == 0);
    for (what, rows, window, expected) in [
        ("two events", inner(), 0, [0.753_605_769_230_769_3, 0.494_171_300_978_177_4]),
        ("two events", inner(), 1, [0.753_605_769_230_769_3, 0.494_171_300_978_177_4]),
        ("two events", inner(), 2, [0.779_639_302_573_867_2, 0.512_708_222_251_847_6]),
        ("two events", inner(), 7, [0.842_351_230_279_413_7, 0.558_433_849_877_725_5]),
        ("two events", inner(), 10, [0.866_052_014_549_391_3, 0.589_794_283_700_631_3]),
        ("zones that meet", inner(), 40, [0.955_141_208_422_707_1, 0.841_405_507_140_267_5]),
        ("wider than the series", inner(), 200, [0.990_687_393_605_265_5, 0.966_606_211_687_272_7]),
        ("events at the ends", border.clone(), 0, [0.376_010_781_671_159_03, 0.108_646_052_933_579_26]),
        ("events at the ends", border, 8, [0.490_220_931_875_932_96, 0.140_238_418_603_841_5]),
        ("a constant score", with_scores(inner(), |_| 0.0), 8, [0.530_542_118_371_853_3, 0.229_838_910_709_942_95]),
        ("ties", with_scores(inner(), |s| (s * 4.0).floor()), 8, [0.811_349_434_260_839_2, 0.409_794_982_284_750_1]),
        ("many events", dense, 8, [0.817_594_627_279_066_7, 0.810_307_882_995_638_6]),
    ] {
        save(&dir, "in.parquet", &[("a", &rows)]);
        let told = evaluated(&dir, &format!("--window {window}"));
        assert_close(volumes(&told), expected, what);
        assert_eq!((&told["series"]["largest_window"], &told["series"]["period_of"]), (&window.into(), &Value::Null));
    }
}

/// j = np.arange(1000); y = (j >= 300) & (j < 340) | (j >= 700) & (j < 704)
/// s = (j * 617 % 1000) / 1000 + .6 * ((j >= 310) & (j < 345)); as above, and with 1000 in place of 250.
#[test]
fn thresholds_are_250_of_the_scores_or_as_many_as_asked_for() {
    let dir = Workdir::new();
    let score = |j: usize| (j * 617 % 1000) as f64 / 1000.0 + 0.6 * f64::from((310..345).contains(&j));
    let rows: Rows = (0..1000).map(|j| (score(j), (300..340).contains(&j) || (700..704).contains(&j))).collect();
    save(&dir, "in.parquet", &[("a", &rows)]);
    let told = evaluated(&dir, "--window 20");
    assert_close(volumes(&told), [0.854_914_011_170_767_3, 0.426_940_506_920_777], "250");
    assert_eq!(told["series"]["thresholds"], 250);
    for all in [1000, 5000] {
        let told = evaluated(&dir, &format!("--window 20 --thresholds {all}"));
        assert_close(volumes(&told), [0.854_940_755_268_649_3, 0.437_180_446_779_651_4], "all");
    }
}

#[test]
fn series_are_judged_one_by_one_in_the_order_of_the_column() {
    let dir = Workdir::new();
    let of = |rows: &Rows, flags: &str| {
        save(&dir, "in.parquet", &[("a", rows)]);
        volumes(&evaluated(&dir, flags))
    };
    let (border, quiet) = (with_labels(inner(), |i| !(4..57).contains(&i)), with_labels(inner(), |_| false));
    let (first, second) = (of(&inner(), "--window 8"), of(&border, "--window 8"));
    let mean = [0, 1].map(|n| (first[n] + second[n]) / 2.0);

    save(&dir, "sorted.parquet", &[("a", &inner()), ("b", &border), ("c", &quiet)]);
    let sorted = crate::tables::read(&dir.path("sorted.parquet"));
    // Rows of all groups mixed; times whose distances a double does not hold; and a second column that says the same.
    let mixed = Int64Array::from_iter_values((0..180).map(|n| n * 77 % 180));
    let mut columns: Vec<ArrayRef> = sorted.columns().iter().map(|it| take(it, &mixed, None).unwrap()).collect();
    let base = 1_700_000_000_000_000_000;
    let times = mixed.values().iter().map(|row| base + row % 60);
    columns.push(Arc::new(TimestampNanosecondArray::from_iter_values(times)));
    columns.push(Arc::new(Int64Array::from_iter_values(mixed.values().iter().map(|row| row / 60))));
    let names = ["at", "group", "anomaly_score", "label", "time", "number"];
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap(), 50);

    let told = evaluated(&dir, "--by group --window 8");
    assert_close(volumes(&told), mean, "mean over series with events");
    assert_eq!(told["scores"][0]["vus"]["series"], 2);
    let series = &told["series"];
    assert_eq!((&series["series"], &series["with_events"], &series["events"]), (&3.into(), &2.into(), &4.into()));
    assert_eq!(series["unordered"], 0);
    assert_eq!(evaluated(&dir, "--by group,number --window 8"), told);
    let by_time =
        dir.ok("evaluate in.parquet --label label --order-by time --by number --window 8 --summary json").json();
    assert_eq!(by_time["scores"][0]["vus"], told["scores"][0]["vus"]);
    let alone = evaluated(&dir, "--by group --window 8 --score anomaly_score,at");
    assert_eq!(alone["scores"][0], told["scores"][0]);
    dir.ok("evaluate in.parquet --label label --order-by at --by group --window 8").prints(&[
        "series    3, 2 of them with events and other rows",
        "events    4",
        "window    8 rows",
        "VUS-PR  VUS-ROC",
    ]);
    let plain = dir.ok("evaluate in.parquet --label label --summary json").json();
    assert_eq!((&plain["series"], &plain["scores"][0]["vus"]), (&Value::Null, &Value::Null));
    assert_eq!(plain["scores"][0]["auroc"], told["scores"][0]["auroc"]);
}

#[test]
fn rows_without_a_score_a_label_or_a_place_are_left_out() {
    let dir = Workdir::new();
    save(&dir, "in.parquet", &[("a", &inner())]);
    let expected = evaluated(&dir, "--window 8");
    let rows = inner().into_iter().enumerate().map(|(at, (score, label))| (Some(at as f64), Some(score), Some(label)));
    let mut rows: Vec<_> = rows.collect();
    rows.insert(22, (Some(21.5), None, Some(true)));
    rows.insert(30, (Some(28.5), Some(9.0), None));
    rows.insert(50, (None, Some(9.0), Some(true)));
    rows.insert(51, (Some(f64::NAN), Some(f64::NAN), Some(true)));
    let at: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>());
    let score: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>());
    let label: ArrayRef = Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>());
    let columns = [("at", at), ("anomaly_score", score), ("label", label)].map(|(name, it)| (name, it, true));
    write(&dir.path("in.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).unwrap(), 20);
    let told = evaluated(&dir, "--window 8");
    assert_eq!(told["scores"][0]["vus"], expected["scores"][0]["vus"]);
    assert_eq!((&told["series"]["unordered"], &told["series"]["events"]), (&2.into(), &2.into()));
    dir.ok("evaluate in.parquet --label label --order-by at")
        .prints(&["2 rows without a place in the order are left out of them"]);
}

/// Events of rows 2 to 5, 8 and 12 to 13 of the first series, and 0 to 2 of the second; predicted at rows 4, 5, 7, 8 and 10 of
/// the first, and 2 of the second.
#[test]
fn events_are_found_by_any_of_their_rows_and_late_by_the_rows_before() {
    let dir = Workdir::new();
    let series = |rows: usize, predicted: &[usize], anomalies: &[usize]| -> Rows {
        (0..rows).map(|n| (f64::from(u8::from(predicted.contains(&n))), anomalies.contains(&n))).collect()
    };
    let first = series(14, &[4, 5, 7, 8, 10], &[2, 3, 4, 5, 8, 12, 13]);
    let second = series(6, &[2], &[0, 1, 2]);
    save(&dir, "in.parquet", &[("a", &first), ("b", &second)]);
    let told = evaluated(&dir, "--by group --threshold 1");
    let events = &told["at_threshold"]["events"];
    let counts = ["events", "found"].map(|key| events[key].as_u64().unwrap());
    assert_eq!(counts, [4, 3]);
    let of = |key: &str| events[key].as_f64().unwrap();
    // Delays of 2, 0 and 2 rows.
    assert_eq!((of("recall"), of("mean_delay"), of("median_delay")), (0.75, 4.0 / 3.0, 2.0));
    assert_eq!(told["at_threshold"]["recall"], 4.0 / 10.0, "no row is found because its event is");
    dir.ok("evaluate in.parquet --label label --order-by at --by group --threshold 1")
        .prints(&["events    3 of 4 found, recall 0.7500; mean delay 1.3 rows, median 2.0"]);
    let none = evaluated(&dir, "--by group --threshold 2");
    let events = &none["at_threshold"]["events"];
    assert_eq!((&events["found"], &events["recall"]), (&0.into(), &0.0.into()));
    assert_eq!((&events["mean_delay"], &events["median_delay"]), (&Value::Null, &Value::Null));
    let as_one = evaluated(&dir, "--threshold 1");
    assert_eq!(as_one["at_threshold"]["true_positives"], told["at_threshold"]["true_positives"]);
    assert_eq!(
        dir.ok("evaluate in.parquet --label label --threshold 1 --summary json").json()["at_threshold"]["events"],
        Value::Null
    );
}

#[test]
fn the_window_is_the_period_of_the_first_learned_number() {
    let dir = Workdir::new();
    let (rows, period) = (500, 37.0);
    let wave = (0..rows).map(|n| (std::f64::consts::TAU * f64::from(n) / period).sin());
    let at: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(i64::from)));
    let word: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|n| ["x", "y"][n as usize % 2])));
    let value: ArrayRef = Arc::new(Float64Array::from_iter_values(wave));
    let other: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(|n| f64::from(n * 7 % 24))));
    let label: ArrayRef = Arc::new(BooleanArray::from_iter((0..rows).map(|n| Some((100..110).contains(&n)))));
    let columns = [("at", at), ("word", word), ("value", value), ("other", other), ("label", label)];
    write(&dir.path("data.parquet"), &RecordBatch::try_from_iter(columns).unwrap(), 100);
    for (learned, of, window) in [("word,value,other", "value", 37), ("other", "other", 24)] {
        dir.ok(&format!("fit data.parquet --columns {learned} --epochs 1 --force"));
        dir.ok("transform data.parquet in.parquet --force");
        let told = evaluated(&dir, "");
        let series = &told["series"];
        assert_eq!((&series["period_of"], &series["largest_window"]), (&of.into(), &window.into()));
        assert_eq!(told["scores"], evaluated(&dir, &format!("--window {window}"))["scores"]);
        dir.ok("evaluate in.parquet --label label --order-by at")
            .prints(&[&format!("window    {window} rows, the period of {of}"), "events    1"]);
    }
    dir.ok("fit data.parquet --columns word --epochs 1 --force");
    dir.ok("transform data.parquet in.parquet --force");
    let told = evaluated(&dir, "");
    assert_eq!((&told["series"]["period_of"], &told["series"]["largest_window"]), (&Value::Null, &125.into()));
}

#[test]
fn an_order_is_of_numbers_or_times_and_the_rest_is_for_rows_in_order() {
    let dir = Workdir::new();
    save(&dir, "in.parquet", &[("a", &inner())]);
    for (code, flags, says) in [
        (2, "--order-by att", [r#"no column "att""#, "--order-by"]),
        (2, "--order-by at --by grop", [r#"no column "grop""#, "--by"]),
        (65, "--order-by group", ["column \"group\"", "is \"a\" somewhere, but must be a number or a time"]),
        (65, "--order-by label", ["column \"label\"", "a number or a time"]),
        (2, "--by group", ["--order-by", ""]),
        (2, "--window 3", ["--order-by", ""]),
        (2, "--order-by at --window 100001", ["window is 100001, but must be 0 to 100000", "--window sets it"]),
        (2, "--order-by at --thresholds 1", ["thresholds is 1, but must be 2 or more", "--thresholds sets it"]),
    ] {
        dir.fails(code, &format!("evaluate in.parquet --label label {flags}")).says(&says);
    }
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>((0..4).map(|n| Some([Some(n)])));
    let decimals = Decimal128Array::from_iter_values([30, 10, 20, 40]).with_precision_and_scale(9, 2).unwrap();
    let columns: [(_, ArrayRef, bool); 7] = [
        ("list", Arc::new(lists), false),
        ("decimal", Arc::new(decimals), false),
        ("clock", Arc::new(Time64MicrosecondArray::from(vec![3, 1, 2, 4])), false),
        ("day", Arc::new(StringArray::from(vec!["2024-01-03", "2024-01-01", "2024-01-02", "2024-01-04"])), false),
        ("owner", Arc::new(StringArray::from(vec![None, Some("a"), None, Some("b")])), true),
        ("anomaly_score", Arc::new(Float64Array::from(vec![2.0, 0.0, 1.0, 0.0])), false),
        ("label", Arc::new(BooleanArray::from(vec![true, false, true, false])), false),
    ];
    write(&dir.path("odd.parquet"), &RecordBatch::try_from_iter_with_nullable(columns).unwrap(), 3);
    for order in ["decimal", "clock", "anomaly_score", "day"] {
        let told = dir.ok(&format!("evaluate odd.parquet --label label --order-by {order} --by clock --summary json"));
        assert_eq!(told.json()["series"]["series"], 4, "{order}");
        let told = dir.ok(&format!("evaluate odd.parquet --label label --order-by {order} --summary json")).json();
        assert_eq!((&told["series"]["events"], &told["scores"][0]["vus"]["pr"]), (&1.into(), &1.0.into()), "{order}");
    }
    let told = dir.ok("evaluate odd.parquet --label label --order-by clock --by owner --summary json").json();
    assert_eq!(told["series"]["series"], 3, "rows without an owner are one series");
    for flags in ["--order-by list", "--order-by clock --by list"] {
        dir.fails(65, &format!("evaluate odd.parquet --label label {flags}")).says(&["column \"list\"", "a time"]);
    }
    dir.fails(2, "evaluate in.parquet --likelihood --order-by at").says(&["--likelihood"]);
    std::fs::write(
        dir.path("in.csv"),
        "at,anomaly_score,label\n2024-01-02T00:00:00,3,1\n2024-01-01T00:00:00,1,0\n2024-01-03T00:00:00,2,0\n",
    )
    .unwrap();
    let told = dir.ok("evaluate in.csv --label label --order-by at --summary json").json();
    assert_eq!((&told["series"]["events"], &told["scores"][0]["vus"]["pr"]), (&1.into(), &1.0.into()));
}
