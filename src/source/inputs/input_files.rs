//! Finds the input files behind the names a user gives: files, directories and globs, also in object stores.
//!
//! Files come in the order of the names; those of one directory or glob are sorted by path. Names that begin with `_` or
//! `.` are skipped, as in Spark and Hadoop, except `_key=value` directories and files given by name. A Delta table is one input:
//! its log says which files it has.

use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use same_file::Handle;

use super::table_format::{DELTA_LOG, check_listed, is_delta_table, is_log, warn_of_table};
use crate::error::{Error, Result, Unsupported};
use crate::storage::{check_url, exists, is_url, list};

/// Directories are searched to this depth.
const MAX_DEPTH: usize = 32;

/// A file to read, or the folder of a Delta table's log, which stands for the files of the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InputFile {
    pub(crate) path: PathBuf,
    /// Its path below the directory or glob that led to it; its file name, if it was given by name.
    pub(crate) relative: PathBuf,
    /// The input directory that it was found in, if a directory was given.
    pub(crate) directory: Option<PathBuf>,
}

impl InputFile {
    /// The folder of the Delta table that it stands for.
    pub(crate) fn delta_table(&self) -> Option<&Path> {
        self.path.parent().filter(|_| is_delta_log(&self.path))
    }
}

fn is_delta_log(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == DELTA_LOG)
}

/// Whether a name means stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Finds the files that names lead to.
///
/// # Errors
/// [`Error::Io`] for a name that does not exist, [`Error::NoFiles`] for a directory or glob without files.
pub(crate) fn find_files<P: AsRef<Path>>(names: impl IntoIterator<Item = P>) -> Result<Vec<InputFile>> {
    let mut found = Vec::new();
    for name in names {
        let name = name.as_ref();
        let itself = || {
            let relative = name.file_name().unwrap_or_default().into();
            InputFile { path: name.to_owned(), relative, directory: None }
        };
        if is_stdin(name) {
            found.push(itself());
            continue;
        }
        check_url(name)?;
        if is_url(name) {
            match find_objects(name)? {
                Some(objects) => found.extend(objects),
                None => found.push(itself()),
            }
            continue;
        }
        let mut paths = Vec::new();
        match fs::metadata(name) {
            Ok(about) if about.is_dir() => {
                walk(name, &mut AncestorDirs::default(), &mut paths)?;
                warn_of_table(std::iter::once(name));
            }
            Err(_) if is_glob(name) => {
                expand_glob(name, &mut paths)?;
                warn_of_table(paths.iter().map(PathBuf::as_path).filter(|path| !is_delta_log(path)));
            }
            // Opening it reports what is wrong.
            _ => {
                warn_of_table(std::iter::once(name));
                found.push(itself());
                continue;
            }
        }
        if paths.is_empty() {
            return Err(Error::NoFiles { path: name.to_owned() });
        }
        found.extend(sorted_files(paths, &fixed_part(name), name.is_dir().then_some(name)));
    }
    Ok(found)
}

/// Files sorted by path; their relative paths are those below `base`.
fn sorted_files(mut paths: Vec<PathBuf>, base: &Path, directory: Option<&Path>) -> impl Iterator<Item = InputFile> {
    paths.sort();
    paths.dedup();
    paths.into_iter().map(move |path| {
        let relative = path.strip_prefix(base).unwrap_or(&path).to_owned();
        InputFile { path, relative, directory: directory.map(Path::to_owned) }
    })
}

/// Lists the objects below a prefix or behind a glob; `None` if the URL names one object, or a web server, which cannot list.
fn find_objects(name: &Path) -> Result<Option<Vec<InputFile>>> {
    let text = name.to_str().unwrap_or_default();
    if text.starts_with("http") {
        return Ok(None);
    }
    let (base, glob) = match text.find(['*', '?', '[', '{']) {
        Some(at) => (&text[..text[..at].rfind('/').unwrap_or(at) + 1], Some(parse_glob(name, text)?)),
        None if !text.ends_with('/') && exists(name).map_err(Error::io("open", name))? => return Ok(None),
        None => (text, None),
    };
    let base = Path::new(base);
    let mut paths = list(base, &is_hidden, &is_log).map_err(Error::io("open", name))?;
    let is_match = |path: &Path| glob.as_ref().is_none_or(|glob| path.ancestors().any(|path| glob.is_match(path)));
    let table = |path: &PathBuf| path.parent().filter(|_| is_delta_log(path)).map(Path::to_owned);
    // A glob has to match the folder of a table; one that matches files in it reads those.
    paths.retain(|path| is_match(table(path).as_ref().unwrap_or(path)));
    paths.iter().try_for_each(|path| check_listed(path))?;
    let tables: Vec<PathBuf> = paths.iter().filter_map(table).collect();
    paths.retain(|path| is_delta_log(path) || !tables.iter().any(|table| path.starts_with(table)));
    match paths.is_empty() {
        true if glob.is_none() && !text.ends_with('/') => Ok(None),
        true => Err(Error::NoFiles { path: name.to_owned() }),
        false => Ok(Some(sorted_files(paths, base, glob.is_none().then_some(name)).collect())),
    }
}

/// Parses a glob in which only `**` crosses directories; `name` is for messages.
fn parse_glob(name: &Path, text: &str) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(text).literal_separator(true).build().map_err(|error| Error::BadPattern {
        selection: "input",
        pattern: name.display().to_string(),
        source: error.into(),
    })?;
    Ok(glob.compile_matcher())
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn is_glob(name: &Path) -> bool {
    name.to_str().is_some_and(has_wildcard)
}

/// The leading directories of a name that have no wildcard.
fn fixed_part(name: &Path) -> PathBuf {
    name.components().take_while(|part| !part.as_os_str().to_str().is_some_and(has_wildcard)).collect()
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// The entries of a directory that are not hidden.
fn visible_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(here).map_err(Error::io("open", here))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::io("read", here))?.file_name();
        if !is_hidden(&name.to_string_lossy()) {
            names.push(folder.join(name));
        }
    }
    Ok(names)
}

/// The directories above the current one, to detect link cycles.
#[derive(Debug, Default)]
struct AncestorDirs(Vec<Handle>);

impl AncestorDirs {
    /// Runs `visit` inside `folder`, unless a link led back to a directory that is open.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Unsupported`] beyond 32 levels.
    fn enter(&mut self, folder: &Path, visit: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let handle = Self::handle(folder)?;
        if self.contains(&handle) {
            return Ok(());
        }
        if self.0.len() > MAX_DEPTH {
            return Err(Error::Unsupported {
                place: crate::error::Place::file(folder),
                what: Unsupported::NestedDirectory,
            });
        }
        self.0.push(handle);
        let result = visit(self);
        self.0.pop();
        result
    }

    fn handle(folder: &Path) -> Result<Handle> {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        Handle::from_path(here).map_err(Error::io("open", here))
    }

    fn contains(&self, folder: &Handle) -> bool {
        self.0.contains(folder)
    }
}

/// Adds the files below a directory; of a Delta table its log.
fn walk(folder: &Path, ancestors: &mut AncestorDirs, found: &mut Vec<PathBuf>) -> Result<()> {
    ancestors.enter(folder, |ancestors| {
        if is_delta_table(folder)? {
            found.push(folder.join(DELTA_LOG));
            return Ok(());
        }
        for entry in visible_entries(folder)? {
            if entry.is_dir() { walk(&entry, ancestors, found)? } else { found.push(entry) }
        }
        Ok(())
    })
}

/// Adds the files that a glob matches, and those below the directories it matches.
fn expand_glob(name: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    /// One part of a glob.
    enum Part {
        Name(PathBuf),
        Glob(GlobMatcher),
        /// `**`: any number of directories.
        AnyDepth,
    }
    fn expand(base: &Path, parts: &[Part], ancestors: &mut AncestorDirs, found: &mut Vec<PathBuf>) -> Result<()> {
        let Some((part, rest)) = parts.split_first() else {
            return if base.is_dir() {
                walk(base, ancestors, found)
            } else {
                found.extend(fs::symlink_metadata(base).is_ok().then(|| base.to_owned()));
                Ok(())
            };
        };
        if !(matches!(part, Part::Name(_)) || base.as_os_str().is_empty() || base.is_dir()) {
            return Ok(());
        }
        match part {
            Part::Name(name) => expand(&base.join(name), rest, ancestors, found),
            Part::AnyDepth if rest.is_empty() => walk(base, ancestors, found),
            Part::AnyDepth => {
                if ancestors.contains(&AncestorDirs::handle(base)?) {
                    return Ok(());
                }
                expand(base, rest, ancestors, found)?;
                ancestors.enter(base, |ancestors| {
                    let mut folders = visible_entries(base)?.into_iter().filter(|entry| entry.is_dir());
                    folders.try_for_each(|folder| expand(&folder, parts, ancestors, found))
                })
            }
            Part::Glob(glob) => {
                let mut matching = visible_entries(base)?
                    .into_iter()
                    .filter(|entry| entry.file_name().is_some_and(|it| glob.is_match(it)));
                matching.try_for_each(|entry| expand(&entry, rest, ancestors, found))
            }
        }
    }
    let part = |part: Component<'_>| {
        let literal = || Part::Name(part.as_os_str().into());
        let Some(text) = part.as_os_str().to_str().filter(|text| has_wildcard(text)) else { return Ok(literal()) };
        if text == "**" {
            return Ok(Part::AnyDepth);
        }
        Ok(Part::Glob(parse_glob(name, text)?))
    };
    let parts = name.components().map(part).collect::<Result<Vec<_>>>()?;
    expand(Path::new(""), &parts, &mut AncestorDirs::default(), found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds `name` in a folder of these files.
    fn found(files: &[&str], name: &str) -> Option<Vec<(String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let text = |path: &Path| path.display().to_string();
        let below = |path: &Path| text(path.strip_prefix(folder.path()).unwrap());
        let found = find_files([folder.path().join(name)]).ok()?;
        Some(found.iter().map(|found| (below(&found.path), text(&found.relative))).collect())
    }

    #[test]
    fn directories_and_globs_lead_to_files_in_order() {
        let files =
            ["d/b.x", "d/a.x", "d/y=1/c.x", "d/y=2/c.x", "d/_SUCCESS", "d/.crc", "d/_tmp/e.x", "d/_k=1/f.x", "e/g.x"];
        let some = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(path, within)| (path.to_string(), within.to_string())).collect::<Vec<_>>())
        };
        let all = [
            ("d/_k=1/f.x", "_k=1/f.x"),
            ("d/a.x", "a.x"),
            ("d/b.x", "b.x"),
            ("d/y=1/c.x", "y=1/c.x"),
            ("d/y=2/c.x", "y=2/c.x"),
        ];
        assert_eq!(found(&files, "d"), some(&all));
        assert_eq!(found(&files, "d/"), some(&all));
        assert_eq!(found(&files, "d/**"), some(&all));
        assert_eq!(found(&files, "d/**/*.x"), some(&all));
        assert_eq!(found(&files, "d/*.x"), some(&all[1..3]));
        assert_eq!(found(&files, "d/y=*"), some(&all[3..]));
        assert_eq!(found(&files, "d/y=*/c.x"), some(&all[3..]));
        assert_eq!(found(&files, "*/g.x"), some(&[("e/g.x", "e/g.x")]));
        assert_eq!(found(&files, "{d,e}/[ag].x"), some(&[("d/a.x", "d/a.x"), ("e/g.x", "e/g.x")]));
        assert_eq!(found(&files, "d/a.x"), some(&[("d/a.x", "a.x")]));
        assert_eq!(found(&files, "d/_tmp"), some(&[("d/_tmp/e.x", "e.x")]), "given by name");
        assert_eq!((found(&files, "f*"), found(&["d/_a"], "d")), (None, None));
    }

    #[test]
    fn a_file_with_a_wildcard_in_its_name_is_itself() {
        assert_eq!(found(&["a[1].x", "a1.x"], "a[1].x").unwrap()[0].0, "a[1].x");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_an_open_directory_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (here, below) = (folder.path(), folder.path().join("below"));
        fs::create_dir(&below).unwrap();
        // With two links each level would double the files.
        for (to, link) in
            [(here, here.join("a")), (here, here.join("b")), (here, below.join("up")), (&below, here.join("c"))]
        {
            std::os::unix::fs::symlink(to, link).unwrap();
        }
        assert!(find_files([here]).is_err(), "there is no file yet");
        fs::write(below.join("x.csv"), "").unwrap();
        // A link to a sibling is another path, as in a shell.
        for name in [here.to_owned(), here.join("**"), here.join("**/*.csv")] {
            let found: Vec<_> = find_files([&name]).unwrap().into_iter().map(|found| found.path).collect();
            assert_eq!(found, ["below/x.csv", "c/x.csv"].map(|file| here.join(file)), "{}", name.display());
        }
    }
}
