//! `vaepipe fit`.

pub(crate) mod health;
pub(crate) mod summary;
pub(crate) mod verdict;

use std::path::PathBuf;
use std::time::Instant;

use crate::storage::is_url;
use clap::Args;
use serde_json::json;
use vaepipe::{ColumnTree, Error, FitConfig, Fitted, ParquetSource, Progress, Run, Source, SourceConfig};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::feedback::FeedbackFlags;
use crate::cli::flags::decision::DecisionFlags;
use crate::cli::flags::fit::SortFlag;
use crate::cli::flags::run::{RunFlags, folder};
use crate::cli::flags::tags::TagFlags;
use crate::cli::monitor::MonitorFlags;
use crate::cli::output::epoch_metrics::Metrics;
use crate::cli::output::log;
use crate::cli::output::progress::FitProgress;
use crate::cli::output::{self, shell};

/// Train a VAE on rows and write one model file
///
/// Example: vaepipe fit january.parquet february.parquet --exclude 'label*'
///
/// Without flags, a fit chooses, types and scales the columns, sizes the network, and stops by itself. It learns numbers,
/// Booleans, categories, times and vectors from Parquet, Arrow, CSV and NDJSON. `vaepipe inspect DATA` shows the plan.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Fit {
    /// Files, directories, or globs in quotes, read as one table; - is stdin
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The model file to write
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Output")]
    model: PathBuf,
    /// Replace an existing model file
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// On an interrupt, save the best model so far, once an epoch is done
    #[arg(long, help_heading = "Output")]
    keep_partial: bool,
    /// Resume a killed or interrupted fit from its checkpoint (.NAME.checkpoint beside the model); the result is the same
    /// model. Without a checkpoint, start from the beginning
    #[arg(long, help_heading = "Output")]
    resume: bool,
    /// Minutes between checkpoints within an epoch; the end of an epoch makes one, too, at most one a second [default: 10]
    #[arg(long, value_name = "MINUTES", help_heading = "Output")]
    checkpoint_minutes: Option<f64>,
    #[command(flatten)]
    metrics: MetricsFlag,
    #[command(flatten)]
    init: InitFlags,
    #[command(flatten)]
    tags: TagFlags,
    #[command(flatten)]
    rows: SourceConfig,
    #[command(flatten)]
    config: FitConfig,
    #[command(flatten)]
    order: SortFlag,
    #[command(flatten)]
    decision: DecisionFlags,
    #[command(flatten)]
    feedback: FeedbackFlags,
    #[command(flatten)]
    monitor: MonitorFlags,
    #[command(flatten)]
    run: RunFlags,
}

/// The base model.
#[derive(Debug, Args)]
pub(crate) struct InitFlags {
    /// Continue training from this base model, at a quarter of its learning rate and without KL warm-up. It keeps its
    /// columns, categories, scaling, network, and all training options that are not set; new columns are not learned
    /// [default: none, from random weights]
    #[arg(long, value_name = "MODEL", help_heading = "Start")]
    init: Option<PathBuf>,
    /// Scale the columns of the base model by the new rows
    #[arg(long, requires = "init", help_heading = "Start")]
    refit_scaling: bool,
    /// Write the new model even if its calibration loss is worse than that of the base model
    #[arg(long, requires = "init", help_heading = "Start")]
    accept_worse: bool,
}

/// The metrics file.
#[derive(Debug, Args)]
pub(crate) struct MetricsFlag {
    /// Append a JSON line per epoch to this file
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Output")]
    metrics: Option<PathBuf>,
}

impl MetricsFlag {
    /// The metrics of this run.
    ///
    /// # Errors
    /// If the file cannot be appended to, or is an input, or one of `outputs`, which must not be one file either.
    pub(crate) fn start(self, source: &Source, outputs: &[&PathBuf]) -> Result<Option<Metrics>, Failure> {
        if let Some(path) = &self.metrics {
            output::check_is_file(path)?;
            crate::storage::check_target(path, true, source.paths())?;
        }
        crate::storage::check_distinct(&outputs.iter().copied().chain(&self.metrics).collect::<Vec<_>>())?;
        self.metrics.map(Metrics::new).transpose()
    }
}

impl Fit {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self {
            inputs,
            model: path,
            force,
            keep_partial,
            resume,
            checkpoint_minutes,
            metrics,
            init: InitFlags { init, refit_scaling, accept_worse },
            tags,
            mut rows,
            mut config,
            order,
            decision,
            feedback,
            monitor,
            run,
        } = self;
        monitor.begin("fit", &inputs, &path, &[&path], context)?;
        let start = Instant::now();
        config = config.keep_partial(keep_partial).resume(resume);
        config.checkpoint_minutes = checkpoint_minutes;
        config.tags = tags.tags(&inputs, init.as_deref())?;
        (config.init, config.sort) = (init, order.sort);
        config = config.refit_scaling(refit_scaling).accept_worse(accept_worse);
        config.decision = decision.decision()?;
        config.ignore_above_p = decision.ignore_above_p();
        config.check()?;
        run.check()?;
        rows.spool_dir.clone_from(&config.spool_dir);
        let source = Source::open(&inputs, &rows, &context.signals.stop)?;
        context.monitor.lineage.read(&ColumnTree::of(&source.schema()));
        let _lock = run.writing.claim(&path, force, source.paths(), context)?;
        let metrics = metrics.start(&source, &[&path])?;
        let reviewed = feedback.open(&config, &rows, &context.signals.stop)?;
        // An object has no folder for what a run leaves.
        config.checkpoint = path.file_name().filter(|_| !is_url(&path)).map(|name| {
            let name = format!(".{}.checkpoint", name.to_string_lossy());
            path.with_file_name(name)
        });
        let spool_dir = config.spool_dir.get_or_insert_with(|| folder(&path)).clone();
        let table = config.table(&source, &spool_dir)?;
        let (mut fitted, written) = fit(config, &table, &run, metrics, context, &|_, _| Ok(()))?;
        let taught = reviewed.teach(&mut fitted.model, &context.signals.stop);
        context.monitor.fitted(&fitted, true);
        fitted.save(&path, force)?;
        // First: feedback that fails must not cost the training.
        taught?;
        log::model(&path, &fitted.model);
        let total = start.elapsed().as_secs_f64();
        let mut lines = summary::lines(&fitted, total);
        lines.push(("model", summary::file(&fitted.model, &path)));
        let model = if path.as_os_str() == "vae.safetensors" { String::new() } else { format!(" -m {}", shell(&path)) };
        lines.push(("next", format!("vaepipe transform {} OUTPUT{model}", shell(&inputs[0]))));
        let mut json = summary::json(&fitted, total);
        json["model"] = json!(path.display().to_string());
        output::print(run.writing.summary, context.quiet, &lines, &json)?;
        if fitted.interrupted {
            tracing::warn!("interrupted; {} holds the best weights so far", path.display());
            return Err(Failure::Interrupted);
        }
        Ok(written?)
    }
}

/// Checks the columns to learn and the latent dimensions before the training.
pub(crate) type Check<'a> = &'a dyn Fn(&[String], usize) -> Result<(), Error>;

/// Fits a model, shows progress, and writes metrics. The result of writing metrics is returned beside the model, which is
/// saved first.
///
/// # Errors
/// Those of a fit, and that of `check`.
pub(crate) fn fit(
    config: FitConfig,
    source: &ParquetSource,
    run: &RunFlags,
    metrics: Option<Metrics>,
    context: &Context,
    check: Check<'_>,
) -> Result<(Fitted, Result<(), Error>), Error> {
    let (stop, mut progress, mut refused) = (&context.signals.stop, FitProgress::new(metrics), None);
    let mut fitting = Run::new().stop(stop).threads(run.workers.threads).on_progress(|event| {
        if let Progress::Chosen { columns, latent_dim } = event
            && let Err(error) = check(columns, latent_dim)
        {
            refused = Some(error);
            stop.request();
        }
        progress.take(event);
    });
    let fitted = config.fit(source, run.device, &mut fitting);
    drop(fitting);
    let written = progress.finish();
    if let Some(error) = refused {
        return Err(error);
    }
    let fitted = fitted?;
    if let Some(health) = &fitted.model.metadata().health {
        health::warn(health);
    }
    Ok((fitted, written))
}
