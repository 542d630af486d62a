//! Work without the interpreter's lock: on a thread of its own, while the calling thread looks for signals, shows progress and
//! hands the log on.

use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use pyo3::prelude::*;
use vaepipe::{Progress, Result, Run, Stop};

use crate::error::exception;
use crate::gil::{Released, held};
use crate::log;

/// How often signals are looked for, and progress is shown.
const TICK: Duration = Duration::from_millis(50);

/// How far a run is: its phase, what is done of how much, and a message.
type Step = (&'static str, u64, Option<u64>, String);

/// How a call runs: its `stop`, its `threads` (default: the machine's) and a callable that is shown the progress.
#[derive(Default)]
pub(crate) struct Call {
    pub(crate) stop: Stop,
    pub(crate) threads: Option<usize>,
    pub(crate) progress: Option<Py<PyAny>>,
}

impl Call {
    /// Runs `work` with a [`Run`] that a signal stops.
    pub(crate) fn run<T: Send>(
        self,
        py: Python<'_>,
        rows: Option<u64>,
        work: impl FnOnce(&Stop, &mut Run<'_>) -> Result<T> + Send,
    ) -> PyResult<T> {
        let (send, steps) = unbounded();
        let Self { stop, threads, progress } = self;
        let (watched, flag) = (progress.is_some(), &stop);
        let done = watch(py, &stop, &steps, progress.as_ref(), move || {
            let mut shown = Shown { send, rows, last: None, steps: 0, message: String::new() };
            let mut run = Run::new().stop(flag).threads(threads);
            if watched {
                run = run.on_progress(move |progress| shown.show(progress));
            }
            work(flag, &mut run)
        })?;
        done.map_err(exception)
    }
}

/// Runs `work` on a thread, and looks for signals meanwhile: the first one requests the stop, and is raised when the work has
/// ended.
pub(crate) fn wait<T: Send>(py: Python<'_>, stop: &Stop, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    let (send, steps) = unbounded::<Step>();
    watch(py, stop, &steps, None, move || {
        let done = work();
        drop(send);
        done
    })
}

/// The same for a call from another library, on any thread.
pub(crate) fn wait_anywhere<T: Send>(stop: &Stop, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    let (send, ended) = unbounded::<()>();
    let mut raised = None;
    let look = |py: Python<'_>| log::hand_on(py).and_then(|()| py.check_signals());
    let done = {
        let _released = Released::new();
        thread::scope(|scope| {
            let worker = scope.spawn(move || {
                let done = work();
                drop(send);
                done
            });
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(TICK) {
                if let Err(error) = held(look) {
                    stop.request();
                    raised.get_or_insert(error);
                }
            }
            worker.join()
        })
    };
    let looked = held(look);
    let done = done.unwrap_or_else(|panic| resume_unwind(panic));
    raised.map_or(looked, Err).map(|()| done)
}

fn watch<T: Send>(
    py: Python<'_>,
    stop: &Stop,
    steps: &Receiver<Step>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    log::start();
    let mut raised = None;
    let done = thread::scope(|scope| {
        let worker = scope.spawn(work);
        loop {
            let (step, ended) = py.detach(|| match steps.recv_timeout(TICK) {
                Ok(step) => (Some(step), false),
                Err(RecvTimeoutError::Timeout) => (None, false),
                Err(RecvTimeoutError::Disconnected) => (None, true),
            });
            if ended {
                break;
            }
            let shown = step.zip(progress).map_or(Ok(()), |(step, progress)| progress.call1(py, step).map(drop));
            if let Err(error) = shown.and_then(|()| log::hand_on(py)).and_then(|()| py.check_signals()) {
                stop.request();
                raised.get_or_insert(error);
            }
        }
        py.detach(|| worker.join())
    });
    log::hand_on(py)?;
    let done = done.unwrap_or_else(|panic| resume_unwind(panic));
    raised.map_or(Ok(done), Err)
}

/// Sends progress on, not more often than it is shown.
struct Shown {
    send: Sender<Step>,
    /// Rows in all, if that is known.
    rows: Option<u64>,
    last: Option<Instant>,
    /// Steps of an epoch.
    steps: usize,
    /// The last epoch and its loss.
    message: String,
}

impl Shown {
    fn show(&mut self, progress: Progress<'_>) {
        let (phase, done, of, always) = match progress {
            Progress::Read { rows, of } => ("statistics", rows, Some(of), rows >= of),
            Progress::Encoded { rows, of } => ("encoding", rows, Some(of), rows >= of),
            Progress::Step { epoch, epochs, step, steps } => {
                self.steps = steps;
                let (done, of) = (((epoch - 1) * steps + step) as u64, (epochs * steps) as u64);
                ("training", done, Some(of), done >= of)
            }
            Progress::Epoch { epoch, epochs, .. } => {
                let (name, loss) =
                    epoch.validation_loss.map_or(("loss", epoch.train_loss), |it| ("validation loss", it));
                self.message = format!("epoch {}/{epochs}: {name} {loss:.4}", epoch.epoch);
                ("training", (epoch.epoch * self.steps) as u64, Some((epochs * self.steps) as u64), true)
            }
            Progress::Rows { rows } => ("rows", rows, self.rows, self.rows.is_some_and(|of| rows >= of)),
            _ => return,
        };
        if always || self.last.is_none_or(|last| last.elapsed() >= TICK) {
            self.last = Some(Instant::now());
            let _ = self.send.send((phase, done, of, self.message.clone()));
        }
    }
}
