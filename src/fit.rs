//! Fitting a model: a pass for statistics, a pass that encodes the rows, then epochs.

mod rows;
mod sizes;
mod statistics;
mod train;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use self::rows::FitRows;
use crate::ahead::machine_threads;
use crate::artifact::{Epoch, Metadata, Model, Provenance};
use crate::config::FitConfig;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::feature::{Carried, Features, candidates};
use crate::model::Trainer;
use crate::shuffle::{HoldOut, Order};
use crate::source::ParquetSource;
use crate::stop::Stop;

/// A fitted model and what a run says of it beside the model.
#[non_exhaustive]
pub struct Fitted {
    /// The model.
    pub model: Model,
    /// Seconds the statistics took, and the encoding of the rows.
    pub statistics_seconds: f64,
    /// Seconds the epochs took, validation included.
    pub train_seconds: f64,
}

impl FitConfig {
    /// Fits a model to all rows of `source`.
    ///
    /// # Errors
    /// [`Error::OptionRange`], [`Error::UnknownColumn`] and [`Error::NotLearnable`] for an option that does not fit;
    /// [`Error::NoFeatures`] and [`Error::TooFewRows`] for data there is nothing to learn from; [`Error::Read`] and
    /// [`Error::Damaged`] for files that cannot be read; [`Error::Device`]; [`Error::Diverged`].
    pub fn fit(&self, source: &ParquetSource, device: Device) -> Result<Model> {
        Ok(self.fit_watched(source, device, &Stop::new(), &mut |_| {})?.model)
    }

    /// The same, with a way to stop it and a call after each epoch.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`Error::Interrupted`].
    pub fn fit_watched(
        &self,
        source: &ParquetSource,
        device: Device,
        stop: &Stop,
        on_epoch: &mut dyn FnMut(&Epoch),
    ) -> Result<Fitted> {
        self.check()?;
        let device = device.resolve()?;
        let threads = self.threads.unwrap_or_else(machine_threads);
        let start = Instant::now();

        let (features, carried) = self.choose(source, threads, stop)?;
        let inputs = features.layout().inputs();
        let row_bytes = (inputs * size_of::<f32>()) as u64;
        let held_out = HoldOut::count(source.rows(), sizes::val_fraction(self), row_bytes);
        let hold_out = HoldOut::new(self.seed, source.rows(), held_out);
        let shuffle_rows = self.shuffle_rows.unwrap_or_else(|| rows::shuffle_rows(source.rows(), row_bytes));
        let order = Order::new(self.seed, source.rows(), shuffle_rows);
        let in_memory = shuffle_rows >= source.rows();
        let rows = FitRows::load(source, features.clone(), hold_out, order, in_memory, threads, stop)?;
        features.warn_masked(&rows.masked);
        if rows.empty > 0 {
            tracing::warn!("{} rows have no known value in any learned column; they train nothing", rows.empty);
        }
        if rows.train < 2 {
            return Err(Error::TooFewRows { path: source.path().to_owned(), rows: rows.train as u64 });
        }

        let network = sizes::network(self, inputs);
        let training = sizes::training(self, inputs, rows.train, shuffle_rows);
        tracing::info!(
            "training on {} rows, {}; {} choose the weights, {} choose nothing",
            rows.train,
            if in_memory { "in memory".to_owned() } else { format!("shuffled {shuffle_rows} at a time") },
            rows.select.len(),
            rows.calibrate.len()
        );
        let statistics_seconds = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let layout = features.layout();
        let mut trainer = Trainer::new(layout, &network, self.seed, training.shard_rows, threads, &device)?;
        let (weights, history) = train::train(&mut trainer, &rows, layout, &training, stop, on_epoch)?;
        let train_seconds = start.elapsed().as_secs_f64();

        let provenance = Provenance {
            vaepipe_version: env!("CARGO_PKG_VERSION").to_owned(),
            rows: source.rows(),
            train_rows: rows.train as u64,
            select_rows: rows.select.len() as u64,
            calibrate_rows: rows.calibrate.len() as u64,
            empty_rows: rows.empty,
        };
        let metadata = Metadata::new(&features, carried, network, training, history, provenance);
        let model = Model::new(metadata, weights, &device)
            .map_err(|fault| Error::Model { path: "the model just fitted".into(), fault })?;
        Ok(Fitted { model, statistics_seconds, train_seconds })
    }

    /// The features to learn, and the columns only carried.
    fn choose(&self, source: &ParquetSource, threads: usize, stop: &Stop) -> Result<(Arc<Features>, Vec<Carried>)> {
        let candidates = candidates(&source.schema(), &self.columns, &self.exclude)?;
        let scale = sizes::scale(self);
        let statistics = statistics::statistics(source, &candidates.fields, scale, threads, stop)?;
        let (features, carried) = candidates.choose(statistics, scale);
        let mut by_reason = BTreeMap::<&str, Vec<&str>>::new();
        for Carried { column, reason } in &carried {
            by_reason.entry(reason).or_default().push(column);
        }
        for (reason, columns) in by_reason {
            tracing::info!("carried, not learned: {}: {reason}", columns.join(", "));
        }
        if features.kinds().is_empty() {
            let reasons = carried.into_iter().map(|carried| (carried.column, carried.reason)).collect();
            return Err(Error::NoFeatures { path: source.path().to_owned(), reasons });
        }
        tracing::info!("learning from {} columns of {}", features.kinds().len(), source.schema().fields().len());
        Ok((Arc::new(features), carried))
    }
}
