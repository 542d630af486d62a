//! `vaepipe fit-transform`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use vaepipe::{Error, ParquetSource};

use super::Common;
use super::exit::Failure;
use super::fit::{self, FitFlags};
use super::output;
use super::signal::Signals;
use super::transform::{self, TransformFlags};

/// Fit a model to a Parquet file and transform that file with it
///
/// Example: vaepipe fit-transform flights.parquet scored.parquet --latent-dim 2
///
/// The model is kept only if -m names a file for it.
#[derive(Debug, Args)]
pub(super) struct FitTransform {
    /// The Parquet file to learn from and to read
    input: PathBuf,
    /// The Parquet file to write
    output: PathBuf,
    /// Keep the model in this file
    #[arg(short, long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    fit: FitFlags,
    #[command(flatten)]
    transform: TransformFlags,
}

impl FitTransform {
    pub(super) fn run(self, common: &Common, signals: &Signals) -> Result<(), Failure> {
        let Self { input, output, model: path, fit: fit_flags, transform: transform_flags } = self;
        let config = transform_flags.config(common.threads);
        let start = Instant::now();
        let source = ParquetSource::open([&input])?;
        vaepipe::check_target(&output, config.force, source.paths())?;
        if let Some(path) = &path {
            vaepipe::check_target(path, config.force, source.paths())?;
            if *path == output {
                return Err(Error::TargetTwice { path: output }.into());
            }
        }
        let fitted = fit::fit(fit_flags.config(common.threads), &source, common, signals)?;
        let fit_seconds = start.elapsed().as_secs_f64();
        let transforming = Instant::now();
        let transformed = fitted.model.transform(&source, &output, &config, &signals.stop)?;
        if let Some(path) = &path {
            fitted.model.save_new(path, config.force)?;
        }
        let transform_seconds = transforming.elapsed().as_secs_f64();

        let mut lines = fit::lines(&fitted, fit_seconds);
        lines.extend(path.iter().map(|path| ("model", path.display().to_string())));
        let columns = fitted.model.new_columns(&config).fields().len();
        lines.extend(transform::lines(&transformed, columns, &output, transform_seconds));
        let json = json!({
            "fit": fit::summary(&fitted, fit_seconds),
            "transform": transform::summary(&transformed, transform_seconds),
        });
        output::print(common, &lines, &json)
    }
}
