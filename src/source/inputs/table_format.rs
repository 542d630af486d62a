//! Tables of files with a log, told by its folder: which files have the rows is written there.

use std::path::Path;

use crate::error::{Error, Place, Result, Unsupported};

/// The folder of the log of a Delta table. Its path stands for the files that the log names.
pub(super) const DELTA_LOG: &str = "_delta_log";

/// The folder of the log of a Hudi table.
const HUDI_LOG: &str = ".hoodie";

/// What follows the version in the name of an Iceberg table's metadata, and its folder.
const ICEBERG_ENDING: &str = ".metadata.json";
const ICEBERG_FOLDER: &str = "metadata";

/// Whether a folder of this name is the log of a table.
pub(super) fn is_log(name: &str) -> bool {
    [DELTA_LOG, HUDI_LOG].contains(&name)
}

/// Whether a folder is that of a Delta table.
///
/// # Errors
/// [`Error::Unsupported`] for a table of another format.
pub(super) fn is_delta_table(folder: &Path) -> Result<bool> {
    let is_delta = folder.join(DELTA_LOG).is_dir();
    if !is_delta {
        let mut metadata = std::fs::read_dir(folder.join(ICEBERG_FOLDER)).into_iter().flatten().flatten();
        let is_iceberg = metadata.any(|entry| entry.file_name().to_string_lossy().ends_with(ICEBERG_ENDING));
        check_format(folder, is_iceberg, folder.join(HUDI_LOG).is_dir())?;
    }
    Ok(is_delta)
}

/// Checks that a path in a listing is not the metadata of a table whose log cannot be read.
///
/// # Errors
/// [`Error::Unsupported`].
pub(super) fn check_listed(path: &Path) -> Result<()> {
    let is = |path: &Path, name: &str| path.file_name().is_some_and(|it| it == name);
    let Some(folder) = path.parent() else { return Ok(()) };
    let is_iceberg = is(folder, ICEBERG_FOLDER) && path.to_str().is_some_and(|path| path.ends_with(ICEBERG_ENDING));
    let table = if is_iceberg { folder.parent().unwrap_or(folder) } else { folder };
    check_format(table, is_iceberg, is(path, HUDI_LOG))
}

fn check_format(table: &Path, is_iceberg: bool, is_hudi: bool) -> Result<()> {
    let what = match (is_iceberg, is_hudi) {
        (true, _) => Unsupported::IcebergTable,
        (_, true) => Unsupported::HudiTable,
        _ => return Ok(()),
    };
    Err(Error::Unsupported { place: Place::file(table), what })
}

/// Says if files or folders given by name are part of a Delta table: they are read without its log.
pub(super) fn warn_of_table<'a>(paths: impl Iterator<Item = &'a Path>) {
    let mut last = None;
    for path in paths {
        if last.replace(path.parent()) == Some(path.parent()) {
            continue;
        }
        if let Some(table) = path.ancestors().skip(1).find(|folder| folder.join(DELTA_LOG).is_dir()) {
            let table = if table.as_os_str().is_empty() { Path::new(".") } else { table };
            tracing::warn!(
                "{}: read without the log of the Delta table {}, as well as deleted rows",
                path.display(),
                table.display()
            );
            return;
        }
    }
}
