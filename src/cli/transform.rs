//! `vaepipe transform`.

use std::path::Path;
use std::time::Instant;

use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};
use vaepipe::{
    ColumnTree, Decision, Error, Model, ScoreQuantiles, Source, SourceConfig, TransformConfig, Transformed, ValueIssues,
};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::alert::{AlertFlag, Limit};
use crate::cli::flags::decision::{DecisionFlags, because};
use crate::cli::flags::output::{OutputFlags, check_output, is_dash, kept, place, unreadable, unreadable_json};
use crate::cli::flags::paths::{InputsAndOutput, ModelFlag};
use crate::cli::flags::run::RunFlags;
use crate::cli::monitor::MonitorFlags;
use crate::cli::output::drift_summary::{self, moved};
use crate::cli::output::log;
use crate::cli::output::{self, percent, seconds};

/// Add latents and anomaly scores to every row
///
/// Example: vaepipe transform flights.parquet scored.parquet
///
/// The output has every input column unchanged, then z_0 ... (posterior mean), recon_error, anomaly_score, p_value and
/// is_anomaly. Rows stay in order, and a row's numbers do not depend on other rows (except is_anomaly with --fdr). From
/// Parquet to Parquet, the input's columns are copied byte for byte.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, override_usage = "vaepipe transform [OPTIONS] <INPUT>... <OUTPUT>")]
pub(crate) struct Transform {
    #[command(flatten)]
    paths: InputsAndOutput,
    #[command(flatten)]
    model: ModelFlag,
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
    /// Read and write one JSON object per line, and answer each line at once. New keys are added, the others stay as they
    /// are; a missing key is null. --csv-bad-lines skip skips lines that are not objects
    #[arg(
        long,
        conflicts_with_all = ["quarantine", "where", "types", "input_format", "output_format", "compression", "row_group_size", "keep_going"],
        help_heading = "Rows"
    )]
    lines: bool,
    #[command(flatten)]
    run: RunFlags,
}

impl Transform {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self {
            paths,
            model: ModelFlag { model: path },
            mut rows,
            mut config,
            files,
            decision,
            alert,
            monitor,
            lines: by_line,
            run,
        } = self;
        let (inputs, output) = paths.split()?;
        rows.keep_going = files.keep_going(&output);
        let written: Vec<&Path> = [output.as_path()].into_iter().chain(config.quarantine.as_deref()).collect();
        monitor.begin("transform", &inputs, &path, &written, context)?;
        let alert = alert.alert()?;
        config.output = files.config();
        config.decision = decision.decision()?;
        config.ignore_above_p = decision.ignore_above_p();
        let start = Instant::now();
        config.check()?;
        run.check()?;
        let source = if by_line { None } else { Some(Source::open(&inputs, &rows, &context.signals.stop)?) };
        let targets = targets(&output, &config)?;
        let _lock = run.writing.lock(targets.iter().copied(), context)?;
        for target in targets {
            check_output(target, &config.output, source.iter().flat_map(Source::paths), Some(&path))?;
        }
        let model = Model::load(&path, run.device)?;
        log::model(&path, &model);
        alert.check_model(&model, &config)?;
        let to = files.open(&output)?;
        if let Some(source) = &source {
            context.monitor.lineage.read(&ColumnTree::of(&source.schema()));
            context.monitor.lineage.wrote(&ColumnTree::of(&*model.output_schema(source, &config)?));
        }
        let mut running = context.run(run.workers.threads, source.as_ref().and_then(Source::rows));
        let transformed = match &source {
            Some(source) => model.transform_to(source, to, &config, &mut running)?,
            None => model.transform_lines(&inputs, &rows, to, &config, &mut running)?,
        };
        drop(running);
        context.monitor.transformed(&transformed, true);
        output::warn_of_no_row(transformed.rows, &rows);
        let total = start.elapsed().as_secs_f64();
        let lines = lines(&model, &config, &transformed, &output, alert.drift(), total)?;
        let json = json(&model, &config, &transformed, total);
        output::print_beside(is_dash(&output), run.writing.summary, context.quiet, &lines, &json)?;
        let alerted = alert.check(&transformed);
        if let (Err(Failure::Alert(fault)), Err(_)) = (&alerted, transformed.check_complete()) {
            tracing::warn!("{fault}");
        }
        transformed.check_complete()?;
        alerted
    }
}

/// The outputs of a transform.
///
/// # Errors
/// [`Error::TargetTwice`] for one output under two names.
pub(crate) fn targets<'a>(output: &'a Path, config: &'a TransformConfig) -> Result<Vec<&'a Path>, Error> {
    let targets: Vec<&Path> = [output].into_iter().chain(config.quarantine.as_deref()).collect();
    crate::storage::check_distinct(&targets)?;
    Ok(targets)
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
    let written = done.rows - done.quarantined.unwrap_or_default();
    let mut lines = vec![("wrote", format!("{} rows with {columns} new columns to {place}", HumanCount(written)))];
    lines.extend(kept(done.skipped));
    lines.extend(unreadable(&done.unreadable));
    if let (Some(anomalies), Some(rate)) = (done.anomalies, done.anomaly_rate()) {
        let decision = decision(model, config);
        let mut scoring = model.metadata().scoring.clone();
        scoring.decision = decision;
        let by_p_values = matches!(decision, Decision::Alpha(_) | Decision::Fdr(_));
        let ignored = config.ignore_above_p.or(scoring.ignore_above_p);
        let (rows, because) = (HumanCount(anomalies), because(decision, ignored));
        let held_back = done.held_back.filter(|rows| *rows > 0);
        let held_back = held_back.map_or(String::new(), |rows| format!("; {} more held back", HumanCount(rows)));
        lines.push(("anomalies", format!("{rows} rows, {} ({because}){held_back}", percent(rate))));
        lines.extend(scoring.shortcoming().filter(|_| by_p_values).map(|but| ("", but)));
    }
    if let (Some(rows), Some(path)) = (done.quarantined, &config.quarantine) {
        lines.push(("quarantine", format!("{} rows to {}", HumanCount(rows), path.display())));
    }
    if let Some(ScoreQuantiles { min, median, q90, q99, max, .. }) = done.scores {
        lines.push((
            "scores",
            format!("{min:.2} to {max:.2}; median {median:.2}, 90 % below {q90:.2}, 99 % below {q99:.2}"),
        ));
    }
    lines.extend(partial_windows(model, config, done));
    lines.extend(values(&done.issues));
    let moved = done.drift.as_ref().and_then(|drift| moved(drift, limit.worth_a_word()));
    lines.extend(moved.map(|moved| ("drift", moved)));
    lines.push(("time", format!("{total:.2} s, {speed} rows/s")));
    Ok(lines)
}

/// How many rows have too few rows before them, if they are more than one in a hundred.
fn partial_windows(model: &Model, config: &TransformConfig, done: &Transformed) -> Option<(&'static str, String)> {
    let (rows, sequence) = (done.partial_windows?, model.metadata().sequence.as_ref()?);
    let share = rows as f64 / done.rows as f64;
    let way = if config.order.history.is_empty() { "; --history names earlier rows" } else { "" };
    let judged = match model.metadata().scoring.partial_windows {
        Some(_) => "are compared with rows like them",
        None => "count as other rows",
    };
    let said = format!(
        "{} rows, {}, have fewer rows before them than a window of {} holds, and {judged}{way}",
        HumanCount(rows),
        percent(share),
        sequence.window
    );
    (share > 0.01).then_some(("windows", said))
}

/// What the values are that the training data lacks, if there are any.
fn values(issues: &[(String, ValueIssues)]) -> Option<(&'static str, String)> {
    let said = |count: fn(&ValueIssues) -> u64, what: &str| {
        let counts: Vec<u64> = issues.iter().map(|(_, issues)| count(issues)).filter(|count| *count > 0).collect();
        let (all, columns) = (HumanCount(counts.iter().sum()), counts.len());
        let columns = if columns == 1 { "1 column".to_owned() } else { format!("{columns} columns") };
        (!counts.is_empty()).then(|| format!("{all} in {columns} {what}"))
    };
    let said = [
        said(|it| it.out_of_range, "out of range"),
        said(|it| it.unseen_category, "unseen in the training data"),
        said(|it| it.unusable, "NaN, infinite or otherwise unusable"),
    ];
    let said = said.into_iter().flatten().collect::<Vec<_>>().join("; ");
    (!said.is_empty()).then_some(("values", said))
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
        "unreadable": unreadable_json(&done.unreadable),
        "empty_rows": done.empty_rows,
        "partial_windows": done.partial_windows,
        "anomalies": done.anomalies,
        "held_back": done.held_back,
        "quarantined": done.quarantined,
        "anomaly_rate": done.anomaly_rate(),
        "decision": done.anomalies.map(|_| decision(model, config)),
        "scores": done.scores,
        "found": done.issues.iter().map(found).collect::<Vec<_>>(),
        "drift": done.drift.as_ref().map(drift_summary::json),
        "seconds": seconds(total),
        "rows_per_second": (done.rows as f64 / total.max(1e-9)).round(),
    })
}
