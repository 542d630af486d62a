//! A run: its stop, threads and progress, and the code that carries rows from a source through workers into a sink.

use super::byte_budget::ByteBudget;
use super::prefetch::{Prefetch, QUEUE_BYTES, machine_threads, prefetch_map, queue_depth};
use super::progress::Progress;
use super::stage::{self, Stage};
use super::stop::Stop;
use crate::error::{Error, Result};

/// Most threads a run may be given.
const MOST_THREADS: usize = 1024;

/// A run of the pipeline: its stop, its number of threads, and a callback for its progress.
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

/// Items whose rows count for the progress.
pub(crate) trait Rows {
    /// Number of rows.
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
    /// A run on all threads of the machine, without a stop or a callback.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the run with [`Error::Interrupted`] once `stop` is requested.
    #[must_use]
    pub fn stop(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    /// Sets the number of worker threads, 1 to 1,024; `None` is the machine's. It never changes a result.
    #[must_use]
    pub fn threads(mut self, threads: impl Into<Option<usize>>) -> Self {
        self.threads = threads.into();
        self
    }

    /// Calls `on_progress` at each step of the progress, on the thread that waits for the run.
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
    pub fn stopper(&self) -> &Stop {
        &self.stop
    }

    /// Number of worker threads.
    pub(crate) fn workers(&self) -> usize {
        self.threads.unwrap_or_else(machine_threads)
    }

    /// Reports progress to the callback.
    pub(crate) fn report(&mut self, progress: Progress<'_>) {
        (self.on_progress)(progress);
    }

    /// Counts rows that were carried, and reports them.
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
            // What ends while it is stopped may have ended early.
            result.or_else(|| self.stop.check().err().map(Err))
        });
        let outcome = route.write.run(|| sink(&mut counted))?;
        // Its threads end, so that their time is known.
        drop(results);
        route.report();
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    use super::*;

    impl Rows for u64 {
        fn rows(&self) -> usize {
            10
        }
    }

    /// Makes `n` items, counts them, and does `last` before the last one.
    fn items(
        n: u64,
        made: &Arc<AtomicU64>,
        last: fn() -> Result<()>,
    ) -> impl Iterator<Item = Result<u64>> + Send + 'static {
        let made = made.clone();
        (0..n).map(move |item| {
            made.fetch_add(1, Ordering::SeqCst);
            if item == n - 1 {
                last()?;
            }
            Ok(item)
        })
    }

    /// A route whose queue holds `depth` items.
    fn route(depth: usize) -> Route {
        Route::new(QUEUE_BYTES / depth)
    }

    /// A sink that counts what it takes, and waits at a gate before every item.
    #[derive(Default)]
    struct GatedSink {
        items: AtomicU64,
        finished: AtomicU64,
        open: Mutex<bool>,
        opened: Condvar,
    }

    impl GatedSink {
        fn opened() -> Self {
            Self { open: Mutex::new(true), ..Self::default() }
        }

        fn take(
            &self,
            items: &mut dyn Iterator<Item = Result<u64>>,
            on_item: impl Fn(u64) -> Result<()>,
        ) -> Result<()> {
            for item in items {
                let item = item?;
                drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
                on_item(item)?;
                assert_eq!(self.items.fetch_add(1, Ordering::SeqCst), item, "in order");
            }
            self.finished.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }

        fn open(&self) {
            *self.open.lock().unwrap() = true;
            self.opened.notify_all();
        }

        fn seen(&self) -> (u64, u64) {
            (self.items.load(Ordering::SeqCst), self.finished.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn a_stalled_sink_stalls_the_source_after_an_exact_number_of_items() {
        for (depth, threads) in [(1, 1), (4, 2), (7, 3)] {
            let (sink, made) = (Arc::new(GatedSink::default()), Arc::new(AtomicU64::new(0)));
            let (stalled, source) = (sink.clone(), items(100, &made, || Ok(())));
            let running = std::thread::spawn(move || {
                Run::new().threads(threads).carry(&route(depth), source, Ok, |items| stalled.take(items, |_| Ok(())))
            });
            // The sink has one, the queue `depth`, and the source one that it cannot hand on.
            let expected = depth as u64 + 2;
            let mut patience = 1000;
            while made.load(Ordering::SeqCst) < expected && patience > 0 {
                std::thread::sleep(Duration::from_millis(5));
                patience -= 1;
            }
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(made.load(Ordering::SeqCst), expected);
            sink.open();
            running.join().unwrap().unwrap();
            assert_eq!(sink.seen(), (100, 1));
        }
    }

    /// Carries items, and fails by `fail` at the ninth: in the source, a worker, or the sink, which leaves many on their way.
    fn failing(stage: usize, fail: fn() -> Result<()>, sink: &GatedSink) -> Result<()> {
        let at = move |here: usize, item: u64| if stage == here && item == 8 { fail() } else { Ok(()) };
        let source = items(if stage == 2 { 99 } else { 9 }, &Arc::default(), if stage == 0 { fail } else { || Ok(()) });
        let work = move |item| at(1, item).map(|()| item);
        Run::new().threads(2).carry(&route(2), source, work, |items| sink.take(items, |item| at(2, item)))
    }

    #[test]
    fn an_error_in_any_stage_is_the_runs_error_and_nothing_is_finished() {
        for stage in 0..3 {
            let sink = GatedSink::opened();
            let outcome = failing(stage, || Err(Error::Interrupted), &sink);
            assert!(matches!(outcome, Err(Error::Interrupted)));
            assert_eq!(sink.seen(), (8, 0));
        }
    }

    #[test]
    fn a_panic_in_any_stage_reaches_the_caller_and_nothing_is_finished() {
        for stage in 0..3 {
            let sink = GatedSink::opened();
            let run = AssertUnwindSafe(|| failing(stage, || panic!("stage"), &sink));
            assert_eq!(catch_unwind(run).unwrap_err().downcast_ref::<&str>(), Some(&"stage"));
            assert_eq!(sink.seen().1, 0);
        }
    }

    #[test]
    fn rows_count_once_they_are_written_and_a_stop_at_the_last_of_them_still_counts() {
        let (stop, mut told) = (Stop::new(), Vec::new());
        let stopping = stop.clone();
        let mut run = Run::new().stop(&stop).on_progress(|progress| {
            let Progress::Rows { rows } = progress else { return };
            told.push(rows);
            if rows == 50 {
                stopping.request();
            }
        });
        let mut carry = |n| {
            let sink = GatedSink::opened();
            let outcome =
                run.carry(&route(2), items(n, &Arc::default(), || Ok(())), Ok, |items| sink.take(items, |_| Ok(())));
            (outcome.is_ok(), sink.seen())
        };
        assert_eq!(carry(2), (true, (2, 1)));
        assert_eq!(carry(3), (false, (3, 0)));
        drop(run);
        assert_eq!(told, [10, 20, 30, 40, 50]);
    }

    #[test]
    fn the_number_of_threads_has_a_range() {
        let check = |threads: Option<usize>| Run::new().threads(threads).check().is_ok();
        assert_eq!([None, Some(1), Some(1024), Some(0), Some(1025)].map(check), [true, true, true, false, false]);
    }
}
