//! Outputs appear whole or not at all: written to a temporary file beside the target, synced, renamed; objects to one in
//! the folder of those, and uploaded.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use crate::error::{Error, Place, Result};
use crate::storage::{self, check_url, is_url};

/// What the names of temporary files begin and end with.
const PREFIX: &str = ".vaepipe-";
const SUFFIX: &str = ".tmp";

/// A file that is not yet what it will be. Dropping it removes it; its name, which would only confuse, is in no error.
#[derive(Debug)]
pub(crate) struct Temporary(NamedTempFile);

impl Temporary {
    pub(crate) fn file(&self) -> &File {
        self.0.as_file()
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file().flush()
    }
}

/// A checked place for an output.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// As the user wrote it, for messages.
    path: PathBuf,
    /// Where the file will be: through links, so that a link stays one.
    real: PathBuf,
    /// Where it is written until it is whole.
    folder: PathBuf,
    force: bool,
}

impl Target {
    /// Checks, before any work, that an output may be written to `path`.
    ///
    /// # Errors
    /// [`Error::TargetExists`] unless `force`, [`Error::TargetNotFile`] for a directory or device,
    /// [`Error::TargetIsInput`] if it is one of `inputs`, also through a link, [`Error::TargetForeign`] for what another
    /// user put there, [`Error::Io`] if its directory is missing or takes no files.
    pub(crate) fn check<'a>(path: &Path, force: bool, inputs: impl IntoIterator<Item = &'a Path>) -> Result<Self> {
        let target = Self::look(path, force, inputs)?;
        sweep(target.folder());
        // An hour's work must not end with finding that there is no place for it.
        let temporary = target.create()?;
        // A link that went away since led elsewhere when it was followed.
        if !is_url(path) && (is_planted(path, temporary.file()) || real(path) != target.real) {
            return Err(Error::TargetForeign { path: path.to_owned() });
        }
        Ok(target)
    }

    /// The same as far as that is to be seen: its directory need not be there yet.
    pub(crate) fn look<'a>(path: &Path, force: bool, inputs: impl IntoIterator<Item = &'a Path>) -> Result<Self> {
        check_url(path)?;
        let (real, is_object) = (real(path), is_url(path));
        let folder = if is_object { std::env::temp_dir() } else { folder(&real).to_owned() };
        let target = Self { path: path.to_owned(), real, folder, force };
        for input in inputs {
            if is_same_file(path, input) || (is_object && path == input) {
                return Err(Error::TargetIsInput { path: path.to_owned(), input: input.to_owned() });
            }
        }
        if is_object {
            return target.look_in_store();
        }
        match fs::metadata(path) {
            Ok(about) if !about.is_file() => return Err(Error::TargetNotFile { path: path.to_owned() }),
            Ok(_) if !force => return Err(Error::TargetExists { path: path.to_owned() }),
            Err(_) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(Error::TargetNotFile { path: path.to_owned() });
            }
            // A name that is too long, or a folder that lets nobody in.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("create", path)(error));
            }
            _ => {}
        }
        Ok(target)
    }

    /// The same of an object.
    fn look_in_store(self) -> Result<Self> {
        let text = self.path.to_string_lossy();
        if text.starts_with("http") {
            return Err(Error::Unsupported { place: Place::file(&self.path), what: "an output on a web server" });
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
    pub(crate) fn create(&self) -> Result<Temporary> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        {
            // As any new file: what the umask leaves of it. The crate's own default is for secrets.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        loop {
            // Of the error, its kind: the rest is the temporary file's name.
            let file = builder.tempfile_in(self.folder());
            let file = file.map_err(|error| Error::io("create", &self.path)(error.kind().into()))?;
            // Its lock says that its owner lives; another run may have swept it before that was taken. A file system
            // without locks keeps what the dead leave behind.
            match file.as_file().try_lock() {
                Ok(()) if !is_named(file.as_file(), file.path()) => {}
                Err(TryLockError::WouldBlock) => {}
                Ok(()) | Err(TryLockError::Error(_)) => return Ok(Temporary(file)),
            }
        }
    }

    /// Syncs the temporary file and gives it its name.
    pub(crate) fn commit(&self, Temporary(file): Temporary) -> Result<()> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::TargetExists { path: self.path.clone() },
            _ => Error::io("write", &self.path)(error),
        };
        if is_url(&self.path) {
            return storage::upload(&self.path, file.as_file(), self.force).map_err(failed);
        }
        if let Ok(replaced) = fs::metadata(&self.real) {
            // Who may read it is not ours to change.
            file.as_file().set_permissions(replaced.permissions()).map_err(Error::io("write", &self.path))?;
        }
        file.as_file().sync_all().map_err(Error::io("write", &self.path))?;
        let named = if self.force { file.persist(&self.real) } else { file.persist_noclobber(&self.real) };
        named.map_err(|error| failed(error.error))?;
        // The name is in the folder, which has to reach the disk too; some file systems cannot sync one.
        if let Ok(folder) = File::open(self.folder()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// The folder the target is in; that of temporary files, if it is an object.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Removes the temporary files of processes that died too suddenly to do so; once a folder and process.
fn sweep(folder: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if !SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned()) {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        // Anybody may have put a link or a pipe there.
        let is_file = || entry.file_type().is_ok_and(|kind| kind.is_file());
        if ours && is_file() && remove_orphan(&entry.path(), |path| fs::remove_file(path)) {
            tracing::info!("{}: removed; a run that was killed left it", entry.path().display());
        }
    }
}

/// Removes a temporary file whose owner has died; returns whether it was removed. The lock is held until then, since a new
/// owner may be about to take it.
fn remove_orphan(path: &Path, remove: impl FnOnce(&Path) -> std::io::Result<()>) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok() && remove(path).is_ok())
}

/// Whether somebody else put what is at `path`, or a link on the way there, into a folder that is open to all: a link would
/// lead what we write to a place of ours, as Linux has it where `protected_symlinks` is on; and nobody else may replace a
/// file in a sticky folder.
#[cfg(unix)]
pub(super) fn is_planted(path: &Path, ours: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(ours) = ours.metadata() else { return false };
    path.ancestors().filter(|on_the_way| !on_the_way.as_os_str().is_empty()).any(|on_the_way| {
        let (Ok(there), Ok(folder)) = (fs::symlink_metadata(on_the_way), fs::metadata(folder(on_the_way))) else {
            return false;
        };
        let [open, sticky] = [0o002, 0o1000].map(|bit| folder.mode() & bit != 0);
        let foreign = there.uid() != ours.uid() && there.uid() != folder.uid();
        foreign && open && (there.is_symlink() || (sticky && on_the_way == path))
    })
}

#[cfg(not(unix))]
pub(super) fn is_planted(_: &Path, _: &File) -> bool {
    false
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where a file of this name is or would be: through links, also one whose target is not there yet.
pub(super) fn real(path: &Path) -> PathBuf {
    /// As many as Linux follows.
    const MOST_LINKS: usize = 40;
    if is_url(path) {
        return path.to_owned();
    }
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(to) = fs::read_link(&path) else { break };
        path = path.with_file_name("").join(to);
    }
    match (folder(&path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}

/// Checks that a target is not in one of the directories that are read: it would be read the next time.
///
/// # Errors
/// [`Error::TargetInInput`].
pub(crate) fn check_outside<'a>(path: &Path, roots: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let place = real(path);
    for root in roots {
        let root_place = if is_url(root) { Ok(root.to_owned()) } else { root.canonicalize() };
        if root_place.is_ok_and(|root| place.starts_with(root)) {
            return Err(Error::TargetInInput { path: path.to_owned(), input: root.to_owned() });
        }
    }
    Ok(())
}

/// Whether a finished output is there.
///
/// # Errors
/// [`Error::Io`] if its store does not say.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    if is_url(path) { storage::exists(path).map_err(Error::io("open", path)) } else { Ok(path.is_file()) }
}

/// Whether an open file is still the one of this name.
pub(super) fn is_named(file: &File, path: &Path) -> bool {
    let handle = |file: &File| same_file::Handle::from_file(file.try_clone()?);
    same_file::Handle::from_path(path).and_then(|named| Ok(named == handle(file)?)).unwrap_or(false)
}

/// Whether two paths lead to one file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    // Before opening: that of a pipe would wait for its other end.
    let is_file = |path: &Path| fs::metadata(path).is_ok_and(|about| about.is_file());
    is_file(one) && is_file(other) && same_file::is_same_file(one, other).unwrap_or(false)
}

/// Checks, before any work, that an output may be written to `path`; an existing one only if `force`.
///
/// # Errors
/// [`Error::TargetExists`], [`Error::TargetNotFile`], [`Error::TargetIsInput`] if it is one of `inputs`, and
/// [`Error::Io`] if its directory is missing or takes no files.
pub fn check_target<'a>(path: impl AsRef<Path>, force: bool, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    Target::check(path.as_ref(), force, inputs).map(drop)
}

/// Checks that no two of a run's targets are one file, however they are spelt and whether they are there yet.
///
/// # Errors
/// [`Error::TargetTwice`].
pub fn check_distinct<P: AsRef<Path>>(targets: &[P]) -> Result<()> {
    for (n, target) in targets.iter().map(AsRef::as_ref).enumerate() {
        let same = |other: &P| real(target) == real(other.as_ref()) || is_same_file(target, other.as_ref());
        if targets[..n].iter().any(same) {
            return Err(Error::TargetTwice { path: target.to_owned() });
        }
    }
    Ok(())
}

/// Writes a file whole or not at all, in place of one that may be there.
///
/// # Errors
/// [`Error::TargetNotFile`] for a directory or device, [`Error::Io`].
pub fn replace_file(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    commit_bytes(&Target::check(path.as_ref(), true, [])?, bytes)
}

/// Writes `bytes` to a target, whole or not at all.
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
    fn what_the_dead_left_is_swept_and_what_the_living_write_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let [orphan, theirs, other] =
            ["a.tmp", "b.tmp", "c.txt"].map(|name| folder.path().join(format!("{PREFIX}{name}")));
        let living =
            Target { path: "out".into(), real: folder.path().join("out"), folder: folder.path().into(), force: true }
                .create()
                .unwrap();
        for path in [&orphan, &theirs, &other] {
            fs::write(path, b"half").unwrap();
        }
        let lock = File::open(&theirs).unwrap();
        lock.try_lock().unwrap();
        sweep(folder.path());
        assert!(!orphan.exists() && theirs.exists() && other.exists() && living.0.path().exists());
    }

    #[test]
    fn who_is_about_to_lock_its_new_file_does_not_get_one_that_is_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{PREFIX}new{SUFFIX}"));
        // Made, and not locked yet.
        let made = File::create_new(&path).unwrap();
        let swept = remove_orphan(&path, |path| {
            assert!(
                matches!(made.try_lock(), Err(TryLockError::WouldBlock)),
                "it would write to a file without a name"
            );
            fs::remove_file(path)
        });
        assert!(swept && !is_named(&made, &path));
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
    fn links_are_seen_through() {
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
    fn a_name_that_cannot_be_is_found_out_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Target::check(&folder.path().join("a".repeat(256)), false, []), Err(Error::Io { .. })));
    }
}
