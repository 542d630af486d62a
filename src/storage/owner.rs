//! The owner of a file that replaces another.

use std::fs::{File, Metadata};

/// Gives a file the owner and the group of the one that it replaces; at least the group, where only that is allowed.
#[cfg(unix)]
pub(super) fn keep_owner(file: &File, replaced: &Metadata) {
    use std::os::unix::fs::{MetadataExt, fchown};
    if fchown(file, Some(replaced.uid()), Some(replaced.gid())).is_err() {
        let _ = fchown(file, None, Some(replaced.gid()));
    }
}

#[cfg(not(unix))]
pub(super) fn keep_owner(_: &File, _: &Metadata) {}
