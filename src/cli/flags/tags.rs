//! What a fit writes into its model for those who keep several.

use std::path::{Path, PathBuf};

use clap::Args;
use vaepipe::Tags;

use crate::cli::clock;
use crate::cli::failure::Failure;

/// Flags of the tags of a model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct TagFlags {
    /// Keep this note in the model; inspect and compare show it [default: none]
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Keep the time of the fit, in UTC, and the names of its inputs in the model. The same data then gives other bytes at
    /// another time, unless SOURCE_DATE_EPOCH sets it
    #[arg(long)]
    stamp: bool,
}

impl TagFlags {
    /// The tags of a model of these `inputs` that starts from the model `base`.
    ///
    /// # Errors
    /// As [`clock::now`].
    pub(crate) fn tags(self, inputs: &[PathBuf], base: Option<&Path>) -> Result<Tags, Failure> {
        /// Names of more inputs are counted.
        const MOST: usize = 100;
        let mut tags = Tags { note: self.note, ..Tags::default() };
        if self.stamp {
            let name = |path: &Path| path.display().to_string();
            tags.time = Some(clock::now()?);
            tags.data = inputs.iter().take(MOST).map(|path| name(path)).collect();
            tags.data.extend((inputs.len() > MOST).then(|| format!("… {} more", inputs.len() - MOST)));
            tags.base = base.map(name);
        }
        Ok(tags)
    }
}
