//! A store for encoded pages until their row group is written: in memory up to a limit, the rest in a scratch file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::column::page_store::{PageKey, PageStore, PageStoreArgs, PageStoreFactory};
use ::parquet::errors::{ParquetError, Result};
use bytes::Bytes;

use crate::error;
use crate::storage::Scratch;

/// The page store of one row group at a time.
#[derive(Debug, Clone)]
pub(super) struct RowGroupPages(Arc<Mutex<PageBuffer>>);

/// The state of a page store.
#[derive(Debug)]
struct PageBuffer {
    /// Bytes left of the memory limit.
    free_bytes: usize,
    /// Folder of the scratch file; the file, created on first use; and its bytes in use.
    folder: PathBuf,
    scratch: Option<Scratch>,
    end: u64,
}

/// The pages of a column chunk.
struct ChunkPages {
    pages: RowGroupPages,
    places: Vec<PagePlace>,
}

enum PagePlace {
    Memory(Bytes),
    /// Offset and length in the scratch file.
    File(Scratch, u64, usize),
}

impl RowGroupPages {
    /// Holds up to `free_bytes` bytes in memory, and the rest in a scratch file in `folder`.
    pub(super) fn new(free_bytes: usize, folder: &Path) -> Self {
        Self(Arc::new(Mutex::new(PageBuffer { free_bytes, folder: folder.to_owned(), scratch: None, end: 0 })))
    }

    /// Stores an encoded page.
    fn store(&self, page: Bytes) -> error::Result<PagePlace> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(free_bytes) = buffer.free_bytes.checked_sub(page.len()) {
            buffer.free_bytes = free_bytes;
            return Ok(PagePlace::Memory(page));
        }
        let scratch = match buffer.scratch.take() {
            Some(scratch) => scratch,
            None => Scratch::create(&buffer.folder)?,
        };
        buffer.scratch = Some(scratch.clone());
        scratch.write_at(&page, buffer.end)?;
        let place = PagePlace::File(scratch, buffer.end, page.len());
        buffer.end += page.len() as u64;
        Ok(place)
    }

    /// Takes a page out of the store and frees its memory.
    fn load(&self, place: PagePlace) -> error::Result<Bytes> {
        match place {
            PagePlace::Memory(page) => {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).free_bytes += page.len();
                Ok(page)
            }
            PagePlace::File(scratch, at, length) => {
                let mut page = vec![0_u8; length];
                scratch.read_at(&mut page, at)?;
                Ok(page.into())
            }
        }
    }

    /// Drops the scratch file after all pages of the row group have been taken.
    pub(super) fn next_row_group(&self) {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (buffer.scratch, buffer.end) = (None, 0);
    }
}

impl PageStoreFactory for RowGroupPages {
    fn create(&self, _: &PageStoreArgs<'_>) -> Result<Box<dyn PageStore>> {
        Ok(Box::new(ChunkPages { pages: self.clone(), places: Vec::new() }))
    }
}

impl PageStore for ChunkPages {
    fn put(&mut self, page: Bytes) -> Result<PageKey> {
        self.places.push(self.pages.store(page).map_err(into_parquet_error)?);
        Ok(PageKey::new(self.places.len() as u64 - 1))
    }

    fn take(&mut self, key: PageKey) -> Result<Bytes> {
        let place = usize::try_from(key.get()).ok().and_then(|key| self.places.get_mut(key));
        let place = place.ok_or_else(|| ParquetError::General(format!("there is no page {key:?}")))?;
        self.pages.load(std::mem::replace(place, PagePlace::Memory(Bytes::new()))).map_err(into_parquet_error)
    }
}

fn into_parquet_error(error: error::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_back_from_memory_and_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let pages = RowGroupPages::new(10, folder.path());
        for _ in 0..2 {
            let mut chunks = [0, 1].map(|_| ChunkPages { pages: pages.clone(), places: Vec::new() });
            let page = |n: u8| Bytes::from(vec![n; usize::from(n)]);
            let keys: Vec<_> = (0..20).map(|n| chunks[usize::from(n % 2)].put(page(n)).unwrap()).collect();
            assert_eq!(pages.0.lock().unwrap().end, (5..20).sum::<u64>(), "after 0 + 1 + 2 + 3 + 4 bytes in memory");
            for (n, key) in (0..).zip(keys) {
                assert_eq!(chunks[usize::from(n % 2)].take(key).unwrap(), page(n));
            }
            pages.next_row_group();
            assert_eq!(pages.0.lock().unwrap().free_bytes, 10);
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
