//! Writes outputs atomically: to a temporary file beside the target, which is synced and renamed. An object is written to the
//! system's temporary folder and uploaded.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use crate::error::{Error, Place, Result, Unsupported};
use crate::storage::{self, check_url, is_url};

/// The prefix and suffix of temporary file names.
const PREFIX: &str = ".vaepipe-";
const SUFFIX: &str = ".tmp";

/// The temporary file of an unfinished output. Dropping it removes it. Errors show the target's name, not its own.
#[derive(Debug)]
pub(crate) struct TemporaryFile(pub(super) NamedTempFile);

impl TemporaryFile {
    pub(crate) fn file(&self) -> &File {
        self.0.as_file()
    }
}

impl Write for TemporaryFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file().flush()
    }
}

/// The checked path of an output.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// As the user wrote it, for messages.
    path: PathBuf,
    /// The path with links resolved, so that a link is kept and its target replaced.
    pub(super) resolved: PathBuf,
    /// The folder of the temporary file.
    folder: PathBuf,
    pub(super) force: bool,
}

impl Target {
    /// Checks, before any work, that an output may be written to `path`, and removes temporary files of killed runs there.
    ///
    /// # Errors
    /// [`Error::TargetExists`] unless `force`, [`Error::TargetNotFile`] for a directory or device,
    /// [`Error::TargetIsInput`] if it is one of `inputs`, also through a link, [`Error::TargetForeign`] for a file or link of
    /// another user, [`Error::Io`] if its directory is missing or not writable.
    pub(crate) fn check<'a>(path: &Path, force: bool, inputs: impl IntoIterator<Item = &'a Path>) -> Result<Self> {
        let target = Self::inspect(path, force, inputs)?;
        remove_orphans(target.folder());
        // Creates a file now, so that a long run does not fail at its end.
        let temporary = target.create()?;
        // A link may have changed since it was resolved.
        if !is_url(path) && (is_foreign(path, temporary.file()) || resolve(path) != target.resolved) {
            return Err(Error::TargetForeign { path: path.to_owned() });
        }
        Ok(target)
    }

    /// Makes the checks that need no writing; the directory may be missing.
    pub(crate) fn inspect<'a>(path: &Path, force: bool, inputs: impl IntoIterator<Item = &'a Path>) -> Result<Self> {
        check_url(path)?;
        let (resolved, is_object) = (resolve(path), is_url(path));
        let folder = if is_object { std::env::temp_dir() } else { folder(&resolved).to_owned() };
        let target = Self { path: path.to_owned(), resolved, folder, force };
        for input in inputs {
            if is_same_file(path, input) || (is_object && path == input) {
                return Err(Error::TargetIsInput { path: path.to_owned(), input: input.to_owned() });
            }
        }
        if is_object {
            return target.inspect_object();
        }
        match fs::metadata(path) {
            Ok(about) if !about.is_file() => return Err(Error::TargetNotFile { path: path.to_owned() }),
            Ok(_) if !force => return Err(Error::TargetExists { path: path.to_owned() }),
            Err(_) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(Error::TargetNotFile { path: path.to_owned() });
            }
            // For example a name that is too long, or a folder without permission.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("create", path)(error));
            }
            _ => {}
        }
        Ok(target)
    }

    /// Makes the checks for an object.
    fn inspect_object(self) -> Result<Self> {
        let text = self.path.to_string_lossy();
        if text.starts_with("http") {
            return Err(Error::Unsupported { place: Place::file(&self.path), what: Unsupported::WebOutput });
        } else if text.ends_with('/') {
            return Err(Error::TargetNotFile { path: self.path.clone() });
        } else if storage::exists(&self.path).map_err(Error::io("create", &self.path))? && !self.force {
            return Err(Error::TargetExists { path: self.path.clone() });
        }
        drop(text);
        Ok(self)
    }

    /// The target, as the user wrote it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the temporary file beside the target.
    pub(crate) fn create(&self) -> Result<TemporaryFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        {
            // The usual permissions of a new file, reduced by the umask; the tempfile crate's default is for secrets.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        loop {
            // Only the kind of the error: the rest has the name of the temporary file.
            let file = builder.tempfile_in(self.folder());
            let file = file.map_err(|error| Error::io("create", &self.path)(error.kind().into()))?;
            // The lock shows that its owner is alive. Another run may have removed the file before it was locked. On a file
            // system without locks, files of killed runs stay.
            match file.as_file().try_lock() {
                Ok(()) if !is_named(file.as_file(), file.path()) => {}
                Err(TryLockError::WouldBlock) => {}
                Ok(()) | Err(TryLockError::Error(_)) => return Ok(TemporaryFile(file)),
            }
        }
    }

    /// The folder of the target; for an object, the system's temporary folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Removes temporary files of killed processes in a folder, once per process.
fn remove_orphans(folder: &Path) {
    static DONE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if !DONE.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned()) {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        // A link or pipe is not ours.
        let is_file = || entry.file_type().is_ok_and(|kind| kind.is_file());
        if ours && is_file() && remove_orphan(&entry.path(), |path| fs::remove_file(path)) {
            tracing::info!("{}: removed the temporary file of a killed run", entry.path().display());
        }
    }
}

/// Removes a temporary file whose owner is dead; returns whether it was removed. It holds the lock until then, since a new
/// owner may be about to take it.
fn remove_orphan(path: &Path, remove: impl FnOnce(&Path) -> std::io::Result<()>) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok() && remove(path).is_ok())
}

/// Whether another user put the file at `path`, or a link on the path, into a folder that everyone can write to. Such a link
/// could redirect the output to one of our own files (as Linux prevents with `protected_symlinks`), and in a sticky folder
/// only the owner may replace a file.
#[cfg(unix)]
pub(super) fn is_foreign(path: &Path, ours: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(ours) = ours.metadata() else { return false };
    path.ancestors().filter(|part| !part.as_os_str().is_empty()).any(|part| {
        let (Ok(there), Ok(folder)) = (fs::symlink_metadata(part), fs::metadata(folder(part))) else {
            return false;
        };
        let [open, sticky] = [0o002, 0o1000].map(|bit| folder.mode() & bit != 0);
        let is_foreign = there.uid() != ours.uid() && there.uid() != folder.uid();
        is_foreign && open && (there.is_symlink() || (sticky && part == path))
    })
}

#[cfg(not(unix))]
pub(super) fn is_foreign(_: &Path, _: &File) -> bool {
    false
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Resolves the links of a path whose file may not exist yet.
pub(super) fn resolve(path: &Path) -> PathBuf {
    /// The limit of Linux.
    const MAX_LINKS: usize = 40;
    if is_url(path) {
        return path.to_owned();
    }
    if let Ok(resolved) = path.canonicalize() {
        return resolved;
    }
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(to) = fs::read_link(&path) else { break };
        path = path.with_file_name("").join(to);
    }
    match (folder(&path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// Checks that a target is not in an input directory, where it would be an input of the next run.
///
/// # Errors
/// [`Error::TargetInInput`].
pub(crate) fn check_outside<'a>(path: &Path, directories: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let target = resolve(path);
    for input in directories {
        let directory = if is_url(input) { Ok(input.to_owned()) } else { input.canonicalize() };
        if directory.is_ok_and(|directory| target.starts_with(directory)) {
            return Err(Error::TargetInInput { path: path.to_owned(), input: input.to_owned() });
        }
    }
    Ok(())
}

/// Whether a finished output exists.
///
/// # Errors
/// [`Error::Io`] if its store does not answer.
pub(crate) fn output_exists(path: &Path) -> Result<bool> {
    if is_url(path) { storage::exists(path).map_err(Error::io("open", path)) } else { Ok(path.is_file()) }
}

/// Whether a path still leads to an open file.
pub(super) fn is_named(file: &File, path: &Path) -> bool {
    let handle = |file: &File| same_file::Handle::from_file(file.try_clone()?);
    same_file::Handle::from_path(path).and_then(|named| Ok(named == handle(file)?)).unwrap_or(false)
}

/// Whether two paths lead to the same file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    // Checked before opening, since opening a pipe waits for its other end.
    let is_file = |path: &Path| fs::metadata(path).is_ok_and(|about| about.is_file());
    is_file(one) && is_file(other) && same_file::is_same_file(one, other).unwrap_or(false)
}

/// Checks, before any work, that an output may be written to `path`; `force` allows replacing an existing file.
///
/// # Errors
/// [`Error::TargetExists`], [`Error::TargetNotFile`], [`Error::TargetIsInput`] if it is one of `inputs`, and
/// [`Error::Io`] if its directory is missing or not writable.
#[cfg(feature = "cli")]
pub(crate) fn check_target<'a>(
    path: impl AsRef<Path>,
    force: bool,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    Target::check(path.as_ref(), force, inputs).map(drop)
}

/// Checks that a run's targets are different files, however they are spelled and whether or not they exist.
///
/// # Errors
/// [`Error::TargetTwice`].
pub(crate) fn check_distinct<P: AsRef<Path>>(targets: &[P]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match targets.iter().map(AsRef::as_ref).find(|target| !seen.insert(resolve(target))) {
        Some(target) => Err(Error::TargetTwice { path: target.to_owned() }),
        None => Ok(()),
    }
}

/// Writes a file atomically, replacing an existing one.
///
/// # Errors
/// [`Error::TargetNotFile`] for a directory or device, [`Error::Io`].
#[cfg(feature = "cli")]
pub(crate) fn replace_file(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    commit_bytes(&Target::check(path.as_ref(), true, [])?, bytes)
}

/// Writes `bytes` to a target atomically.
pub(crate) fn commit_bytes(target: &Target, bytes: &[u8]) -> Result<()> {
    let mut file = target.create()?;
    file.write_all(bytes).map_err(Error::io("write", target.path()))?;
    target.commit(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uncommitted_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::check(&folder.path().join("a"), false, []).unwrap();
        drop(target.create().unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        commit_bytes(&target, b"whole").unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"whole");
    }

    #[test]
    fn only_files_of_dead_processes_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let [orphan, theirs, other] =
            ["a.tmp", "b.tmp", "c.txt"].map(|name| folder.path().join(format!("{PREFIX}{name}")));
        let living = Target {
            path: "out".into(),
            resolved: folder.path().join("out"),
            folder: folder.path().into(),
            force: true,
        }
        .create()
        .unwrap();
        for path in [&orphan, &theirs, &other] {
            fs::write(path, b"half").unwrap();
        }
        let lock = File::open(&theirs).unwrap();
        lock.try_lock().unwrap();
        remove_orphans(folder.path());
        assert!(!orphan.exists() && theirs.exists() && other.exists() && living.0.path().exists());
    }

    #[test]
    fn a_new_file_that_is_removed_before_it_is_locked_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{PREFIX}new{SUFFIX}"));
        // Created, but not locked yet.
        let made = File::create_new(&path).unwrap();
        let removed = remove_orphan(&path, |path| {
            assert!(
                matches!(made.try_lock(), Err(TryLockError::WouldBlock)),
                "it would write to a file without a name"
            );
            fs::remove_file(path)
        });
        assert!(removed && !is_named(&made, &path));
    }

    #[test]
    fn a_file_that_appeared_meanwhile_is_not_replaced_without_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let target = Target::check(&path, false, []).unwrap();
        fs::write(&path, b"theirs").unwrap();
        assert!(matches!(commit_bytes(&target, b"ours"), Err(Error::TargetExists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        commit_bytes(&Target::check(&path, true, []).unwrap(), b"ours").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"ours");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let input: &Path = &file;
        assert!(matches!(Target::check(&link, true, [input]), Err(Error::TargetIsInput { .. })));
        commit_bytes(&Target::check(&link, true, []).unwrap(), b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(matches!(Target::check(folder.path(), true, []), Err(Error::TargetNotFile { .. })));

        fs::remove_file(&file).unwrap();
        commit_bytes(&Target::check(&link, false, []).unwrap(), b"again").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"again");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_permissions_when_it_is_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        commit_bytes(&Target::check(&path, true, []).unwrap(), b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn an_impossible_name_is_rejected_before_any_work() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Target::check(&folder.path().join("a".repeat(256)), false, []), Err(Error::Io { .. })));
    }
}
