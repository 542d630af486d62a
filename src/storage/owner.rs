//! The owner, group and permissions of a file that replaces another.

use std::fs::{File, Metadata};
use std::io;

/// Gives a file the permissions of the one that it replaces, and its owner and group as far as the process may.
pub(super) fn keep_access(file: &File, replaced: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        if fchown(file, Some(replaced.uid()), Some(replaced.gid())).is_err() {
            let _ = fchown(file, None, Some(replaced.gid()));
        }
    }
    file.set_permissions(replaced.permissions())
}
