//! Given columns that a user fixes: the device or the hour to generate rows for.

#![forbid(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema};

use super::failed;
use crate::artifact::Model;
use crate::config::GivenValue;
use crate::error::{Error, Result};
use crate::feature::InputColumn;

/// Fixed values of given elements.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FixedGiven {
    /// Elements, and their values.
    values: Vec<(Range<usize>, Vec<f32>)>,
    /// Given elements of a row.
    width: usize,
}

impl FixedGiven {
    /// The values of `fixed`, each as the text of a given column.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] for a column that is not given, [`Error::OptionRange`] for a text that is no value of it.
    pub(crate) fn new(model: &Model, fixed: &[GivenValue]) -> Result<Self> {
        let (features, inputs) = (model.features(), model.features().layout().inputs());
        let mut values = Vec::new();
        for GivenValue { column, value } in fixed {
            let names = || features.given().iter().map(|kind| kind.column().name());
            let number = names().position(|name| name == column).ok_or_else(|| Error::UnknownColumn {
                selection: "at",
                name: column.clone(),
                near: crate::source::near_names(column, names()),
            })?;
            let feature = features.kinds().len() + number;
            let range = "COL=VALUE, with a value of the column's type";
            let invalid = || Error::OptionRange { option: "at", value: format!("{column}={value}"), range };
            let leaf = features.given()[number].column();
            let data_type = InputColumn::type_of(&model.metadata().columns, leaf).ok_or_else(invalid)?;
            let text: ArrayRef = Arc::new(StringArray::from(vec![value.as_str()]));
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            let array = cast_with_options(&text, &data_type, &strict).map_err(|_| invalid())?;
            let part = features.subset(feature..feature + 1);
            let schema = Schema::new(vec![Field::new(column, data_type, true)]);
            let batch = RecordBatch::try_new(Arc::new(schema), vec![array]).map_err(failed)?;
            let mut elements = vec![0.0; part.layout().width()];
            if part.write(&batch, &mut elements, &mut [])?.given[0].unseen_category > 0 {
                tracing::warn!("the fit saw no {column} {value}: it counts as a group of which nothing is known");
            }
            let range = features.elements(feature);
            values.push((range.start - inputs..range.end - inputs, elements));
        }
        Ok(Self { values, width: features.layout().given().elements() })
    }

    /// Sets them in rows of given elements.
    pub(crate) fn set(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.width.max(1)).filter(|_| !self.values.is_empty()) {
            self.values.iter().for_each(|(range, values)| row[range.clone()].copy_from_slice(values));
        }
    }
}
