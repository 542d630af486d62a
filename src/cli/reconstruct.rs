//! `vaepipe reconstruct`.

use std::time::Instant;

use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use vaepipe::{Model, ReconstructConfig, Reconstructed, Source, SourceConfig};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::output::{OutputFlags, check_output, is_dash, kept, place, unreadable, unreadable_json};
use crate::cli::flags::paths::{InputsAndOutput, ModelFlag};
use crate::cli::flags::run::RunFlags;
use crate::cli::output::{self, seconds};

/// Rebuild rows from their latents
///
/// Example: vaepipe reconstruct flights.parquet rebuilt.parquet
///
/// The learned columns get what the decoder expects of them at the row's posterior mean, in their own types and units; all
/// others stay as they are. A transformed file without the learned columns is taken back to them from its z_0 ... columns.
#[derive(Debug, Args)]
#[command(override_usage = "vaepipe reconstruct [OPTIONS] <INPUT>... <OUTPUT>")]
pub(crate) struct Reconstruct {
    #[command(flatten)]
    paths: InputsAndOutput,
    #[command(flatten)]
    model: ModelFlag,
    #[command(flatten)]
    rows: SourceConfig,
    #[command(flatten)]
    config: ReconstructConfig,
    #[command(flatten)]
    files: OutputFlags,
    #[command(flatten)]
    run: RunFlags,
}

impl Reconstruct {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { paths, model: ModelFlag { model: path }, mut rows, mut config, files, run } = self;
        let (inputs, output) = paths.split()?;
        let start = Instant::now();
        (config.output, rows.keep_going) = (files.config(), files.keep_going(&output));
        run.check()?;
        let source = Source::open(&inputs, &rows, &context.signals.stop)?;
        let _lock = run.writing.lock([output.as_path()], context)?;
        check_output(&output, &config.output, source.paths(), Some(&path))?;
        let model = Model::load(&path, run.device)?;
        let to = files.open(&output)?;
        let done = model.reconstruct(&source, to, &config, &mut context.run(run.workers.threads, source.rows()))?;
        let total = start.elapsed().as_secs_f64();
        output::warn_of_no_row(done.rows, &rows);
        let Reconstructed { rows, files, skipped, latent_bytes, column_bytes, error, .. } = done;
        let left_out = &done.unreadable;
        let before = column_bytes.map(|bytes| bytes as f64 / rows.max(1) as f64);
        let mut lines = vec![("wrote", format!("{} rows to {}", HumanCount(rows), place(&output, files)))];
        lines.extend(kept(skipped));
        lines.extend(unreadable(left_out));
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
            "files": files,
            "skipped": skipped,
            "unreadable": unreadable_json(left_out),
            "column_bytes_per_row": before,
            "latent_bytes_per_row": latent_bytes,
            "error": error,
            "seconds": seconds(total),
        });
        output::print_beside(is_dash(&output), run.writing.summary, context.quiet, &lines, &json)?;
        Ok(done.check_complete()?)
    }
}
