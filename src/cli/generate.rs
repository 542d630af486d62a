//! `vaepipe generate`.

use std::time::Instant;

use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use vaepipe::{GenerateConfig, Model, OutputConfig};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::output::{is_dash, kept, open_output, place};
use crate::cli::flags::paths::{ModelFlag, NewOutput};
use crate::cli::flags::run::RunFlags;
use crate::cli::output::{self, seconds};

/// Draw new rows from a model
///
/// Example: vaepipe generate -n 1000 more.parquet -m flights.safetensors
///
/// The rows have the columns the model learned and those that were constant, in the order, types and units of the fit's
/// input, within the ranges and categories seen there. They are drawn from a density fitted to the latents of training
/// rows if that explains held-out rows better than the prior, and from the likelihoods. With --steps they are sequences, in which
/// each row follows from those before it.
#[derive(Debug, Args)]
#[command(override_usage = "vaepipe generate [OPTIONS] --rows <N> <OUTPUT>")]
pub(crate) struct Generate {
    #[command(flatten)]
    output: NewOutput,
    /// Rows to draw, of all sequences together
    #[arg(short = 'n', long, value_name = "N", value_parser = count, help_heading = "Output")]
    rows: u64,
    #[command(flatten)]
    model: ModelFlag,
    #[command(flatten)]
    config: GenerateConfig,
    #[command(flatten)]
    files: OutputConfig,
    #[command(flatten)]
    run: RunFlags,
}

/// Parses a number of rows, which may be written 1e6 or 1_000_000.
fn count(text: &str) -> Result<u64, String> {
    // Above it a float skips integers.
    const LARGEST: f64 = (1_u64 << 53) as f64;
    let digits = text.replace('_', "");
    let float = || digits.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && (0.0..=LARGEST).contains(n));
    let count = digits.parse().ok().or_else(|| float().map(|n| n as u64));
    count.ok_or_else(|| "is not a whole number, such as 1000000 or 1e6".to_owned())
}

impl Generate {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { output, rows, model: ModelFlag { model: path }, mut config, files, run } = self;
        let output = output.path()?;
        let start = Instant::now();
        config.output = files;
        config.check()?;
        run.check()?;
        let _lock = run.writing.claim_new(&output, &config.output, &path, context)?;
        let model = Model::load(&path, run.device)?;
        let columns = model.drawn_columns(&config)?;
        let to = open_output(&output)?;
        let wrote = model.generate(rows, to, &config, &mut context.run(run.workers.threads, Some(rows)))?;
        let total = start.elapsed().as_secs_f64();
        let left: Vec<&str> = model.metadata().columns.iter().map(|column| column.column.as_str()).collect();
        let left: Vec<&str> = left.into_iter().filter(|name| columns.field_with_name(name).is_err()).collect();
        let rate = (rows as f64 / total.max(1e-9)) as u64;
        let (about, place) = (columns.fields().len(), place(&output, 1));
        let mut lines = vec![("wrote", format!("{} rows of {about} columns to {place}", HumanCount(rows)))];
        if !wrote {
            lines.clear();
            lines.extend(kept(1));
        }
        if !left.is_empty() {
            lines.push(("left out", format!("{}: not learned", output::list(&left))));
        }
        lines.push(("time", format!("{total:.2} s, {} rows/s", HumanCount(rate))));
        let json = json!({ "rows": if wrote { rows } else { 0 }, "columns": columns.fields().len(), "left_out": left, "seconds": seconds(total) });
        output::print_beside(is_dash(&output), run.writing.summary, context.quiet, &lines, &json)
    }
}
