//! Filling missing values from a model: a pass that finds which columns have some, and a pass that fills those and
//! copies the others byte for byte.

#![forbid(unsafe_code)]

mod rows;
mod targets;

use std::path::Path;
use std::sync::Arc;

use self::rows::{ImputedBatch, Imputer};
use self::targets::{FillBy, ImputeTarget, targets};
use crate::artifact::Model;
use crate::config::ImputeConfig;
use crate::error::{Error, Result};
use crate::pipeline::{self, Stage, Stop, machine_threads, prefetch_map};
use crate::sink::{self, NewColumns, OutputColumn, Splice};
use crate::source::ParquetSource;
use crate::storage::Target as Output;

/// Rows filled at once.
const BATCH_ROWS: usize = 512;

/// What an imputation did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imputed {
    /// Rows in, and rows out.
    pub rows: u64,
    /// The columns that had missing values, each with how many were filled.
    pub columns: Vec<(String, u64)>,
}

impl Model {
    /// Writes `source` to `output`, whole or not at all, with values in place of those that are null or NaN: of learned
    /// columns what the model expects given the rest of the row, of columns that were constant at fit that constant.
    /// Values keep their column's type and unit, and stay within the range and the categories seen at fit. What is known
    /// stays as it is to the bit.
    ///
    /// The expectation is a weighted average over draws from the row's posterior (Mattei & Frellsen 2019). The draws
    /// depend on the model's seed and the row's values alone.
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    pub fn impute(
        &self,
        source: &ParquetSource,
        output: impl AsRef<Path>,
        config: &ImputeConfig,
        stop: &Stop,
    ) -> Result<Imputed> {
        self.impute_watched(source, output, config, stop, &mut |_| {})
    }

    /// The same, with a call after each batch that gets the number of rows written so far.
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    pub fn impute_watched(
        &self,
        source: &ParquetSource,
        output: impl AsRef<Path>,
        config: &ImputeConfig,
        stop: &Stop,
        on_rows: &mut dyn FnMut(u64),
    ) -> Result<Imputed> {
        config.check()?;
        let target = Output::check(output.as_ref(), config.force, source.paths())?;
        let schema = source.schema();
        self.features().check(&schema, source.path())?;
        let threads = config.threads.unwrap_or_else(machine_threads);
        let targets = targets(self, source, threads, stop)?;
        let filler = Arc::new(Imputer::new(self, &schema, targets, config));

        let new = filler.new_columns();
        for (n, field) in new.fields().iter().enumerate().skip(filler.tops().len()) {
            let twice = new.fields()[..n].iter().any(|other| other.name() == field.name());
            if twice || schema.field_with_name(field.name()).is_ok() {
                return Err(Error::NameClash { path: source.path().to_owned(), column: field.name().clone() });
            }
        }
        let place = |root: usize| match filler.tops().iter().position(|top| top == schema.field(root).name()) {
            Some(new) => OutputColumn::New(new),
            None => OutputColumn::Carried(root),
        };
        let extra = (filler.tops().len()..new.fields().len()).map(OutputColumn::New);
        let columns = (0..source.file_columns()).map(place).chain(extra).collect();
        let metadata = self.keys(None);
        let splice = Splice { columns, new: new.clone(), metadata: &metadata };
        let sink = sink::open(source, &splice, target, BATCH_ROWS, stop.clone())?;

        let scan = source.scan(filler.columns(), BATCH_ROWS);
        let rows =
            (0..).zip(scan).map(|(seq, rows)| rows.map(|(row_group, batch)| NewColumns { seq, row_group, batch }));
        let (working, stopped) = (filler.clone(), stop.clone());
        let fill = move |rows: NewColumns| {
            stopped.check()?;
            working.fill(&rows)
        };
        let depth = pipeline::queue_depth(
            BATCH_ROWS * size_of::<f64>() * (filler.columns().len() + new.fields().len()),
            pipeline::QUEUE_BYTES,
        );
        let mut imputed = Imputed { rows: 0, columns: filler.names().map(|name| (name, 0)).collect() };
        let [read, model, write] = ["read", "model", "write"].map(Stage::new);
        let mut columns = prefetch_map(&read, rows, &model, depth, threads, fill)?.map(|filled| {
            let ImputedBatch { columns, counts } = filled?;
            imputed.rows += columns.batch.num_rows() as u64;
            imputed.columns.iter_mut().zip(counts).for_each(|((_, sum), count)| *sum += count);
            on_rows(imputed.rows);
            Ok(columns)
        });
        write.run(|| sink.write(&mut columns))?;
        drop(columns);
        pipeline::report(&[&read, &model, &write]);
        Ok(imputed)
    }
}
