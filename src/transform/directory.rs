//! A directory of outputs: one file for each file of the source, at the same relative path.

use std::fs;
use std::path::{Path, PathBuf};

use super::job::TransformJob;
use crate::error::{Error, ErrorKind, Result};
use crate::sink::check_output_name;
use crate::source::Source;
use crate::storage::{Target, check_distinct, check_outside, is_url};

impl TransformJob<'_, '_> {
    /// Writes one file for each file of the source. All checks come before the first write; if a file fails, those
    /// already written stay.
    ///
    /// # Errors
    /// [`Error::Unfinished`].
    pub(super) fn directory(&mut self, source: &Source, folder: &Path) -> Result<()> {
        check_outside(folder, source.directories())?;
        let files: Vec<(Source, PathBuf)> =
            source.files_with_output_paths().map(|(file, path)| (file, folder.join(path))).collect();
        check_distinct(&files.iter().map(|(_, target)| target).collect::<Vec<_>>())?;
        let mut work = Vec::new();
        for (file, target) in files {
            check_output_name(&target)?;
            self.model.kept(&file, &file.schema(), true, self.config)?;
            if self.config.output.skips(&target, file.paths(), self.model)? {
                self.totals.skipped += 1;
                continue;
            }
            Target::inspect(&target, self.config.output.replaces(), source.paths())?;
            work.push((file, target));
        }
        let mut damaged = Vec::new();
        for (n, (file, target)) in work.iter().enumerate() {
            match self.file_of_directory(file, target) {
                Ok(written) => self.totals.files += u64::from(written),
                Err(error) if source.keeps_going() && error.kind() == ErrorKind::Data => {
                    tracing::warn!("{error}; it is left out");
                    damaged.push((file.path().to_owned(), error));
                }
                Err(error) => return Err(unfinished(&work[n..], n, error)),
            }
        }
        let done = work.len() - damaged.len();
        left_out(source.unreadable().iter().chain(&damaged), done)
    }

    /// Writes the output of one file, unless none of its rows is read; tells whether it did.
    fn file_of_directory(&mut self, file: &Source, target: &Path) -> Result<bool> {
        self.run.stopper().check()?;
        if file.has_no_rows()? {
            tracing::info!("{}: no row matches; no file is written for it", file.path().display());
            return Ok(false);
        }
        let folder = target.parent().filter(|_| !is_url(target)).unwrap_or(Path::new("."));
        let made: Vec<&Path> = folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).collect();
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let target = Target::check(target, self.config.output.replaces(), file.paths());
        let written = target.and_then(|target| self.file(file, target, true));
        if written.is_err() {
            // A folder that holds a file of another program by now stays.
            made.into_iter().take_while(|folder| fs::remove_dir(folder).is_ok()).for_each(drop);
        }
        written.map(|()| true)
    }
}

/// The error of a run that is complete but for these files.
pub(super) fn left_out<'a>(files: impl Iterator<Item = &'a (PathBuf, Error)> + Clone, done: usize) -> Result<()> {
    let Some((path, error)) = files.clone().next() else { return Ok(()) };
    let what = error.to_string();
    let what = what.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&what);
    let source = Box::new(Error::io("read", path)(std::io::Error::other(what)));
    Err(Error::Unfinished { done, rest: files.map(|(path, _)| path.clone()).collect(), source })
}

/// An error, with the files that are not written.
fn unfinished(rest: &[(Source, PathBuf)], done: usize, source: Error) -> Error {
    if done == 0 && rest.len() == 1 {
        return source;
    }
    let rest: Vec<PathBuf> = rest.iter().map(|(file, _)| file.path().to_owned()).collect();
    tracing::warn!("{done} files are written, {} are not, from {} on", rest.len(), rest[0].display());
    Error::Unfinished { done, rest, source: Box::new(source) }
}
