//! Iterators that run ahead of their consumer, on named threads, behind bounded channels; and work in the background.
//!
//! Results arrive in order. An error is the last item. A drop of the iterator closes the channels and joins the threads.
//! A panic on a thread resumes in the consumer.
//!
//! **Invariant:** threads are joined only after everything they may wait for has ended. Every `send` and `recv` fails as
//! soon as the other side is dropped. A thread that waits for a [`ByteBudget`](super::ByteBudget) or an
//! [`InterruptibleReader`](super::InterruptibleReader) checks whether it is cancelled: results in a queue keep their
//! reservations until the queue's last sender is gone, so a wait for the budget alone would never end.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::{JoinHandle, available_parallelism};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::cancel::{Cancel, is_cancelled};
use super::spawn::spawn_named;
use super::stage::{Stage, WaitFor, waiting};
use crate::error::Result;

/// Most bytes in the queues of a run: enough to bridge a slow disk, and little memory.
pub(crate) const QUEUE_BYTES: usize = 64 << 20;

/// What a thread sends: an item, or the panic that ended it.
type Sent<T> = std::thread::Result<Result<T>>;

/// An iterator that runs ahead of its consumer. See [`prefetch`] and [`prefetch_map`].
pub(crate) struct Prefetch<T> {
    receive: Option<Box<dyn Receive<T>>>,
    threads: Vec<JoinHandle<()>>,
    cancel: Cancel,
}

trait Receive<T>: Send {
    /// The next item in order; `None` when the producer has ended.
    fn receive(&mut self) -> Option<Sent<T>>;
}

impl<T: Send> Receive<T> for Receiver<Sent<T>> {
    fn receive(&mut self) -> Option<Sent<T>> {
        waiting(WaitFor::Input, || self.recv()).ok()
    }
}

/// One receiver per item, in the order of the items.
impl<T: Send> Receive<T> for Receiver<Receiver<Sent<T>>> {
    fn receive(&mut self) -> Option<Sent<T>> {
        waiting(WaitFor::Input, || self.recv().ok()?.recv().ok())
    }
}

/// How many items of `bytes` each a queue of `capacity` bytes holds.
pub(crate) fn queue_depth(bytes: usize, capacity: usize) -> usize {
    (capacity / bytes.max(1)).clamp(1, 64)
}

/// The threads of the machine: the default.
pub(crate) fn machine_threads() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Runs `items` on a thread of their own, as `stage`, at most `depth` items (and the one being made) ahead.
pub(crate) fn prefetch<T, I>(stage: &Stage, depth: usize, items: I) -> Result<Prefetch<T>>
where
    T: Send + 'static,
    I: Iterator<Item = Result<T>> + Send + 'static,
{
    let (send, receive) = bounded(depth);
    let cancel = Cancel::new();
    let thread = spawn(stage, "", &cancel, move || {
        let mut items = items;
        while let Some(sent) = caught(|| items.next()) {
            let last = !matches!(sent, Ok(Ok(_)));
            if waiting(WaitFor::Room, || send.send(sent)).is_err() || last {
                break;
            }
        }
    })?;
    Ok(Prefetch { receive: Some(Box::new(receive)), threads: vec![thread], cancel })
}

/// Maps `items` on `workers` threads, as `stage`, and keeps their order, at most `depth` items ahead.
///
/// `items` itself runs on a further thread, as `before`, which hands each item to the next free worker. So at most one
/// item per worker waits to be mapped, whatever the depth.
pub(crate) fn prefetch_map<T, U, I, F>(
    before: &Stage,
    items: I,
    stage: &Stage,
    depth: usize,
    workers: usize,
    map: F,
) -> Result<Prefetch<U>>
where
    T: Send + 'static,
    U: Send + 'static,
    I: Iterator<Item = Result<T>> + Send + 'static,
    F: Fn(T) -> Result<U> + Clone + Send + 'static,
{
    let (in_order, receive) = bounded::<Receiver<Sent<U>>>(depth);
    let (work, take) = bounded::<(T, Sender<Sent<U>>)>(workers);
    let (mut threads, cancel) = (Vec::with_capacity(workers + 1), Cancel::new());
    for worker in 0..workers {
        let (take, map) = (take.clone(), map.clone());
        threads.push(spawn(stage, &format!("-{worker}"), &cancel, move || {
            while let Ok((item, answer)) = waiting(WaitFor::Input, || take.recv()) {
                if is_cancelled() {
                    break;
                }
                // The consumer may be gone.
                if let Some(sent) = caught(|| Some(map(item))) {
                    let _ = answer.send(sent);
                }
            }
        })?);
    }
    drop(take);
    threads.push(spawn(before, "", &cancel, move || {
        let mut items = items;
        while let Some(sent) = caught(|| items.next()) {
            let (answer, await_answer) = bounded(1);
            let last = !matches!(sent, Ok(Ok(_)));
            if waiting(WaitFor::Room, || in_order.send(await_answer)).is_err() {
                break;
            }
            let handed = match sent {
                Ok(Ok(item)) => waiting(WaitFor::Room, || work.send((item, answer))).is_ok(),
                Ok(Err(error)) => answer.send(Ok(Err(error))).is_ok(),
                Err(panic) => answer.send(Err(panic)).is_ok(),
            };
            if last || !handed {
                break;
            }
        }
    })?);
    Ok(Prefetch { receive: Some(Box::new(receive)), threads, cancel })
}

/// Work on a background thread, done once per request.
pub(crate) struct Background<E> {
    ask: Option<Sender<()>>,
    thread: Option<JoinHandle<std::result::Result<(), E>>>,
}

impl<E: Send + 'static> Background<E> {
    /// Starts a thread that waits for requests.
    pub(crate) fn new(
        name: &str,
        mut work: impl FnMut() -> std::result::Result<(), E> + Send + 'static,
    ) -> Result<Self> {
        let (ask, asked) = bounded(1);
        let run = move || asked.into_iter().try_for_each(|()| work());
        Ok(Self { ask: Some(ask), thread: Some(spawn_named(name.to_owned(), run)?) })
    }

    /// Requests the work. Never waits: requests made while one is open are merged with it.
    pub(crate) fn ask(&self) {
        // A full queue holds a request already; a closed one follows an error, which `finish` returns.
        let _ = self.ask.as_ref().map(|ask| ask.try_send(()));
    }

    /// Ends the thread, and returns its first error, after which it did nothing.
    pub(crate) fn finish(mut self) -> std::result::Result<(), E> {
        self.ask = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl<E> Drop for Background<E> {
    fn drop(&mut self) {
        self.ask = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Runs every job on a thread of its own and returns their results in order, or the first error in that order.
pub(crate) fn run_all<T, J>(stage: &Stage, jobs: Vec<J>) -> Result<Vec<T>>
where
    T: Send + 'static,
    J: FnOnce() -> Result<T> + Send + 'static,
{
    let running =
        jobs.into_iter().map(|job| prefetch(stage, 1, std::iter::once_with(job))).collect::<Result<VecDeque<_>>>()?;
    running.into_iter().flatten().collect()
}

/// Runs work that this thread may not do on a thread of its own, and waits for its result.
///
/// # Errors
/// If no thread can be started.
#[cfg(feature = "cloud")]
pub(crate) fn run_on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

impl<T> Iterator for Prefetch<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        match self.receive.as_mut()?.receive() {
            Some(Ok(Ok(item))) => Some(Ok(item)),
            Some(Ok(Err(error))) => {
                self.stop();
                Some(Err(error))
            }
            Some(Err(panic)) => {
                self.stop();
                resume_unwind(panic)
            }
            None => {
                self.stop();
                None
            }
        }
    }
}

impl<T> Prefetch<T> {
    fn stop(&mut self) {
        self.cancel.set();
        self.receive = None;
        for thread in self.threads.drain(..) {
            // A panic of the thread has been caught and sent, so the join cannot fail.
            let _ = thread.join();
        }
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs `f` and turns a panic into a value that can be sent; `None` when `f` has no more items.
fn caught<T>(f: impl FnOnce() -> Option<Result<T>>) -> Option<Sent<T>> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(item) => item.map(Ok),
        Err(panic) => Some(Err(panic)),
    }
}

fn spawn(stage: &Stage, suffix: &str, cancel: &Cancel, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let (name, stage, cancel) = (format!("{}{suffix}", stage.name()), stage.clone(), cancel.clone());
    spawn_named(name, move || {
        cancel.watch();
        stage.run(run);
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::error::Error;

    fn t() -> Stage {
        Stage::new("t")
    }

    /// Waits until `counter` stays at its final value; panics if it never gets there.
    fn settles_at(counter: &AtomicUsize, expected: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while counter.load(Ordering::SeqCst) < expected && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(counter.load(Ordering::SeqCst), expected);
    }

    fn counting(counter: &Arc<AtomicUsize>, n: usize) -> impl Iterator<Item = Result<usize>> + Send + 'static {
        let counter = counter.clone();
        (0..n).map(move |i| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(i)
        })
    }

    #[test]
    fn a_stalled_consumer_lets_depth_plus_one_items_be_made() {
        for depth in [1, 3, 8] {
            let made = Arc::new(AtomicUsize::new(0));
            let mut items = prefetch(&t(), depth, counting(&made, 1000)).unwrap();
            settles_at(&made, depth + 1);
            assert_eq!(items.next().unwrap().unwrap(), 0);
            settles_at(&made, depth + 2);
        }
    }

    #[test]
    fn a_stalled_consumer_of_workers_lets_depth_plus_one_items_be_made() {
        for (depth, workers) in [(1, 1), (2, 2), (8, 3)] {
            let made = Arc::new(AtomicUsize::new(0));
            let items = prefetch_map(&t(), counting(&made, 1000), &t(), depth, workers, Ok).unwrap();
            settles_at(&made, depth + 1);
            drop(items);
        }
    }

    #[test]
    fn workers_keep_the_order() {
        let items = prefetch_map(&t(), (0..500).map(Ok), &t(), 4, 3, |i: u64| {
            std::thread::sleep(Duration::from_micros(i * 7919 % 300));
            Ok(i * 2)
        })
        .unwrap();
        assert_eq!(items.map(Result::unwrap).collect::<Vec<_>>(), (0..500).map(|i| i * 2).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_is_the_last_item_wherever_it_happens() {
        let fails_at = |at| move |i| if i == at { Err(Error::Interrupted) } else { Ok(i) };
        let in_source = prefetch(&t(), 2, (0..9).map(fails_at(4))).unwrap();
        let in_worker = prefetch_map(&t(), (0..9).map(Ok), &t(), 2, 2, fails_at(4)).unwrap();
        let upstream = prefetch_map(&t(), (0..9).map(fails_at(4)), &t(), 2, 2, Ok).unwrap();
        for items in [in_source, in_worker, upstream] {
            let items = items.collect::<Vec<_>>();
            assert_eq!(items.len(), 5);
            assert!(matches!(items[4], Err(Error::Interrupted)));
        }
    }

    #[test]
    fn a_panic_resumes_in_the_consumer() {
        let boom = |i: i32| if i == 2 { panic!("boom {i}") } else { Ok(i) };
        let in_source = prefetch(&t(), 2, (0..9).map(boom)).unwrap();
        let in_worker = prefetch_map(&t(), (0..9).map(Ok), &t(), 2, 2, boom).unwrap();
        for mut items in [in_source, in_worker] {
            assert!(items.next().unwrap().is_ok() && items.next().unwrap().is_ok());
            let panic = catch_unwind(AssertUnwindSafe(|| items.next())).unwrap_err();
            assert_eq!(panic.downcast_ref::<String>().unwrap(), "boom 2");
        }
    }

    #[test]
    fn dropping_early_ends_an_endless_producer() {
        let endless = prefetch(&t(), 2, (0u64..).map(Ok)).unwrap();
        let mapped = prefetch_map(&t(), endless, &t(), 2, 2, Ok).unwrap();
        assert_eq!(mapped.take(3).map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn background_work_is_done_per_request_and_its_error_comes_back() {
        let done = Arc::new(AtomicUsize::new(0));
        let counted = |fails_at: usize| {
            let done = done.clone();
            move || if done.fetch_add(1, Ordering::SeqCst) + 1 == fails_at { Err("full") } else { Ok(()) }
        };
        let background = Background::new("sync", counted(0)).unwrap();
        background.ask();
        settles_at(&done, 1);
        background.ask();
        assert_eq!(background.finish(), Ok(()));
        assert_eq!(done.load(Ordering::SeqCst), 2);
        let background = Background::new("sync", counted(3)).unwrap();
        background.ask();
        settles_at(&done, 3);
        background.ask();
        assert_eq!(background.finish(), Err("full"));
        assert_eq!(done.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn jobs_answer_in_order() {
        let jobs = (0..5).map(|i| move || Ok(i)).collect::<Vec<_>>();
        assert_eq!(run_all(&t(), jobs).unwrap(), [0, 1, 2, 3, 4]);
    }
}
