//! A run: what governs it, and the way of rows from a source through workers into a sink.

use super::byte_budget::ByteBudget;
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

/// The path of rows through a run: its stages, named as in the log, and the bound on the bytes on their way.
pub(crate) struct Route {
    /// Reads the rows, on one thread or on several of its own.
    pub(crate) read: Stage,
    /// Hands them on, on one thread, where reading has threads of its own.
    pub(crate) slice: Option<Stage>,
    /// Works on them, on every thread of the run.
    pub(crate) work: Stage,
    /// Takes the results, in order, on the thread that waits for the run.
    pub(crate) write: Stage,
    /// Bytes of a result: as many wait as [`QUEUE_BYTES`] hold.
    pub(crate) item_bytes: usize,
}

impl Route {
    /// Rows are read, encoded by the model, and written.
    pub(crate) fn new(item_bytes: usize) -> Self {
        let [read, work, write] = ["read", "model", "write"].map(Stage::new);
        Self { read, slice: None, work, write, item_bytes }
    }

    /// The same for rows whose reader has threads of its own, which count as [`read`](Self::read).
    pub(crate) fn sliced(item_bytes: usize) -> Self {
        Self { slice: Some(Stage::new("slice")), ..Self::new(item_bytes) }
    }

    /// A budget of the bytes on their way, for items whose size is known only once they are there.
    pub(crate) fn budget(&self) -> ByteBudget {
        ByteBudget::new(QUEUE_BYTES as u64)
    }

    fn report(&self) {
        let stages = [Some(&self.read), self.slice.as_ref(), Some(&self.work), Some(&self.write)];
        stage::report(&stages.into_iter().flatten().collect::<Vec<_>>());
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

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`] for a number of threads outside 1 to 1,024.
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

    /// Counts rows that were carried, and tells of them.
    pub(crate) fn count(&mut self, rows: usize) {
        self.rows += rows as u64;
        self.report(Progress::Rows { rows: self.rows });
    }

    /// Runs `work` on every item, ahead of the consumer of the results, which come in order. An error is the last.
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
        prefetch_map(route.slice.as_ref().unwrap_or(&route.read), items, &route.work, depth, self.workers(), stoppable)
    }

    /// Carries items through `work` into `sink`, in order, and counts the rows of each once the sink asks for the next.
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
        let (mut results, mut taken) = (self.spread(route, items, work)?, 0);
        let mut counted = std::iter::from_fn(|| {
            if taken > 0 {
                self.count(std::mem::take(&mut taken));
            }
            if let Err(interrupted) = self.stop.check() {
                return Some(Err(interrupted));
            }
            let result = results.next();
            taken = result.iter().flatten().map(Rows::rows).sum();
            result
        });
        let outcome = route.write.run(|| sink(&mut counted))?;
        // Its threads end, so that their time is known.
        drop(results);
        route.report();
        Ok(outcome)
    }
}
