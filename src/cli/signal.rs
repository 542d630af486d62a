//! SIGINT, SIGTERM and SIGHUP ask the run to stop; it ends in order, leaving nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use vaepipe::Stop;

/// Which signal arrived, and the stop it requests.
pub(crate) struct Signals {
    pub(crate) stop: Stop,
    last: Arc<AtomicUsize>,
}

/// Listens from now on.
pub(crate) fn watch() -> Signals {
    let signals = Signals { stop: Stop::new(), last: Arc::default() };
    for signal in heeded() {
        let registered = flag::register_usize(signal, signals.last.clone(), signal.unsigned_abs() as usize)
            .and_then(|_| flag::register(signal, signals.stop.flag()));
        if let Err(error) = registered {
            tracing::warn!("signal {signal} will end the run without clean-up: {error}");
        }
    }
    // A file beyond the limit of `ulimit -f`: the signal is of no interest, and the write that caused it fails.
    let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    signals
}

/// The signals that end a run.
fn heeded() -> impl Iterator<Item = i32> {
    let hang_up = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    [SIGINT, SIGTERM].into_iter().chain(hang_up)
}

/// Whether whoever started the program wants it to outlive a signal, as `nohup` does; where the system does not tell,
/// it is left to do so.
fn is_ignored(signal: i32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

impl Signals {
    /// 128 and the signal's number, as shells have it.
    pub(crate) fn code(&self) -> u8 {
        let signal = self.last.load(Ordering::Relaxed);
        u8::try_from(128 + signal).unwrap_or(130)
    }
}
