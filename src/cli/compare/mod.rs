//! `vaepipe compare`.

mod text;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};
use vaepipe::{ColumnChange, CompareConfig, Device, Error, Model, ModelComparison, Run, Source, SourceConfig};

use crate::cli::Context;
#[cfg(feature = "analysis")]
use crate::cli::clock;
use crate::cli::failure::Failure;
use crate::cli::fit::verdict;
use crate::cli::flags::run::Workers;
use crate::cli::output::{self, OutputFormat, log, seconds};

/// Compare two models, and what they say of the same rows
///
/// Example: vaepipe compare january.safetensors february.safetensors march.parquet
///
/// Side by side, where they differ: columns, options, training data, health, scores and sizes. With data also how many rows each
/// finds odd, the rank correlation of their scores, and the rows that differ most, with the reasons of both.
#[derive(Debug, Args)]
pub(crate) struct CompareCommand {
    /// The first model, such as last month's
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The second model, such as this month's
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Files, directories, or globs in quotes to score with both, read as one table; - is stdin
    #[arg(value_name = "DATA")]
    inputs: Vec<PathBuf>,
    /// Show what is the same, too
    #[arg(long, help_heading = "Output")]
    all: bool,
    /// The result on stdout: tables, or one JSON object, which has everything
    #[arg(long, alias = "format", default_value = "text", value_name = "FORMAT", help_heading = "Output")]
    summary: OutputFormat,
    /// Write an HTML page of it to this file, too [default: none]
    #[cfg(feature = "analysis")]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,
    /// Replace an existing page
    #[cfg(feature = "analysis")]
    #[arg(long, requires = "html", help_heading = "Output")]
    force: bool,
    #[command(flatten)]
    config: CompareConfig,
    #[command(flatten)]
    rows: SourceConfig,
    /// Where the models run: auto, cpu, cuda or cuda:N; auto uses CUDA if this build has it and a device answers
    #[arg(long, default_value_t, value_name = "DEVICE", help_heading = "Run")]
    device: Device,
    #[command(flatten)]
    workers: Workers,
}

impl CompareCommand {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { first, second, inputs, all, summary, config, rows, device, workers: Workers { threads }, .. } = self;
        config.check()?;
        Run::new().threads(threads).check()?;
        let start = Instant::now();
        let open = |path: &Path| Model::load(path, device);
        #[cfg(feature = "analysis")]
        if let Some(path) = &self.html {
            output::check_is_file(path)?;
            let read = [&first, &second].into_iter().chain(&inputs).map(PathBuf::as_path);
            crate::storage::check_target(path, self.force, read)?;
        }
        let models = [open(&first)?, open(&second)?];
        let [a, b] = &models;
        let learned = a.compare(b);
        let found = match inputs.is_empty() {
            true => None,
            false => {
                let source = Source::open(&inputs, &rows, &context.signals.stop)?.spooled(&std::env::temp_dir())?;
                let found = a.compare_on(b, &source, &config, &mut context.run(threads, source.rows()));
                let found = found.inspect_err(|error| tell_whose(error, &learned, [&first, &second]))?;
                output::warn_of_no_row(found.rows, &rows);
                Some(found)
            }
        };
        let paths = [first.as_path(), second.as_path()];
        #[cfg(feature = "analysis")]
        if let Some(path) = &self.html {
            let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let [a, b] = paths.map(name);
            let date: String = clock::now()?.chars().take(10).collect();
            vaepipe::comparison_report([&a, &b], &learned, found.as_ref(), Some(&date))?.save(path, self.force)?;
            tracing::info!("wrote {}", path.display());
        }
        output::stdout(&match summary {
            OutputFormat::Text => text::whole(paths, &models, &learned, found.as_ref(), all),
            OutputFormat::Json => {
                let [a, b] = [(paths[0], a), (paths[1], b)].map(|(path, model)| about(path, model));
                let seconds = seconds(start.elapsed().as_secs_f64());
                let told = json!({
                    "run_id": log::run_id(), "a": a, "b": b, "models": learned, "rows": found, "seconds": seconds,
                });
                format!("{told}\n")
            }
        })
    }
}

/// Says which model needs a column that the data does not have.
fn tell_whose(error: &Error, learned: &ModelComparison, [first, second]: [&Path; 2]) {
    let Error::MissingFeature { column, .. } = error else { return };
    let change = learned.columns.iter().find(|it| it.column == *column).map(|it| it.change);
    let whose = match change {
        Some(ColumnChange::Gone) => format!("only {} needs", first.display()),
        Some(ColumnChange::Added) => format!("only {} needs", second.display()),
        _ => "both models need".to_owned(),
    };
    tracing::warn!("{whose} column {column:?}");
}

/// What tells a model from others.
fn about(path: &Path, model: &Model) -> Value {
    json!({ "model": path.display().to_string(), "model_hash": model.hash(), "verdict": verdict::json(model) })
}
