//! A model that reads columns as other logical types than those of its fit.

use std::borrow::Cow;
use std::sync::Arc;

use super::Model;
use crate::source::ColumnTypes;

impl Model {
    /// The same model, which reads columns as these logical types.
    pub(crate) fn reading(&self, types: &ColumnTypes) -> Cow<'_, Self> {
        match types.is_empty() {
            true => Cow::Borrowed(self),
            false => Cow::Owned(Self { features: Arc::new(self.features.with_types(types)), ..self.clone() }),
        }
    }
}
