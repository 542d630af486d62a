//! Logs and the final error: on stderr, coloured only on a terminal, above the progress bar if there is one.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, IsTerminal, Write, stderr};
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use indicatif::MultiProgress;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use vaepipe::Model;

use crate::cli::LogFlags;

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line to read.
    Text,
    /// One JSON object a line.
    Json,
}

/// The form in force, once logging has begun.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

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

/// Starts logging as the flags say.
pub(crate) fn start(flags: &LogFlags) {
    if let Some(id) = &flags.run_id {
        RUN_ID.get_or_init(|| id.clone());
    }
    let level = match (flags.quiet, flags.verbose) {
        (true, _) => Level::WARN,
        (_, true) => Level::DEBUG,
        _ => Level::INFO,
    };
    begin(flags.log_format, level);
}

/// Starts logging before the command line is understood, if it or a variable asks for JSON in so many words.
pub(crate) fn start_early(arguments: &[OsString]) {
    let given = arguments.iter().enumerate().rev().find_map(|(n, argument)| match argument.to_str()? {
        "--log-format" => arguments.get(n + 1)?.to_str(),
        argument => argument.strip_prefix("--log-format="),
    });
    let set = std::env::var("VAEPIPE_LOG_FORMAT").ok();
    if given.or(set.as_deref()) == Some("json") {
        begin(LogFormat::Json, Level::INFO);
    }
}

fn begin(format: LogFormat, level: Level) {
    FORMAT.get_or_init(|| format);
    let colours = anstream::AutoStream::choice(&stderr()) != anstream::ColorChoice::Never;
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| AboveBar)
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
        LogFormat::Text if stderr().is_terminal() => log.without_time().finish().with(ours).init(),
        LogFormat::Text => log.finish().with(ours).init(),
    }
}

/// Whether stderr is watched by a person: progress is drawn then.
pub(crate) fn is_watched() -> bool {
    stderr().is_terminal() && FORMAT.get() == Some(&LogFormat::Text)
}

/// Whether every line is a JSON object.
pub(crate) fn is_json() -> bool {
    FORMAT.get() == Some(&LogFormat::Json)
}

/// Says which model a run is of.
pub(crate) fn model(path: &Path, model: &Model) {
    let (path, rows) = (path.display(), model.metadata().provenance.rows);
    tracing::info!(model_hash = model.hash(), "model {path}, fitted to {rows} rows");
}

/// Reports the error a run ends with, and the way out of it.
pub(crate) fn report(code: u8, text: &str, hint: Option<&str>) {
    if is_json() {
        tracing::error!(exit_code = code, hint, "{text}");
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

/// stderr, with the progress bar out of the way while a line is written. A log that nobody can read any more, or that
/// has no room, is no reason to end the work.
struct AboveBar;

impl Write for AboveBar {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = suspended(|| match line {
            // An event comes in one piece. Spans, which would carry the id, are of one thread each.
            [b'{', fields @ ..] if is_json() => {
                let id = serde_json::Value::from(run_id());
                stderr().write_all(&[format!("{{\"run_id\":{id},").as_bytes(), fields].concat())
            }
            line => stderr().write_all(line),
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = stderr().flush();
        Ok(())
    }
}
