//! `vaepipe fit`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use vaepipe::cli_support::is_url;
use vaepipe::{Error, FitConfig, Fitted, ParquetSource, Progress, Source};

use super::decision::DecisionFlags;
use super::failure::Failure;
use super::fit_flags::FitFlags;
use super::input_flags::InputFlags;
use super::metrics::Metrics;
use super::monitor::MonitorFlags;
use super::output::{self, shell};
use super::progress::FitProgress;
use super::run_flags::{RunFlags, folder};
use super::{Context, fit_summary, health, log};

/// Train a VAE on Parquet, Arrow, CSV or NDJSON files and write it to one model file
///
/// Example: vaepipe fit january.parquet february.parquet --exclude 'label*'
///
/// Columns are chosen, typed and scaled, the network is sized, and training stops by itself. Numbers,
/// Booleans, categories, times and vectors are learned; every column is carried through a transform untouched. `vaepipe inspect` tells beforehand.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Fit {
    /// Files, directories, or globs in quotes, read as one table; - is an Arrow stream on stdin
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The model file to write
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Output")]
    model: PathBuf,
    /// Replace an existing model file
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// When interrupted, write the best model so far, if an epoch is done
    #[arg(long, help_heading = "Output")]
    keep_partial: bool,
    /// Go on with the fit that was killed or interrupted, from its checkpoint (.NAME.checkpoint beside the model), and
    /// end with the same model; from the beginning if there is none
    #[arg(long, help_heading = "Output")]
    resume: bool,
    /// Minutes between checkpoints within an epoch; there is one after each epoch that ends a second or more after the
    /// last [default: 10]
    #[arg(long, value_name = "MINUTES", help_heading = "Output")]
    checkpoint_minutes: Option<f64>,
    #[command(flatten)]
    metrics: MetricsFlag,
    #[command(flatten)]
    init: InitFlags,
    #[command(flatten)]
    rows: InputFlags,
    #[command(flatten)]
    flags: FitFlags,
    #[command(flatten)]
    decision: DecisionFlags,
    #[command(flatten)]
    monitor: MonitorFlags,
    #[command(flatten)]
    run: RunFlags,
}

/// The model to go on from.
#[derive(Debug, Args)]
pub(super) struct InitFlags {
    /// Go on from this model: its columns, categories, scaling and network are kept, and of the training what is not said
    /// otherwise of the preset, KL weight, free bits, clipping, trimming, hiding, held-out share and score, at a quarter of
    /// the learning rate and without a rise of the KL weight [default: none, from random weights]
    #[arg(long, value_name = "MODEL", help_heading = "Start")]
    init: Option<PathBuf>,
    /// Scale the columns of the model to go on from by the new rows
    #[arg(long, requires = "init", help_heading = "Start")]
    refit_scaling: bool,
    /// Write the new model even if it is worse on held-out rows than the one it went on from
    #[arg(long, requires = "init", help_heading = "Start")]
    accept_worse: bool,
}

/// Where the epochs are written down.
#[derive(Debug, Args)]
pub(super) struct MetricsFlag {
    /// Append a JSON line an epoch to this file
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Output")]
    metrics: Option<PathBuf>,
}

impl MetricsFlag {
    /// The metrics of this run.
    ///
    /// # Errors
    /// If the file cannot be appended to, or is an input, or one of `outputs`, which must not be one file either.
    pub(super) fn start(self, source: &Source, outputs: &[&PathBuf]) -> Result<Option<Metrics>, Failure> {
        if let Some(path) = &self.metrics {
            output::check_is_file(path)?;
            vaepipe::cli_support::check_target(path, true, source.paths())?;
        }
        vaepipe::cli_support::check_distinct(&outputs.iter().copied().chain(&self.metrics).collect::<Vec<_>>())?;
        self.metrics.map(Metrics::new).transpose()
    }
}

impl Fit {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self {
            inputs,
            model: path,
            force,
            keep_partial,
            resume,
            checkpoint_minutes,
            metrics,
            init: InitFlags { init, refit_scaling, accept_worse },
            rows,
            flags,
            decision,
            monitor,
            run,
        } = self;
        monitor.begin("fit", &path, &[&path], context)?;
        let start = Instant::now();
        let mut config = flags.config().keep_partial(keep_partial).resume(resume);
        config.checkpoint_minutes = checkpoint_minutes;
        config.init = init;
        config = config.refit_scaling(refit_scaling).accept_worse(accept_worse);
        config.check()?;
        let source = rows.open(&inputs, &context.signals.stop)?;
        let _lock = run.claim(&path, force, source.paths(), context)?;
        let metrics = metrics.start(&source, &[&path])?;
        config.decision = decision.decision()?;
        // An object has no folder for what a run leaves.
        config.checkpoint = path.file_name().filter(|_| !is_url(&path)).map(|name| {
            let name = format!(".{}.checkpoint", name.to_string_lossy());
            path.with_file_name(name)
        });
        let spool_dir = config.spool_dir.get_or_insert_with(|| folder(&path)).clone();
        let table = config.table(&source, &spool_dir)?;
        let (fitted, written) = fit(config, &table, &run, metrics, context, &|_, _| Ok(()))?;
        context.monitor.fitted(&fitted, true);
        fitted.save(&path, force)?;
        log::model(&path, &fitted.model);
        let total = start.elapsed().as_secs_f64();
        let mut lines = fit_summary::lines(&fitted, total);
        lines.push(("model", fit_summary::file(&fitted.model, &path)));
        let model = if path.as_os_str() == "vae.safetensors" { String::new() } else { format!(" -m {}", shell(&path)) };
        lines.push(("next", format!("vaepipe transform {} OUTPUT{model}", shell(&inputs[0]))));
        let mut json = fit_summary::json(&fitted, total);
        json["model"] = json!(path.display().to_string());
        output::print(run.summary, context.quiet, &lines, &json)?;
        if fitted.interrupted {
            tracing::warn!("interrupted; {} holds the best weights until then", path.display());
            return Err(Failure::Interrupted);
        }
        Ok(written?)
    }
}

/// Asked about the columns to learn and the latent dimensions before anything is trained.
pub(super) type Check<'a> = &'a dyn Fn(&[String], usize) -> Result<(), Error>;

/// Fits, with progress on stderr and metrics where they go; what became of the metrics is for the end, when the model
/// is safe.
///
/// # Errors
/// Those of a fit, and that of `check`.
pub(super) fn fit(
    mut config: FitConfig,
    source: &ParquetSource,
    run: &RunFlags,
    metrics: Option<Metrics>,
    context: &Context,
    check: Check<'_>,
) -> Result<(Fitted, Result<(), Error>), Error> {
    config.threads = run.threads;
    let (stop, mut progress, mut refused) = (&context.signals.stop, FitProgress::new(metrics), None);
    let fitted = config.fit_watched(source, run.device, stop, &mut |event| {
        if let Progress::Chosen { columns, latent_dim } = event
            && let Err(error) = check(columns, latent_dim)
        {
            refused = Some(error);
            stop.request();
        }
        progress.take(event);
    });
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
