//! `vaepipe fit-transform`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use vaepipe::ParquetSource;

use super::decision::DecisionFlags;
use super::exit::Failure;
use super::fit::{self, MetricsFlag};
use super::fit_flags::FitFlags;
use super::transform::{self, TransformFlags};
use super::{Context, RunFlags, fit_summary, output};

/// Fit a model to a Parquet file and transform that file with it
///
/// Example: vaepipe fit-transform flights.parquet scored.parquet --latent-dim 2
///
/// The model is kept only if -m names a file for it.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct FitTransform {
    /// The Parquet file to learn from and to read
    input: PathBuf,
    /// The Parquet file to write
    output: PathBuf,
    /// Keep the model in this file
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    model: Option<PathBuf>,
    #[command(flatten)]
    metrics: MetricsFlag,
    #[command(flatten)]
    transform: TransformFlags,
    #[command(flatten)]
    fit: FitFlags,
    #[command(flatten)]
    decision: DecisionFlags,
    #[command(flatten)]
    run: RunFlags,
}

impl FitTransform {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { input, output, model: path, metrics, transform: transform_flags, fit: fit_flags, decision, run } =
            self;
        let alert = transform_flags.alert()?;
        let config = transform_flags.config(run.threads);
        let start = Instant::now();
        config.check()?;
        let source = ParquetSource::open([&input])?;
        for target in path.iter().chain([&output]) {
            output::check_is_file(target)?;
            vaepipe::check_target(target, config.force, source.paths())?;
        }
        let metrics = metrics.start(&source, &path.iter().chain([&output]).collect::<Vec<_>>())?;
        let mut fitting = fit_flags.config();
        fitting.decision = decision.decision()?;
        fitting.spool_dir.get_or_insert_with(|| fit::folder(&output));
        // What a transform would refuse is known before the training.
        let check = |columns: &[String], latent_dim| config.check_columns(&source, columns, latent_dim);
        let (fitted, written) = fit::fit(fitting, &source, &run, metrics, context, &check)?;
        if let Some(path) = &path {
            // First: a transform that fails must not cost the training.
            fitted.model.save_new(path, config.force)?;
        }
        let fit_seconds = start.elapsed().as_secs_f64();
        let transforming = Instant::now();
        let transformed = transform::transform(&fitted.model, &source, &output, &config, context)?;
        let transform_seconds = transforming.elapsed().as_secs_f64();

        let mut lines = fit_summary::lines(&fitted, fit_seconds);
        lines.extend(path.iter().map(|path| ("model", fit_summary::file(&fitted.model, path))));
        lines.extend(transform::lines(&fitted.model, &config, &transformed, &output, transform_seconds)?);
        let json = json!({
            "fit": fit_summary::json(&fitted, fit_seconds),
            "transform": transform::json(&fitted.model, &config, &transformed, transform_seconds),
        });
        output::print(run.summary, context.quiet, &lines, &json)?;
        written?;
        alert.check(&transformed)
    }
}
