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
    #[command(flatten)]
    config: TraverseConfig,
    #[command(flatten)]
    run: RunFlags,
}

impl Traverse {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { model: path, output, config, run } = self;
        config.check()?;
        let _lock = run.claim(&output, config.force, [path.as_path()], context)?;
        let model = Model::load(&path, run.device)?;
        let rows = model.write_traverse(&output, &config)?;
        let dimensions = model.metadata().network.latent_dim;
        let lines = [(
            "wrote",
            format!(
                "{} rows, {} along each of {dimensions} dimensions, to {}",
                HumanCount(rows),
                config.steps,
                output.display()
            ),
        )];
        output::print(
            run.summary,
            context.quiet,
            &lines,
            &json!({ "rows": rows, "dimensions": dimensions, "steps": config.steps }),
        )
    }
}
