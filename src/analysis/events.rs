//! Events: runs of anomalous rows, how many of them were found, and how late.

use std::ops::Range;

use serde::Serialize;

/// How events were found at a threshold. An event is a run of anomalous rows of one series; it is found if any of its rows is
/// predicted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventDetection {
    /// Number of events.
    pub events: u64,
    /// Events with a predicted row.
    pub found: u64,
    /// Share of the events that were found; 0 if there are none.
    pub recall: f64,
    /// Mean over the found events of the rows from an event's first row to its first predicted one; `None` if none was found.
    pub mean_delay: Option<f64>,
    /// Median over the found events of these rows.
    pub median_delay: Option<f64>,
}

impl EventDetection {
    /// Takes, of each series in order, whether a row was predicted and whether it is an anomaly.
    pub(super) fn of(series: impl IntoIterator<Item = Vec<(bool, bool)>>) -> Self {
        let (mut all, mut delays) = (0, Vec::new());
        for rows in series {
            let events = events(rows.iter().map(|row| row.1));
            all += events.len();
            delays.extend(events.into_iter().filter_map(|event| rows[event].iter().position(|row| row.0)));
        }
        delays.sort_unstable();
        let found = delays.len();
        let delay = |of: f64| (found > 0).then_some(of);
        let middle = |at: usize| delays.get(at).map_or(0.0, |delay| *delay as f64);
        Self {
            events: all as u64,
            found: found as u64,
            recall: if all > 0 { found as f64 / all as f64 } else { 0.0 },
            mean_delay: delay(delays.iter().sum::<usize>() as f64 / found as f64),
            median_delay: delay((middle(found.saturating_sub(1) / 2) + middle(found / 2)) / 2.0),
        }
    }
}

/// The runs of anomalous rows.
pub(super) fn events(anomalous: impl IntoIterator<Item = bool>) -> Vec<Range<usize>> {
    let mut events = Vec::<Range<usize>>::new();
    for (row, _) in anomalous.into_iter().enumerate().filter(|(_, anomalous)| *anomalous) {
        match events.last_mut().filter(|event| event.end == row) {
            Some(event) => event.end = row + 1,
            None => events.push(row..row + 1),
        }
    }
    events
}
