//! Independent pieces of work on threads that borrow.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Error, Result};

/// The answers of `work` for each number of a range, in order, on so many threads.
///
/// # Errors
/// [`Error::Threads`] if they cannot be started, and the first error in the order of the range.
pub(crate) fn in_parallel<T: Send>(
    threads: usize,
    range: Range<usize>,
    work: impl Fn(usize) -> Result<T> + Send + Sync,
) -> Result<Vec<T>> {
    if threads.min(range.len()) <= 1 {
        return range.map(work).collect();
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.min(range.len()))
        .thread_name(|n| format!("measure-{n}"))
        .build()
        .map_err(|source| Error::Threads { source: Box::new(source) })?;
    let answers: Vec<Result<T>> = pool.install(|| range.into_par_iter().map(work).collect());
    answers.into_iter().collect()
}
