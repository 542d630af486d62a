//! The library's log, for Python's `logging`: events wait here until the calling thread hands them on, so that no thread of a
//! run ever waits for the interpreter's lock.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::{Mutex, Once, PoisonError};

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Most events that wait; later ones are lost.
const MOST: usize = 1000;

/// The events that wait: Python's level, and the message.
static WAITING: Mutex<VecDeque<(u8, String)>> = Mutex::new(VecDeque::new());

/// Begins to keep events, unless the process has a log of its own.
pub(crate) fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Keep));
    });
}

/// Hands waiting events to the logger `vaepipe`.
pub(crate) fn hand_on(py: Python<'_>) -> PyResult<()> {
    let events = std::mem::take(&mut *WAITING.lock().unwrap_or_else(PoisonError::into_inner));
    if events.is_empty() {
        return Ok(());
    }
    let logger = py.import("logging")?.call_method1("getLogger", ("vaepipe",))?;
    for (level, message) in events {
        // A message is no format.
        logger.call_method1("log", (level, "%s", message))?;
    }
    Ok(())
}

/// Keeps the events of the library.
struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // What other libraries log of their requests may hold credentials.
        metadata.target().starts_with("vaepipe") && *metadata.level() <= Level::DEBUG
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            _ => 10,
        };
        let mut message = Message::default();
        event.record(&mut message);
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST {
            waiting.push_back((level, message.text + &message.fields));
        }
    }
}

/// An event in words: its message, then its fields.
#[derive(Default)]
struct Message {
    text: String,
    fields: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
