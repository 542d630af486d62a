//! Which outputs are skipped because they exist.

use std::path::Path;
use std::time::SystemTime;

use crate::artifact::MODEL_KEY;
use crate::config::{IfNewer, OutputConfig, SourceConfig};
use crate::error::{Error, Place, Result, Unsupported};
use crate::pipeline::Stop;
use crate::sink::Medium;
use crate::source::Source;
use crate::storage::output_exists;

impl OutputConfig {
    /// Whether an output is skipped: with [`skip_existing`](Self::skip_existing) if it exists, with
    /// [`if_newer`](Self::if_newer) if it is up to date.
    ///
    /// # Errors
    /// [`Error::Io`] if the store of the output cannot be asked, [`Error::Unsupported`] for a text output, which stores no
    /// hash, where the hash of the model decides.
    pub(crate) fn skips<'a>(
        &self,
        output: &Path,
        inputs: impl Iterator<Item = &'a Path>,
        model_hash: &str,
    ) -> Result<bool> {
        if self.if_newer == Some(IfNewer::Model) && Medium::of(output).is_text() {
            return Err(Error::Unsupported { place: Place::file(output), what: Unsupported::ModelHashInText });
        }
        Ok(match self.if_newer {
            None => self.skip_existing && output_exists(output)?,
            Some(IfNewer::Input) => is_newer(output, inputs),
            Some(IfNewer::Model) => is_newer(output, inputs) && hash_in(output).as_deref() == Some(model_hash),
        })
    }

    /// Whether an existing output that is not skipped is replaced.
    pub(crate) fn replaces(&self) -> bool {
        self.force || self.if_newer.is_some()
    }
}

/// Whether a file is newer than others. Those without a time, such as stdin or objects, count as newer.
fn is_newer<'a>(output: &Path, mut inputs: impl Iterator<Item = &'a Path>) -> bool {
    modified(output).is_some_and(|made| inputs.all(|input| modified(input).is_some_and(|time| time < made)))
}

/// When a file was last written.
fn modified(path: &Path) -> Option<SystemTime> {
    let about = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    about.modified().ok()
}

/// The hash of the model that wrote an output; `None` if the file has none or cannot be read.
fn hash_in(output: &Path) -> Option<String> {
    let output = Source::open([output], &SourceConfig::new(), &Stop::new()).ok()?;
    match output.one_parquet_file() {
        Some(file) => file.metadata_value(MODEL_KEY),
        None => output.schema().metadata().get(MODEL_KEY).cloned(),
    }
}
