//! Phase 3 of a fit: the latent dimensions are searched for, if asked, and the networks are trained.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::base_model::BaseModel;
use super::checkpoint::{self, CheckpointWriter};
use super::defaults;
use super::latent_dim_search::{LatentDimSearch, widest};
use super::loaded::Loaded;
use super::members::{Members, Refit, TrainedMembers};
use super::row_order::HoldOut;
use super::rows::FitRows;
use crate::config::{FitConfig, LatentDim, Training};
use crate::error::Result;
use crate::model::{Network, Trainer, parameters};
use crate::pipeline::{self, Run, Stage};

/// Minutes between checkpoints within an epoch, by default.
const CHECKPOINT_MINUTES: f64 = 10.0;

/// A fit whose networks are trained.
pub(super) struct Trained {
    pub(super) loaded: Loaded,
    pub(super) network: Network,
    pub(super) members: TrainedMembers,
    /// The checkpoint, if there is one.
    pub(super) checkpoint: Option<PathBuf>,
    /// Seconds of the search and of the epochs.
    pub(super) seconds: f64,
}

impl Loaded {
    /// Trains the networks.
    ///
    /// # Errors
    /// [`Error::Diverged`](crate::Error::Diverged), those of the checkpoint, the device's and the source's, and
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    pub(super) fn train(self, run: &mut Run<'_>) -> Result<Trained> {
        let (start, stage) = (Instant::now(), Stage::new("train"));
        let network = match self.prepared.config.latent_dim {
            Some(LatentDim::Auto) => self.search_network(&stage, run)?,
            _ => self.prepared.sizes.network.clone(),
        };
        let mut checkpoint = self.open_checkpoint(&network)?;
        let refit = self.load_refit(run)?;
        let threads = run.workers();
        let members = Members {
            layout: self.features.layout(),
            rows: &self.rows,
            training: &self.training,
            refit: refit.as_ref(),
            keep_partial: self.prepared.config.keep_partial,
            trainer: &|n| self.trainer(&network, n, threads),
        };
        let members = stage.run(|| members.train(run, &mut checkpoint))?;
        pipeline::report(&[&self.rows.shuffle, &stage]);
        let seconds = start.elapsed().as_secs_f64();
        let checkpoint = checkpoint.map(|checkpoint| checkpoint.path());
        Ok(Trained { loaded: self, network, members, checkpoint, seconds })
    }

    /// Makes the trainer of network `n` in its first state.
    pub(super) fn trainer(&self, network: &Network, n: usize, threads: usize) -> Result<Trainer> {
        let Training { shard_rows, .. } = self.training;
        let (layout, seed, device) = (self.features.layout(), self.training.member_seed(n), &self.prepared.device);
        let mut trainer = Trainer::new(layout, network, seed, shard_rows, threads, device)?;
        if let Some(base) = &self.prepared.base {
            trainer.restore(&base.checkpoint(n))?;
        }
        Ok(trainer)
    }

    /// The network with the latent dimensions that a search finds, or found before the checkpoint.
    fn search_network(&self, stage: &Stage, run: &mut Run<'_>) -> Result<Network> {
        let (config, threads) = (&self.prepared.config, run.workers());
        let network = |latent_dim: Option<LatentDim>| {
            let (sizes, missing) = (&self.prepared.sizes, self.prepared.columns.missing);
            let config = FitConfig { latent_dim, ..config.clone() };
            defaults::network(&config, sizes.inputs, sizes.rows.training() as usize, missing)
        };
        let of_size = |latents: usize| network(Some(LatentDim::Of(latents)));
        let resumed = config.checkpoint.as_deref().filter(|_| config.resume).and_then(checkpoint::searched_latent_dim);
        let resumed = resumed.filter(|latents| (1..=widest(self.prepared.sizes.inputs)).contains(latents));
        let search = LatentDimSearch {
            layout: self.features.layout(),
            training: &self.training,
            rows: &self.rows,
            trainer: &|latents| {
                let (seed, shard_rows) = (self.training.seed, self.training.shard_rows);
                let (layout, device) = (self.features.layout(), &self.prepared.device);
                Trainer::new(layout, &of_size(latents), seed, shard_rows, threads, device)
            },
        };
        let found = match resumed {
            Some(latents) => Some(latents),
            None => stage.run(|| search.run(run))?,
        };
        if found.is_none() {
            tracing::warn!(
                "no validation rows to search for the latent dimensions; the default rule sets their number"
            );
        }
        Ok(found.map_or_else(|| network(None), of_size))
    }

    /// Opens the checkpoint, if one is asked for. A fit may resume from it if it makes the same network of the same rows:
    /// their scaling, their number, and the validation rows themselves.
    fn open_checkpoint(&self, network: &Network) -> Result<Option<CheckpointWriter>> {
        let config = &self.prepared.config;
        let Some(path) = &config.checkpoint else { return Ok(None) };
        let (layout, rows) = (self.features.layout(), &self.rows);
        let fit = json!({
            "vaepipe_version": env!("CARGO_PKG_VERSION"),
            "data": {
                "train_rows": rows.training.len(),
                "select_rows": rows.validation.len(),
                "calibrate_rows": rows.calibration.len(),
                "empty_rows": rows.empty,
                "features": self.features.kinds(),
                "given": self.features.given(),
                "select_hash": rows.validation.hash(layout)?,
            },
            "init": self.prepared.base.as_ref().map(BaseModel::init),
            "searched": config.latent_dim == Some(LatentDim::Auto),
            "network": network,
            "training": self.training,
        });
        let every = Duration::from_secs_f64(60.0 * config.checkpoint_minutes.unwrap_or(CHECKPOINT_MINUTES));
        CheckpointWriter::new(path, fit, parameters(layout, network), config.resume, every).map(Some)
    }

    /// Loads the rows of the refit, if so few rows take part that training misses the validation rows.
    fn load_refit(&self, run: &mut Run<'_>) -> Result<Option<Refit>> {
        let (sizes, training) = (&self.prepared.sizes, &self.training);
        let few = HoldOut::exceeds(sizes.rows.held_out, sizes.rows.sample, training.val_fraction);
        if !few || self.rows.validation.len() == 0 {
            return Ok(None);
        }
        let mut rows = self.prepared.load_rows(self.hold_out.without_validation(), run)?;
        let training = self.training_of(&rows);
        rows.find_neighbors(self.features.layout(), &training, run)?;
        Ok(Some(Refit { rows, training }))
    }

    /// The training of this fit for other training rows.
    pub(super) fn training_of(&self, rows: &FitRows) -> Training {
        let Training { epochs, batch_size, mask_rate, .. } = self.training;
        let (config, sizes) = (&self.prepared.config, &self.prepared.sizes);
        let same = config.clone().epochs(epochs).batch_size(batch_size).mask_rate(mask_rate);
        defaults::training(&same, sizes.inputs, rows.training.len(), sizes.rows.shuffled, rows.missing)
    }
}
