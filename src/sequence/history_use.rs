//! Whether the rows after a history go on from it. Other names of sequences, or other times, are easily overlooked: every row
//! has its numbers all the same.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::window_fill::RowStep;

/// Counts the sequences of the rows after a history; warns, when the last of these is read, if none goes on from it.
pub(super) struct HistoryUse {
    /// Sequences of the history, and the first by name.
    sequences: usize,
    name: String,
    /// Sequences of the rows after it: those that go on, those that begin after a gap, and new ones.
    going_on: AtomicU64,
    after_gap: AtomicU64,
    new: AtomicU64,
    /// The name of the first new one.
    new_name: OnceLock<String>,
}

impl HistoryUse {
    /// Of a history of sequences with these names.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let (mut sequences, mut first) = (0, None);
        names.for_each(|name| {
            sequences += 1;
            first = Some(first.map_or(name, |first: &str| first.min(name)));
        });
        let [going_on, after_gap, new] = [0, 0, 0].map(AtomicU64::new);
        let name = words(first.unwrap_or_default());
        Self { sequences, name, going_on, after_gap, new, new_name: OnceLock::new() }
    }

    /// Takes a sequence of the rows after the history, by its name and how its first row follows the history.
    pub(super) fn add(&self, name: &str, step: RowStep) {
        let count = match step {
            RowStep::First => {
                self.new_name.get_or_init(|| words(name));
                &self.new
            }
            RowStep::Gap => &self.after_gap,
            RowStep::Tie | RowStep::Next => &self.going_on,
        };
        count.fetch_add(1, Relaxed);
    }

    /// What is wrong, if no sequence goes on.
    fn fault(&self) -> Option<String> {
        let [going_on, after_gap, new] = [&self.going_on, &self.after_gap, &self.new].map(|it| it.load(Relaxed));
        match (going_on, after_gap, new) {
            (0, 0, 0) | (1.., ..) => None,
            _ if self.sequences == 0 => Some("it has no rows".to_owned()),
            (0, 0, _) => Some(format!(
                "it has {} sequences, such as {:?}, and the rows have others, such as {:?}",
                self.sequences,
                self.name,
                self.new_name.get().map_or("", String::as_str)
            )),
            _ => Some("the rows begin more than the largest gap after it".to_owned()),
        }
    }
}

impl Drop for HistoryUse {
    fn drop(&mut self) {
        if let Some(fault) = self.fault() {
            tracing::warn!("no sequence goes on from the history: {fault}");
        }
    }
}

/// The name of a sequence, as a person writes it.
fn words(name: &str) -> String {
    name.trim_end_matches('\u{1f}').replace('\u{1f}', ", ").replace('\0', "null")
}
