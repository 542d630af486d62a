//! The levels and spreads of groups, estimated on the training rows.

use std::sync::Arc;

use super::rows::FitRows;
use crate::error::Result;
use crate::feature::{Features, GroupMoments};
use crate::pipeline::{Run, Stage};

/// Rows read at once.
const BATCH_ROWS: usize = 8192;

/// The features, with the levels and spreads of their groups: those of the base model, if they have any, else those of the
/// training rows. Each column of groups is measured on rows that those before it standardise.
///
/// # Errors
/// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(super) fn with_group_norms(features: Arc<Features>, rows: &FitRows, run: &Run<'_>) -> Result<Arc<Features>> {
    let (groups, numbers) = (features.layout().given().groups().to_vec(), features.numbers());
    if groups.is_empty() || numbers.is_empty() || !features.layout().given().norms().is_empty() {
        return Ok(features);
    }
    let stage = Stage::new("groups");
    stage.run(|| {
        let mut features = Arc::unwrap_or_clone(features);
        for (element, count) in groups {
            let mut moments = GroupMoments::new(element, count, numbers.clone());
            let layout = features.layout().clone();
            let (inputs, given) = (layout.inputs(), layout.given().elements());
            for batch in rows.training.batches(BATCH_ROWS, &layout) {
                run.check()?;
                let batch = batch?;
                for (row, x) in batch.x.chunks_exact(inputs).enumerate() {
                    let known = batch.known.as_ref().map(|known| &known[row * inputs..][..inputs]);
                    moments.add(x, known, &batch.given.elements[row * given..][..given]);
                }
            }
            let norms = layout.given().norms().iter().cloned().chain([Arc::new(moments.finish(None))]).collect();
            features = features.with_norms(norms);
        }
        Ok(Arc::new(features))
    })
}
