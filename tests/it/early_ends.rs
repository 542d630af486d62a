//! A transform that ends early, by a dropped reader, a stop, a signal or an error, ends at once.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arrow::array::{ArrayRef, Float32Array, Float64Array, RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow::array::{FixedSizeBinaryArray, StringArray};
use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use proptest::prelude::*;
use vaepipe::{
    Device, Error, FitConfig, Model, Output, ParquetSource, Progress, Run, Source, SourceConfig, Stop, TransformConfig,
};

use crate::tables::{Uniform, write};
use crate::workdir::Workdir;

/// Bytes of rows that are on their way at most.
const BOUND: usize = 64 << 20;

/// What every end takes at most; on a busy machine, too.
const SOON: Duration = Duration::from_secs(60);

/// How long it takes until nothing more can be on its way.
const SETTLED: Duration = Duration::from_millis(400);

/// Does some work, which fails if it does not end.
fn ends<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, over) = channel();
    let working = std::thread::spawn(move || done.send(work()));
    match over.recv_timeout(SOON) {
        Ok(answer) => answer,
        // The thread stays where it hangs, and goes with the tests.
        Err(RecvTimeoutError::Timeout) => panic!("it hangs: {what}"),
        Err(RecvTimeoutError::Disconnected) => resume_unwind(working.join().unwrap_err()),
    }
}

/// `rows` rows of so many learned numbers, and of a text and a carried column of `bytes` bytes a row.
fn table(rows: usize, columns: usize, bytes: usize) -> RecordBatch {
    let mut uniform = Uniform::new(5);
    let some: Vec<f64> = (0..rows).map(|_| uniform.next()).collect();
    let learned = (0..columns).map(|n| {
        let x: ArrayRef = Arc::new(Float64Array::from_iter_values(some.iter().map(|x| x * (n + 1) as f64)));
        (format!("x{n}"), x)
    });
    let mut all: Vec<(String, ArrayRef)> = learned.collect();
    all.push(("word".to_owned(), Arc::new(StringArray::from(vec!["w"; rows]))));
    if bytes > 0 {
        let zeros = Buffer::from(vec![0_u8; rows * bytes]);
        all.push(("bytes".to_owned(), Arc::new(FixedSizeBinaryArray::new(bytes as i32, zeros, None))));
    }
    RecordBatch::try_from_iter(all).unwrap()
}

/// A model of two numbers, and one of four hundred.
static MODELS: LazyLock<[(usize, Arc<Model>); 2]> =
    LazyLock::new(|| [2, 400].map(|columns| (columns, fitted(columns))));

fn fitted(columns: usize) -> Arc<Model> {
    let dir = Workdir::new();
    write(&dir.path("in.parquet"), &table(300, columns, 0), 1000);
    let source = ParquetSource::open([dir.path("in.parquet")]).unwrap();
    let config = FitConfig::new().latent_dim(2).hidden([4]).epochs(1);
    Arc::new(config.fit(&source, Device::Cpu, &mut Run::new()).unwrap().model)
}

/// The same batch for ever.
fn endless(batch: RecordBatch) -> impl RecordBatchReader + Send + 'static {
    let schema = batch.schema();
    RecordBatchIterator::new(std::iter::repeat_with(move || Ok::<_, ArrowError>(batch.clone())), schema)
}

/// Batches of a width, of a share of the bound, left after so many were taken.
#[derive(Debug, Clone)]
struct Case {
    wide: bool,
    eighths: usize,
    rows_more: usize,
    taken: usize,
    /// Whether the caller still has what it took.
    held: bool,
    settled: bool,
    stopped: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let shape = (any::<bool>(), 1_usize..=9, 0_usize..3);
    let end = (0_usize..5, any::<bool>(), prop::bool::weighted(0.8), any::<bool>());
    (shape, end).prop_map(|((wide, eighths, rows_more), (taken, held, settled, stopped))| Case {
        wide,
        eighths,
        rows_more,
        taken,
        held,
        settled,
        stopped,
    })
}

fn read_and_leave(case: &Case) {
    let (columns, model) = MODELS[usize::from(case.wide)].clone();
    // Narrow rows are as large by what is carried.
    let bytes = if case.wide { 0 } else { 3000 };
    let rows = BOUND * case.eighths / 8 / (columns * 8 + bytes) + case.rows_more;
    let case = case.clone();
    ends(&format!("{rows} rows a batch, {case:?}"), move || {
        let stop = Stop::new();
        let reader = endless(table(rows, columns, bytes));
        let mut scored = model.transform_with(reader, &TransformConfig::new(), &Run::new().stop(&stop)).unwrap();
        let mut held = Vec::new();
        for batch in scored.by_ref().take(case.taken) {
            held.push(batch.unwrap());
        }
        if !case.held {
            held.clear();
        }
        if case.settled {
            std::thread::sleep(SETTLED);
        }
        if case.stopped {
            stop.request();
            let last = scored.by_ref().find_map(Result::err).expect("an endless reader has no end");
            let ArrowError::ExternalError(last) = last else { panic!("{last}") };
            assert!(matches!(last.downcast_ref::<Error>(), Some(Error::Interrupted)), "{last}");
            assert!(scored.next().is_none());
        }
        drop(scored);
        assert_eq!(held.len(), if case.held { case.taken } else { 0 });
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_left_early_ends_at_once(case in cases()) {
        read_and_leave(&case);
    }
}

#[test]
fn batches_that_fill_the_bound_are_left_at_once() {
    // 20,000 rows of 400 numbers are nearly all that may be on its way.
    let (columns, model) = MODELS[1].clone();
    ends("20,000 rows of 400 columns", move || {
        let mut scored = model.transform(endless(table(20_000, columns, 0))).unwrap();
        scored.next().unwrap().unwrap();
        std::thread::sleep(SETTLED);
    });
}

/// Takes some bytes, and then does something else.
struct Limited<F>(usize, F);

impl<F: FnMut() -> io::Result<usize>> Write for Limited<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0 {
            0 => (self.1)(),
            left => {
                let taken = bytes.len().min(left);
                self.0 -= taken;
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An Arrow file of `batches` batches of 4,096 rows of two learned numbers and 4,000 bytes: a quarter of the bound each.
fn write_large(path: &Path, batches: usize) {
    let batch = table(4096, 2, 4000);
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = FileWriter::try_new_with_options(file, &batch.schema(), options).unwrap();
    (0..batches).for_each(|_| writer.write(&batch).unwrap());
    writer.finish().unwrap();
}

/// The same rows as one Arrow file, one Parquet file of several row groups, and a directory of both.
fn large() -> Workdir {
    let dir = Workdir::new();
    write_large(&dir.path("in.arrow"), 16);
    write(&dir.path("in.parquet"), &table(30_000, 2, 2000), 4096);
    std::fs::create_dir(dir.path("lake")).unwrap();
    std::fs::rename(dir.path("in.arrow"), dir.path("lake/b.arrow")).unwrap();
    std::fs::hard_link(dir.path("lake/b.arrow"), dir.path("in.arrow")).unwrap();
    write(&dir.path("lake/a.parquet"), &table(100, 2, 2000), 4096);
    MODELS[0].1.save(dir.path("vae.safetensors")).unwrap();
    dir
}

#[test]
fn a_stop_ends_every_route() {
    let dir = large();
    for (input, output) in [
        ("in.parquet", "out.parquet"),
        ("in.parquet", "out.arrow"),
        ("in.arrow", "out.parquet"),
        ("in.arrow", "out.arrow"),
        ("lake", "scored/"),
        ("in.arrow", "-"),
    ] {
        let (from, to) = (dir.path(input), dir.path(output));
        let outcome = ends(&format!("{input} to {output}"), move || {
            let stop = Stop::new();
            let source = Source::open([from], &SourceConfig::new(), &stop).unwrap();
            let to = if output == "-" { Output::Stream(Box::new(io::sink())) } else { Output::from(&to) };
            let mut run = Run::new().stop(&stop).on_progress(|progress| {
                if matches!(progress, Progress::Rows { rows } if rows > 5000) {
                    std::thread::sleep(SETTLED);
                    stop.request();
                }
            });
            MODELS[0].1.transform_to(&source, to, &TransformConfig::new(), &mut run)
        });
        let error = outcome.unwrap_err();
        let interrupted = |error: &Error| matches!(error, Error::Interrupted);
        let fine = match &error {
            Error::Unfinished { source, .. } => interrupted(source),
            error => interrupted(error),
        };
        assert!(fine, "{input} to {output}: {error}");
    }
    assert_eq!(dir.names(), ["in.arrow", "in.parquet", "lake", "scored", "vae.safetensors"]);
}

#[test]
fn a_stream_that_fails_or_takes_nothing_ends_it() {
    let dir = large();
    let transformed = |what: &str, to: Box<dyn Write + Send>, stop: &Stop| {
        let (from, stop) = (dir.path("in.arrow"), stop.clone());
        ends(what, move || {
            let source = Source::open([from], &SourceConfig::new(), &stop).unwrap();
            MODELS[0].1.transform_to(&source, Output::Stream(to), &TransformConfig::new(), &mut Run::new().stop(&stop))
        })
    };
    for bytes in [0, 10, 40 << 20, 120 << 20] {
        let full = || -> io::Result<usize> {
            std::thread::sleep(SETTLED);
            Err(io::ErrorKind::StorageFull.into())
        };
        let error = transformed("a full target", Box::new(Limited(bytes, full)), &Stop::new()).unwrap_err();
        let Error::Io { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        let stop = Stop::new();
        let later = stop.clone();
        let stuck = move || -> io::Result<usize> {
            std::thread::sleep(SETTLED);
            later.request();
            loop {
                std::thread::park();
            }
        };
        let error = transformed("a target that takes nothing", Box::new(Limited(bytes, stuck)), &stop).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
    }
}

/// Waits for the end of the program.
fn ended(what: &str, mut run: std::process::Child) -> (Option<i32>, String) {
    let id = run.id().to_string();
    let wait = move || {
        let mut said = String::new();
        run.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (run.wait().unwrap().code(), said)
    };
    let ended = catch_unwind(AssertUnwindSafe(|| ends(what, wait)));
    ended.unwrap_or_else(|hangs| {
        let _ = std::process::Command::new("kill").args(["-KILL", &id]).status();
        resume_unwind(hangs)
    })
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_program_although_nobody_reads_and_its_metrics_are_written() {
    let dir = large();
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        // Before the first row, within the rows, and twice.
        for (read, signals) in [(0, 1), (1 << 20, 1), (20 << 20, 2)] {
            let what = format!("{signals} SIG{name} after {read} bytes");
            let mut command = dir.command("transform in.arrow - --metrics-textfile run.prom");
            let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut stdout = run.stdout.take().unwrap();
            stdout.read_exact(&mut vec![0; read.max(8)]).unwrap();
            std::thread::sleep(SETTLED);
            for _ in 0..signals {
                std::process::Command::new("kill").args(["-s", name, &run.id().to_string()]).status().unwrap();
            }
            let (ended, said) = ended(&what, run);
            assert_eq!(ended, Some(code), "{what}: {said}");
            let metrics = std::fs::read_to_string(dir.path("run.prom")).unwrap();
            let exit = metrics.lines().find(|line| line.starts_with("vaepipe_exit_code{")).unwrap();
            assert!(exit.ends_with(&format!(" {code}")), "{what}: {exit}");
            std::fs::remove_file(dir.path("run.prom")).unwrap();
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_program() {
    let dir = large();
    for (input, output) in [("in.arrow", "out.arrow"), ("in.arrow", "out.parquet"), ("lake", "scored/")] {
        let limit = if output == "out.parquet" { 40 << 10 } else { 100 << 20 };
        let mut limited = std::process::Command::new("prlimit");
        limited.arg(format!("--fsize={limit}")).arg(env!("CARGO_BIN_EXE_vaepipe")).args(["transform", input, output]);
        let run = limited.current_dir(dir.path(".")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let (ended, said) = ended(&format!("{input} to {output}"), run.spawn().unwrap());
        assert_eq!(ended, Some(1), "{input} to {output}: {said}");
        assert!(said.contains("error: ") && !said.contains("panicked"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_failure_does_not_wait_for_what_stdin_still_has_to_say() {
    let dir = large();
    let batch = table(100, 2, 10);
    let mut bytes = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    bytes.write(&batch).unwrap();
    let mut full = dir.command("transform - -");
    let full = full.stdin(Stdio::piped()).stderr(Stdio::piped());
    full.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let mut run = full.spawn().unwrap();
    let mut stdin = run.stdin.take().unwrap();
    // It is full from the schema on, and more rows never come.
    let _ = stdin.write_all(bytes.get_ref());
    let (ended, said) = ended("stdin stays open", run);
    assert_eq!(ended, Some(1), "{said}");
    drop(stdin);
}

#[test]
fn rows_after_an_early_end_are_those_of_a_whole_run() {
    let (columns, model) = MODELS[0].clone();
    let batch = table(9000, columns, 3000);
    let whole: Vec<RecordBatch> = {
        let reader = RecordBatchIterator::new([(); 3].map(|()| Ok(batch.clone())), batch.schema());
        model.transform(reader).unwrap().map(Result::unwrap).collect()
    };
    let first = ends("the first of many", move || model.transform(endless(batch)).unwrap().next().unwrap().unwrap());
    assert_eq!(first, whole[0]);
    assert_eq!(whole.iter().map(RecordBatch::num_rows).sum::<usize>(), 27_000);
    let scores = whole[0].column_by_name("recon_error").unwrap();
    assert!(scores.as_any().downcast_ref::<Float32Array>().unwrap().iter().all(|score| score.is_some()));
}
