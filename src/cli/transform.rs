//! `vaepipe transform`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};
use vaepipe::{
    Decision, Error, Model, ScoreQuantiles, Source, SourceConfig, TransformConfig, Transformed, ValueIssues,
};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::alert::{AlertFlag, Limit};
use crate::cli::flags::decision::{DecisionFlags, because};
use crate::cli::flags::output::{OutputFlags, check_output, is_dash, kept, place};
use crate::cli::flags::run::RunFlags;
use crate::cli::monitor::MonitorFlags;
use crate::cli::output::drift_summary::{self, moved};
use crate::cli::output::log;
use crate::cli::output::{self, percent, seconds};

/// Add latent columns and reconstruction errors to every row of Parquet, Arrow, CSV or NDJSON files
///
/// Example: vaepipe transform flights.parquet scored.parquet
///
/// Every input column is written as it is, then z_0 ... (posterior mean), recon_error, anomaly_score, p_value and
/// is_anomaly. Rows stay in order, and a row's numbers do not depend on other rows (but is_anomaly with --fdr). From one
/// Parquet file to another the input's columns are copied byte for byte.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Transform {
    /// Files, directories, or globs in quotes, read as one table; - is stdin
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The file to write, in the format of its name: *.arrow, *.feather or *.ipc, *.csv, *.tsv, *.ndjson or *.jsonl (with
    /// .gz, compressed), else Parquet; a directory (there, or with a trailing /) gets a file for each input; - is stdout, an
    /// Arrow stream unless --output-format says otherwise
    output: PathBuf,
    /// The model file
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Run")]
    model: PathBuf,
    #[command(flatten)]
    rows: SourceConfig,
    #[command(flatten)]
    config: TransformConfig,
    #[command(flatten)]
    decision: DecisionFlags,
    #[command(flatten)]
    alert: AlertFlag,
    #[command(flatten)]
    monitor: MonitorFlags,
    #[command(flatten)]
    files: OutputFlags,
    /// Read and write lines of JSON: each is written, with new keys, and flushed as soon as it is read. Other keys stay as they
    /// are; one that a line lacks is null. --csv-bad-lines skip leaves out lines that are not objects
    #[arg(
        long,
        conflicts_with_all = ["where", "types", "input_format", "output_format", "compression", "row_group_size", "keep_going"],
        help_heading = "Rows"
    )]
    lines: bool,
    #[command(flatten)]
    run: RunFlags,
}

impl Transform {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { inputs, output, model, mut rows, mut config, files, decision, alert, monitor, lines: by_line, run } =
            self;
        rows.keep_going = files.keep_going;
        monitor.begin("transform", &model, &[&output], context)?;
        let alert = alert.alert()?;
        config.output = files.config();
        config.decision = decision.decision()?;
        let start = Instant::now();
        config.check()?;
        run.check()?;
        let source = if by_line { None } else { Some(Source::open(&inputs, &rows, &context.signals.stop)?) };
        let _lock = run.lock([output.as_path()], context)?;
        check_output(&output, &config.output, source.iter().flat_map(Source::paths), Some(&model))?;
        let path = model;
        let model = Model::load(&path, run.device)?;
        log::model(&path, &model);
        alert.check_model(&model, &config)?;
        let to = files.open(&output)?;
        let mut running = context.run(run.threads, source.as_ref().and_then(Source::rows));
        let transformed = match &source {
            Some(source) => model.transform_to(source, to, &config, &mut running)?,
            None => model.transform_lines(&inputs, &rows, to, &config, &mut running)?,
        };
        drop(running);
        context.monitor.transformed(&transformed);
        let total = start.elapsed().as_secs_f64();
        let lines = lines(&model, &config, &transformed, &output, alert.drift(), total)?;
        let json = json(&model, &config, &transformed, total);
        output::print_beside(is_dash(&output), run.summary, context.quiet, &lines, &json)?;
        alert.check(&transformed)
    }
}

/// What a person reads of a transform.
///
/// # Errors
/// Those of [`Model::new_columns`].
pub(crate) fn lines(
    model: &Model,
    config: &TransformConfig,
    done: &Transformed,
    output: &Path,
    limit: Limit,
    total: f64,
) -> Result<Vec<(&'static str, String)>, Error> {
    let columns = model.new_columns(config)?.fields().len();
    let speed = HumanCount((done.rows as f64 / total.max(1e-9)) as u64);
    let place = place(output, done.files);
    let mut lines = vec![("wrote", format!("{} rows with {columns} new columns to {place}", HumanCount(done.rows)))];
    lines.extend(kept(done.skipped));
    if let (Some(anomalies), Some(rate)) = (done.anomalies, done.anomaly_rate()) {
        let decision = decision(model, config);
        let mut scoring = model.metadata().scoring.clone();
        scoring.decision = decision;
        let by_p_values = matches!(decision, Decision::Alpha(_) | Decision::Fdr(_));
        let (rows, because) = (HumanCount(anomalies), because(decision));
        lines.push(("anomalies", format!("{rows} rows, {}, by {because}", percent(rate))));
        lines.extend(scoring.shortcoming().filter(|_| by_p_values).map(|but| ("", but)));
    }
    if let Some(ScoreQuantiles { min, median, q90, q99, max, .. }) = done.scores {
        lines.push((
            "scores",
            format!(
                "from {min:.2} to {max:.2}, half of them below {median:.2}, 90 % below {q90:.2}, 99 % below {q99:.2}"
            ),
        ));
    }
    let moved = done.drift.as_ref().and_then(|drift| moved(drift, limit.worth_a_word()));
    lines.extend(moved.map(|moved| ("drift", moved)));
    lines.push(("time", format!("{total:.2} s, {speed} rows/s")));
    Ok(lines)
}

/// What makes a row an anomaly.
fn decision(model: &Model, config: &TransformConfig) -> Decision {
    model.metadata().scoring.decide(config.decision)
}

/// The same for a program.
pub(crate) fn json(model: &Model, config: &TransformConfig, done: &Transformed, total: f64) -> Value {
    let found = |(column, found): &(String, ValueIssues)| {
        let mut found = json!(found);
        found["column"] = json!(column);
        found
    };
    json!({
        "model_hash": model.hash(),
        "rows": done.rows,
        "files": done.files,
        "skipped": done.skipped,
        "empty_rows": done.empty_rows,
        "anomalies": done.anomalies,
        "anomaly_rate": done.anomaly_rate(),
        "decision": done.anomalies.map(|_| decision(model, config)),
        "scores": done.scores,
        "found": done.issues.iter().map(found).collect::<Vec<_>>(),
        "drift": done.drift.as_ref().map(drift_summary::json),
        "seconds": seconds(total),
        "rows_per_second": (done.rows as f64 / total.max(1e-9)).round(),
    })
}
