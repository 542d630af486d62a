//! `vaepipe fit-transform`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::alert::AlertFlag;
use super::decision::DecisionFlags;
use super::failure::Failure;
use super::fit::{self, MetricsFlag};
use super::fit_flags::FitFlags;
use super::input_flags::InputFlags;
use super::monitor::MonitorFlags;
use super::output_flags::{self, OutputFlags, is_dash};
use super::run_flags::{RunFlags, folder};
use super::transform::{self, TransformFlags};
use super::{Context, fit_summary, output};

/// Fit a model to rows and transform those rows with it
///
/// Example: vaepipe fit-transform flights.parquet scored.parquet --latent-dim 2
///
/// The model is kept only if -m names a file for it.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct FitTransform {
    /// Files, directories, or globs in quotes, read as one table; - is an Arrow stream on stdin
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The file or directory to write, as transform has it; - is an Arrow stream on stdout
    output: PathBuf,
    /// Keep the model in this file
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    model: Option<PathBuf>,
    #[command(flatten)]
    metrics: MetricsFlag,
    #[command(flatten)]
    rows: InputFlags,
    #[command(flatten)]
    transform: TransformFlags,
    #[command(flatten)]
    files: OutputFlags,
    #[command(flatten)]
    fit: FitFlags,
    #[command(flatten)]
    decision: DecisionFlags,
    #[command(flatten)]
    alert: AlertFlag,
    #[command(flatten)]
    monitor: MonitorFlags,
    #[command(flatten)]
    run: RunFlags,
}

impl FitTransform {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self {
            inputs,
            output,
            model: path,
            metrics,
            rows,
            transform: transform_flags,
            files,
            fit: fit_flags,
            decision,
            alert,
            monitor,
            run,
        } = self;
        let of_model = path.clone().unwrap_or_default();
        let written: Vec<&Path> = path.iter().chain([&output]).map(PathBuf::as_path).collect();
        monitor.begin("fit-transform", &of_model, &written, context)?;
        let alert = alert.alert()?;
        let config = transform_flags.config(files, run.threads);
        let start = Instant::now();
        config.check()?;
        let mut fitting = fit_flags.config();
        fitting.check()?;
        let source = rows.open(&inputs, &context.signals.stop)?;
        // One file under two names would wait for itself.
        vaepipe::cli_support::check_distinct(&path.iter().chain([&output]).collect::<Vec<_>>())?;
        let _locks = run.lock(path.iter().chain([&output]).map(PathBuf::as_path), context)?;
        if let Some(target) = &path {
            output::check_is_file(target)?;
            vaepipe::cli_support::check_target(target, config.force, source.paths())?;
        }
        output_flags::check(&output, &config, &source, None)?;
        let metrics = metrics.start(&source, &path.iter().chain([&output]).collect::<Vec<_>>())?;
        fitting.decision = decision.decision()?;
        let in_place = || if is_dash(&output) { std::env::temp_dir() } else { folder(&output) };
        let spool_dir = fitting.spool_dir.get_or_insert_with(in_place).clone();
        // Both read the same rows, also those that come once.
        let source = source.spooled(&spool_dir)?;
        let table = fitting.table(&source, &spool_dir)?;
        // What a transform would refuse is known before the training.
        let check = |columns: &[String], latent_dim| config.check_columns(&source, columns, latent_dim);
        let (fitted, written) = fit::fit(fitting, &table, &run, metrics, context, &check)?;
        if let Some(path) = &path {
            // First: a transform that fails must not cost the training.
            fitted.model.save_new(path, config.force)?;
        }
        let fit_seconds = start.elapsed().as_secs_f64();
        let transforming = Instant::now();
        let transformed = transform::transform(&fitted.model, &source, output_flags::open(&output)?, &config, context)?;
        context.monitor.fitted(&fitted, false);
        context.monitor.transformed(&transformed);
        let transform_seconds = transforming.elapsed().as_secs_f64();

        let mut lines = fit_summary::lines(&fitted, fit_seconds);
        lines.extend(path.iter().map(|path| ("model", fit_summary::file(&fitted.model, path))));
        lines.extend(transform::lines(
            &fitted.model,
            &config,
            &transformed,
            &output,
            alert.drift(),
            transform_seconds,
        )?);
        let json = json!({
            "fit": fit_summary::json(&fitted, fit_seconds),
            "transform": transform::json(&fitted.model, &config, &transformed, transform_seconds),
        });
        output::print_beside(is_dash(&output), run.summary, context.quiet, &lines, &json)?;
        written?;
        alert.check(&transformed)
    }
}
