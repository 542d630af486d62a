//! `vaepipe fit-transform`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;
use vaepipe::{ColumnTree, FitConfig, OutputConfig, Source, SourceConfig, TransformConfig};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::feedback::FeedbackFlags;
use crate::cli::fit::summary;
use crate::cli::fit::{self, MetricsFlag};
use crate::cli::flags::alert::AlertFlag;
use crate::cli::flags::decision::DecisionFlags;
use crate::cli::flags::output::{check_output, is_dash, open_output};
use crate::cli::flags::paths::InputsAndOutput;
use crate::cli::flags::run::{RunFlags, folder};
use crate::cli::flags::tags::TagFlags;
use crate::cli::monitor::MonitorFlags;
use crate::cli::output;
use crate::cli::transform;

/// Train a VAE on rows, and add latents and anomaly scores to the same rows
///
/// Example: vaepipe fit-transform flights.parquet scored.parquet --latent-dim 2
///
/// The model is kept only if -m names a file for it.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, override_usage = "vaepipe fit-transform [OPTIONS] <INPUT>... <OUTPUT>")]
pub(crate) struct FitTransform {
    #[command(flatten)]
    paths: InputsAndOutput,
    /// Keep the model in this file
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    model: Option<PathBuf>,
    #[command(flatten)]
    tags: TagFlags,
    #[command(flatten)]
    metrics: MetricsFlag,
    #[command(flatten)]
    rows: SourceConfig,
    #[command(flatten)]
    transform: TransformConfig,
    #[command(flatten)]
    files: OutputConfig,
    #[command(flatten)]
    fit: FitConfig,
    #[command(flatten)]
    decision: DecisionFlags,
    #[command(flatten)]
    feedback: FeedbackFlags,
    #[command(flatten)]
    alert: AlertFlag,
    #[command(flatten)]
    monitor: MonitorFlags,
    #[command(flatten)]
    run: RunFlags,
}

impl FitTransform {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self {
            paths,
            model: path,
            tags,
            metrics,
            mut rows,
            transform: mut config,
            files,
            fit: mut fitting,
            decision,
            feedback,
            alert,
            monitor,
            run,
        } = self;
        let (inputs, output) = paths.split()?;
        fitting.tags = tags.tags(&inputs, None)?;
        let of_model = path.clone().unwrap_or_default();
        let quarantine = config.quarantine.as_ref();
        let written = [&output].into_iter().chain(quarantine).chain(&path).map(PathBuf::as_path);
        let written: Vec<&Path> = written.collect();
        monitor.begin("fit-transform", &inputs, &of_model, &written, context)?;
        let alert = alert.alert()?;
        (config.output, fitting.sort, config.order.memory) = (files, config.order.sort, fitting.memory);
        let start = Instant::now();
        config.check()?;
        fitting.decision = decision.decision()?;
        fitting.ignore_above_p = decision.ignore_above_p();
        fitting.check()?;
        run.check()?;
        rows.spool_dir.clone_from(&fitting.spool_dir);
        let source = Source::open(&inputs, &rows, &context.signals.stop)?;
        context.monitor.lineage.read(&ColumnTree::of(&source.schema()));
        // One file under two names would wait for itself.
        let outputs = transform::targets(&output, &config)?;
        let written: Vec<&Path> = path.iter().map(PathBuf::as_path).chain(outputs.iter().copied()).collect();
        crate::storage::check_distinct(&written)?;
        let _locks = run.writing.lock(written, context)?;
        if let Some(target) = &path {
            output::check_is_file(target)?;
            crate::storage::check_target(target, config.output.force, source.paths())?;
        }
        for output in outputs {
            check_output(output, &config.output, source.paths(), None)?;
        }
        let metrics = metrics.start(&source, &path.iter().chain([&output]).collect::<Vec<_>>())?;
        let reviewed = feedback.open(&fitting, &rows, &context.signals.stop)?;
        let in_place = || if is_dash(&output) { std::env::temp_dir() } else { folder(&output) };
        let spool_dir = fitting.spool_dir.get_or_insert_with(in_place).clone();
        // Both read the same rows, also those that come once.
        let source = source.spooled(&spool_dir)?;
        let table = fitting.table(&source, &spool_dir)?;
        // What a transform would refuse is known before the training.
        let clusters = fitting.clusters.is_some();
        let check = |columns: &[String], latent_dim| config.check_columns(&source, columns, latent_dim, clusters);
        let (mut fitted, written) = fit::fit(fitting, &table, &run, metrics, context, &check)?;
        let taught = reviewed.teach(&mut fitted.model, &context.signals.stop);
        if let Some(path) = &path {
            // First: a transform that fails must not cost the training.
            fitted.model.save_new(path, config.output.force)?;
        }
        taught?;
        let fit_seconds = start.elapsed().as_secs_f64();
        let transforming = Instant::now();
        let to = open_output(&output)?;
        context.monitor.lineage.wrote(&ColumnTree::of(&*fitted.model.output_schema(&source, &config)?));
        let transformed =
            fitted.model.transform_to(&source, to, &config, &mut context.run(run.workers.threads, source.rows()))?;
        context.monitor.fitted(&fitted, false);
        context.monitor.transformed(&transformed, true);
        let transform_seconds = transforming.elapsed().as_secs_f64();

        let mut lines = summary::lines(&fitted, fit_seconds);
        lines.push(match &path {
            Some(path) => ("model", summary::file(&fitted.model, path)),
            None => ("model", "not kept; -m FILE keeps it".to_owned()),
        });
        lines.extend(transform::lines(
            &fitted.model,
            &config,
            &transformed,
            &output,
            alert.drift(),
            transform_seconds,
        )?);
        let json = json!({
            "fit": summary::json(&fitted, fit_seconds),
            "transform": transform::json(&fitted.model, &config, &transformed, transform_seconds),
        });
        output::print_beside(is_dash(&output), run.writing.summary, context.quiet, &lines, &json)?;
        written?;
        alert.check(&transformed)
    }
}
