//! One run at a time on an output: a lock file beside it, `.NAME.lock`, that holds the holder's process id. Where the
//! output is a link, the lock is where that leads.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::commit::{is_named, is_planted, real};
use crate::error::{Error, Result};
use crate::pipeline::Stop;

/// Between two looks at a lock that another holds.
const LOOK: Duration = Duration::from_millis(100);

/// The right to write an output. Dropping it gives it back and removes the lock file; a process that dies in any way
/// gives it back, too, though its file may stay.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    // Closing it unlocks.
    _file: File,
}

impl Lock {
    /// Takes the lock of `target`, waiting at most `wait` for another run to give it back.
    ///
    /// # Errors
    /// [`Error::Locked`] if another run holds it for longer, [`Error::Interrupted`] if asked to stop meanwhile,
    /// [`Error::Io`] if there can be no file beside the target.
    pub fn take(target: impl AsRef<Path>, wait: Duration, stop: &Stop) -> Result<Self> {
        let target = target.as_ref();
        Self::take_at(target, &real(target), wait, stop)
    }

    /// Takes the locks of several targets, waiting at most `wait` for each. However they are spelled, all runs take them in
    /// the same order, so that no two wait for each other, and the lock of one file once.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_all<P: AsRef<Path>>(
        targets: impl IntoIterator<Item = P>,
        wait: Duration,
        stop: &Stop,
    ) -> Result<Vec<Self>> {
        let places = targets.into_iter().map(|target| (real(target.as_ref()), target));
        let places: BTreeMap<_, _> = places.collect();
        places.iter().map(|(place, target)| Self::take_at(target.as_ref(), place, wait, stop)).collect()
    }

    /// Takes the lock of what is or will be at `place`, which the user calls `target`.
    fn take_at(target: &Path, place: &Path, wait: Duration, stop: &Stop) -> Result<Self> {
        let Some(name) = place.file_name() else {
            return Err(Error::TargetNotFile { path: target.to_owned() });
        };
        // Before there is a lock file where somebody's link leads.
        if tempfile::tempfile().is_ok_and(|ours| is_planted(target, &ours)) {
            return Err(Error::TargetForeign { path: target.to_owned() });
        }
        let path = place.with_file_name(format!(".{}.lock", name.to_string_lossy()));
        // The lock file's name, which nobody gave, is in no error but that of a link, which somebody made.
        let io = |error: std::io::Error| match fs::symlink_metadata(&path) {
            Ok(about) if about.is_symlink() => {
                Error::io("lock", &path)(std::io::Error::other("a link is in the lock file's place"))
            }
            _ => Error::io("create", target)(error.kind().into()),
        };
        let (start, mut said) = (Instant::now(), false);
        loop {
            let mut file = open(&path).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {
                    // Its last holder may have removed it between the opening and the locking.
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
                    if !said {
                        let holder = holder.map_or_else(String::new, |id| format!(", process {id}"));
                        tracing::info!("{}: waiting for another run{holder}", target.display());
                        said = true;
                    }
                    stop.check()?;
                    std::thread::sleep(LOOK);
                }
                // A file system without locks has none to wait for.
                Err(TryLockError::Error(_)) => return Ok(Self { path, _file: file }),
            }
        }
    }
}

/// Opens a lock file, and makes it if need be. Its folder may be anybody's: a link there, whose target would be written
/// to, is an error.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
    options.open(path)
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before it is unlocked: whoever waits finds out that the file is no longer the one of that name.
        let _ = fs::remove_file(&self.path);
    }
}

/// The process id in a lock file, if it is written already.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_second_is_told_who_holds_it() {
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
        // What a dead holder left blocks nobody.
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
