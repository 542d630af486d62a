//! `--where` equals filtering afterwards.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use parquet::file::properties::WriterProperties;

use crate::formats::{piped, read_stream, stream};
use crate::tables::{new_bits, read, write_with};
use crate::workdir::Workdir;

const ROWS: usize = 600;

/// A row of the table.
#[derive(Debug, Clone)]
struct Row {
    id: i64,
    n: Option<i64>,
    x: Option<f64>,
    s: Option<String>,
    flag: Option<bool>,
    day: Option<i32>,
    at: Option<i64>,
}

fn rows() -> Vec<Row> {
    let row = |id: i64| Row {
        id,
        n: (id % 7 != 3).then_some(id / 10 - 20),
        x: match id % 11 {
            4 => None,
            5 => Some(f64::NAN),
            _ => Some((id as f64 - 300.0) / 50.0),
        },
        s: match id % 13 {
            6 => None,
            7 => Some(String::new()),
            8 => Some("it's".to_owned()),
            9 => Some("größe".to_owned()),
            _ => Some(format!("{}{}", if id < 300 { "DE" } else { "fr" }, id % 3)),
        },
        flag: (id % 5 != 2).then_some(id % 2 == 0),
        day: (id % 17 != 1).then_some(15_000 + (id / 60) as i32),
        at: (id % 19 != 1).then_some(1_370_000_000_000_000 + id * 3_600_000_000),
    };
    (0..ROWS as i64).map(row).collect()
}

fn table(rows: &[Row]) -> RecordBatch {
    let columns: [(&str, ArrayRef, bool); 7] = [
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))), false),
        ("n", Arc::new(rows.iter().map(|row| row.n).collect::<Int64Array>()), true),
        ("x", Arc::new(rows.iter().map(|row| row.x).collect::<Float64Array>()), true),
        ("s", Arc::new(rows.iter().map(|row| row.s.clone()).collect::<StringArray>()), true),
        ("flag", Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()), true),
        ("the day", Arc::new(rows.iter().map(|row| row.day).collect::<Date32Array>()), true),
        ("at", Arc::new(rows.iter().map(|row| row.at).collect::<TimestampMicrosecondArray>()), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn ids(batch: &RecordBatch) -> Vec<i64> {
    batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

/// The table in a file of row groups of 40 rows, and a model that learned one column of it.
fn fitted() -> (Workdir, RecordBatch) {
    let (dir, batch) = (Workdir::new(), table(&rows()));
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(40)).build();
    write_with(&dir.path("in.parquet"), &batch, properties);
    dir.ok("fit in.parquet --epochs 1 --latent-dim 1 --hidden 4 --columns n,x");
    (dir, batch)
}

/// A condition, and the same in Rust.
type Case = (&'static str, fn(&Row) -> bool);

/// NaN is equal to itself and above everything, as in polars and PostgreSQL.
fn x(row: &Row, holds: fn(f64) -> bool) -> bool {
    row.x.is_some_and(|x| holds(if x.is_nan() { f64::INFINITY } else { x }))
}

fn s(row: &Row, holds: fn(&str) -> bool) -> bool {
    row.s.as_deref().is_some_and(holds)
}

const CASES: &[Case] = &[
    ("n > 5", |row| row.n.is_some_and(|n| n > 5)),
    ("n >= 5", |row| row.n.is_some_and(|n| n >= 5)),
    ("n < -15", |row| row.n.is_some_and(|n| n < -15)),
    ("n <= -15", |row| row.n.is_some_and(|n| n <= -15)),
    ("n = 0", |row| row.n == Some(0)),
    ("0 = n", |row| row.n == Some(0)),
    ("35 < n", |row| row.n.is_some_and(|n| n > 35)),
    ("-18 >= n", |row| row.n.is_some_and(|n| n <= -18)),
    ("n <> 0", |row| row.n.is_some_and(|n| n != 0)),
    ("n != 0", |row| row.n.is_some_and(|n| n != 0)),
    ("NOT n = 0", |row| row.n.is_some_and(|n| n != 0)),
    ("n > 4.5", |row| row.n.is_some_and(|n| n >= 5)),
    ("n > 1000000", |_| false),
    ("n > -1000000", |row| row.n.is_some()),
    ("n IS NULL", |row| row.n.is_none()),
    ("n IS NOT NULL", |row| row.n.is_some()),
    ("n = NULL", |_| false),
    ("n IN (1, 2, 39)", |row| row.n.is_some_and(|n| [1, 2, 39].contains(&n))),
    ("n NOT IN (1, 2)", |row| row.n.is_some_and(|n| n != 1 && n != 2)),
    ("n BETWEEN 3 AND 6", |row| row.n.is_some_and(|n| (3..=6).contains(&n))),
    ("n NOT BETWEEN 3 AND 6", |row| row.n.is_some_and(|n| !(3..=6).contains(&n))),
    ("n > 5 AND x < 4", |row| row.n.is_some_and(|n| n > 5) && x(row, |x| x < 4.0)),
    ("n > 35 OR x < -5.5", |row| row.n.is_some_and(|n| n > 35) || x(row, |x| x < -5.5)),
    ("(n > 35 OR n < -18) AND NOT flag", |row| {
        row.n.is_some_and(|n| !(-18..=35).contains(&n)) && row.flag == Some(false)
    }),
    ("x > 3", |row| x(row, |x| x > 3.0)),
    ("x >= 3.02", |row| x(row, |x| x >= 3.02)),
    ("x < -3", |row| x(row, |x| x < -3.0)),
    ("x <= -3", |row| x(row, |x| x <= -3.0)),
    ("x = 0", |row| row.x == Some(0.0)),
    ("x <> 0", |row| x(row, |x| x != 0.0)),
    ("x > 100", |row| row.x.is_some_and(f64::is_nan)),
    ("x IS NULL", |row| row.x.is_none()),
    ("abs(x) < 0.5", |row| row.x.is_some_and(|x| x.abs() < 0.5)),
    ("flag", |row| row.flag == Some(true)),
    ("NOT flag", |row| row.flag == Some(false)),
    ("flag = true", |row| row.flag == Some(true)),
    ("flag IS NULL", |row| row.flag.is_none()),
    ("s = 'DE1'", |row| s(row, |s| s == "DE1")),
    ("s <> 'DE1'", |row| s(row, |s| s != "DE1")),
    ("s > 'fr'", |row| s(row, |s| s > "fr")),
    ("s < 'E'", |row| s(row, |s| s < "E")),
    ("s = ''", |row| s(row, str::is_empty)),
    ("s = 'it''s'", |row| s(row, |s| s == "it's")),
    ("s = 'größe'", |row| s(row, |s| s == "größe")),
    ("s LIKE 'DE%'", |row| s(row, |s| s.starts_with("DE"))),
    ("s NOT LIKE 'DE%'", |row| s(row, |s| !s.starts_with("DE"))),
    ("s IN ('DE0', 'fr2')", |row| s(row, |s| s == "DE0" || s == "fr2")),
    ("s IS NULL", |row| row.s.is_none()),
    ("s IS NOT NULL AND n IS NULL", |row| row.s.is_some() && row.n.is_none()),
    ("upper(s) = 'FR1'", |row| s(row, |s| s.to_uppercase() == "FR1")),
    ("length(s) = 0", |row| s(row, str::is_empty)),
    ("starts_with(s, 'fr')", |row| s(row, |s| s.starts_with("fr"))),
    ("\"the day\" = DATE '2011-01-30'", |row| row.day == Some(15_004)),
    ("\"the day\" > DATE '2011-01-30'", |row| row.day.is_some_and(|day| day > 15_004)),
    ("at < TIMESTAMP '2013-06-01 00:00:00'", |row| row.at.is_some_and(|at| at < 1_370_044_800_000_000)),
    ("extract(year from at) = 2013", |row| row.at.is_some()),
    ("coalesce(n, 100) = 100", |row| row.n.is_none()),
    ("CASE WHEN flag THEN n > 0 ELSE n < 0 END", |row| {
        row.n.is_some_and(|n| if row.flag == Some(true) { n > 0 } else { n < 0 })
    }),
];

#[test]
fn a_condition_keeps_the_rows_that_filtering_would() {
    let (dir, batch) = fitted();
    dir.ok("transform in.parquet all.parquet");
    let all = read(&dir.path("all.parquet"));
    let (scores, rows) = (new_bits(&all), rows());
    std::fs::write(dir.path("in.arrows"), stream(&batch, 70)).unwrap();
    for (n, (sql, holds)) in CASES.iter().enumerate() {
        let expected: Vec<i64> = rows.iter().filter(|row| holds(row)).map(|row| row.id).collect();
        // Row groups are pruned in one of the two only.
        for input in ["in.parquet", "in.arrows"] {
            let mut command = dir.command(&format!("transform {input} out.parquet --force --quiet --where"));
            let output = command.arg(sql).output().unwrap();
            assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
            let out = read(&dir.path("out.parquet"));
            assert_eq!(ids(&out), expected, "{sql}");
            if n % 9 == 0 && !expected.is_empty() {
                let kept: Vec<_> = expected.iter().map(|&id| scores[id as usize].clone()).collect();
                assert!(new_bits(&out) == kept, "{sql}");
            }
        }
    }
}

#[test]
fn a_fit_with_a_condition_is_a_fit_of_the_filtered_rows() {
    let (dir, batch) = fitted();
    let holds = |row: &Row| row.n.is_some_and(|n| n > -12) && row.flag != Some(false) && row.flag.is_some();
    let mask: BooleanArray = rows().iter().map(|row| Some(holds(row))).collect();
    let kept = filter_record_batch(&batch, &mask).unwrap();
    write_with(&dir.path("kept.parquet"), &kept, WriterProperties::default());
    let flags = "--epochs 2 --latent-dim 1 --hidden 4 --columns n,x,s --seed 3";
    dir.ok(&format!("fit kept.parquet -m kept.safetensors {flags}"));
    std::fs::write(dir.path("in.arrows"), stream(&batch, 70)).unwrap();
    for input in ["in.parquet", "in.arrows"] {
        let mut command = dir.command(&format!("fit {input} -m where.safetensors --force {flags} --where"));
        let output = command.arg("n > -12 AND flag").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let model = |name: &str| std::fs::read(dir.path(name)).unwrap();
        assert!(model("kept.safetensors") == model("where.safetensors"), "{input}");
    }
    let mut command = dir.command("inspect in.parquet --summary json --where");
    let json: serde_json::Value =
        serde_json::from_slice(&command.arg("n > -12 AND flag").output().unwrap().stdout).unwrap();
    assert_eq!(json["rows"], kept.num_rows());
}

#[test]
fn a_condition_may_name_keys_of_the_path_and_columns_that_are_not_written() {
    let (dir, batch) = fitted();
    for (k, start) in [(1, 0), (2, 300)] {
        std::fs::create_dir_all(dir.path(&format!("d/k={k}"))).unwrap();
        write_with(&dir.path(&format!("d/k={k}/x.parquet")), &batch.slice(start, 300), WriterProperties::default());
    }
    let run = |arguments: &str, sql: &str| {
        let output = dir.command(&format!("{arguments} --force --quiet --where")).arg(sql).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run("transform d one.parquet --keep id", "k = 2 AND flag");
    let expected: Vec<i64> =
        rows().iter().filter(|row| row.id >= 300 && row.flag == Some(true)).map(|row| row.id).collect();
    let one = read(&dir.path("one.parquet"));
    assert_eq!(ids(&one), expected);
    assert!(one.column_by_name("flag").is_none());
    run("transform d out/", "k = 2");
    assert!(!dir.path("out/k=1").exists(), "no row of this file is read");
    assert_eq!(read(&dir.path("out/k=2/x.parquet")).num_rows(), 300);
    let ran = piped(&dir, "transform - - --where flag", &stream(&batch, 50)).exits(0);
    assert!(read_stream(&ran.output.stdout).num_rows() > 100);
}

#[test]
fn a_condition_of_any_length_is_answered() {
    let (dir, _) = fitted();
    let run = |sql: &str| {
        let output = dir.command("transform in.parquet new --force --quiet --where").arg(sql).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // As deep as it may be, and longer in a list.
    let many = |count: usize, of: &str| vec![of; count].join(" OR ");
    assert_eq!(run(&format!("n{}", " IS NULL".repeat(1900))).0, Some(0));
    assert_eq!(run(&many(900, "n = 3")).0, Some(0));
    assert_eq!(run(&format!("n IN ({})", vec!["1"; 20_000].join(", "))).0, Some(0));
    for deep in [many(12_000, "flag"), format!("flag{}", " IS NULL".repeat(10_000)), "NOT ".repeat(9000) + "flag"] {
        let (code, said) = run(&deep);
        assert!(code == Some(2) && said.contains("as a list"), "{code:?}: {said}");
    }
}

#[test]
fn what_is_wrong_with_a_condition_is_said() {
    let (dir, _) = fitted();
    for (sql, says) in [
        ("flg", vec!["no column \"flg\"", "did you mean \"flag\"?", "--where named it"]),
        ("s > 5", vec!["\"s > 5\" (\"s\" is Utf8) is not a condition on these rows", "--where is SQL"]),
        ("n + 1", vec!["\"n\" is Int64", "not true or false"]),
        ("n >", vec!["\"n >\" is not a condition on these rows"]),
        ("1 = 1", vec!["it names no column"]),
        ("n > avg(n)", vec!["not a function of one row"]),
        ("row_number() OVER (ORDER BY n) > 3", vec!["is not a condition on these rows"]),
        ("n > (SELECT 1)", vec!["is not a condition on these rows"]),
        ("n IN (SELECT n FROM t)", vec!["is not a condition on these rows"]),
        ("SELECT 1", vec!["is not a condition on these rows"]),
        ("", vec!["is not a condition on these rows"]),
    ] {
        for command in ["transform in.parquet new --where", "fit in.parquet -m new --where"] {
            let output = dir.command(command).arg(sql).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{sql}: {said}");
            assert!(says.iter().all(|part| said.contains(part)), "{sql}: {said}");
            assert!(!dir.path("new").exists() && !said.contains("panicked"), "{said}");
        }
    }
}
