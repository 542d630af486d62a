//! `vaepipe traverse`.

use std::path::PathBuf;

use clap::Args;
use indicatif::HumanCount;
use serde_json::json;
use vaepipe::{Model, TraverseConfig};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::run::RunFlags;
use crate::cli::output;

/// Decode rows along each dimension of a model's latent space
///
/// Example: vaepipe traverse vae.safetensors walk.parquet
///
/// Each dimension goes from -3 to 3 while the others are 0. The columns are `dimension`, its `z`, and those the model learned
/// as the decoder expects them there.
#[derive(Debug, Args)]
pub(crate) struct Traverse {
    /// The model file
    model: PathBuf,
    /// The file to write
    output: PathBuf,
    /// Places along each dimension
    #[arg(long, default_value_t = TraverseConfig::STEPS, value_name = "N", help_heading = "Output")]
    steps: usize,
    /// Put this before `dimension` and `z`
    #[arg(long, default_value = "", value_name = "NAME", hide_default_value = true, help_heading = "Output")]
    prefix: String,
    /// Replace an existing output
    #[arg(long, help_heading = "Output")]
    force: bool,
    #[command(flatten)]
    run: RunFlags,
}

impl Traverse {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { model: path, output, steps, prefix, force, run } = self;
        let mut config = TraverseConfig::new();
        config.steps = steps;
        config.prefix = prefix;
        config.force = force;
        config.check()?;
        let _lock = run.claim(&output, force, [path.as_path()], context)?;
        let model = Model::load(&path, run.device)?;
        let rows = model.write_traverse(&output, &config)?;
        let dimensions = model.metadata().network.latent_dim;
        let lines = [(
            "wrote",
            format!(
                "{} rows, {steps} along each of {dimensions} dimensions, to {}",
                HumanCount(rows),
                output.display()
            ),
        )];
        output::print(
            run.summary,
            context.quiet,
            &lines,
            &json!({ "rows": rows, "dimensions": dimensions, "steps": steps }),
        )
    }
}
