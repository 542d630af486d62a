//! A directory of outputs: one file for each file of the source, at the same relative path.

use std::fs;
use std::path::{Path, PathBuf};

use super::unreadable::{self, UnreadableFile};
use super::{FileCounts, WriteRows};
use crate::config::OutputConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::Stop;
use crate::sink::{Destination, check_output_name};
use crate::source::Source;
use crate::storage::{Target, check_distinct, check_outside, is_url};

/// Writes one file for each file of the source. All checks come before the first write; if a file fails, those already
/// written stay. Files that cannot be read are left out if the source keeps going.
///
/// # Errors
/// [`Error::Unfinished`], also if files are left out and none is written.
pub(super) fn write(
    source: &Source,
    folder: &Path,
    config: &OutputConfig,
    model_hash: &str,
    stop: &Stop,
    rows: &mut dyn WriteRows,
) -> Result<FileCounts> {
    check_outside(folder, source.directories())?;
    let files: Vec<(Source, PathBuf)> =
        source.files_with_output_paths().map(|(file, path)| (file, folder.join(path))).collect();
    check_distinct(&files.iter().map(|(_, target)| target).collect::<Vec<_>>())?;
    let mut counts = FileCounts { unreadable: unreadable::files(source.unreadable()), ..FileCounts::default() };
    let mut work = Vec::new();
    for (file, target) in files {
        check_output_name(&target)?;
        rows.check(&file)?;
        if config.skips(&target, file.paths().chain(rows.history()), model_hash)? {
            counts.skipped += 1;
            continue;
        }
        Target::inspect(&target, config.replaces(), source.paths())?;
        work.push((file, target));
    }
    for (n, (file, target)) in work.iter().enumerate() {
        let written = stop.check().and_then(|()| write_file(file, target, config, rows));
        match written {
            Ok(written) => counts.written += u64::from(written),
            Err(error) if source.config().keep_going && error.kind() == ErrorKind::Data => {
                tracing::warn!("{error}; the file is skipped");
                counts.unreadable.push(UnreadableFile::new(file.path(), &error));
            }
            Err(error) => return Err(unfinished(&work[n..], n, error)),
        }
    }
    if counts.written == 0 {
        unreadable::check(&counts.unreadable, 0)?;
    }
    Ok(counts)
}

/// Writes the output of one file, unless none of its rows is read; tells whether it did.
fn write_file(file: &Source, target: &Path, config: &OutputConfig, rows: &mut dyn WriteRows) -> Result<bool> {
    if file.has_no_rows()? {
        tracing::info!("{}: no row matches; no file is written for it", file.path().display());
        return Ok(false);
    }
    let folder = target.parent().filter(|_| !is_url(target)).unwrap_or(Path::new("."));
    let made: Vec<&Path> = folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).collect();
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let target = Target::check(target, config.replaces(), file.paths());
    let written = target.and_then(|target| rows.write(file, Destination::File(target), true));
    if written.is_err() {
        // A folder that holds a file of another program by now stays.
        made.into_iter().take_while(|folder| fs::remove_dir(folder).is_ok()).for_each(drop);
    }
    written.map(|()| true)
}

/// An error, with the files that are not written.
fn unfinished(rest: &[(Source, PathBuf)], done: usize, source: Error) -> Error {
    if done == 0 && rest.len() == 1 {
        return source;
    }
    let rest: Vec<PathBuf> = rest.iter().map(|(file, _)| file.path().to_owned()).collect();
    tracing::warn!("{done} files are written and {} are not, starting with {}", rest.len(), rest[0].display());
    Error::Unfinished { done, rest, source: Box::new(source) }
}
