//! How many of the training rows look like anomalies, by their own scores.

use super::Tail;

/// The largest share looked at: above the median nothing is an exception.
const MOST: f64 = 0.3;

/// The share of rows that a gap has to span.
const STEP: f64 = 0.005;
const FEWEST: f64 = 3.0;

/// A gap: scores at its upper end are at least this many times as far above the median as those at its lower end.
const GAP: f64 = 1.5;
const WIDE_GAP: f64 = 2.0;

/// Without a gap, rows count that are this many times as far above the median as the upper quartile is.
const FENCE: f64 = 3.0;

/// The least share: less than one row in a thousand is no contamination.
const LEAST: f64 = 1e-3;

impl Tail {
    /// The share of the rows above a wide gap in their scores, if there is one.
    pub(super) fn cluster(&self) -> Option<f64> {
        self.gap().filter(|(_, ratio)| *ratio >= WIDE_GAP).map(|(share, _)| share)
    }

    /// The share of rows to take for anomalies: those above the widest gap, or without a gap those above a fence.
    pub(super) fn contamination(&self) -> f64 {
        let gap = self.gap().filter(|(_, ratio)| *ratio >= GAP);
        gap.map_or_else(|| self.share_above_fence(), |(share, _)| share).clamp(LEAST, MOST)
    }

    /// The widest gap: the share of the rows above it, and how many times as far its upper end is above the median.
    fn gap(&self) -> Option<(f64, f64)> {
        let step = STEP.max(FEWEST / self.rows() as f64);
        let (median, quartile) = (self.quantile(0.5), self.quantile(0.25));
        let least = (quartile - median).max(f64::MIN_POSITIVE);
        let above = |share: f64| (self.quantile(share) - median).max(least);
        let steps = 1..=(MOST / step) as usize;
        let gaps = steps.map(|n| (n as f64 * step, above(n as f64 * step) / above((n + 1) as f64 * step)));
        gaps.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn share_above_fence(&self) -> f64 {
        let (median, quartile) = (self.quantile(0.5), self.quantile(0.25));
        let fence = median + FENCE * (quartile - median);
        let above: u64 = self.counts().filter(|(score, _)| f64::from(*score) > fence).map(|(_, rows)| rows).sum();
        above as f64 / self.rows() as f64
    }

    /// The score that this share of the rows reach.
    fn quantile(&self, share: f64) -> f64 {
        let wanted = (share * self.rows() as f64).ceil() as u64;
        let mut above = self.rows();
        let found = self.counts().find(|(_, rows)| {
            let reached = above >= wanted && above - rows < wanted;
            above -= rows;
            reached
        });
        found.map_or(0.0, |(score, _)| score.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RandomStream;

    /// Scores of ordinary rows, and `others` beyond a gap.
    fn scores(rows: usize, others: usize) -> Vec<f32> {
        let noise = RandomStream::new(3, "scores");
        let ordinary = (0..rows as u64).map(|row| -(1.0 - noise.uniform(row)).ln() as f32);
        ordinary.chain((0..others).map(|row| 40.0 + row as f32 / others as f32)).collect()
    }

    #[test]
    fn a_cluster_above_a_gap_is_the_contamination() {
        for (rows, others) in [(950, 50), (9_800, 200), (60, 6)] {
            let tail = Tail::of(scores(rows, others));
            let (share, exact) = (tail.cluster().unwrap(), others as f64 / (rows + others) as f64);
            assert!((share - exact).abs() < 0.006_f64.max(0.5 * exact), "{share} {exact}");
            assert_eq!(tail.contamination(), share);
        }
    }

    #[test]
    fn a_tail_without_a_gap_is_no_cluster() {
        let tail = Tail::of(scores(5000, 0));
        assert_eq!(tail.cluster(), None);
        // The fence is at 4 ln 2 of exponential scores: a sixteenth of them are above it.
        assert!((tail.contamination() - 1.0 / 16.0).abs() < 0.01, "{}", tail.contamination());
        assert_eq!(Tail::of(vec![1.0; 50]).cluster(), None);
    }
}
