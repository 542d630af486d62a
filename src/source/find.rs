//! The names of a run's inputs, turned into files: files themselves, directories, and globs; objects,
//! prefixes and globs of these alike.
//!
//! The order is that of the names, and within a directory or glob that of the paths. Names that begin with `_` or `.` are
//! left out, as Spark and Hadoop have it, but for `_key=value` directories and what is named outright.

use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use same_file::Handle;

use crate::error::{Error, Result};
use crate::storage::{check_url, exists, is_url, list};

/// Nested directories that are walked.
const MOST_LEVELS: usize = 32;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InputFile {
    pub(super) path: PathBuf,
    /// Its path below the directory it was found in; its name, if it was named outright.
    pub(super) within: PathBuf,
    /// The directory it was found in, if that was named.
    pub(super) root: Option<PathBuf>,
}

/// Whether a name is that of stdin.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The files behind some names.
///
/// # Errors
/// [`Error::Io`] for a name that is not there, [`Error::NoFiles`] for a directory or glob without files.
pub(super) fn find<P: AsRef<Path>>(names: impl IntoIterator<Item = P>) -> Result<Vec<InputFile>> {
    let mut found = Vec::new();
    for name in names {
        let name = name.as_ref();
        let outright =
            || InputFile { path: name.to_owned(), within: name.file_name().unwrap_or_default().into(), root: None };
        if is_stdin(name) {
            found.push(outright());
            continue;
        }
        check_url(name)?;
        if is_url(name) {
            match objects(name)? {
                Some(objects) => found.extend(objects),
                None => found.push(outright()),
            }
            continue;
        }
        let mut here = Vec::new();
        match fs::metadata(name) {
            Ok(about) if about.is_dir() => walk(name, &mut AncestorDirs::default(), &mut here)?,
            Err(_) if is_glob(name) => glob(name, &mut here)?,
            // Whoever opens it says what is wrong with it.
            _ => {
                found.push(outright());
                continue;
            }
        }
        if here.is_empty() {
            return Err(Error::NoFiles { path: name.to_owned() });
        }
        found.extend(below(here, &base(name), name.is_dir().then_some(name)));
    }
    Ok(found)
}

/// Files in order, with their places below `base`.
fn below(mut paths: Vec<PathBuf>, base: &Path, root: Option<&Path>) -> impl Iterator<Item = InputFile> {
    paths.sort();
    paths.dedup();
    paths.into_iter().map(move |path| {
        let within = path.strip_prefix(base).unwrap_or(&path).to_owned();
        InputFile { path, within, root: root.map(Path::to_owned) }
    })
}

/// The objects below a prefix, or those that a glob names; none if a URL is that of an object, or of what a web server has,
/// which has no list of it.
fn objects(name: &Path) -> Result<Option<Vec<InputFile>>> {
    let text = name.to_str().unwrap_or_default();
    if text.starts_with("http") {
        return Ok(None);
    }
    let (base, glob) = match text.find(['*', '?', '[', '{']) {
        Some(at) => (&text[..text[..at].rfind('/').unwrap_or(at) + 1], Some(matcher(name, text)?)),
        None if !text.ends_with('/') && exists(name).map_err(Error::io("open", name))? => return Ok(None),
        None => (text, None),
    };
    let base = Path::new(base);
    let mut here = list(base, &is_hidden).map_err(Error::io("open", name))?;
    here.retain(|path| glob.as_ref().is_none_or(|glob| path.ancestors().any(|path| glob.is_match(path))));
    match here.is_empty() {
        true if glob.is_none() && !text.ends_with('/') => Ok(None),
        true => Err(Error::NoFiles { path: name.to_owned() }),
        false => Ok(Some(below(here, base, glob.is_none().then_some(name)).collect())),
    }
}

/// A glob whose wildcards but `**` stay within a directory; `name` is for messages.
fn matcher(name: &Path, text: &str) -> Result<GlobMatcher> {
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

/// The part of a name before its first wildcard.
fn base(name: &Path) -> PathBuf {
    name.components().take_while(|part| !part.as_os_str().to_str().is_some_and(has_wildcard)).collect()
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// The entries of a directory that are not hidden.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
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

/// The open parent directories, to detect link cycles.
#[derive(Debug, Default)]
struct AncestorDirs(Vec<Handle>);

impl AncestorDirs {
    /// Goes on within `folder`, unless that is on the way already: a link led back to it.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Unsupported`] beyond 32 levels.
    fn within(&mut self, folder: &Path, go_on: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let handle = Self::handle(folder)?;
        if self.holds(&handle) {
            return Ok(());
        }
        if self.0.len() > MOST_LEVELS {
            let what = "a directory nested more than 32 levels";
            return Err(Error::Unsupported { place: crate::error::Place::file(folder), what });
        }
        self.0.push(handle);
        let done = go_on(self);
        self.0.pop();
        done
    }

    fn handle(folder: &Path) -> Result<Handle> {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        Handle::from_path(here).map_err(Error::io("open", here))
    }

    fn holds(&self, folder: &Handle) -> bool {
        self.0.contains(folder)
    }
}

/// Adds the files below a directory.
fn walk(folder: &Path, way: &mut AncestorDirs, found: &mut Vec<PathBuf>) -> Result<()> {
    way.within(folder, |way| {
        for entry in entries(folder)? {
            if entry.is_dir() { walk(&entry, way, found)? } else { found.push(entry) }
        }
        Ok(())
    })
}

/// Adds the files that a glob names, and those below the directories it names.
fn glob(name: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    /// One part of a glob.
    enum Part {
        Plain(PathBuf),
        Matched(GlobMatcher),
        Any,
    }
    fn expand(base: &Path, parts: &[Part], way: &mut AncestorDirs, found: &mut Vec<PathBuf>) -> Result<()> {
        let Some((part, rest)) = parts.split_first() else {
            return if base.is_dir() {
                walk(base, way, found)
            } else {
                found.extend(fs::symlink_metadata(base).is_ok().then(|| base.to_owned()));
                Ok(())
            };
        };
        if !(matches!(part, Part::Plain(_)) || base.as_os_str().is_empty() || base.is_dir()) {
            return Ok(());
        }
        match part {
            Part::Plain(name) => expand(&base.join(name), rest, way, found),
            Part::Any if rest.is_empty() => walk(base, way, found),
            Part::Any => {
                if way.holds(&AncestorDirs::handle(base)?) {
                    return Ok(());
                }
                expand(base, rest, way, found)?;
                way.within(base, |way| {
                    let mut folders = entries(base)?.into_iter().filter(|entry| entry.is_dir());
                    folders.try_for_each(|folder| expand(&folder, parts, way, found))
                })
            }
            Part::Matched(glob) => {
                let mut matching =
                    entries(base)?.into_iter().filter(|entry| entry.file_name().is_some_and(|it| glob.is_match(it)));
                matching.try_for_each(|entry| expand(&entry, rest, way, found))
            }
        }
    }
    let part = |part: Component<'_>| {
        let plain = || Part::Plain(part.as_os_str().into());
        let Some(text) = part.as_os_str().to_str().filter(|text| has_wildcard(text)) else { return Ok(plain()) };
        if text == "**" {
            return Ok(Part::Any);
        }
        Ok(Part::Matched(matcher(name, text)?))
    };
    let parts = name.components().map(part).collect::<Result<Vec<_>>>()?;
    expand(Path::new(""), &parts, &mut AncestorDirs::default(), found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files that names below a folder of some files lead to.
    fn found(files: &[&str], name: &str) -> Option<Vec<(String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let text = |path: &Path| path.display().to_string();
        let below = |path: &Path| text(path.strip_prefix(folder.path()).unwrap());
        let found = find([folder.path().join(name)]).ok()?;
        Some(found.iter().map(|found| (below(&found.path), text(&found.within))).collect())
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
        assert_eq!(found(&files, "d/_tmp"), some(&[("d/_tmp/e.x", "e.x")]), "named outright");
        assert_eq!((found(&files, "f*"), found(&["d/_a"], "d")), (None, None));
    }

    #[test]
    fn a_file_with_a_wildcard_in_its_name_is_itself() {
        assert_eq!(found(&["a[1].x", "a1.x"], "a[1].x").unwrap()[0].0, "a[1].x");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_directory_on_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (here, below) = (folder.path(), folder.path().join("below"));
        fs::create_dir(&below).unwrap();
        // In two of them each level would double what there is.
        for (to, link) in
            [(here, here.join("a")), (here, here.join("b")), (here, below.join("up")), (&below, here.join("c"))]
        {
            std::os::unix::fs::symlink(to, link).unwrap();
        }
        assert!(find([here]).is_err(), "there is no file yet");
        fs::write(below.join("x.csv"), "").unwrap();
        // Another name for what is beside it is another place, as it is for a shell.
        for name in [here.to_owned(), here.join("**"), here.join("**/*.csv")] {
            let found: Vec<_> = find([&name]).unwrap().into_iter().map(|found| found.path).collect();
            assert_eq!(found, ["below/x.csv", "c/x.csv"].map(|file| here.join(file)), "{}", name.display());
        }
    }
}
