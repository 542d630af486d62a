//! SIGINT and SIGTERM ask the run to stop; it ends in order, leaving nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use vaepipe::Stop;

/// Which signal arrived, and the stop it requests.
pub(super) struct Signals {
    pub(super) stop: Stop,
    last: Arc<AtomicUsize>,
}

/// Listens from now on.
pub(super) fn watch() -> Signals {
    let signals = Signals { stop: Stop::new(), last: Arc::default() };
    for signal in [SIGINT, SIGTERM] {
        let registered = flag::register_usize(signal, signals.last.clone(), signal.unsigned_abs() as usize)
            .and_then(|_| flag::register(signal, signals.stop.flag()));
        if let Err(error) = registered {
            tracing::warn!("signal {signal} will end the run without clean-up: {error}");
        }
    }
    signals
}

impl Signals {
    /// 128 and the signal's number, as shells have it.
    pub(super) fn code(&self) -> u8 {
        let signal = self.last.load(Ordering::Relaxed);
        u8::try_from(128 + signal).unwrap_or(130)
    }
}
