//! The pairs of columns that all rows of a fit have in order.

use crate::batch::Table;
use crate::error::Result;
use crate::feature::{Features, OrderCheck, OrderedPair};
use crate::fit::rows::FitRows;
use crate::pipeline::Stop;

/// Rows compared together.
const BATCH_ROWS: usize = 4096;

/// Confirms pairs with all rows.
///
/// # Errors
/// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(in crate::fit) fn measure(
    features: &Features,
    rows: &FitRows,
    pairs: Vec<OrderedPair>,
    stop: &Stop,
) -> Result<Vec<OrderedPair>> {
    let mut check = OrderCheck::new(features, pairs);
    for store in [&rows.training, &rows.validation, &rows.calibration] {
        for first in (0..store.len()).step_by(BATCH_ROWS) {
            if check.is_empty() {
                return Ok(Vec::new());
            }
            stop.check()?;
            let mut table = Table::default();
            let last = store.len().min(first + BATCH_ROWS);
            store.gather(first as u64..last as u64, features.layout().width(), &mut table)?;
            check.add(&table.x);
        }
    }
    Ok(check.finish())
}
