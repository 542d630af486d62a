//! Independent pieces of work on threads that borrow.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Error, Result};

/// Threads for pieces of work that are independent of each other.
pub(crate) struct Pool(Option<rayon::ThreadPool>);

impl Pool {
    /// Starts so many threads; one is the caller's.
    ///
    /// # Errors
    /// [`Error::Threads`] if they cannot be started.
    pub(crate) fn new(threads: usize) -> Result<Self> {
        if threads <= 1 {
            return Ok(Self(None));
        }
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|n| format!("measure-{n}"));
        Ok(Self(Some(builder.build().map_err(|source| Error::Threads { source: Box::new(source) })?)))
    }

    /// The answers of `work` for each number of a range, in order.
    ///
    /// # Errors
    /// The first error in the order of the range.
    pub(crate) fn map<T: Send>(
        &self,
        range: Range<usize>,
        work: impl Fn(usize) -> Result<T> + Send + Sync,
    ) -> Result<Vec<T>> {
        self.answers(range, work).into_iter().collect()
    }

    /// The same of work that cannot fail.
    pub(crate) fn answers<T: Send>(&self, range: Range<usize>, work: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
        match &self.0 {
            Some(pool) => pool.install(|| range.into_par_iter().map(work).collect()),
            None => range.map(work).collect(),
        }
    }

    /// The same, but a few at a time are kept: each answer is given to `take`, in order.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub(crate) fn each<T: Send>(
        &self,
        count: usize,
        work: impl Fn(usize) -> Result<T> + Send + Sync,
        mut take: impl FnMut(T),
    ) -> Result<()> {
        let few = self.0.as_ref().map_or(1, rayon::ThreadPool::current_num_threads);
        for first in (0..count).step_by(few) {
            self.map(first..count.min(first + few), &work)?.into_iter().for_each(&mut take);
        }
        Ok(())
    }

    /// The answers of two pieces of work, done at the same time.
    pub(crate) fn join<A: Send, B: Send>(&self, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        match &self.0 {
            Some(pool) => pool.join(a, b),
            None => (a(), b()),
        }
    }
}
