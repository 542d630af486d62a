//! Names that look like one that is not there.

use std::path::Path;

/// The one of `names` that looks most like `name`, if any does.
pub(crate) fn alike<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    const ALIKE: f64 = 0.8;
    let likeness = |other: &str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    let best = names.map(|name| (likeness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then(|| best.1.to_owned())
}

/// A file in the same directory, of a like name, its extension included.
pub(crate) fn beside(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A link to nowhere is no help.
    let entries = std::fs::read_dir(folder).ok()?.flatten().filter(|entry| entry.path().exists());
    let extension = |path: &Path| path.extension().map_or(String::new(), |it| it.to_string_lossy().into_owned());
    let wanted = extension(path);
    let names: Vec<String> = entries
        .filter(|entry| alike(&wanted, [extension(&entry.path()).as_str()].into_iter()).is_some())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let near = alike(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near).display().to_string())
}
