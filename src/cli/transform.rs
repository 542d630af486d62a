//! `vaepipe transform`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};
use vaepipe::{Error, Found, Model, Output, Source, TransformConfig, Transformed};

use super::exit::Failure;
use super::input_flags::InputFlags;
use super::output::{self, seconds};
use super::output_flags::{self, OutputFlags, is_dash};
use super::progress::RowProgress;
use super::{Context, RunFlags};

/// Add latent columns and reconstruction errors to every row of Parquet, Arrow, CSV or NDJSON files
///
/// Example: vaepipe transform flights.parquet scored.parquet
///
/// Every input column is written as it is, then z_0 ... (posterior mean), recon_error and anomaly_score. Rows stay in
/// order, and a row's numbers do not depend on other rows. From one Parquet file to another the input's columns are copied
/// byte for byte.
#[derive(Debug, Args)]
pub(super) struct Transform {
    /// Files, directories, or globs in quotes, read as one table; - is an Arrow stream on stdin
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The file to write, Arrow IPC if it is called *.arrow, *.feather or *.ipc, else Parquet; a directory (there, or with
    /// a trailing /) gets a file for each input; - is an Arrow stream on stdout
    output: PathBuf,
    /// The model file
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Run")]
    model: PathBuf,
    #[command(flatten)]
    rows: InputFlags,
    #[command(flatten)]
    flags: TransformFlags,
    #[command(flatten)]
    files: OutputFlags,
    #[command(flatten)]
    run: RunFlags,
}

/// Flags that decide the columns of the output.
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
}

impl TransformFlags {
    /// The library's configuration.
    pub(super) fn config(self, files: OutputFlags, threads: Option<usize>) -> TransformConfig {
        let Self { keep, drop_features, prefix, std } = self;
        let mut config = TransformConfig::new();
        config.keep = keep;
        config.drop_features = drop_features;
        config.prefix = prefix;
        config.std = std;
        config.force = files.force;
        config.skip_existing = files.skip_existing;
        config.encoding = files.encoding();
        config.threads = threads;
        config
    }
}

impl Transform {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { inputs, output, model, rows, flags, files, run } = self;
        let config = flags.config(files, run.threads);
        let start = Instant::now();
        config.check()?;
        let source = rows.open(&inputs, &context.signals.stop)?;
        output_flags::check(&output, config.force, config.skip_existing, &source, Some(&model))?;
        let model = Model::load(&model, run.device)?;
        let to = output_flags::open(&output)?;
        let transformed = transform(&model, &source, to, &config, context)?;
        let total = start.elapsed().as_secs_f64();
        let columns = model.new_columns(&config).fields().len();
        let lines = lines(&transformed, columns, &output, total);
        output::print_beside(is_dash(&output), run.summary, context.quiet, &lines, &json(&transformed, total))
    }
}

/// Transforms, with progress on stderr.
pub(super) fn transform(
    model: &Model,
    source: &Source,
    output: Output,
    config: &TransformConfig,
    context: &Context,
) -> Result<Transformed, Error> {
    let mut progress = RowProgress::new(source.rows());
    model.transform_to_watched(source, output, config, &context.signals.stop, &mut |rows| progress.take(rows))
}

/// What a person reads of a transform.
pub(super) fn lines(done: &Transformed, columns: usize, output: &Path, total: f64) -> Vec<(&'static str, String)> {
    let rate = HumanCount((done.rows as f64 / total.max(1e-9)) as u64);
    let files = if done.files > 1 { format!(" in {} files", HumanCount(done.files)) } else { String::new() };
    let place = if is_dash(output) { "stdout".to_owned() } else { output.display().to_string() };
    let mut lines =
        vec![("wrote", format!("{} rows with {columns} new columns to {place}{files}", HumanCount(done.rows)))];
    if done.skipped > 0 {
        lines.push(("skipped", format!("{} that were there", HumanCount(done.skipped))));
    }
    lines.push(("time", format!("{total:.2} s, {rate} rows/s")));
    lines
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
        "files": done.files,
        "skipped": done.skipped,
        "empty_rows": done.empty_rows,
        "found": done.found.iter().map(found).collect::<Vec<_>>(),
        "seconds": seconds(total),
        "rows_per_second": (done.rows as f64 / total.max(1e-9)).round(),
    })
}
