//! `vaepipe export`.

use std::path::PathBuf;

use clap::Args;
use indicatif::HumanBytes;
use serde_json::json;
use vaepipe::{Device, ExportConfig, Model};

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::flags::decision::DecisionFlags;
use crate::cli::flags::paths::ModelFlag;
use crate::cli::output::{self, OutputFormat};

/// Write a model as an ONNX file, which other programs run
///
/// Example: vaepipe export vae.onnx -m vae.safetensors
///
/// The graph takes the columns as they are, one input each, and gives latents and scores: z, recon_error, anomaly_score, p_value
/// and is_anomaly. A missing value is NaN, or the integer or word that the input's description names. What ONNX cannot express is
/// refused.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file to write
    #[arg(value_name = "FILE.onnx")]
    target: PathBuf,
    #[command(flatten)]
    model: ModelFlag,
    #[command(flatten)]
    config: ExportConfig,
    #[command(flatten)]
    decision: DecisionFlags,
    /// Replace an existing file
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// The summary on stdout: lines, or one JSON object
    #[arg(long, alias = "format", default_value = "text", value_name = "FORMAT", help_heading = "Output")]
    summary: OutputFormat,
}

impl Export {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { target, model: ModelFlag { model }, mut config, decision, force, summary } = self;
        config.decision = decision.decision()?;
        config.ignore_above_p = decision.ignore_above_p();
        crate::storage::check_target(&target, force, [model.as_path()])?;
        let file = Model::load(&model, Device::Cpu)?.to_onnx(&config)?;
        file.save(&target, force)?;
        let (inputs, outputs) = (file.inputs(), file.outputs());
        let lines = [
            (
                "wrote",
                format!(
                    "{}, {}, operators of version {}",
                    target.display(),
                    HumanBytes(file.bytes().len() as u64),
                    config.opset
                ),
            ),
            ("inputs", format!("{} columns, each [rows] or, of a list, [rows, length]", inputs.len())),
            ("outputs", outputs.join(", ")),
        ];
        let json = json!({ "bytes": file.bytes().len(), "opset": config.opset, "inputs": inputs, "outputs": outputs });
        output::print(summary, context.quiet, &lines, &json)
    }
}
