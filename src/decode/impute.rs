//! Imputation: one pass finds the columns with missing values, and a second one fills them and carries the others.

#![forbid(unsafe_code)]

mod around;
mod rows;
mod targets;

use std::sync::Arc;

use arrow::array::RecordBatchReader;

use self::rows::Imputer;
use self::targets::{FillBy, ImputeTarget, targets};
use super::replace::Replacement;
use crate::artifact::Model;
use crate::config::ImputeConfig;
use crate::error::{Error, Result};
use crate::output::{FileCounts, Output, UnreadableFile, check_unreadable, readable};
use crate::pipeline::Run;
use crate::sequence::Windower;
use crate::source::Source;

/// Rows of a batch.
const BATCH_ROWS: usize = 512;

/// The result of an imputation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imputed {
    /// Rows read and written.
    pub rows: u64,
    /// Outputs written.
    pub files: u64,
    /// Outputs that were skipped, since they existed.
    pub skipped: u64,
    /// Files of a directory that could not be read and were left out; see [`check_complete`](Self::check_complete).
    pub unreadable: Vec<UnreadableFile>,
    /// The columns that had missing values, each with the number of values filled.
    pub columns: Vec<(String, u64)>,
}

impl Imputed {
    /// Checks that no file was left out because it could not be read.
    ///
    /// # Errors
    /// [`Error::Unfinished`], which names those files.
    pub fn check_complete(&self) -> Result<()> {
        check_unreadable(&self.unreadable, self.files)
    }
}

impl Model {
    /// Writes `source` to `output`, a file whole or not at all, and fills its null and NaN values: in learned columns with the
    /// value that the model expects given the rest of the row, in columns that were constant at fit with that constant. Filled
    /// values have their column's type and unit, and lie within the range and the categories of the fit. Known values stay
    /// the same bits; from one Parquet file to another, columns without missing values are copied byte for byte.
    ///
    /// In rows in order a number gets what the rows on both sides of its gap lead to expect, whatever the range of the fit. Of a gap
    /// of more than 64 rows, or one that does not end within the next 16,384 rows of the file, it is what the rows before lead to.
    ///
    /// The expectation is a weighted average over draws from the row's posterior (Mattei & Frellsen 2019). The draws
    /// depend only on the model's seed and the row's values.
    ///
    /// # Errors
    /// As [`transform_to`](Self::transform_to); [`Error::Unsupported`] for a source that cannot be read twice.
    pub fn impute(
        &self,
        source: &Source,
        output: impl Into<Output>,
        config: &ImputeConfig,
        run: &mut Run<'_>,
    ) -> Result<Imputed> {
        config.check()?;
        run.check()?;
        let model = &*self.reading(source.types());
        let (typed, output) = (model.typed(source), output.into());
        // One output of all files cannot do without some.
        let (source, damaged) = match typed.config().keep_going && matches!(output, Output::Folder(_)) {
            true => readable(&typed, |file| targets(model, file, &config.columns, run).map(drop))?,
            false => (typed, Vec::new()),
        };
        let source = &source;
        let imputer = Arc::new(model.imputer(source, config, run)?);
        let windows = model.windower_bridging(imputer.bridged(), &config.order, source.config(), run.stopper())?;
        let columns: Vec<(String, u64)> = imputer.names().map(|name| (name, 0)).collect();
        let filler = imputer.clone();
        let written = model.imputation(&imputer, config, windows).write(
            source,
            output,
            run,
            move |rows| filler.fill(rows),
            columns,
            |columns, counts| columns.iter_mut().zip(counts).for_each(|((_, filled), count)| *filled += count),
        );
        let (rows, columns, files) = written.map_err(|error| model.located(source, error))?;
        let FileCounts { written: files, skipped, mut unreadable } = files;
        unreadable.extend(damaged);
        Ok(Imputed { rows, files, skipped, unreadable, columns })
    }

    /// The same rows, made while they are read; the columns with missing values are found before.
    ///
    /// # Errors
    /// As [`impute`](Self::impute), except those about outputs.
    pub fn impute_source(
        &self,
        source: &Source,
        config: &ImputeConfig,
        run: &Run<'_>,
    ) -> Result<impl RecordBatchReader + Send + use<>> {
        config.check()?;
        run.check()?;
        let model = &*self.reading(source.types());
        let source = &model.typed(source);
        let imputer = Arc::new(model.imputer(source, config, run)?);
        let windows = model.windower_bridging(imputer.bridged(), &config.order, source.config(), run.stopper())?;
        let filler = imputer.clone();
        model.imputation(&imputer, config, windows).read(source, run, move |rows| filler.fill(rows))
    }

    /// The imputer of the columns of `source` that have missing values.
    fn imputer(&self, source: &Source, config: &ImputeConfig, run: &Run<'_>) -> Result<Imputer> {
        let schema = source.schema();
        self.check_order(&schema, source.path())?;
        self.features()
            .check(&self.with_windows(&schema), source.path())
            .map_err(|error| source.with_mismatch(error))?;
        let imputer = Imputer::new(self, &schema, targets(self, source.rereadable()?, &config.columns, run)?, config);
        let new = imputer.new_columns();
        for (n, field) in new.fields().iter().enumerate().skip(imputer.top_levels().len()) {
            let twice = new.fields()[..n].iter().any(|other| other.name() == field.name());
            if twice || schema.field_with_name(field.name()).is_ok() {
                return Err(Error::NameClash { path: source.path().to_owned(), column: field.name().clone() });
            }
        }
        Ok(imputer)
    }

    /// What an imputer reads and replaces.
    fn imputation<'a>(
        &'a self,
        imputer: &'a Imputer,
        config: &'a ImputeConfig,
        windows: Option<Windower>,
    ) -> Replacement<'a> {
        let (read, new) = (imputer.columns(), imputer.new_columns().clone());
        let batch_bytes = BATCH_ROWS * size_of::<f64>() * (read.len() + new.fields().len());
        Replacement { model: self, config: &config.output, read, new, batch_rows: BATCH_ROWS, batch_bytes, windows }
    }
}
