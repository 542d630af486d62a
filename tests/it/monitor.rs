//! What a monitoring system is told: metrics in Prometheus's text format, and logs that tell runs apart.

use serde_json::Value;

use crate::tables::{curve, write};
use crate::workdir::{Workdir, repository};

/// The value of a metric, whatever its labels.
fn metric(dir: &Workdir, name: &str, label: &str) -> Option<f64> {
    let text = std::fs::read_to_string(dir.path("run.prom")).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("vaepipe_{name}{{")) && line.contains(label))?;
    line.rsplit(' ').next().unwrap().parse().ok()
}

fn fitted() -> Workdir {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &curve(2000), 500);
    dir.ok("fit in.parquet --epochs 3 --metrics-textfile run.prom --job night\\ly\"");
    dir
}

#[test]
fn every_run_says_how_it_went() {
    let dir = fitted();
    assert_eq!(metric(&dir, "exit_code", "command=\"fit\""), Some(0.0));
    assert_eq!(metric(&dir, "epochs", "job=\"night\\\\ly\\\"\",command=\"fit\",model=\"vae.safetensors\""), Some(3.0));
    let losses = ["validation_loss", "held_out_loss", "train_rows", "last_success_timestamp_seconds"];
    assert!(losses.iter().all(|name| metric(&dir, name, "").is_some()));
    let summary = dir.ok("transform in.parquet out.parquet --metrics-textfile run.prom --summary json").json();
    for name in ["rows", "anomalies", "anomaly_rate"] {
        assert_eq!(metric(&dir, name, "command=\"transform\""), summary[name].as_f64(), "{name}");
    }
    assert_eq!(metric(&dir, "score", "quantile=\"0.99\""), summary["scores"]["q99"].as_f64());
    assert_eq!(metric(&dir, "drift_psi_max", ""), summary["drift"]["worst"].as_f64());
    let shift = &summary["drift"]["columns"][0];
    let column = format!("column={}", shift["name"]);
    assert_eq!(metric(&dir, "drift_psi", &column), shift["psi"].as_f64());
    assert_eq!(metric(&dir, "missing_rate", &column), shift["missing"].as_f64());
    dir.ok("drift in.parquet --metrics-textfile run.prom");
    assert_eq!(metric(&dir, "rows", "command=\"drift\""), Some(2000.0));
}

#[test]
fn a_run_that_fails_says_so_and_when_the_last_did_not() {
    let dir = fitted();
    dir.ok("transform in.parquet out.parquet --metrics-textfile run.prom");
    let success = metric(&dir, "last_success_timestamp_seconds", "").unwrap();
    dir.fails(1, "transform missing.parquet out.parquet --metrics-textfile run.prom");
    assert_eq!(metric(&dir, "exit_code", ""), Some(1.0));
    assert_eq!(metric(&dir, "last_success_timestamp_seconds", ""), Some(success));
    assert!(metric(&dir, "last_run_timestamp_seconds", "").unwrap() > success && metric(&dir, "rows", "").is_none());
    // Another job's success is none of this one.
    dir.fails(2, "transform in.parquet out.parquet --metrics-textfile run.prom --job other");
    assert_eq!(metric(&dir, "last_success_timestamp_seconds", ""), None);
    dir.fails(3, "transform in.parquet out.parquet --force --metrics-textfile run.prom --fail-on-anomaly-rate 0");
    assert_eq!(metric(&dir, "exit_code", ""), Some(3.0));
}

#[test]
fn nothing_but_metrics_is_replaced_by_metrics() {
    let dir = fitted();
    let before = std::fs::read(dir.path("in.parquet")).unwrap();
    for path in ["in.parquet", "vae.safetensors"] {
        let arguments = format!("transform in.parquet out.parquet --metrics-textfile {path}");
        dir.fails(2, &arguments).says(&["something else than metrics"]);
    }
    dir.fails(2, "transform in.parquet out.parquet --metrics-textfile out.parquet");
    assert_eq!(std::fs::read(dir.path("in.parquet")).unwrap(), before);
    assert!(!dir.path("out.parquet").exists());
}

#[test]
fn json_logs_and_summaries_carry_the_id_of_their_run_and_the_models_hash() {
    let dir = fitted();
    let run = |more: &str| {
        let ran = dir.ok(&format!("transform in.parquet out.parquet --force --log-format json --summary json {more}"));
        let lines: Vec<Value> = ran.stderr().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (summary, id) = (ran.json(), lines[0]["run_id"].clone());
        assert!(lines.iter().all(|line| line["run_id"] == id) && summary["run_id"] == id && id.is_string());
        let hash = lines.iter().find_map(|line| line["model_hash"].as_str());
        assert!(hash.is_some() && hash == summary["model_hash"].as_str());
        assert_eq!(crate::tables::keys(&dir.path("out.parquet")).get("vaepipe.model").map(String::as_str), hash);
        id
    };
    assert_eq!(run("--run-id night-17"), "night-17");
    assert!(run("") != run(""));
    let failed = dir.fails(1, "transform gone.parquet out2.parquet --log-format json --run-id x");
    assert!(failed.stderr().lines().all(|line| line.starts_with("{\"run_id\":\"x\",")));
}

/// The service's command line, as far as it can be run without a daemon; the crontab has a test of its own.
#[test]
fn the_examples_run() {
    let dir = Workdir::new();
    std::fs::copy(repository("sample_data/flights.parquet"), dir.path("flights.parquet")).unwrap();
    dir.ok("fit flights.parquet -m model.safetensors --epochs 1");
    let root = dir.path("").display().to_string();
    let program = env!("CARGO_BIN_EXE_vaepipe");
    std::fs::create_dir_all(dir.path("lake")).unwrap();
    std::fs::rename(dir.path("flights.parquet"), dir.path("lake/flights.parquet")).unwrap();
    let service = std::fs::read_to_string(repository("examples/vaepipe.service")).unwrap();
    let start = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    // A % stands for something else in a unit.
    assert!(!start.contains('%'), "{start}");
    let here = start
        .replace("/usr/local/bin/vaepipe", program)
        .replace("/var/lib/node_exporter/", &root)
        .replace("/srv/vaepipe/", &root);
    let done = std::process::Command::new("sh").args(["-c", &here]).output().unwrap();
    assert!(done.status.success(), "{start}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(dir.path("scored/flights.parquet").exists() && dir.path("vaepipe.prom").exists());
    let rules = std::fs::read_to_string(repository("examples/alerts.yml")).unwrap();
    let metrics = std::fs::read_to_string(repository("src/cli/monitor.rs")).unwrap();
    let named = rules.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.starts_with("vaepipe_"));
    let named: Vec<&str> = named.collect();
    assert!(named.len() >= 4);
    for name in named {
        assert!(metrics.contains(&format!("\"{}\"", &name["vaepipe_".len()..])), "no metric {name}");
    }
}
