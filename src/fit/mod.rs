//! Fitting a model, in four phases: prepared, loaded, trained, measured.

#![forbid(unsafe_code)]

mod base_model;
mod batch_on_device;
mod batch_size;
mod cgroup;
mod checkpoint;
mod column_choice;
mod defaults;
mod encoded_rows;
mod fitted;
mod group_norms;
mod latent_dim_search;
mod loaded;
mod losses;
mod measure;
mod measured;
mod members;
mod memory_budget;
mod memory_check;
mod missing_rates;
mod neighbor_graph;
mod out_of_fold;
mod plan;
mod prepared;
mod row_order;
mod rows;
mod schedule;
mod sizes;
mod statistics;
mod trained;
mod training_loop;
mod trimming;
mod windows;

pub use self::fitted::Fitted;
pub use self::plan::{Plan, PlannedColumn, PlannedModel};
use self::prepared::Prepared;
use crate::config::FitConfig;
use crate::error::{Error, Result};
use crate::model::Device;
use crate::pipeline::Run;
use crate::score::{COMBINED, NOT_COMBINED};
use crate::source::ParquetSource;

impl FitConfig {
    /// Checks that a model of these options can take feedback: its anomaly score is `combined`.
    ///
    /// # Errors
    /// [`Error::NoFeedback`](crate::Error::NoFeedback).
    pub fn check_feedback(&self) -> Result<()> {
        match defaults::anomaly_score(self) == COMBINED.name {
            true => Ok(()),
            false => Err(Error::NoFeedback(NOT_COMBINED)),
        }
    }

    /// Fits a model to all rows of `source`.
    ///
    /// A stop ends it with `Interrupted`; with [`keep_partial`](Self::keep_partial), and once an epoch is trained, with the
    /// best weights so far.
    ///
    /// ```no_run
    /// # fn main() -> vaepipe::Result<()> {
    /// use vaepipe::{Device, FitConfig, ParquetSource, Run};
    /// let flights = ParquetSource::open(["flights.parquet"])?;
    /// let model = FitConfig::new().fit(&flights, Device::Cpu, &mut Run::new())?.model;
    /// # let _ = model;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Variants of [`Error`](crate::Error): `OptionRange`, `TooLarge`, `UnknownColumn` and `NotLearnable` for an option
    /// that does not fit; `NoFeatures` and `TooFewRows` for data without a column or enough rows to learn from; `Read` and
    /// `Damaged` for files that cannot be read; `Device`, `Diverged` and `Interrupted`. With [`init`](Self::init) also
    /// those of [`Model::load`](crate::Model::load), `OtherModel`, `MissingFeature` and `WrongType` for options and data
    /// that contradict the base model, `NotMeasured` and `Worse`.
    pub fn fit(&self, source: &ParquetSource, device: Device, run: &mut Run<'_>) -> Result<Fitted> {
        let prepared = Prepared::new(self, source, device, run)?;
        let loaded = prepared.load(run)?;
        let trained = loaded.train(run)?;
        let measured = trained.measure(run)?;
        measured.into_fitted()
    }
}
