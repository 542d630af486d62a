//! `vaepipe drift`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};
use vaepipe::{ColumnTree, Device, Model, OrderConfig, Run, Shift, Source, SourceConfig, TransformConfig, Transformed};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::alert::{DriftFlag, check_spread};
use crate::cli::flags::paths::ModelFlag;
use crate::cli::flags::run::Workers;
use crate::cli::monitor::MonitorFlags;
use crate::cli::output::drift_summary::moved;
use crate::cli::output::log;
use crate::cli::output::table::{in_lines, table_of, to_the_right};
use crate::cli::output::{self, OutputFormat, labelled, percent, seconds, shown};

/// Compare data with the training data of a model
///
/// Example: vaepipe drift february.parquet -m flights.safetensors --fail-on-drift 0.25
///
/// Of every learned column, latent and the score: the population stability index, what chance makes of it, and the
/// Kolmogorov-Smirnov distance; of columns also what is missing, out of range, or of unseen categories. A transform
/// tells the same of the rows it writes.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct DriftCommand {
    /// Files, directories, or globs in quotes, read as one table; - is stdin
    #[arg(required = true, value_name = "DATA")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelFlag,
    /// The result on stdout: a table, or one JSON object
    #[arg(long, alias = "format", default_value = "text", value_name = "FORMAT", help_heading = "Output")]
    summary: OutputFormat,
    #[command(flatten)]
    rows: SourceConfig,
    #[command(flatten)]
    order: OrderConfig,
    #[command(flatten)]
    alert: DriftFlag,
    #[command(flatten)]
    monitor: MonitorFlags,
    /// Where the model runs: auto, cpu, cuda or cuda:N; auto uses CUDA if this build has it and a device answers
    #[arg(long, default_value_t, value_name = "DEVICE", help_heading = "Run")]
    device: Device,
    #[command(flatten)]
    workers: Workers,
}

impl DriftCommand {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { inputs, model: ModelFlag { model: path }, summary, rows, order, alert, monitor, workers, device } =
            self;
        let threads = workers.threads;
        monitor.begin("drift", &inputs, &path, &[&path], context)?;
        let limit = alert.limit()?;
        let start = Instant::now();
        Run::new().threads(threads).check()?;
        let source = Source::open(&inputs, &rows, &context.signals.stop)?;
        context.monitor.lineage.read(&ColumnTree::of(&source.schema()));
        let model = Model::load(&path, device)?;
        log::model(&path, &model);
        check_spread(&model)?;
        let mut config = TransformConfig::new();
        config.order = order;
        let done = model.drift(&source, &config, &mut context.run(threads, source.rows()))?;
        context.monitor.transformed(&done, false);
        output::warn_of_no_row(done.rows, &rows);
        let total = start.elapsed().as_secs_f64();
        output::stdout(&match summary {
            OutputFormat::Json => format!("{}\n", whole(&model, &done, total)),
            OutputFormat::Text => text(&done, limit.worth_a_word()),
        })?;
        limit.check(done.drift.as_ref())
    }
}

/// Everything there is to say, for a program.
fn whole(model: &Model, done: &Transformed, total: f64) -> Value {
    let drift = done.drift.clone().unwrap_or_default();
    json!({
        "run_id": log::run_id(),
        "model_hash": model.hash(),
        "rows": done.rows,
        "empty_rows": done.empty_rows,
        "anomalies": done.anomalies,
        "anomaly_rate": done.anomaly_rate(),
        "scores": done.scores,
        "sampled": drift.sampled,
        "worst": drift.worst(),
        "columns": drift.columns,
        "latents": drift.latents,
        "score": drift.score,
        "seconds": seconds(total),
    })
}

fn text(done: &Transformed, limit: f64) -> String {
    let Some(drift) = &done.drift else {
        return labelled(&[("rows", format!("{}; no drift can be measured", HumanCount(done.rows)))]);
    };
    let mut table = table_of(["", "PSI", "by chance", "KS", "missing", "at fit", "out of range", "unseen", ""]);
    let of_column = |shift: &Shift, share: f64| match drift.columns.iter().any(|it| std::ptr::eq(it, shift)) {
        true => percent(share),
        false => String::new(),
    };
    let mut columns: Vec<&Shift> = drift.columns.iter().collect();
    columns.sort_by(|a, b| b.psi.total_cmp(&a.psi));
    for shift in columns.into_iter().chain(&drift.latents).chain(&drift.score) {
        let says = if shift.exceeds(limit) { "drifts" } else { "" };
        table.add_row([
            shown(&shift.name),
            format!("{:.3}", shift.psi),
            format!("{:.3}", shift.chance),
            shift.ks.map_or(String::new(), |ks| format!("{ks:.3}")),
            of_column(shift, shift.missing),
            of_column(shift, shift.missing_at_fit),
            of_column(shift, shift.beyond),
            of_column(shift, shift.unseen),
            says.to_owned(),
        ]);
    }
    to_the_right(&mut table, 1..=7);
    let found = moved(drift, limit).unwrap_or_else(|| format!("none: no PSI is above {limit} and above chance"));
    let rows = format!("{}, {} of them compared", HumanCount(done.rows), HumanCount(drift.sampled));
    format!("{}\n{}", in_lines(&table), labelled(&[("rows", rows), ("drift", found)]))
}
