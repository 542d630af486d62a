//! How much memory a fit may use for rows. It decides where they are kept, never which numbers come out.

use std::path::Path;

use crate::pipeline::QUEUE_BYTES;

/// Bytes of encoded rows that are kept in memory by default.
const CACHE_BYTES: u64 = 2 << 30;

/// Bytes of row vectors up to which a row group is transposed in memory by default.
const GROUP_BYTES: u64 = 256 << 20;

/// Bytes of memory for each purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemoryBudget {
    /// Encoded rows.
    pub(super) rows: u64,
    /// Decoded columns, from the statistics to the encoding.
    pub(super) columns: u64,
    /// A row group that is transposed from columns to rows.
    pub(super) row_group: u64,
    /// Queues between stages.
    pub(super) queues: usize,
}

impl MemoryBudget {
    /// Divides `bytes`.
    pub(super) fn new(bytes: Option<u64>) -> Self {
        let (rows, row_group, queues) = match bytes {
            None => (CACHE_BYTES, GROUP_BYTES, QUEUE_BYTES),
            Some(bytes) => {
                let row_group = (bytes / 4).min(GROUP_BYTES);
                let queues = usize::try_from(bytes / 8).map_or(QUEUE_BYTES, |queues| queues.min(QUEUE_BYTES));
                (bytes - row_group - queues as u64, row_group, queues)
            }
        };
        // Columns are freed, row group by row group, while the rows grow.
        Self { rows, columns: rows / 2, row_group, queues }
    }

    /// Describes where `rows` rows are kept, for the log.
    pub(super) fn describe(&self, rows: u64, inputs: usize, folder: &Path) -> String {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let Self { rows: most, row_group, queues, .. } = *self;
        let needed = mib(bytes(rows, inputs));
        let place = if self.holds(rows, inputs) {
            "stay in memory".to_owned()
        } else {
            format!("are more than {} MiB and go to a scratch file in {}", mib(most), folder.display())
        };
        let (row_group, queues) = (mib(row_group), mib(queues as u64));
        format!("{needed} MiB of encoded rows {place}; up to {row_group} MiB for a row group, {queues} MiB in queues")
    }

    /// Whether `rows` rows of `inputs` elements are kept in memory.
    pub(super) fn holds(&self, rows: u64, inputs: usize) -> bool {
        bytes(rows, inputs) <= self.rows
    }
}

/// Bytes of `rows` rows and their numbers.
fn bytes(rows: u64, inputs: usize) -> u64 {
    rows.saturating_mul((inputs * size_of::<f32>() + size_of::<u64>()) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_make_the_whole() {
        let MemoryBudget { rows, columns, row_group, queues } = MemoryBudget::new(Some(128 << 20));
        assert_eq!((rows, columns, row_group, queues), (80 << 20, 40 << 20, 32 << 20, 16 << 20));
        let large = MemoryBudget::new(Some(16 << 30));
        assert_eq!(large.rows + large.row_group + large.queues as u64, 16 << 30);
        assert_eq!((large.row_group, large.queues), (GROUP_BYTES, QUEUE_BYTES));
        assert!(MemoryBudget::new(Some(32_000)).holds(1000, 3) && !MemoryBudget::new(Some(32_000)).holds(1001, 3));
    }
}
