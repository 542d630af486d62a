//! How a run goes on: a bar where a person watches, else a line in the log now and then.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use vaepipe::{Epoch, Error, Progress};

use crate::cli::output::epoch_metrics::Metrics;
use crate::cli::output::log;

/// A bar of `length` steps if a person watches and the log is not quiet.
fn bar(length: u64, template: &'static str) -> Option<ProgressBar> {
    if !log::is_watched() {
        return None;
    }
    // Its own {per_sec} has decimals.
    let rate = |state: &ProgressState, to: &mut dyn Write| {
        let _ = write!(to, "{} rows/s", HumanCount(state.per_sec() as u64));
    };
    let style = ProgressStyle::with_template(template).expect("a template of our own");
    let style = style.with_key("rate", rate).progress_chars("━╸ ");
    Some(log::bars().add(ProgressBar::new(length).with_style(style)))
}

/// When to write the next line: soon at first, then less and less often.
struct Pace {
    logged: Option<Instant>,
    wait: Duration,
    /// When something was said last, or the run began.
    said: Instant,
}

impl Pace {
    const FIRST: Duration = Duration::from_secs(5);
    const LAST: Duration = Self::SILENCE;
    /// Longer silences look like the end of everything.
    const SILENCE: Duration = Duration::from_secs(30);

    fn new() -> Self {
        Self { logged: None, wait: Self::FIRST, said: Instant::now() }
    }

    /// Whether it is time again for a sign of life between two lines that say more.
    fn silent(&mut self) -> bool {
        let silent = self.said.elapsed() >= Self::SILENCE;
        if silent {
            self.said = Instant::now();
        }
        silent
    }

    /// Whether it is time again.
    fn due(&mut self) -> bool {
        match self.logged {
            Some(logged) if logged.elapsed() < self.wait => return false,
            Some(_) => self.wait = (self.wait * 2).min(Self::LAST),
            None => {}
        }
        self.said = Instant::now();
        self.logged = Some(self.said);
        true
    }
}

/// An epoch as the log has it.
struct Logged {
    line: String,
    epoch: Epoch,
    epochs: usize,
    rows_per_second: f64,
    /// Whether the log has it already.
    shown: bool,
}

impl Logged {
    /// Writes it to the log: a line to read, or with every number in a field of its own.
    fn info(&self) {
        let Self { line, epoch: Epoch { epoch, train_loss, validation_loss, kl, .. }, epochs, rows_per_second, .. } =
            self;
        if log::is_json() {
            tracing::info!(epoch, epochs, train_loss, validation_loss, kl, rows_per_second, "{line}");
        } else {
            tracing::info!("{line}");
        }
    }
}

/// The progress of a fit.
pub(crate) struct FitProgress {
    bar: Option<ProgressBar>,
    metrics: Option<Metrics>,
    pace: Pace,
    last: Option<Logged>,
    /// When the current epoch began.
    epoch_start: Option<Instant>,
    rows_per_second: f64,
}

impl FitProgress {
    pub(crate) fn new(metrics: Option<Metrics>) -> Self {
        Self { bar: None, metrics, pace: Pace::new(), last: None, epoch_start: None, rows_per_second: 0.0 }
    }

    /// Takes a sign of life.
    pub(crate) fn take(&mut self, event: Progress<'_>) {
        match event {
            Progress::Read { rows, of } => self.rows("statistics", rows, of),
            Progress::Encoded { rows, of } => self.rows("encoding", rows, of),
            Progress::Step { epoch, epochs, step, steps } => {
                self.epoch_start.get_or_insert_with(Instant::now);
                let bar = || bar((epochs * steps) as u64, "{msg} {wide_bar:.cyan} at most {eta} left");
                if let Some(bar) = self.bar.take().or_else(bar) {
                    bar.set_position(((epoch - 1) * steps + step) as u64);
                    if self.last.is_none() {
                        bar.set_message(format!("epoch {epoch}/{epochs}"));
                    }
                    self.bar = Some(bar);
                } else if self.pace.silent() {
                    let [step, steps] = [step, steps].map(|steps| HumanCount(steps as u64));
                    tracing::info!("epoch {epoch}/{epochs}: step {step} of {steps}");
                }
            }
            Progress::Epoch { epoch, epochs, rows, lr, beta } => {
                let began = self.epoch_start.take();
                self.rows_per_second = rows as f64 / began.map_or(f64::NAN, |began| began.elapsed().as_secs_f64());
                if let Some(metrics) = &mut self.metrics {
                    metrics.epoch(epoch, epochs, lr, beta, self.rows_per_second);
                }
                self.epoch(epoch, epochs);
            }
            _ => {}
        }
    }

    /// A pass over rows goes on.
    fn rows(&mut self, pass: &'static str, rows: u64, of: u64) {
        let bar = || bar(of, "{msg}: {human_pos} of {human_len} rows {wide_bar:.cyan} {eta} left");
        if let Some(bar) = self.bar.take().or_else(bar) {
            bar.set_message(pass);
            bar.set_position(rows);
            if rows < of {
                self.bar = Some(bar);
            } else {
                bar.finish_and_clear();
            }
        } else if self.pace.silent() {
            tracing::info!("{pass}: {} of {} rows", HumanCount(rows), HumanCount(of));
        }
    }

    fn epoch(&mut self, done: &Epoch, epochs: usize) {
        let Epoch { epoch, train_loss, validation_loss, kl, .. } = done;
        let validation = validation_loss.map_or(String::new(), |loss| format!(", validation loss {loss:.4}"));
        let rate = HumanCount(self.rows_per_second as u64);
        let line = format!("epoch {epoch}/{epochs}: loss {train_loss:.4}{validation}, KL {kl:.3}, {rate} rows/s");
        if let Some(bar) = &self.bar {
            bar.set_message(line.clone());
        }
        let shown = self.bar.is_none() && self.pace.due();
        let last = Logged { line, epoch: *done, epochs, rows_per_second: self.rows_per_second.round(), shown };
        if shown {
            last.info();
        } else if log::is_json() {
            let Logged { line, epoch: Epoch { epoch, train_loss, validation_loss, kl, .. }, rows_per_second, .. } =
                &last;
            tracing::debug!(epoch, epochs, train_loss, validation_loss, kl, rows_per_second, "{line}");
        } else {
            tracing::debug!("{}", last.line);
        }
        self.last = Some(last);
    }

    /// Ends the bar, or writes the last epoch's line.
    ///
    /// # Errors
    /// If metrics could not be written.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match (self.bar, self.last) {
            (Some(bar), _) => bar.finish_and_clear(),
            (None, Some(last)) if !last.shown && !tracing::enabled!(tracing::Level::DEBUG) => last.info(),
            _ => {}
        }
        self.metrics.map_or(Ok(()), Metrics::finish)
    }
}

/// The progress of a transform.
pub(crate) struct RowProgress {
    bar: Option<ProgressBar>,
    pace: Pace,
    /// Rows in all, if that is known.
    rows: Option<u64>,
}

impl RowProgress {
    pub(crate) fn new(rows: Option<u64>) -> Self {
        let template = match rows {
            Some(_) => "{human_pos} of {human_len} rows {wide_bar:.cyan} {rate} {eta} left",
            None => "{human_pos} rows {rate}",
        };
        let mut pace = Pace::new();
        // The first line is due after a while: most transforms are done by then.
        pace.due();
        Self { bar: bar(rows.unwrap_or_default(), template), pace, rows }
    }

    /// Takes the number of rows done.
    pub(crate) fn take(&mut self, rows: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(rows),
            None if self.pace.due() => match self.rows {
                Some(of) => tracing::info!("{} of {} rows", HumanCount(rows), HumanCount(of)),
                None => tracing::info!("{} rows", HumanCount(rows)),
            },
            None => {}
        }
    }
}

impl Drop for RowProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_silent_for_long() {
        let mut pace = Pace::new();
        assert!(!pace.silent());
        pace.said -= Pace::SILENCE;
        assert!(pace.silent() && !pace.silent());
        pace.said -= Pace::SILENCE;
        assert!(pace.due() && !pace.silent(), "any line will do");
    }
}
