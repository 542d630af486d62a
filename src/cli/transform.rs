//! `vaepipe transform`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};
use vaepipe::{Device, Error, Found, Model, ParquetSource, TransformConfig, Transformed};

use super::exit::Failure;
use super::output::{self, seconds};
use super::progress::RowProgress;
use super::{Context, RunFlags};

/// Add latent columns and reconstruction errors to every row of a Parquet file
///
/// Example: vaepipe transform flights.parquet scored.parquet
///
/// Every input column is written as it is, then z_0 ... (posterior mean), recon_error and anomaly_score. Rows stay in
/// order, and a row's numbers do not depend on other rows.
#[derive(Debug, Args)]
pub(super) struct Transform {
    /// The Parquet file to read
    input: PathBuf,
    /// The Parquet file to write
    output: PathBuf,
    /// The model file
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Run")]
    model: PathBuf,
    #[command(flatten)]
    flags: TransformFlags,
    #[command(flatten)]
    run: RunFlags,
}

/// Flags that decide the output.
#[derive(Debug, Args)]
pub(super) struct TransformFlags {
    /// Write only these input columns: names, globs, or re:REGEX
    #[arg(long, value_delimiter = ',', value_name = "COL,...", help_heading = "Output")]
    keep: Vec<String>,
    /// Leave out the columns the model learned from
    #[arg(long, help_heading = "Output")]
    drop_features: bool,
    /// Put this before the name of every new column
    #[arg(long, default_value = "", value_name = "NAME", hide_default_value = true, help_heading = "Output")]
    prefix: String,
    /// Add z_std_0 ..., the posterior standard deviations
    #[arg(long, help_heading = "Output")]
    std: bool,
    /// Replace an existing output
    #[arg(long, help_heading = "Output")]
    force: bool,
}

impl TransformFlags {
    /// The library's configuration.
    pub(super) fn config(self, threads: Option<usize>) -> TransformConfig {
        let Self { keep, drop_features, prefix, std, force } = self;
        let mut config = TransformConfig::new();
        config.keep = keep;
        config.drop_features = drop_features;
        config.prefix = prefix;
        config.std = std;
        config.force = force;
        config.threads = threads;
        config
    }
}

impl Transform {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { input, output, model, flags, run } = self;
        let config = flags.config(run.threads);
        let start = Instant::now();
        config.check()?;
        let (source, model) = open(&input, &output, &model, config.force, run.device)?;
        let transformed = transform(&model, &source, &output, &config, context)?;
        let total = start.elapsed().as_secs_f64();
        let columns = model.new_columns(&config).fields().len();
        let lines = lines(&transformed, columns, &output, total);
        output::print(run.summary, context.quiet, &lines, &json(&transformed, total))
    }
}

/// Opens what rows are read from and the model they go through, once it is known that `output` may be written.
pub(super) fn open(
    input: &Path,
    output: &Path,
    model: &Path,
    force: bool,
    device: Device,
) -> Result<(ParquetSource, Model), Failure> {
    let source = ParquetSource::open([input])?;
    output::check_is_file(output)?;
    vaepipe::check_target(output, force, source.paths().chain([model]))?;
    Ok((source, Model::load(model, device)?))
}

/// Transforms, with progress on stderr.
pub(super) fn transform(
    model: &Model,
    source: &ParquetSource,
    output: &Path,
    config: &TransformConfig,
    context: &Context,
) -> Result<Transformed, Error> {
    let mut progress = RowProgress::new(source.rows());
    model.transform_watched(source, output, config, &context.signals.stop, &mut |rows| progress.take(rows))
}

/// What a person reads of a transform.
pub(super) fn lines(done: &Transformed, columns: usize, output: &Path, total: f64) -> Vec<(&'static str, String)> {
    let rate = HumanCount((done.rows as f64 / total.max(1e-9)) as u64);
    vec![
        ("wrote", format!("{} rows with {columns} new columns to {}", HumanCount(done.rows), output.display())),
        ("time", format!("{total:.2} s, {rate} rows/s")),
    ]
}

/// The same for a program.
pub(super) fn json(done: &Transformed, total: f64) -> Value {
    let found = |(column, found): &(String, Found)| {
        let mut found = json!(found);
        found["column"] = json!(column);
        found
    };
    json!({
        "rows": done.rows,
        "empty_rows": done.empty_rows,
        "found": done.found.iter().map(found).collect::<Vec<_>>(),
        "seconds": seconds(total),
        "rows_per_second": (done.rows as f64 / total.max(1e-9)).round(),
    })
}
