//! A run: what governs it, and the way of rows from a source through workers into a sink.

use super::prefetch::{Prefetch, QUEUE_BYTES, machine_threads, prefetch_map, queue_depth};
use super::progress::Progress;
use super::stage::{self, Stage};
use super::stop::Stop;
use crate::error::{Error, Result};

/// Most threads a run may be given.
const MOST_THREADS: usize = 1024;

/// What governs a run: who may stop it, how many threads it has, and who hears of its progress.
///
/// ```
/// use vaepipe::{Progress, Run, Stop};
/// let stop = Stop::new();
/// let mut run = Run::new().stop(&stop).threads(2).on_progress(|progress| {
///     if let Progress::Rows { rows } = progress {
///         println!("{rows} rows");
///     }
/// });
/// # let _ = &mut run;
/// ```
pub struct Run<'a> {
    stop: Stop,
    threads: Option<usize>,
    on_progress: Box<dyn FnMut(Progress<'_>) + 'a>,
    /// Rows carried so far.
    rows: u64,
}

/// Rows on their way, counted for the progress.
pub(crate) trait Rows {
    /// How many there are.
    fn rows(&self) -> usize;
}

/// The stages of a way, by name in the log, and the bytes of one item on it.
pub(crate) struct Route {
    /// Makes the items, on one thread.
    pub(crate) read: Stage,
    /// Works on them, on every thread of the run.
    pub(crate) work: Stage,
    /// Takes them, in order, on the thread that waits for the run.
    pub(crate) write: Stage,
    /// Bytes of a finished item: so many of them wait as [`QUEUE_BYTES`] hold.
    pub(crate) item_bytes: usize,
}

impl Route {
    /// Read, encoded by the model, and written.
    pub(crate) fn new(item_bytes: usize) -> Self {
        let [read, work, write] = ["read", "model", "write"].map(Stage::new);
        Self { read, work, write, item_bytes }
    }
}

impl Default for Run<'_> {
    fn default() -> Self {
        Self { stop: Stop::new(), threads: None, on_progress: Box::new(|_| {}), rows: 0 }
    }
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("stop", &self.stop).field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl<'a> Run<'a> {
    /// Nobody stops it or hears of it, and it has all threads of the machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends it with [`Error::Interrupted`] once `stop` is requested.
    #[must_use]
    pub fn stop(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    /// Gives it so many worker threads, 1 to 1,024. Their number never changes a result.
    #[must_use]
    pub fn threads(mut self, threads: impl Into<Option<usize>>) -> Self {
        self.threads = threads.into();
        self
    }

    /// Calls `on_progress` at each sign of life, on the thread that waits for the run.
    #[must_use]
    pub fn on_progress(mut self, on_progress: impl FnMut(Progress<'_>) + 'a) -> Self {
        self.on_progress = Box::new(on_progress);
        self
    }

    /// Checks its options.
    ///
    /// # Errors
    /// [`Error::OptionRange`] for a number of threads that is out of range.
    pub fn check(&self) -> Result<()> {
        match self.threads {
            Some(threads) if !(1..=MOST_THREADS).contains(&threads) => {
                Err(Error::OptionRange { option: "threads", value: threads.to_string(), range: "1 to 1024" })
            }
            _ => Ok(()),
        }
    }

    /// The request to stop.
    pub(crate) fn stopper(&self) -> &Stop {
        &self.stop
    }

    /// Its worker threads.
    pub(crate) fn workers(&self) -> usize {
        self.threads.unwrap_or_else(machine_threads)
    }

    /// Tells of progress.
    pub(crate) fn report(&mut self, progress: Progress<'_>) {
        (self.on_progress)(progress);
    }

    /// Runs `work` on every item, ahead of whoever takes the results, in order. An error is the last item.
    ///
    /// # Errors
    /// If no threads can be started.
    pub(crate) fn spread<T, U>(
        &self,
        route: &Route,
        items: impl Iterator<Item = Result<T>> + Send + 'static,
        work: impl Fn(T) -> Result<U> + Clone + Send + 'static,
    ) -> Result<Prefetch<U>>
    where
        T: Send + 'static,
        U: Send + 'static,
    {
        let (stop, depth) = (self.stop.clone(), queue_depth(route.item_bytes, QUEUE_BYTES));
        let stoppable = move |item| {
            stop.check()?;
            work(item)
        };
        prefetch_map(&route.read, items, &route.work, depth, self.workers(), stoppable)
    }

    /// Carries items through `work` into `sink`, in order, and counts their rows.
    ///
    /// # Errors
    /// The first of the items, the work or the sink; [`Error::Interrupted`]; and if no threads can be started.
    pub(crate) fn carry<T, U, R>(
        &mut self,
        route: &Route,
        items: impl Iterator<Item = Result<T>> + Send + 'static,
        work: impl Fn(T) -> Result<U> + Clone + Send + 'static,
        sink: impl FnOnce(&mut dyn Iterator<Item = Result<U>>) -> Result<R>,
    ) -> Result<R>
    where
        T: Send + 'static,
        U: Rows + Send + 'static,
    {
        let done = self.spread(route, items, work)?;
        let Self { stop, on_progress, rows, .. } = self;
        let mut counted = done.map(|item| {
            stop.check()?;
            let item = item?;
            *rows += item.rows() as u64;
            on_progress(Progress::Rows { rows: *rows });
            Ok(item)
        });
        let outcome = route.write.run(|| sink(&mut counted));
        drop(counted);
        stage::report(&[&route.read, &route.work, &route.write]);
        outcome
    }
}
