//! `vaepipe traverse`.

use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use vaepipe::{Model, OutputConfig, TraverseConfig};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::output::{is_dash, kept, open_output, place};
use crate::cli::flags::paths::{ModelFlag, NewOutput};
use crate::cli::flags::run::RunFlags;
use crate::cli::output;

/// Decode rows along each dimension of a model's latent space
///
/// Example: vaepipe traverse walk.parquet -m vae.safetensors
///
/// Each dimension goes from -3 to 3 while the others are 0. The columns are `dimension`, its `z`, and those the model learned
/// as the decoder expects them there.
#[derive(Debug, Args)]
#[command(override_usage = "vaepipe traverse [OPTIONS] <OUTPUT>")]
pub(crate) struct Traverse {
    #[command(flatten)]
    output: NewOutput,
    #[command(flatten)]
    model: ModelFlag,
    #[command(flatten)]
    config: TraverseConfig,
    #[command(flatten)]
    files: OutputConfig,
    #[command(flatten)]
    run: RunFlags,
}

impl Traverse {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { output, model: ModelFlag { model: path }, mut config, files, run } = self;
        let output = output.path()?;
        config.output = files;
        config.check()?;
        let _lock = run.writing.claim_new(&output, &config.output, &path, context)?;
        let model = Model::load(&path, run.device)?;
        let rows = model.write_traverse(open_output(&output)?, &config, &context.signals.stop)?;
        let dimensions = model.metadata().network.latent_dim;
        let lines: Vec<_> = match rows {
            Some(rows) => {
                let (rows, steps, place) = (HumanCount(rows), config.steps, place(&output, 1));
                let wrote = format!("{rows} rows, {steps} along each of {dimensions} dimensions, to {place}");
                vec![("wrote", wrote)]
            }
            None => kept(1).into_iter().collect(),
        };
        let json = json!({ "rows": rows.unwrap_or_default(), "dimensions": dimensions, "steps": config.steps });
        output::print_beside(is_dash(&output), run.writing.summary, context.quiet, &lines, &json)
    }
}
