//! Logs: on stderr, plain unless that is a terminal.

use std::io::{IsTerminal, stderr};

use tracing::Level;

use super::Common;

/// Starts logging as the flags say.
pub(super) fn start(common: &Common) {
    let level = match (common.quiet, common.verbose) {
        (true, _) => Level::WARN,
        (_, true) => Level::DEBUG,
        _ => Level::INFO,
    };
    let terminal = stderr().is_terminal();
    let log =
        tracing_subscriber::fmt().with_writer(stderr).with_max_level(level).with_target(false).with_ansi(terminal);
    // Somebody who watches knows the time; a log file does not.
    if terminal { log.without_time().init() } else { log.init() }
}
