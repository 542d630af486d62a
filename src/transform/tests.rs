use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, Float32Array};
use arrow::datatypes::{DataType, Field, Schema};

use super::*;

/// A run that is counted by itself.
fn run<T: Send + 'static>(
    read: &Stage,
    scan: impl Iterator<Item = Result<T>> + Send + 'static,
    score: impl Fn(T) -> Result<Scored> + Clone + Send + 'static,
    depth: usize,
    threads: usize,
    sink: Box<dyn Sink>,
    on_rows: &mut dyn FnMut(u64),
) -> Result<Transformed> {
    let mut total = TransformTotals::new(None);
    super::run(read, scan, score, depth, threads, sink, &mut total, on_rows)?;
    Ok(total.finish(&[], 0, true))
}
use crate::error::Error;

/// A scan of `n` batches of one row that counts what it has emitted, and does `last` before the last one.
fn scan(
    n: u64,
    emitted: &Arc<AtomicU64>,
    last: fn() -> Result<()>,
) -> impl Iterator<Item = Result<NewColumns>> + Send + 'static {
    let emitted = emitted.clone();
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float32, false)]));
    (0..n).map(move |seq| {
        emitted.fetch_add(1, Ordering::SeqCst);
        if seq == n - 1 {
            last()?;
        }
        let column = Arc::new(Float32Array::from(vec![seq as f32])) as ArrayRef;
        let batch = RecordBatch::try_new(schema.clone(), vec![column]).unwrap();
        Ok(NewColumns { seq, row_group: 0, batch })
    })
}

fn t() -> Stage {
    Stage::new("t")
}

/// Passes a batch on as it is.
fn scored(columns: NewColumns) -> Result<Scored> {
    Ok(Scored { columns, tally: RowCounts::default(), found: FeatureIssues::default() })
}

/// What a sink saw, and a gate it waits at before every batch.
#[derive(Default)]
struct SinkLog {
    batches: AtomicU64,
    finished: AtomicU64,
    open: Mutex<bool>,
    opened: Condvar,
}

struct GatedSink {
    seen: Arc<SinkLog>,
    on_write: fn(u64) -> Result<()>,
}

impl Sink for GatedSink {
    fn write(self: Box<Self>, columns: &mut dyn Iterator<Item = Result<NewColumns>>) -> Result<()> {
        for columns in columns {
            let seq = columns?.seq;
            drop(self.seen.opened.wait_while(self.seen.open.lock().unwrap(), |open| !*open).unwrap());
            (self.on_write)(seq)?;
            assert_eq!(self.seen.batches.fetch_add(1, Ordering::SeqCst), seq, "in order");
        }
        self.seen.finished.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl SinkLog {
    fn sink(self: &Arc<Self>, on_write: fn(u64) -> Result<()>) -> Box<dyn Sink> {
        Box::new(GatedSink { seen: self.clone(), on_write })
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// A run against a sink.
type Outcome = fn(Arc<SinkLog>) -> Result<Transformed>;

fn opened() -> Arc<SinkLog> {
    let seen = Arc::new(SinkLog::default());
    seen.open();
    seen
}

#[test]
fn a_stalled_sink_stalls_the_source_after_an_exact_number_of_batches() {
    for (depth, threads) in [(1, 1), (4, 2), (7, 3)] {
        let (seen, emitted) = (Arc::new(SinkLog::default()), Arc::new(AtomicU64::new(0)));
        let run = {
            let (sink, scan) = (seen.sink(|_| Ok(())), scan(100, &emitted, || Ok(())));
            let done = move || run(&t(), scan, scored, depth, threads, sink, &mut |_| {});
            pipeline::prefetch(&t(), 1, std::iter::once_with(done)).unwrap()
        };
        // One in the sink's hands, `depth` in the queue, and one the source has made and cannot hand on.
        let expected = depth as u64 + 2;
        let mut patience = 1000;
        while emitted.load(Ordering::SeqCst) < expected && patience > 0 {
            std::thread::sleep(Duration::from_millis(5));
            patience -= 1;
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(emitted.load(Ordering::SeqCst), expected);
        seen.open();
        assert_eq!(run.map(|done| done.unwrap().rows).collect::<Vec<_>>(), [100]);
        assert_eq!((seen.batches.load(Ordering::SeqCst), seen.finished.load(Ordering::SeqCst)), (100, 1));
    }
}

#[test]
fn an_error_in_any_stage_is_the_runs_error_and_nothing_is_finished() {
    let outcomes: [Outcome; 3] = [
        |seen| {
            run(
                &t(),
                scan(9, &Arc::default(), || Err(Error::Interrupted)),
                scored,
                2,
                2,
                seen.sink(|_| Ok(())),
                &mut |_| {},
            )
        },
        |seen| {
            let score = |columns: NewColumns| if columns.seq == 8 { Err(Error::Interrupted) } else { scored(columns) };
            run(&t(), scan(9, &Arc::default(), || Ok(())), score, 2, 2, seen.sink(|_| Ok(())), &mut |_| {})
        },
        |seen| {
            let write = |seq| if seq == 8 { Err(Error::Interrupted) } else { Ok(()) };
            run(&t(), scan(99, &Arc::default(), || Ok(())), scored, 2, 2, seen.sink(write), &mut |_| {})
        },
    ];
    for outcome in outcomes {
        let seen = opened();
        assert!(matches!(outcome(seen.clone()), Err(Error::Interrupted)));
        assert_eq!((seen.batches.load(Ordering::SeqCst), seen.finished.load(Ordering::SeqCst)), (8, 0));
    }
}

#[test]
fn a_panic_in_any_stage_reaches_the_caller_and_nothing_is_finished() {
    let outcomes: [Outcome; 3] = [
        |seen| {
            run(&t(), scan(9, &Arc::default(), || panic!("stage")), scored, 2, 2, seen.sink(|_| Ok(())), &mut |_| {})
        },
        |seen| {
            let score = |columns: NewColumns| if columns.seq == 8 { panic!("stage") } else { scored(columns) };
            run(&t(), scan(9, &Arc::default(), || Ok(())), score, 2, 2, seen.sink(|_| Ok(())), &mut |_| {})
        },
        |seen| {
            let write = |seq| if seq == 8 { panic!("stage") } else { Ok(()) };
            run(&t(), scan(99, &Arc::default(), || Ok(())), scored, 2, 2, seen.sink(write), &mut |_| {})
        },
    ];
    for outcome in outcomes {
        let seen = opened();
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| outcome(seen.clone()))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"stage"));
        assert_eq!(seen.finished.load(Ordering::SeqCst), 0);
    }
}
