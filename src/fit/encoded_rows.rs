//! A store of encoded rows: in memory, or in a scratch file; and on a device beside, if they fit there.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::batch::{Batch, Table};
use crate::error::Result;
use crate::feature::Layout;
use crate::model::{Feed, ResidentRows};
use crate::storage::Scratch;

/// Values of a record before the elements: the two halves of the row number.
const HEAD: usize = 2;

/// Rows hashed together.
const HASHED_ROWS: usize = 1024;

/// Values written together.
const PIECE: usize = 1 << 18;

/// Values copied to a device together.
const COPIED: usize = 1 << 24;

/// A store of encoded rows, numbered from 0 in the order of `push`. Both kinds return the same rows.
pub(super) struct EncodedRows {
    store: Store,
    /// The same rows on the device of the networks; `None` inside if they do not stay there.
    resident: OnceLock<Option<Arc<ResidentRows>>>,
}

enum Store {
    Memory(Table),
    File(Spool),
}

/// Rows in a scratch file. A record is the row number, then the elements.
struct Spool {
    scratch: Scratch,
    width: usize,
    rows: usize,
    /// The last rows, not yet written.
    pending: Vec<f32>,
}

/// Rows, and the score of each.
pub(super) struct RowsWithScores {
    pub(super) rows: Arc<EncodedRows>,
    pub(super) scores: Vec<f32>,
}

impl EncodedRows {
    /// Makes an empty store for rows of this width: in `scratch`, if there is one, else with memory for `rows` rows.
    pub(super) fn new(scratch: Option<Scratch>, rows: usize, row_width: usize) -> Self {
        let store = match scratch {
            Some(scratch) => Store::File(Spool { scratch, width: HEAD + row_width, rows: 0, pending: Vec::new() }),
            None => {
                let mut table = Table::default();
                table.reserve(rows, row_width);
                Store::Memory(table)
            }
        };
        Self { store, resident: OnceLock::new() }
    }

    /// The rows of a table.
    pub(super) fn of(table: Table) -> Arc<Self> {
        Arc::new(Self { store: Store::Memory(table), resident: OnceLock::new() })
    }

    /// The same, of which none stay on a device.
    #[cfg(test)]
    pub(super) fn not_on_device(table: Table) -> Self {
        Self { store: Store::Memory(table), resident: OnceLock::from(None) }
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        match &self.store {
            Store::Memory(table) => table.len(),
            Store::File(spool) => spool.rows,
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if it cannot be written.
    pub(super) fn push(&mut self, id: u64, x: &[f32]) -> Result<()> {
        match &mut self.store {
            Store::Memory(table) => table.push(id, x),
            Store::File(spool) => {
                spool.pending.extend(halves(id));
                spool.pending.extend_from_slice(x);
                spool.rows += 1;
                if spool.pending.len() >= PIECE {
                    spool.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Writes the pending rows, and makes a store that threads share.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(super) fn finish(mut self) -> Result<Arc<Self>> {
        if let Store::File(spool) = &mut self.store {
            spool.flush()?;
            spool.pending = Vec::new();
        }
        Ok(Arc::new(self))
    }

    /// Appends the rows with numbers `rows`, in that order, to `to`.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if they cannot be read.
    pub(super) fn gather(&self, rows: impl Iterator<Item = u64>, width: usize, to: &mut Table) -> Result<()> {
        match &self.store {
            Store::Memory(table) => {
                rows.for_each(|row| to.push_row(table, row as usize, width));
            }
            Store::File(spool) => {
                let mut record = vec![0.0; spool.width];
                for row in rows {
                    spool.scratch.read_at(&mut record, row * spool.width as u64)?;
                    to.push(whole(&record), &record[HEAD..]);
                }
            }
        }
        Ok(())
    }

    /// The numbers in the table of the rows with numbers `rows` here, in that order.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    pub(super) fn ids(&self, rows: impl Iterator<Item = u64>) -> Result<Vec<u64>> {
        match &self.store {
            Store::Memory(table) => Ok(rows.map(|row| table.ids[row as usize]).collect()),
            Store::File(spool) => rows
                .map(|row| {
                    let mut head = [0.0; HEAD];
                    spool.scratch.read_at(&mut head, row * spool.width as u64)?;
                    Ok(whole(&head))
                })
                .collect(),
        }
    }

    /// The same rows on the device that `feed` feeds, copied there the first time; `None` if they do not stay there.
    ///
    /// # Errors
    /// As [`gather`](Self::gather), and the device's.
    pub(super) fn resident(&self, feed: &Feed, layout: &Layout) -> Result<Option<Arc<ResidentRows>>> {
        if !feed.is_to_device() {
            return Ok(None);
        }
        if let Some(resident) = self.resident.get() {
            return Ok(resident.clone());
        }
        let rows = (COPIED / layout.width()).max(1);
        let resident = feed.keep(self.len(), self.batches(rows, layout))?.map(Arc::new);
        tracing::debug!("{} rows of {} stay on the device", resident.as_ref().map_or(0, |_| self.len()), self.len());
        Ok(self.resident.get_or_init(|| resident).clone())
    }

    /// Computes the SHA-256 of all rows and their numbers, in hexadecimal.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    pub(super) fn hash(&self, layout: &Layout) -> Result<String> {
        let mut hasher = Sha256::new();
        for batch in self.batches(HASHED_ROWS, layout) {
            let batch = batch?;
            batch.ids.iter().for_each(|id| hasher.update(id.to_le_bytes()));
            let values = batch.x.iter().chain(&batch.given.elements);
            values.for_each(|x| hasher.update(x.to_bits().to_le_bytes()));
        }
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Cuts all rows into batches of at most `rows`.
    pub(super) fn batches(&self, rows: usize, layout: &Layout) -> impl Iterator<Item = Result<Batch>> {
        let range = move |seq: usize| -> Range<usize> { seq * rows..self.len().min((seq + 1) * rows) };
        (0..self.len().div_ceil(rows)).map(move |seq| {
            let mut table = Table::default();
            self.gather(range(seq).map(|row| row as u64), layout.width(), &mut table)?;
            Ok(Batch::new(table.ids, table.x, layout))
        })
    }
}

impl Spool {
    fn flush(&mut self) -> Result<()> {
        let written = self.rows - self.pending.len() / self.width;
        self.scratch.write_at(&self.pending, (written * self.width) as u64)?;
        self.pending.clear();
        Ok(())
    }
}

/// Stores the bits of a row number in two values.
fn halves(id: u64) -> [f32; HEAD] {
    [id as u32, (id >> 32) as u32].map(f32::from_bits)
}

/// Restores the row number of a record.
fn whole(record: &[f32]) -> u64 {
    u64::from(record[0].to_bits()) | u64::from(record[1].to_bits()) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Likelihood::Gaussian;
    use crate::feature::Shape;

    #[test]
    fn rows_are_the_same_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new([(Shape::of(Gaussian, 2), false)]).unwrap();
        let filled = |scratch: Option<Scratch>| {
            let mut store = EncodedRows::new(scratch, 0, 2);
            for row in 0..200_000_u64 {
                let x = [row as f32, if row % 7 == 0 { f32::NAN } else { 0.5 }];
                store.push(row.wrapping_mul(0x9e37_79b9_7f4a_7c15), &x).unwrap();
            }
            store.finish().unwrap()
        };
        let stores = [filled(None), filled(Some(Scratch::create(folder.path()).unwrap()))];
        let [in_memory, in_file] = stores.each_ref().map(|store| {
            let mut gathered = Table::default();
            store.gather([199_999, 0, 131_072, 0].into_iter(), 2, &mut gathered).unwrap();
            let batches = store.batches(70_000, &layout).map(Result::unwrap).collect::<Vec<_>>();
            assert_eq!(batches.iter().map(Batch::rows).collect::<Vec<_>>(), [70_000, 70_000, 60_000]);
            (gathered.ids, gathered.x.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), batches)
        });
        assert!(in_memory == in_file);
    }
}
