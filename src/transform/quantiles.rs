//! How the scores of an output are spread.

use datasketches::tdigest::TDigestMut;
use serde::Serialize;

/// Compression of the sketch: under a tenth of a per cent of rank error at the ends.
const SKETCH_K: u16 = 400;

/// Quantiles of the anomaly scores, to the accuracy of a t-digest; the ends are exact.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScoreQuantiles {
    /// The least.
    pub min: f64,
    /// Half of them are below.
    pub median: f64,
    /// 90 % of them are below.
    pub q90: f64,
    /// 99 % of them are below.
    pub q99: f64,
    /// The greatest.
    pub max: f64,
}

/// Takes in scores in a fixed order: which batch they came in changes nothing.
pub(super) struct ScoreSketch {
    digest: TDigestMut,
}

impl ScoreSketch {
    pub(super) fn new() -> Self {
        Self { digest: TDigestMut::new(SKETCH_K).expect("the compression is within its range") }
    }

    pub(super) fn push(&mut self, score: f32) {
        if score.is_finite() {
            self.digest.update(score.into());
        }
    }

    /// `None` of no scores.
    pub(super) fn finish(mut self) -> Option<ScoreQuantiles> {
        let (min, max) = (self.digest.min_value()?, self.digest.max_value()?);
        let [median, q90, q99] = [0.5, 0.9, 0.99].map(|rank| self.digest.quantile(rank).ok().flatten());
        Some(ScoreQuantiles { min, median: median?, q90: q90?, q99: q99?, max })
    }
}
