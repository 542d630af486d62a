//! Fitting a model: a pass for statistics, a pass that encodes the rows, then epochs.

#![forbid(unsafe_code)]

mod cgroup;
mod checkpoint;
mod defaults;
mod encoded_rows;
mod fitted;
mod init;
mod measure;
mod members;
mod memory;
mod memory_check;
mod plan;
mod row_order;
mod rows;
mod search;
mod statistics;
mod train;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use self::checkpoint::CheckpointWriter;
pub use self::fitted::Fitted;
use self::init::InitModel;
use self::measure::calibration::Calibration;
use self::measure::{FittedNetwork, aggregate, health, sketch};
use self::members::{Members, TrainedMembers};
use self::plan::{Chosen, Division};
pub use self::plan::{Plan, PlannedColumn, PlannedModel};
use self::rows::{FitRows, RowLoad};
use self::search::Search;
use self::watch::FitWatch;
use crate::artifact::{FORMAT_VERSION, Metadata, Model, Provenance};
use crate::config::{FitConfig, LatentDim, Training};
use crate::error::{Error, Result};
use crate::feature::{Features, InputColumn, with_missing_counts};
use crate::fit::row_order::{HoldOut, RowOrder};
use crate::model::{Checkpoint, Device, Network, Trainer, Vae, parameters};
use crate::pipeline::{self, Progress, Stage, Stop, machine_threads};
use crate::score::Score;
use crate::source::ParquetSource;

/// Minutes without a checkpoint within an epoch, unless said otherwise.
const CHECKPOINT_MINUTES: f64 = 10.0;

impl FitConfig {
    /// Fits a model to all rows of `source`.
    ///
    /// # Errors
    /// [`Error::OptionRange`], [`Error::TooLarge`], [`Error::UnknownColumn`] and [`Error::NotLearnable`] for an option that does not fit;
    /// [`Error::NoFeatures`] and [`Error::TooFewRows`] for data there is nothing to learn from; [`Error::Read`] and
    /// [`Error::Damaged`] for files that cannot be read; [`Error::Device`]; [`Error::Diverged`]. With
    /// [`init`](Self::init) also those of [`Model::load`], [`Error::OtherModel`], [`Error::MissingFeature`] and
    /// [`Error::WrongType`] for options and data that are not of the model, [`Error::NotMeasured`], and [`Error::Worse`].
    pub fn fit(&self, source: &ParquetSource, device: Device) -> Result<Model> {
        Ok(self.fit_watched(source, device, &Stop::new(), &mut |_| {})?.model)
    }

    /// The same, with a way to stop it and a call at each sign of life.
    ///
    /// Asked to stop, it ends with [`Error::Interrupted`]; with [`keep_partial`](Self::keep_partial), and once an epoch
    /// is trained, with the best weights so far instead.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`Error::Interrupted`].
    pub fn fit_watched(
        &self,
        source: &ParquetSource,
        device: Device,
        stop: &Stop,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Fitted> {
        self.check()?;
        let start = InitModel::read(self)?;
        let filled = start.as_ref().map(|start| start.options(self, source)).transpose()?;
        filled.as_ref().unwrap_or(self).fit_from(start.as_ref(), source, device, stop, on_progress)
    }

    fn fit_from(
        &self,
        from: Option<&InitModel>,
        source: &ParquetSource,
        device: Device,
        stop: &Stop,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Fitted> {
        let score = Score::named("anomaly_score", defaults::anomaly_score(self))?;
        let folder = self.spool_dir.clone().unwrap_or_else(std::env::temp_dir);
        if !folder.is_dir() {
            let value = folder.display().to_string();
            return Err(Error::OptionRange { option: "spool_dir", value, range: "a folder that is there" });
        }
        let too_few = |rows| Error::TooFewRows { path: source.path().to_owned(), rows };
        if source.rows() < 2 {
            return Err(too_few(source.rows()));
        }
        let device = device.resolve()?;
        let threads = self.threads.unwrap_or_else(machine_threads);
        let start = Instant::now();
        let source = &source.with_most_page_bytes(self.memory);

        tracing::info!("{} rows of {} columns: reading statistics", source.rows(), source.schema().fields().len());
        let mut watch = FitWatch { stop, keep_partial: self.keep_partial, on_progress };
        let Chosen { features, carried, holes, .. } = match from {
            Some(from) => from.choose(self, source, threads, &mut watch)?,
            None => self.choose(source, threads, &mut watch)?,
        };
        if features.kinds().is_empty() {
            let reasons = carried.into_iter().map(|carried| (carried.column, carried.reason)).collect();
            return Err(Error::NoFeatures { path: source.path().to_owned(), reasons });
        }
        let inputs = features.layout().inputs();
        let division = self.division(source.rows(), inputs)?;
        let Division { rows: taken, held_out, shuffle_rows, memory, in_memory } = division;
        tracing::info!("{}", memory.bought(taken, inputs, &folder));
        let expected = (taken - held_out) as usize;
        let mut network = from.map_or_else(|| defaults::network(self, inputs, expected, holes), InitModel::network);
        let training = defaults::training(self, inputs, expected, shuffle_rows, holes.any);
        let ends = (features.layout().encoder_inputs(), features.layout().outputs());
        memory_check::check(&network, ends, &training, expected)?;
        let load = |hold_out| RowLoad {
            source,
            features: &features,
            hold_out,
            order: RowOrder::new(self.seed, source.rows(), shuffle_rows),
            memory,
            rows: taken,
            folder: &folder,
            threads,
        };
        let (columns, latent_dim) = (features.columns(), network.latent_dim);
        (watch.on_progress)(Progress::Chosen { columns: &columns, latent_dim });
        let hold_out = HoldOut::new(self.seed, source.rows(), taken, held_out);
        let mut rows = FitRows::load(&load(hold_out), &mut watch)?;
        if rows.train.len() < 2 && rows.known() >= 2 {
            tracing::warn!("hardly a row has a known value: none of them is held out");
            rows = FitRows::load(&load(HoldOut::new(self.seed, source.rows(), taken, 0)), &mut watch)?;
        }
        rows.found.warn(features.kinds());
        if rows.empty > 0 {
            tracing::warn!("{} rows have no known value in any learned column; they train nothing", rows.empty);
        }
        if rows.train.len() < 2 {
            return Err(too_few(rows.train.len() as u64));
        }
        if let Some(from) = from.filter(|_| rows.calibrate.len() < init::FEWEST) {
            from.not_measured(self.accept_worse)?;
        }
        let features = match from {
            Some(_) => Arc::new(with_missing_counts(&features, &rows.found, defaults::missing_indicator(self))),
            None => features.clone(),
        };

        let training = defaults::training(self, inputs, rows.train.len(), shuffle_rows, rows.holes);
        tracing::info!(
            "training on {} rows of {} columns, {} shuffled together, for {} steps at most; {} choose the weights, {} \
             choose nothing",
            rows.train.len(),
            features.kinds().len(),
            if shuffle_rows >= source.rows() { "all".to_owned() } else { shuffle_rows.to_string() },
            training.steps,
            rows.select.len(),
            rows.calibrate.len()
        );
        let statistics_seconds = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let layout = features.layout();
        let stage = Stage::new("train");
        if self.latent_dim == Some(LatentDim::Auto) {
            let of = |latents: usize| defaults::network(&self.clone().latent_dim(latents), inputs, expected, holes);
            let trainer =
                |latents| Trainer::new(layout, &of(latents), training.seed, training.shard_rows, threads, &device);
            let search = Search { layout, training: &training, rows: &rows, trainer: &trainer };
            let before = self.checkpoint.as_deref().filter(|_| self.resume).and_then(checkpoint::dimensions_found);
            let found = match before.filter(|latents| (1..=search::widest(inputs)).contains(latents)) {
                Some(latents) => Some(latents),
                None => stage.run(|| search.run(&mut watch))?,
            };
            network = match found {
                Some(latents) => of(latents),
                None => {
                    tracing::warn!(
                        "no rows are held out to find the number of latent dimensions by; it is that of the rule"
                    );
                    let rule = Self { latent_dim: None, ..self.clone() };
                    defaults::network(&rule, inputs, expected, holes)
                }
            };
        }
        let mut keeper = self.keeper(from, &features, &network, &training, &rows)?;
        let few = HoldOut::exceeds(held_out, taken, training.val_fraction) && rows.select.len() > 0;
        let again = if few {
            let rows = FitRows::load(&load(hold_out.without_selection()), &mut watch)?;
            let same =
                self.clone().epochs(training.epochs).batch_size(training.batch_size).mask_rate(training.mask_rate);
            let training = defaults::training(&same, inputs, rows.train.len(), shuffle_rows, rows.holes);
            Some((rows, training))
        } else {
            None
        };
        let trainer = |n: usize| -> Result<Trainer> {
            let seed = training.member_seed(n);
            let mut trainer = Trainer::new(layout, &network, seed, training.shard_rows, threads, &device)?;
            from.map(|from| trainer.restore(&from.of_network(n))).transpose()?;
            Ok(trainer)
        };
        let members = Members {
            layout,
            training: &training,
            rows: &rows,
            again: again.as_ref().map(|(rows, training)| (rows, training)),
            trainer: &trainer,
        };
        let TrainedMembers { weights, history, trained_rows, interrupted } =
            stage.run(|| members.train(&mut watch, &mut keeper))?;
        let training = Training { members: weights.len(), ..training.clone() };
        pipeline::report(&[&rows.shuffle, &stage]);
        let train_seconds = start.elapsed().as_secs_f64();

        let decision = self.decision;
        let vaes = weights.iter().map(|weights| Ok(Arc::new(Vae::new(layout, &network, weights, &device)?)));
        let vaes: Vec<Arc<Vae>> = vaes.collect::<Result<_>>()?;
        let calibration = Calibration {
            members: vaes.iter().cloned().zip(&weights).collect(),
            layout,
            network: &network,
            training: &training,
            score,
            decision,
            threads,
        };
        // Who wants a partial model wants it measured, which takes a moment.
        let unasked = Stop::new();
        let stop = if self.keep_partial { &unasked } else { stop };
        let mut init = from.map(InitModel::init);
        if let (Some(from), Some(init)) = (from, &mut init)
            && rows.calibrate.len() > 0
        {
            let losses = |trainer: &mut Trainer| train::losses(trainer, &rows.calibrate, layout, &training, stop);
            let measured = weights.iter().enumerate().map(|(n, weights)| -> Result<_> {
                let mut trainer = trainer(n)?;
                let before = losses(&mut trainer)?;
                trainer.restore(&Checkpoint::start(weights.clone()))?;
                Ok((before, losses(&mut trainer)?))
            });
            let measured = measured.collect::<Result<Vec<_>>>()?;
            let (before, after): (Vec<_>, Vec<_>) = measured.into_iter().unzip();
            init.held_out_loss = Some(from.compare(&before, &after, training.trim, self.accept_worse)?);
        }
        let (scoring, latents) = calibration.run(&rows, stop)?;
        let look = FittedNetwork::new(layout, &network, &weights[0], vaes[0].clone(), stop);
        let [health, aggregate, sketch] = ["health", "aggregate", "sketch"].map(Stage::new);
        let measured = health.run(|| health::measure(&look, &features, &rows, self.seed))?;
        let together = aggregate.run(|| aggregate::measure(&look, &features, &rows, self.seed))?;
        let spread = sketch.run(|| sketch::measure(&look, &features, &rows, scoring.calibration.as_ref()))?;
        pipeline::report(&[&health, &aggregate, &sketch]);
        let provenance = Provenance {
            vaepipe_version: env!("CARGO_PKG_VERSION").to_owned(),
            rows: source.rows(),
            train_rows: rows.train.len() as u64,
            select_rows: rows.select.len() as u64,
            calibrate_rows: rows.calibrate.len() as u64,
            empty_rows: rows.empty,
            init,
        };
        let metadata = Metadata {
            format_version: FORMAT_VERSION,
            features: features.kinds().to_vec(),
            columns: InputColumn::all(&source.schema()),
            carried,
            network,
            training,
            history,
            health: measured,
            scoring,
            provenance,
        };
        let model = Model::new(metadata, weights.into_iter().zip(latents).collect(), &together, &spread, &device)
            .map_err(|fault| Error::Model { path: "the model just fitted".into(), fault })?;
        let rows_bytes = (rows.train.len() as u64 * inputs as u64).saturating_mul(size_of::<f32>() as u64);
        Ok(Fitted {
            model,
            statistics_seconds,
            trained_rows,
            train_seconds,
            rows_bytes,
            in_memory,
            interrupted,
            checkpoint: keeper.map(|keeper| keeper.path()),
        })
    }

    /// What writes checkpoints, if they are asked for. A fit is the same as another if it makes the same network of the
    /// same rows: their scaling, their number, and what those look like that choose the weights.
    fn keeper(
        &self,
        from: Option<&InitModel>,
        features: &Features,
        network: &Network,
        training: &Training,
        rows: &FitRows,
    ) -> Result<Option<CheckpointWriter>> {
        let Some(path) = &self.checkpoint else { return Ok(None) };
        let layout = features.layout();
        let fit = json!({
            "vaepipe_version": env!("CARGO_PKG_VERSION"),
            "data": {
                "train_rows": rows.train.len(),
                "select_rows": rows.select.len(),
                "calibrate_rows": rows.calibrate.len(),
                "empty_rows": rows.empty,
                "features": features.kinds(),
                "select_hash": rows.select.hash(layout)?,
            },
            "init": from.map(InitModel::init),
            "searched": self.latent_dim == Some(LatentDim::Auto),
            "network": network,
            "training": training,
        });
        let minutes = self.checkpoint_minutes.unwrap_or(CHECKPOINT_MINUTES);
        let every = Duration::from_secs_f64(60.0 * minutes);
        CheckpointWriter::new(path, fit, parameters(layout, network), self.resume, every).map(Some)
    }
}
