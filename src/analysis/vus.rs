//! Volume under the surface: ROC and precision-recall curves that tolerate predictions near an event, averaged over widths
//! of the tolerance (Paparrizos et al. 2022, "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series
//! Anomaly Detection"). Gives the numbers of its authors' TSB-AD, version `opt`.

use std::ops::Range;

use super::events::events;
use crate::error::Result;
use crate::pipeline::Stop;

/// The volumes under the surfaces of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Volumes {
    pub(super) pr: f64,
    pub(super) roc: f64,
}

/// Takes the score of each row in order and whether it is an anomaly. Widths go from 0 to `window`; of the sorted scores,
/// at most `thresholds` are tried, evenly spaced by rank. `None` unless there are anomalies and other rows.
///
/// Takes time in proportion to rows times widths.
pub(super) fn volumes(rows: &[(f64, bool)], window: usize, thresholds: usize, stop: &Stop) -> Result<Option<Volumes>> {
    let events = events(rows.iter().map(|row| row.1));
    let anomalies = rows.iter().filter(|row| row.1).count();
    if [0, rows.len()].contains(&anomalies) {
        return Ok(None);
    }
    let thresholds = spaced(rows, thresholds);
    let surface = Surface::new(rows, &events, &thresholds, window / 2);
    let mut sum = Volumes { pr: 0.0, roc: 0.0 };
    for width in 0..=window {
        stop.check()?;
        let areas = surface.areas(width);
        sum = Volumes { pr: sum.pr + areas.pr, roc: sum.roc + areas.roc };
    }
    let widths = (window + 1) as f64;
    // Rounding may lead past 1.
    Ok(Some(Volumes { pr: (sum.pr / widths).min(1.0), roc: (sum.roc / widths).min(1.0) }))
}

/// At most `count` of the scores, the highest first, evenly spaced by rank from the highest to the lowest.
fn spaced(rows: &[(f64, bool)], count: usize) -> Vec<f64> {
    let mut scores: Vec<f64> = rows.iter().map(|row| row.0).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    let (last, count) = (rows.len() - 1, count.min(rows.len()));
    let step = last as f64 / (count - 1) as f64;
    (0..count)
        .map(|n| if n + 1 == count { last } else { (n as f64 * step) as usize })
        .map(|rank| scores[rank])
        .collect()
}

/// What the curves of all widths are made from.
struct Surface<'a> {
    events: &'a [Range<usize>],
    anomalies: f64,
    /// Of each row, the first threshold that predicts it.
    first: Vec<usize>,
    /// Predicted rows at each threshold, and anomalies among them.
    predicted: Vec<f64>,
    hits: Vec<f64>,
    near: Vec<NearRow>,
}

/// A row outside of all events, but near one.
struct NearRow {
    /// The first threshold that predicts it.
    first: usize,
    /// Rows to the two nearest events, the nearer one first.
    distances: [usize; 2],
}

impl<'a> Surface<'a> {
    /// `tolerance` is the largest distance to an event at which a row is near it.
    fn new(rows: &[(f64, bool)], events: &'a [Range<usize>], thresholds: &[f64], tolerance: usize) -> Self {
        let first: Vec<usize> = rows.iter().map(|row| thresholds.partition_point(|at| *at > row.0)).collect();
        let (mut predicted, mut hits) = (vec![0.0; thresholds.len()], vec![0.0; thresholds.len()]);
        for (first, (_, anomaly)) in first.iter().zip(rows) {
            predicted[*first] += 1.0;
            hits[*first] += f64::from(*anomaly);
        }
        let near = (0..=events.len()).flat_map(|next| {
            let gap = next.checked_sub(1).map_or(0, |before| events[before].end)
                ..events.get(next).map_or(rows.len(), |event| event.start);
            let first = &first;
            gap.filter_map(move |row| {
                let distances = two_nearest(events, next, row);
                (distances[0] <= tolerance).then(|| NearRow { first: first[row], distances })
            })
        });
        let (near, anomalies) = (near.collect(), hits.iter().sum());
        for counts in [&mut predicted, &mut hits] {
            accumulate(counts);
        }
        Self { events, anomalies, first, predicted, hits, near }
    }

    /// The areas under the curves of one width. The tolerance is half the width on either side of an event.
    fn areas(&self, width: usize) -> Volumes {
        let (zones, rows) = (zones(self.events, width / 2, self.first.len()), self.first.len() as f64);
        let (mut credit, mut zones_found) = (vec![0.0; self.hits.len()], vec![0.0; self.hits.len()]);
        self.near.iter().for_each(|row| credit[row.first] += row.label(width));
        for zone in &zones {
            let first = self.first[zone.clone()].iter().min().map_or(0, |first| *first);
            zones_found[first] += 1.0;
        }
        for sums in [&mut credit, &mut zones_found] {
            accumulate(sums);
        }
        let (mut areas, mut last) = (Volumes { pr: 0.0, roc: 0.0 }, (0.0, 0.0));
        for (threshold, (credit, zones_found)) in credit.iter().zip(&zones_found).enumerate() {
            let (found, predicted) = (self.hits[threshold] + credit, self.predicted[threshold]);
            // Between the anomalies and all that is labelled now, so that recall is neither large nor small.
            let positives = self.anomalies + credit / 2.0;
            let recall = (found / positives).min(1.0) * (zones_found / zones.len() as f64);
            let false_positive_rate = (predicted - found) / (rows - positives);
            areas.pr += (recall - last.0) * found / predicted;
            areas.roc += (false_positive_rate - last.1) * (recall + last.0) / 2.0;
            last = (recall, false_positive_rate);
        }
        areas.roc += (1.0 - last.1) * (1.0 + last.0) / 2.0;
        areas
    }
}

impl NearRow {
    /// The label of the row, in 0 to 1: the sum over the events that tolerate it of the root of 1 - distance / width, which is
    /// at least the root of 1/2 each.
    fn label(&self, width: usize) -> f64 {
        let [nearest, second] = self.distances;
        match width / 2 {
            tolerance if nearest > tolerance => 0.0,
            tolerance if second <= tolerance => 1.0,
            _ => (1.0 - nearest as f64 / width as f64).sqrt(),
        }
    }
}

/// The distances of `row`, which lies before the event number `next`, to the two nearest events.
fn two_nearest(events: &[Range<usize>], next: usize, row: usize) -> [usize; 2] {
    let before = events[..next].iter().rev().take(2).map(|event| row + 1 - event.end);
    let after = events[next..].iter().take(2).map(|event| event.start - row);
    before.chain(after).fold([usize::MAX; 2], |[nearest, second], distance| match distance {
        _ if distance < nearest => [distance, nearest],
        _ => [nearest, second.min(distance)],
    })
}

/// The events with the rows that they tolerate; those that overlap are one.
fn zones(events: &[Range<usize>], tolerance: usize, rows: usize) -> Vec<Range<usize>> {
    let mut zones = Vec::<Range<usize>>::new();
    for event in events {
        let (start, end) = (event.start.saturating_sub(tolerance), (event.end + tolerance).min(rows));
        match zones.last_mut().filter(|zone| zone.end > start) {
            Some(zone) => zone.end = end,
            None => zones.push(start..end),
        }
    }
    zones
}

/// Each number becomes the sum of itself and all before it.
fn accumulate(numbers: &mut [f64]) {
    numbers.iter_mut().fold(0.0, |sum, number| {
        *number += sum;
        *number
    });
}
