//! Quantiles of anomaly scores.

use datasketches::tdigest::TDigestMut;
use serde::Serialize;

/// Compression of the t-digest: the rank error at the ends is below 0.1 %.
const SKETCH_K: u16 = 400;

/// Quantiles of the anomaly scores, as exact as a t-digest; the minimum and maximum are exact.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScoreQuantiles {
    /// The lowest score.
    pub min: f64,
    /// Half of the scores are below.
    pub median: f64,
    /// 90 % of the scores are below.
    pub q90: f64,
    /// 99 % of the scores are below.
    pub q99: f64,
    /// The highest score.
    pub max: f64,
}

/// A t-digest of scores. They come in the order of their rows, so batches do not change it.
#[derive(Clone)]
pub(crate) struct ScoreSketch {
    digest: TDigestMut,
}

impl ScoreSketch {
    pub(crate) fn new() -> Self {
        Self { digest: TDigestMut::new(SKETCH_K).expect("the compression is within its range") }
    }

    pub(crate) fn push(&mut self, score: f32) {
        if score.is_finite() {
            self.digest.update(score.into());
        }
    }

    /// The quantiles; `None` without a score.
    pub(crate) fn finish(mut self) -> Option<ScoreQuantiles> {
        let (min, max) = (self.digest.min_value()?, self.digest.max_value()?);
        let [median, q90, q99] = [0.5, 0.9, 0.99].map(|rank| self.digest.quantile(rank).ok().flatten());
        Some(ScoreQuantiles { min, median: median?, q90: q90?, q99: q99?, max })
    }
}
