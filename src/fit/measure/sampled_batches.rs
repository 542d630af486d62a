//! Batches of rows that are evenly spread over a store.

use crate::batch::{Batch, Table};
use crate::error::Result;
use crate::feature::Layout;
use crate::fit::encoded_rows::EncodedRows;
use crate::numerics::RandomStream;
use crate::pipeline::{Pool, Stop};

/// Rows of a batch: a multiple of the block a network encodes.
pub(super) const BATCH_ROWS: usize = 1024;

/// Most training rows to measure after a network was trained on so many, all epochs together: a 32nd, so that a forward pass
/// of them takes a hundredth of the time of the training. A quantile of 4096 rows is off by .8 % of the rows at most, of 32,768
/// by .3 % (one standard error).
pub(in crate::fit) fn most_rows(trained: u64) -> usize {
    (trained / 32).clamp(4096, 32_768) as usize
}

/// Runs `work` on batches of at most `most` rows of a store, a batch a thread, and gives the answers, in order, to `take`.
///
/// # Errors
/// Those of the store and of `work`, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(super) fn each_batch<T: Send>(
    store: &EncodedRows,
    layout: &Layout,
    most: usize,
    (pool, stop): (&Pool, &Stop),
    work: impl Fn(Batch) -> Result<T> + Send + Sync,
    take: impl FnMut(T),
) -> Result<()> {
    let (all, rows) = (store.len(), store.len().min(most));
    let batch = |seq: usize| {
        stop.check()?;
        let range = seq * BATCH_ROWS..rows.min((seq + 1) * BATCH_ROWS);
        let mut table = Table::default();
        store.gather(range.map(spread(all, rows)), layout.width(), &mut table)?;
        work(Batch::new(table.ids, table.x, layout))
    };
    pool.each(rows.div_ceil(BATCH_ROWS), batch, take)
}

/// The number of each of `some` of `all` rows, evenly spread.
pub(super) fn spread(all: usize, some: usize) -> impl Fn(usize) -> u64 {
    move |row| (row as u128 * all as u128 / some as u128) as u64
}

/// Draws at most `most` of `all` rows, one from each of as many equal parts; ascending.
pub(in crate::fit) fn sample(all: usize, most: usize, noise: RandomStream) -> Vec<u64> {
    let some = all.min(most);
    let drawn = |part: usize| {
        let within = if some < all { noise.uniform(part as u64) } else { 0.0 };
        ((part as f64 + within) * all as f64 / some as f64) as u64
    };
    (0..some).map(drawn).map(|row| row.min(all as u64 - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_spreads_over_all_rows() {
        let noise = RandomStream::new(1, "neighbors");
        assert_eq!(sample(5, 100, noise), [0, 1, 2, 3, 4]);
        let rows = sample(1_000_000, 4, noise);
        let parts: Vec<u64> = rows.iter().map(|row| row / 250_000).collect();
        assert_eq!(parts, [0, 1, 2, 3]);
        assert_ne!(rows, sample(1_000_000, 4, RandomStream::new(2, "neighbors")));
    }
}
