//! Given columns that a user fixes: the device or the hour to generate rows for.

#![forbid(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};

use super::failed;
use crate::artifact::Model;
use crate::config::GivenValue;
use crate::error::{Error, Result};
use crate::feature::{InputColumn, Kind};

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
    /// [`Error::NotGiven`] for a column that is not given, [`Error::OptionRange`] for a text that is no value of it.
    pub(crate) fn new(model: &Model, fixed: &[GivenValue]) -> Result<Self> {
        let (features, inputs) = (model.features(), model.features().layout().inputs());
        let mut values = Vec::new();
        for GivenValue { column, value } in fixed {
            let number = features.given().iter().position(|kind| kind.column().name() == column);
            let name = |kind: &Kind| kind.column().name().to_owned();
            let given = || features.given().iter().map(name).collect();
            let number = number.ok_or_else(|| Error::NotGiven { column: column.clone(), given: given() })?;
            let feature = features.kinds().len() + number;
            let range = "COL=VALUE with one value of the column's type";
            let invalid = || Error::OptionRange { option: "at", value: format!("{column}={value}"), range };
            let leaf = features.given()[number].column();
            let data_type = InputColumn::type_of(&model.metadata().columns, leaf).ok_or_else(invalid)?;
            let text: ArrayRef = Arc::new(StringArray::from(vec![value.as_str()]));
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            let array = cast_with_options(&text, &data_type, &strict).map_err(|_| invalid())?;
            let part = features.subset(feature..feature + 1);
            let batch = RecordBatch::try_from_iter_with_nullable([(leaf.top(), leaf.nested(array), true)]);
            let mut elements = vec![0.0; part.layout().width()];
            let issues = part.write(&batch.map_err(failed)?, &mut elements, &mut [])?.given[0];
            if issues.unusable > 0 {
                return Err(invalid());
            }
            if issues.unseen_category > 0 {
                tracing::warn!("{column} {value} is not in the training data; it counts as an unknown group");
            }
            if issues.out_of_range > 0 {
                tracing::warn!(
                    "{column} {value} is outside the range of the training data; other columns are drawn for the end of that range"
                );
            }
            let range = features.elements(feature);
            values.push((range.start - inputs..range.end - inputs, elements));
        }
        Ok(Self { values, width: features.layout().given().elements() })
    }

    /// The rows of given elements that have these values, `[rows, elements]`; all rows with them set, if none has.
    pub(crate) fn matching(&self, rows: &[f32]) -> Vec<f32> {
        let found: Vec<f32> =
            rows.chunks_exact(self.width.max(1)).filter(|row| self.is_had_by(row)).flatten().copied().collect();
        if !found.is_empty() {
            return found;
        }
        let mut all = rows.to_vec();
        self.set(&mut all);
        all
    }

    /// The training rows that sequences may begin with: those that have these values, or all with them set; as row vectors,
    /// `[rows, inputs]`, and given elements, `[rows, elements]`.
    pub(crate) fn starts(&self, rows: &[f32], given: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let inputs = rows.len() / (given.len() / self.width.max(1)).max(1);
        let each = || rows.chunks_exact(inputs.max(1)).zip(given.chunks_exact(self.width.max(1)));
        if self.values.is_empty() || !each().any(|(_, given)| self.is_had_by(given)) {
            let mut given = given.to_vec();
            self.set(&mut given);
            return (rows.to_vec(), given);
        }
        let (rows, given): (Vec<&[f32]>, Vec<&[f32]>) = each().filter(|(_, given)| self.is_had_by(given)).unzip();
        (rows.concat(), given.concat())
    }

    /// Whether a row of given elements has these values.
    fn is_had_by(&self, row: &[f32]) -> bool {
        self.values.iter().all(|(range, values)| row[range.clone()] == values[..])
    }

    /// Sets them in rows of given elements.
    fn set(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.width.max(1)).filter(|_| !self.values.is_empty()) {
            self.values.iter().for_each(|(range, values)| row[range.clone()].copy_from_slice(values));
        }
    }
}
