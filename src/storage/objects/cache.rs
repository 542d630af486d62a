//! Caches the fetched blocks of objects in temporary files: columns are read in parallel, some twice, and each block is fetched
//! once.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

/// Bytes of a block.
const BLOCK: u64 = 4 << 20;

/// Most cached bytes of all objects together, unless a single object is larger.
const MAX_CACHED: u64 = 8 << 30;

/// The cache of one object.
#[derive(Debug)]
pub(super) struct ObjectCache {
    length: u64,
    cached: Arc<Mutex<CachedBlocks>>,
}

/// The cached blocks of one object.
#[derive(Debug, Default)]
struct CachedBlocks {
    file: Option<File>,
    /// Indexes of the blocks in `file`.
    blocks: BTreeSet<u64>,
}

/// All objects with cached blocks, oldest first.
static ALL: Mutex<VecDeque<Weak<Mutex<CachedBlocks>>>> = Mutex::new(VecDeque::new());

impl ObjectCache {
    /// An empty cache for an object of `length` bytes.
    pub(super) fn new(length: u64) -> Self {
        Self { length, cached: Arc::default() }
    }

    /// Reads from `position`: at least one byte, unless the object ends there. Missing blocks are fetched.
    ///
    /// # Errors
    /// Errors of `fetch`, and if the disk is full.
    pub(super) fn read_at(
        &self,
        buffer: &mut [u8],
        position: u64,
        fetch: impl Fn(Range<u64>) -> io::Result<Bytes>,
    ) -> io::Result<usize> {
        if position >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        let number = position / BLOCK;
        let range = number * BLOCK..(number + 1).saturating_mul(BLOCK).min(self.length);
        let most = usize::try_from(range.end - position).unwrap_or(usize::MAX).min(buffer.len());
        let mut cached = locked(&self.cached);
        if !cached.blocks.contains(&number) {
            let bytes = fetch(range.clone())?;
            if bytes.len() as u64 != range.end - range.start {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if cached.blocks.is_empty() {
                locked(&ALL).push_back(Arc::downgrade(&self.cached));
            }
            let CachedBlocks { file, blocks } = &mut *cached;
            let file = match file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            file.seek(SeekFrom::Start(range.start))?;
            file.write_all(&bytes)?;
            blocks.insert(number);
            make_room(MAX_CACHED / BLOCK, blocks.len());
        }
        let mut file = cached.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.seek(SeekFrom::Start(position))?;
        file.read(&mut buffer[..most])
    }
}

/// Evicts blocks of other objects, oldest objects first, until at most `most` remain together with the `own` ones. Objects
/// that are being read stay.
fn make_room(most: u64, own: usize) {
    let mut all = locked(&ALL);
    let mut others: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
    let mut total = own as u64;
    for cached in others.iter().rev() {
        let Ok(mut cached) = cached.try_lock() else { continue };
        total += cached.blocks.len() as u64;
        if total > most {
            total -= cached.blocks.len() as u64;
            *cached = CachedBlocks::default();
        }
    }
    others.retain(|cached| cached.try_lock().map_or(true, |cached| !cached.blocks.is_empty()));
    *all = others.iter().map(Arc::downgrade).collect();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// One test, since all objects share the cache.
    #[test]
    fn blocks_are_cached_within_the_limit() {
        each_block_is_fetched_once_and_the_object_is_read_back();
        a_failed_block_is_fetched_again();
        the_oldest_object_is_evicted();
    }

    fn each_block_is_fetched_once_and_the_object_is_read_back() {
        let object: Vec<u8> = (0..2 * BLOCK + 1000).map(|n| (n * 7 % 251) as u8).collect();
        let (cache, fetched) = (ObjectCache::new(object.len() as u64), Cell::new(0));
        let read = |position: usize, length: usize| {
            let mut buffer = vec![0; length];
            let mut done = 0;
            loop {
                let read = cache.read_at(&mut buffer[done..], (position + done) as u64, |range| {
                    fetched.set(fetched.get() + 1);
                    Ok(Bytes::copy_from_slice(&object[range.start as usize..range.end as usize]))
                });
                match read.unwrap() {
                    0 => return buffer[..done].to_vec(),
                    read => done += read,
                }
            }
        };
        assert!(read(object.len() - 8, 100) == object[object.len() - 8..]);
        assert_eq!(fetched.get(), 1);
        assert!(read(10, object.len()) == object[10..] && read(0, 5) == object[..5]);
        assert_eq!(fetched.get(), 3);
        assert!(read(object.len(), 1).is_empty());
    }

    fn a_failed_block_is_fetched_again() {
        let cache = ObjectCache::new(10);
        let short = cache.read_at(&mut [0; 4], 0, |_| Ok(Bytes::from_static(b"short")));
        assert_eq!(short.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(cache.read_at(&mut [0; 4], 0, |_| Err(io::ErrorKind::NotFound.into())).is_err());
        let mut buffer = [0; 4];
        assert_eq!(cache.read_at(&mut buffer, 2, |_| Ok(Bytes::from_static(b"0123456789"))).unwrap(), 4);
        assert_eq!(&buffer, b"2345");
    }

    fn the_oldest_object_is_evicted() {
        let object = |byte: u8| {
            let cache = ObjectCache::new(100);
            cache.read_at(&mut [0], 0, |_| Ok(vec![byte; 100].into())).unwrap();
            cache
        };
        let [first, second] = [1, 2].map(object);
        make_room(2, 1);
        let has = |cache: &ObjectCache| locked(&cache.cached).blocks.len();
        assert_eq!((has(&first), has(&second)), (0, 1), "the oldest is evicted");
        let mut again = [0];
        first.read_at(&mut again, 0, |_| Ok(vec![3; 100].into())).unwrap();
        assert_eq!(again, [3], "and is fetched again");
    }
}
