//! A model's pairs of columns whose values are in order.

use super::Model;
use crate::feature::{Column, OrderedValues};

impl Model {
    /// What puts the values of decoded rows in order; the columns that `is_fixed` accepts do not change.
    pub(crate) fn ordered_values(&self, is_fixed: impl Fn(&Column) -> bool) -> OrderedValues {
        OrderedValues::new(&self.features, &self.metadata.ordered, is_fixed).expect("checked when the model was built")
    }
}
