//! A directory of outputs: a file for each of the source's, in the same place below it.

use std::fs;
use std::path::{Path, PathBuf};

use super::totals::TransformTotals;
use crate::artifact::Model;
use crate::config::TransformConfig;
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::source::Source;
use crate::storage::{Target, check_distinct, check_outside, is_url};

impl Model {
    /// Writes a file for each of the source's. Everything that can be is checked before the first is written; when one
    /// fails, those that are written stay.
    ///
    /// # Errors
    /// [`Error::Unfinished`].
    pub(super) fn mirror(
        &self,
        source: &Source,
        folder: &Path,
        config: &TransformConfig,
        stop: &Stop,
        total: &mut TransformTotals,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<()> {
        check_outside(folder, source.directories())?;
        let files: Vec<(Source, PathBuf)> =
            source.files_with_output_paths().map(|(file, within)| (file, folder.join(within))).collect();
        check_distinct(&files.iter().map(|(_, target)| target).collect::<Vec<_>>())?;
        let mut work = Vec::new();
        for (file, target) in files {
            self.kept(&file, &*file.schema()?, true, config)?;
            if config.leaves(&target, file.paths())? {
                total.skipped += 1;
                continue;
            }
            Target::inspect(&target, config.replaces(), source.paths())?;
            work.push((file, target));
        }
        for (n, (file, target)) in work.iter().enumerate() {
            let written = self.mirror_one(file, target, config, stop, total, on_rows);
            written.map_err(|error| unfinished(&work[n..], n, error))?;
            total.files += 1;
        }
        Ok(())
    }

    fn mirror_one(
        &self,
        file: &Source,
        target: &Path,
        config: &TransformConfig,
        stop: &Stop,
        total: &mut TransformTotals,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<()> {
        stop.check()?;
        let folder = target.parent().filter(|_| !is_url(target)).unwrap_or(Path::new("."));
        let made: Vec<&Path> = folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).collect();
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let written = Target::check(target, config.replaces(), file.paths())
            .and_then(|target| self.transform_one(file, target, true, config, stop, total, on_rows));
        if written.is_err() {
            // Those with a file of somebody else's in them by now stay.
            made.into_iter().take_while(|folder| fs::remove_dir(folder).is_ok()).for_each(drop);
        }
        written
    }
}

/// An error, with what remains to be done.
fn unfinished(rest: &[(Source, PathBuf)], done: usize, source: Error) -> Error {
    if done == 0 && rest.len() == 1 {
        return source;
    }
    let rest: Vec<PathBuf> = rest.iter().map(|(file, _)| file.path().to_owned()).collect();
    tracing::warn!("{done} files are written, {} are not, from {} on", rest.len(), rest[0].display());
    Error::Unfinished { done, rest, source: Box::new(source) }
}
