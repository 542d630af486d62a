//! The stand-in for object stores in a build without them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// An object, of which this build can have none.
#[derive(Debug)]
pub(crate) enum Object {}

fn unsupported<T>() -> io::Result<T> {
    let what = "this build supports only files; `cargo build --release --features cloud` adds object stores";
    Err(io::Error::new(io::ErrorKind::Unsupported, what))
}

impl Object {
    pub(crate) fn open(_: &Path) -> io::Result<Self> {
        unsupported()
    }

    pub(crate) fn length(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn bytes(&self) -> io::Result<Vec<u8>> {
        match *self {}
    }

    pub(crate) fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        match *self {}
    }
}

pub(crate) fn list(_: &Path, _: &dyn Fn(&str) -> bool, _: &dyn Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    unsupported()
}

pub(crate) fn exists(_: &Path) -> io::Result<bool> {
    unsupported()
}

pub(crate) fn upload(_: &Path, _: &File, _: bool) -> io::Result<()> {
    unsupported()
}
