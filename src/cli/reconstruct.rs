//! `vaepipe reconstruct`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use vaepipe::{Model, ParquetSource, ReconstructConfig, Reconstructed};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::run::RunFlags;
use crate::cli::output::{self, seconds};

/// Rebuild rows of a Parquet file from their latents
///
/// Example: vaepipe reconstruct flights.parquet rebuilt.parquet
///
/// The learned columns get what the decoder expects of them at the row's posterior mean, in their own types and units; all
/// others stay as they are. A transformed file without the learned columns is taken back to them from its z_0 ... columns.
#[derive(Debug, Args)]
pub(crate) struct Reconstruct {
    /// The Parquet file to read
    input: PathBuf,
    /// The file to write
    output: PathBuf,
    /// The model file
    #[arg(short, long, default_value = "vae.safetensors", value_name = "FILE", help_heading = "Run")]
    model: PathBuf,
    #[command(flatten)]
    config: ReconstructConfig,
    #[command(flatten)]
    run: RunFlags,
}

impl Reconstruct {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { input, output, model, config, run } = self;
        let start = Instant::now();
        run.check()?;
        let source = ParquetSource::open([&input])?;
        let _lock = run.claim(&output, config.force, source.paths().chain([model.as_path()]), context)?;
        let model = Model::load(&model, run.device)?;
        let done = model.reconstruct(&source, &output, &config, &mut context.run(run.threads, Some(source.rows())))?;
        let total = start.elapsed().as_secs_f64();
        let Reconstructed { rows, latent_bytes, column_bytes, error, .. } = done;
        let before = column_bytes.map(|bytes| bytes as f64 / rows.max(1) as f64);
        let mut lines = vec![("wrote", format!("{} rows to {}", HumanCount(rows), output.display()))];
        lines.push((
            "size",
            match before {
                Some(before) => format!(
                    "{before:.1} bytes a row in the learned columns, {latent_bytes} in the latents: {:.1} to 1",
                    before / latent_bytes as f64
                ),
                None => format!("{latent_bytes} bytes a row in the latents"),
            },
        ));
        if let Some(error) = error {
            lines.push(("error", format!("{error:.4}, mean of squares on the model's scale")));
        }
        lines.push(("time", format!("{total:.2} s")));
        let json = json!({
            "rows": rows,
            "column_bytes_per_row": before,
            "latent_bytes_per_row": latent_bytes,
            "error": error,
            "seconds": seconds(total),
        });
        output::print(run.summary, context.quiet, &lines, &json)
    }
}
