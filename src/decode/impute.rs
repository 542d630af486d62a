//! Imputation: one pass finds the columns with missing values, and a second one fills them and copies the others byte for
//! byte.

#![forbid(unsafe_code)]

mod rows;
mod targets;

use std::path::Path;
use std::sync::Arc;

use self::rows::Imputer;
use self::targets::{FillBy, ImputeTarget, targets};
use super::replace::Replacement;
use crate::artifact::Model;
use crate::config::ImputeConfig;
use crate::error::{Error, Result};
use crate::feature::InputColumn;
use crate::pipeline::Run;
use crate::source::ParquetSource;
use crate::storage::Target;

/// Rows of a batch.
const BATCH_ROWS: usize = 512;

/// The result of an imputation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imputed {
    /// Rows read and written.
    pub rows: u64,
    /// The columns that had missing values, each with the number of values filled.
    pub columns: Vec<(String, u64)>,
}

impl Model {
    /// Writes `source` to `output`, whole or not at all, and fills its null and NaN values: in learned columns with the value
    /// that the model expects given the rest of the row, in columns that were constant at fit with that constant. Filled
    /// values have their column's type and unit, and lie within the range and the categories of the fit. Known values stay
    /// the same bits.
    ///
    /// The expectation is a weighted average over draws from the row's posterior (Mattei & Frellsen 2019). The draws
    /// depend only on the model's seed and the row's values.
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    pub fn impute(
        &self,
        source: &ParquetSource,
        output: impl AsRef<Path>,
        config: &ImputeConfig,
        run: &mut Run<'_>,
    ) -> Result<Imputed> {
        config.check()?;
        run.check()?;
        let target = Target::check(output.as_ref(), config.force, source.paths())?;
        let model = &*self.reading(source.types());
        let source = &source.with_wanted(|name| InputColumn::top_type_of(&self.metadata().columns, name));
        let schema = source.schema();
        model.features().check(&schema, source.path())?;
        let imputer = Arc::new(Imputer::new(model, &schema, targets(model, source, run)?, config));

        let new = imputer.new_columns();
        for (n, field) in new.fields().iter().enumerate().skip(imputer.top_levels().len()) {
            let twice = new.fields()[..n].iter().any(|other| other.name() == field.name());
            if twice || schema.field_with_name(field.name()).is_ok() {
                return Err(Error::NameClash { path: source.path().to_owned(), column: field.name().clone() });
            }
        }
        let mut columns: Vec<(String, u64)> = imputer.names().map(|name| (name, 0)).collect();
        let replacement = Replacement {
            source,
            target,
            read: imputer.columns(),
            new: new.clone(),
            batch_rows: BATCH_ROWS,
            batch_bytes: BATCH_ROWS * size_of::<f64>() * (imputer.columns().len() + new.fields().len()),
        };
        let filler = imputer.clone();
        let rows = replacement.write(
            self,
            run,
            move |rows| filler.fill(rows),
            |counts| columns.iter_mut().zip(counts).for_each(|((_, filled), count)| *filled += count),
        );
        let rows = rows.map_err(|error| model.located(&source.clone().into(), error))?;
        Ok(Imputed { rows, columns })
    }
}
