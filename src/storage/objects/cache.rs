//! The parts of an object that were read, in a temporary file without a name: columns are read side by side, and some
//! twice, and each part is fetched once.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

/// Bytes that are fetched at once.
const PIECE: u64 = 4 << 20;

/// Bytes that are kept of all objects; of one that is larger, all.
const KEPT: u64 = 8 << 30;

/// What is kept of an object.
#[derive(Debug)]
pub(super) struct ObjectCache {
    length: u64,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    file: Option<File>,
    /// By number.
    pieces: BTreeSet<u64>,
}

/// All objects of which something is kept, the one that was begun first in front.
static ALL: Mutex<VecDeque<Weak<Mutex<Kept>>>> = Mutex::new(VecDeque::new());

impl ObjectCache {
    /// Of an object of `length` bytes nothing yet.
    pub(super) fn new(length: u64) -> Self {
        Self { length, kept: Arc::default() }
    }

    /// Reads from `position` on, as a file does: at least a byte, unless it ends there. What is not there is fetched.
    ///
    /// # Errors
    /// Those of `fetch`, and if there is no room.
    pub(super) fn read_at(
        &self,
        buffer: &mut [u8],
        position: u64,
        fetch: impl Fn(Range<u64>) -> io::Result<Bytes>,
    ) -> io::Result<usize> {
        if position >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        let number = position / PIECE;
        let range = number * PIECE..(number + 1).saturating_mul(PIECE).min(self.length);
        let most = usize::try_from(range.end - position).unwrap_or(usize::MAX).min(buffer.len());
        let mut kept = locked(&self.kept);
        if !kept.pieces.contains(&number) {
            let bytes = fetch(range.clone())?;
            if bytes.len() as u64 != range.end - range.start {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if kept.pieces.is_empty() {
                locked(&ALL).push_back(Arc::downgrade(&self.kept));
            }
            let Kept { file, pieces } = &mut *kept;
            let file = match file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            file.seek(SeekFrom::Start(range.start))?;
            file.write_all(&bytes)?;
            pieces.insert(number);
            make_room(KEPT / PIECE, pieces.len());
        }
        let mut file = kept.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.seek(SeekFrom::Start(position))?;
        file.read(&mut buffer[..most])
    }
}

/// Lets go of what is kept of other objects until, beside the `own` pieces, there are `most` at most. Those that are being
/// read just now stay.
fn make_room(most: u64, own: usize) {
    let mut all = locked(&ALL);
    let mut others: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
    let mut total = own as u64;
    for kept in others.iter().rev() {
        let Ok(mut kept) = kept.try_lock() else { continue };
        total += kept.pieces.len() as u64;
        if total > most {
            total -= kept.pieces.len() as u64;
            *kept = Kept::default();
        }
    }
    others.retain(|kept| kept.try_lock().map_or(true, |kept| !kept.pieces.is_empty()));
    *all = others.iter().map(Arc::downgrade).collect();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// One after the other: what is kept is kept of all.
    #[test]
    fn parts_are_kept_as_long_as_there_is_room() {
        each_part_is_fetched_once_and_what_is_read_is_the_object();
        a_part_that_cannot_be_fetched_is_asked_for_again();
        of_others_is_kept_what_there_is_room_for();
    }

    fn each_part_is_fetched_once_and_what_is_read_is_the_object() {
        let object: Vec<u8> = (0..2 * PIECE + 1000).map(|n| (n * 7 % 251) as u8).collect();
        let (pieces, fetched) = (ObjectCache::new(object.len() as u64), Cell::new(0));
        let read = |position: usize, length: usize| {
            let mut buffer = vec![0; length];
            let mut done = 0;
            loop {
                let read = pieces.read_at(&mut buffer[done..], (position + done) as u64, |range| {
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

    fn a_part_that_cannot_be_fetched_is_asked_for_again() {
        let pieces = ObjectCache::new(10);
        let short = pieces.read_at(&mut [0; 4], 0, |_| Ok(Bytes::from_static(b"short")));
        assert_eq!(short.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(pieces.read_at(&mut [0; 4], 0, |_| Err(io::ErrorKind::NotFound.into())).is_err());
        let mut buffer = [0; 4];
        assert_eq!(pieces.read_at(&mut buffer, 2, |_| Ok(Bytes::from_static(b"0123456789"))).unwrap(), 4);
        assert_eq!(&buffer, b"2345");
    }

    fn of_others_is_kept_what_there_is_room_for() {
        let object = |byte: u8| {
            let pieces = ObjectCache::new(100);
            pieces.read_at(&mut [0], 0, |_| Ok(vec![byte; 100].into())).unwrap();
            pieces
        };
        let [first, second] = [1, 2].map(object);
        make_room(2, 1);
        let has = |pieces: &ObjectCache| locked(&pieces.kept).pieces.len();
        assert_eq!((has(&first), has(&second)), (0, 1), "the one that was begun first goes");
        let mut again = [0];
        first.read_at(&mut again, 0, |_| Ok(vec![3; 100].into())).unwrap();
        assert_eq!(again, [3], "and is fetched again");
    }
}
