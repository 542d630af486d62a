//! Locks that keep two runs from writing the same output: a lock file beside it, `.NAME.lock`, with the holder's process id.
//! For a link, the lock is beside its target.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::commit::{is_foreign, is_named, resolve};
use crate::error::{Error, Result};
use crate::pipeline::Stop;

/// Time between two attempts to take a lock.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The exclusive right to write an output. Dropping it releases the lock and removes the lock file. A process that dies
/// releases it too, though its file may stay.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    // Closing it unlocks.
    _file: File,
}

impl Lock {
    /// Takes the lock of `target`; waits at most `wait` for another run to release it.
    ///
    /// # Errors
    /// [`Error::Locked`] if another run holds it for longer, [`Error::Interrupted`] if asked to stop while waiting,
    /// [`Error::Io`] if no file can be created beside the target.
    pub fn take(target: impl AsRef<Path>, wait: Duration, stop: &Stop) -> Result<Self> {
        let target = target.as_ref();
        Self::take_at(target, &resolve(target), wait, stop)
    }

    /// Takes the locks of several targets; waits at most `wait` for each. Paths are resolved first: all runs take locks in the
    /// same order, so that no two runs block each other, and a file named twice is locked once.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_all<P: AsRef<Path>>(
        targets: impl IntoIterator<Item = P>,
        wait: Duration,
        stop: &Stop,
    ) -> Result<Vec<Self>> {
        let targets = targets.into_iter().map(|target| (resolve(target.as_ref()), target));
        let targets: BTreeMap<_, _> = targets.collect();
        targets.iter().map(|(resolved, target)| Self::take_at(target.as_ref(), resolved, wait, stop)).collect()
    }

    /// Takes the lock of the file `resolved`, which messages call `target`.
    fn take_at(target: &Path, resolved: &Path, wait: Duration, stop: &Stop) -> Result<Self> {
        let Some(name) = resolved.file_name() else {
            return Err(Error::TargetNotFile { path: target.to_owned() });
        };
        // Checked before a lock file is created where another user's link leads.
        if tempfile::tempfile().is_ok_and(|ours| is_foreign(target, &ours)) {
            return Err(Error::TargetForeign { path: target.to_owned() });
        }
        let path = resolved.with_file_name(format!(".{}.lock", name.to_string_lossy()));
        // Errors show the target and not the lock file, except if a link is in its place.
        let io = |error: std::io::Error| match fs::symlink_metadata(&path) {
            Ok(about) if about.is_symlink() => {
                Error::io("lock", &path)(std::io::Error::other("a link is in the lock file's place"))
            }
            _ => Error::io("create", target)(error.kind().into()),
        };
        let (start, mut has_logged) = (Instant::now(), false);
        loop {
            let mut file = open(&path).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {
                    // The last holder may have removed the file before it was locked.
                    if !is_named(&file, &path) {
                        continue;
                    }
                    file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(io)?;
                    return Ok(Self { path, _file: file });
                }
                Err(TryLockError::WouldBlock) => {
                    let holder = holder(&mut file);
                    if start.elapsed() >= wait {
                        return Err(Error::Locked { path: target.to_owned(), holder });
                    }
                    if !has_logged {
                        let holder = holder.map_or_else(String::new, |id| format!(", process {id}"));
                        tracing::info!("{}: waiting for another run{holder}", target.display());
                        has_logged = true;
                    }
                    stop.check()?;
                    std::thread::sleep(RETRY_INTERVAL);
                }
                // A file system without locks: nothing to wait for.
                Err(TryLockError::Error(_)) => return Ok(Self { path, _file: file }),
            }
        }
    }
}

/// Opens or creates a lock file. A link in its place is an error, since others may write to the folder and the link's target
/// would be overwritten.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
    options.open(path)
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed before it is unlocked: a waiting run sees that the path no longer leads to its file.
        let _ = fs::remove_file(&self.path);
    }
}

/// Reads the process id from a lock file, if it is written already.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_gets_an_error_with_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("model");
        let stop = Stop::new();
        let held = Lock::take(&target, Duration::ZERO, &stop).unwrap();
        match Lock::take(&target, Duration::from_millis(10), &stop).unwrap_err() {
            Error::Locked { holder, .. } => assert_eq!(holder, Some(std::process::id())),
            error => panic!("{error}"),
        }
        Lock::take(folder.path().join("other"), Duration::ZERO, &stop).unwrap();
        drop(held);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // The file of a dead holder blocks nobody.
        fs::write(folder.path().join(".model.lock"), "4194304").unwrap();
        Lock::take(&target, Duration::ZERO, &stop).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_lock_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs");
        fs::write(&theirs, b"precious").unwrap();
        std::os::unix::fs::symlink(&theirs, folder.path().join(".model.lock")).unwrap();
        let error = Lock::take(folder.path().join("model"), Duration::ZERO, &Stop::new()).unwrap_err();
        assert!(error.to_string().contains(".model.lock"), "{error}");
        assert_eq!(fs::read(&theirs).unwrap(), b"precious");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_one_lock_by_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let [model, link, elsewhere] = ["model", "link", "elsewhere"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink(&model, &link).unwrap();
        std::os::unix::fs::symlink(folder.path(), &elsewhere).unwrap();
        let stop = Stop::new();
        let held = Lock::take(&model, Duration::ZERO, &stop).unwrap();
        for name in [&link, &elsewhere.join("model"), &folder.path().join(".").join("model")] {
            match Lock::take(name, Duration::ZERO, &stop).unwrap_err() {
                Error::Locked { path, .. } => assert_eq!(&path, name),
                error => panic!("{error}"),
            }
        }
        drop(held);
        assert_eq!(Lock::take_all([&model, &link], Duration::ZERO, &stop).unwrap().len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn several_are_taken_in_one_order_by_whatever_names() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, z] = ["a", "b", "z"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink(&a, &z).unwrap();
        let stop = Stop::new();
        let places = |names: [&Path; 2]| {
            let locks = Lock::take_all(names, Duration::ZERO, &stop).unwrap();
            locks.iter().map(|lock| lock.path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(places([&a, &b]), places([&b, &z]));
    }

    #[test]
    fn all_who_wait_get_it_in_the_end_and_never_two_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("model");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..3 {
                        let _held = Lock::take(&target, Duration::from_secs(60), &Stop::new()).unwrap();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        std::thread::sleep(Duration::from_millis(2));
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
