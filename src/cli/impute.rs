//! `vaepipe impute`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use vaepipe::{ImputeConfig, Imputed, Model, ParquetSource};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::run::RunFlags;
use crate::cli::output::{self, grouped, list, names, seconds};

/// Fill missing values of a Parquet file from a model
///
/// Example: vaepipe impute survey.parquet filled.parquet --flag
///
/// Nulls and NaN in learned columns get what the model expects given the rest of the row, in the column's own type and
/// unit and within the range and categories seen at fit; columns that were constant at fit get that constant. Known
/// values stay as they are. The model should be fitted to data of the same kind, missing values included.
#[derive(Debug, Args)]
pub(crate) struct Impute {
    /// The Parquet file to read
    input: PathBuf,
    /// The Parquet file to write
    output: PathBuf,
    /// The model file
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Run")]
    model: PathBuf,
    #[command(flatten)]
    config: ImputeConfig,
    #[command(flatten)]
    run: RunFlags,
}

impl Impute {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { input, output, model, config, run } = self;
        let start = Instant::now();
        config.check()?;
        run.check()?;
        let source = ParquetSource::open([&input])?;
        let _lock = run.claim(&output, config.force, source.paths().chain([model.as_path()]), context)?;
        let model = Model::load(&model, run.device)?;
        let imputed = model.impute(&source, &output, &config, &mut context.run(run.threads, Some(source.rows())))?;
        let total = start.elapsed().as_secs_f64();
        let Imputed { rows, columns, .. } = &imputed;
        let values: u64 = columns.iter().map(|(_, filled)| filled).sum();
        let mut lines = vec![(
            "filled",
            format!("{} values in {} columns of {} rows", HumanCount(values), columns.len(), HumanCount(*rows)),
        )];
        lines
            .extend(columns.iter().map(|(column, filled)| ("", format!("{column}: {}", HumanCount(*filled)))).take(20));
        let given = names(&model.metadata().given);
        let mut left: Vec<String> = given.first().map(|_| format!("{}: is given", list(&given))).into_iter().collect();
        let mut carried = model.metadata().carried.clone();
        carried.retain(|carried| carried.constant.is_none());
        left.extend(grouped(&carried).into_iter().map(|(columns, reason)| format!("{columns}: {reason}")));
        lines.extend(left.into_iter().enumerate().map(|(n, line)| (if n == 0 { "left" } else { "" }, line)));
        lines.push(("wrote", output.display().to_string()));
        lines.push(("time", format!("{total:.2} s")));
        let json = json!({
            "rows": rows,
            "columns": columns.iter().map(|(column, filled)| json!({"column": column, "filled": filled})).collect::<Vec<_>>(),
            "seconds": seconds(total),
        });
        output::print(run.summary, context.quiet, &lines, &json)
    }
}
