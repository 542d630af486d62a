//! Objects, read by ranges and written atomically. Only this file runs asynchronous code.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path as Key;
use object_store::{
    ClientOptions, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig, WriteMultipart,
};
use tokio::runtime::{Builder, Handle, Runtime};

use super::cache::ObjectCache;
use super::url::{parts, without_secrets};
use crate::pipeline::run_on_own_thread;

/// Bytes of a part of an upload, unless that makes too many parts.
const PART: u64 = 8 << 20;
const MAX_PARTS: u64 = 9_000;

/// Parts uploaded at the same time.
const PARALLEL_PARTS: usize = 4;

/// An opened object.
#[derive(Debug)]
pub(crate) struct Object {
    store: Arc<dyn ObjectStore>,
    key: Key,
    length: u64,
    /// The ETag, which identifies the version of the object.
    tag: Option<String>,
    cache: ObjectCache,
}

impl Object {
    /// Opens an object.
    ///
    /// # Errors
    /// If it does not exist, or the store does not answer.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (store, key) = locate(path)?;
        let about = wait(store.head(&key))?;
        Ok(Self { store, key, length: about.size, tag: about.e_tag, cache: ObjectCache::new(about.size) })
    }

    /// Its size in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Reads from `position`: at least one byte, unless the object ends there.
    ///
    /// # Errors
    /// If the store does not answer, or the object was replaced.
    pub(crate) fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.cache.read_at(buffer, position, |range| {
            let options = GetOptions { range: Some(range.into()), if_match: self.tag.clone(), ..GetOptions::default() };
            wait(async { self.store.get_opts(&self.key, options).await?.bytes().await })
        })
    }

    /// Reads the whole object.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub(crate) fn bytes(&self) -> io::Result<Vec<u8>> {
        let (mut bytes, mut read) = (vec![0; self.length() as usize], 0);
        while read < bytes.len() {
            read += self.read_at(&mut bytes[read..], read as u64)?;
        }
        Ok(bytes)
    }
}

/// The objects below a prefix, at any depth but not in what `is_hidden`, by name. A folder that `is_one` is given itself,
/// without what is in it.
///
/// # Errors
/// If the store does not answer.
pub(crate) fn list(
    prefix: &Path,
    is_hidden: &dyn Fn(&str) -> bool,
    is_one: &dyn Fn(&str) -> bool,
) -> io::Result<Vec<PathBuf>> {
    let (store, key) = locate(prefix)?;
    let base = parts(prefix).map(|(scheme, authority, _)| format!("{scheme}://{authority}/")).unwrap_or_default();
    let (mut open, mut found) = (vec![key], Vec::new());
    while let Some(folder) = open.pop() {
        let here = wait(store.list_with_delimiter(Some(&folder)))?;
        let shown = |key: &Key| key.filename().is_some_and(|name| !is_hidden(name));
        let (ones, folders): (Vec<_>, Vec<_>) =
            here.common_prefixes.into_iter().partition(|key| key.filename().is_some_and(is_one));
        open.extend(folders.into_iter().filter(shown));
        // Some programs create an empty object with the name of the folder.
        let objects = here.objects.into_iter().map(|about| about.location).filter(|key| shown(key) && *key != folder);
        found.extend(ones.into_iter().chain(objects).map(|key| PathBuf::from(format!("{base}{key}"))));
    }
    Ok(found)
}

/// Whether an object exists.
///
/// # Errors
/// If the store does not answer.
pub(crate) fn exists(path: &Path) -> io::Result<bool> {
    let (store, key) = locate(path)?;
    match wait(store.head(&key)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Uploads a file as an object atomically; an existing object is replaced only if `replace`.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`]; if the store rejects it.
pub(crate) fn upload(path: &Path, mut file: &File, replace: bool) -> io::Result<()> {
    let (store, key) = locate(path)?;
    file.rewind()?;
    let length = file.metadata()?.len();
    if length <= PART {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mode = if replace { PutMode::Overwrite } else { PutMode::Create };
        return wait(store.put_opts(&key, bytes.into(), PutOptions::from(mode))).map(drop);
    }
    let part = PART.max(length / MAX_PARTS) as usize;
    let mut upload = WriteMultipart::new_with_chunk_size(wait(store.put_multipart(&key))?, part);
    let sent = (|| {
        let mut bytes = vec![0; part];
        loop {
            let read = file.read(&mut bytes)?;
            if read == 0 {
                // A multipart upload cannot be conditional, so an object created meanwhile is checked here.
                return if !replace && exists(path)? { Err(io::ErrorKind::AlreadyExists.into()) } else { Ok(()) };
            }
            // Its tasks must start inside the runtime.
            wait(async {
                upload.write(&bytes[..read]);
                upload.wait_for_capacity(PARALLEL_PARTS).await
            })?;
        }
    })();
    match sent {
        Ok(()) => wait(upload.finish()).map(drop),
        Err(error) => {
            // The first error counts, also if the abort fails.
            let _ = wait(upload.abort());
            Err(error)
        }
    }
}

/// Runs a future to its end; on another thread if the current one already runs a runtime, as a caller's may.
fn wait<T: Send>(future: impl Future<Output = object_store::Result<T>> + Send) -> io::Result<T> {
    let runtime = runtime()?;
    let answer = match Handle::try_current() {
        Ok(_) => run_on_own_thread(|| runtime.block_on(future))?,
        Err(_) => runtime.block_on(future),
    };
    answer.map_err(failed)
}

/// Converts a store's error to text without secrets: its parts have server answers and URLs.
fn failed(error: object_store::Error) -> io::Error {
    let kind = match error {
        object_store::Error::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, without_secrets(&error.to_string()))
}

/// The runtime, which has no threads of its own and runs on the waiting thread.
fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
        // An earlier choice of the process is kept.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Builder::new_current_thread().enable_all().build()
    });
    RUNTIME.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

/// The store of a URL, opened once, and the key in it. Credentials and options come from the environment.
fn locate(path: &Path) -> io::Result<(Arc<dyn ObjectStore>, Key)> {
    static STORES: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>> = Mutex::new(BTreeMap::new());
    let (scheme, authority, key) = parts(path).ok_or(io::ErrorKind::InvalidInput)?;
    let bad = |error: object_store::path::Error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let web = scheme.starts_with("http");
    let key = if web { Key::from_url_path(key) } else { Key::parse(key.trim_end_matches('/')) }.map_err(bad)?;
    let base = format!("{scheme}://{authority}");
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = stores.get(&base) {
        return Ok((store.clone(), key));
    }
    runtime()?;
    let store = open(scheme, &base).map_err(failed)?;
    stores.insert(base, store.clone());
    Ok((store, key))
}

/// The store of a URL.
///
/// # Errors
/// If its scheme or settings are wrong.
#[cfg(feature = "delta")]
pub(crate) fn object_store(path: &Path) -> io::Result<Arc<dyn ObjectStore>> {
    locate(path).map(|(store, _)| store)
}

/// Opens the store of a URL without a key.
fn open(scheme: &str, base: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    // A missing store is reported within one minute instead of three.
    let retry = RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() };
    Ok(match scheme {
        "s3" | "s3a" => Arc::new(AmazonS3Builder::from_env().with_url(base).with_retry(retry).build()?),
        "gs" => Arc::new(GoogleCloudStorageBuilder::from_env().with_url(base).with_retry(retry).build()?),
        "http" | "https" => {
            let options = ClientOptions::new().with_allow_http(true);
            Arc::new(HttpBuilder::new().with_url(base).with_client_options(options).with_retry(retry).build()?)
        }
        _ => Arc::new(MicrosoftAzureBuilder::from_env().with_url(base).with_retry(retry).build()?),
    })
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn it_also_works_inside_the_callers_runtime() {
        let store = InMemory::new();
        let key = Key::from("rows");
        let round = || {
            wait(store.put_opts(&key, vec![7, 8, 9].into(), PutOptions::default())).unwrap();
            let about = wait(store.head(&key)).unwrap();
            let missing = wait(store.head(&Key::from("none"))).unwrap_err();
            (about.size, missing.kind())
        };
        let expected = (3, io::ErrorKind::NotFound);
        assert_eq!(round(), expected);
        let theirs = Builder::new_current_thread().build().unwrap();
        assert_eq!(theirs.block_on(async { round() }), expected);
    }
}
