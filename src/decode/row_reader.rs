//! The values of drawn rows: some left out, and those of ordered pairs in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::feature::{Features, OrderedValues};
use crate::numerics::RandomStream;

/// Reads the columns of drawn rows.
pub(super) struct RowReader {
    pub(super) features: Arc<Features>,
    pub(super) ordered: OrderedValues,
    pub(super) noise: RandomStream,
    /// The share of each feature's values to leave out.
    pub(super) missing: Option<Vec<f64>>,
}

impl RowReader {
    /// Leaves out values of the row with this number, `[width]`, if any are.
    pub(super) fn leave_out(&self, row: u64, cells: &mut [f32]) {
        let Some(missing) = &self.missing else { return };
        let noise = self.noise.child(row).child(2);
        for (feature, _) in missing.iter().enumerate().filter(|(n, share)| noise.uniform(*n as u64) < **share) {
            cells[self.features.elements(feature)].fill(f32::NAN);
        }
    }

    /// The column of a feature of rows, `[rows, width]`, whose values of pairs in order are `ordered`.
    ///
    /// # Errors
    /// If the type cannot hold the values.
    pub(super) fn read(
        &self,
        feature: usize,
        cells: &[f32],
        ordered: &BTreeMap<usize, Vec<f64>>,
        data_type: &DataType,
    ) -> Result<ArrayRef, ArrowError> {
        match ordered.get(&feature) {
            Some(values) => self.features.array(feature, values, data_type),
            None => self.features.read(feature, cells, data_type),
        }
    }
}
