//! Logs and the final error: on stderr, coloured only on a terminal, above the progress bar if there is one. With
//! `--log-file`, logs go to the file, and the error to both.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, IsTerminal, Read, Write, stderr};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

use crate::storage::check_distinct;
use clap::builder::styling::{AnsiColor, Style};
use clap::{ArgMatches, ValueEnum};
use indicatif::MultiProgress;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use vaepipe::{Error, Model};

use crate::cli::LogFlags;
use crate::cli::failure::Failure;
use crate::cli::output::check_is_file;

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line to read.
    Text,
    /// One JSON object a line.
    Json,
}

/// Bytes at the start of a file that tell whether it is a text.
const START_BYTES: u64 = 16;

/// The log of this run.
struct Log {
    format: LogFormat,
    /// Where it goes, if not to stderr.
    file: Option<File>,
    /// Whether progress is drawn on stderr.
    watched: bool,
}

/// The log, once it has begun.
static LOG: OnceLock<Log> = OnceLock::new();

/// What tells this run from others.
static RUN_ID: OnceLock<String> = OnceLock::new();

/// The same: as it was set, or made of the time and the process.
pub(crate) fn run_id() -> &'static str {
    RUN_ID.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        (std::time::SystemTime::now(), std::process::id()).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    })
}

/// Starts logging as the flags say. A file of the log must not be another file of `arguments`.
///
/// # Errors
/// If the file of the log holds something else, or cannot be opened.
pub(crate) fn start(flags: &LogFlags, arguments: &ArgMatches) -> Result<(), Failure> {
    let file = flags.log_file.as_deref().map(|path| open(path, arguments)).transpose()?;
    if let Some(id) = &flags.run_id {
        RUN_ID.get_or_init(|| id.clone());
    }
    let level = match (flags.quiet && file.is_none(), flags.verbose) {
        (true, _) => Level::WARN,
        (_, 0) => Level::INFO,
        (_, 1) => Level::DEBUG,
        _ => Level::TRACE,
    };
    begin(flags.log_format, level, file, flags.quiet);
    Ok(())
}

/// Opens the file of the log. Lines must not spoil a file that holds something else.
fn open(path: &Path, arguments: &ArgMatches) -> Result<File, Failure> {
    check_is_file(path)?;
    let failed = |action| move |source| Error::Io { path: path.to_owned(), action, source };
    let mut start = Vec::new();
    if path.is_file() {
        let file = File::open(path).map_err(failed("open"))?;
        file.take(START_BYTES).read_to_end(&mut start).map_err(failed("read"))?;
    }
    let others = arguments.ids().filter(|id| *id != "log_file");
    let mut others = others.filter_map(|id| arguments.try_get_many::<PathBuf>(id.as_str()).ok().flatten()).flatten();
    let is_text = start.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace());
    if !is_text || others.any(|other| check_distinct(&[path, other]).is_err()) {
        return Err(Failure::Usage {
            fault: format!("{}: is not a log", path.display()),
            hint: Some("--log-file appends lines to a file; choose another".to_owned()),
        });
    }
    Ok(OpenOptions::new().append(true).create(true).open(path).map_err(failed("create"))?)
}

/// Starts logging before the command line is understood, if it or a variable asks for JSON in so many words.
pub(crate) fn start_early(arguments: &[OsString]) {
    let given = arguments.iter().enumerate().rev().find_map(|(n, argument)| match argument.to_str()? {
        "--log-format" => arguments.get(n + 1)?.to_str(),
        argument => argument.strip_prefix("--log-format="),
    });
    let set = std::env::var("VAEPIPE_LOG_FORMAT").ok();
    if given.or(set.as_deref()) == Some("json") {
        begin(LogFormat::Json, Level::INFO, None, false);
    }
}

fn begin(format: LogFormat, level: Level, file: Option<File>, quiet: bool) {
    let (in_file, is_terminal) = (file.is_some(), stderr().is_terminal());
    LOG.get_or_init(|| Log { format, file, watched: is_terminal && !quiet && (in_file || format == LogFormat::Text) });
    let colours = !in_file && anstream::AutoStream::choice(&stderr()) != anstream::ColorChoice::Never;
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| LogWriter)
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(colours && format == LogFormat::Text);
    // What a library logs of its requests may hold credentials.
    let ours = Targets::new().with_target("vaepipe", level);
    match format {
        LogFormat::Json => {
            let json = log.json().flatten_event(true).with_current_span(false).with_span_list(false);
            json.finish().with(ours).init();
        }
        // Somebody who watches knows the time; a log file does not.
        LogFormat::Text if is_terminal && !in_file => log.without_time().finish().with(ours).init(),
        LogFormat::Text => log.finish().with(ours).init(),
    }
}

/// Whether stderr is watched by a person: progress is drawn then.
pub(crate) fn is_watched() -> bool {
    LOG.get().is_some_and(|log| log.watched)
}

/// Whether every line is a JSON object.
pub(crate) fn is_json() -> bool {
    LOG.get().is_some_and(|log| log.format == LogFormat::Json)
}

/// The file of the log, if it does not go to stderr.
fn file() -> Option<&'static File> {
    LOG.get()?.file.as_ref()
}

/// Writes a summary to the file of the log.
pub(crate) fn summary(lines: &[(&str, String)]) {
    if file().is_some() {
        lines.iter().for_each(|(label, text)| tracing::info!("{label} {text}"));
    }
}

/// Says which model a run is of.
pub(crate) fn model(path: &Path, model: &Model) {
    let (path, rows) = (path.display(), model.metadata().provenance.rows);
    tracing::info!(model_hash = model.hash(), "model {path}, fitted to {rows} rows");
}

/// Reports the error a run ends with, and the way out of it.
pub(crate) fn report(code: u8, text: &str, hint: Option<&str>) {
    if is_json() || file().is_some() {
        tracing::error!(exit_code = code, hint, "{text}");
    }
    if is_json() && file().is_none() {
        return;
    }
    let paint = |colour: AnsiColor| Style::new().bold().fg_color(Some(colour.into()));
    let (red, cyan) = (paint(AnsiColor::Red), paint(AnsiColor::Cyan));
    let mut stderr = anstream::stderr().lock();
    // Nowhere is left to say that stderr is gone.
    let _ = writeln!(stderr, "{red}error:{red:#} {text}");
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "{cyan}hint:{cyan:#} {hint}");
    }
}

/// Writes a line to stderr as it is. A log that nobody can read is no reason to end the work.
pub(crate) fn line(text: &str) {
    let _ = suspended(|| writeln!(stderr(), "{text}"));
}

/// The time, as logs have it (RFC 3339, UTC).
pub(crate) fn now() -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// The bars on screen, of which a run has one at most. Whoever writes to stderr suspends them.
pub(crate) fn bars() -> &'static MultiProgress {
    static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
    &BARS
}

/// Writes to stderr with the bar out of the way. Drawing panics if the terminal has closed.
fn suspended(write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if stderr().is_terminal() { bars().suspend(write) } else { write() }
}

/// The file of the log, or stderr with the progress bar out of the way while a line is written. A log that nobody can
/// read any more, or that has no room, is no reason to end the work.
struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let id = serde_json::Value::from(run_id());
        let whole = match line {
            // An event comes in one piece. Spans, which would carry the id, are of one thread each.
            [b'{', fields @ ..] if is_json() => [format!("{{\"run_id\":{id},").as_bytes(), fields].concat(),
            line => line.to_vec(),
        };
        let _ = match file() {
            // One write a line: the lines of two runs do not mix.
            Some(mut file) => file.write_all(&whole),
            None => suspended(|| stderr().write_all(&whole)),
        };
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = stderr().flush();
        Ok(())
    }
}
