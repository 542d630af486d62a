//! Options of all operations, and the resolved options of a fit ([`Training`]).

#![forbid(unsafe_code)]

mod choices;
mod decode;
mod impute;
mod source;
mod transform;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::choices::{Activation, Codec, Decision, LatentDim, Map, MapOf, Preset, Scale, VectorScale};
pub use self::decode::{GenerateConfig, ReconstructConfig, TraverseConfig};
pub use self::impute::ImputeConfig;
pub use self::source::SourceConfig;
pub use self::transform::{Encoding, TransformConfig};
use crate::error::{Error, Result};
use crate::numerics::RandomStream;

/// Options of a fit. A field that is `None` takes its default, or is chosen from the data.
///
/// ```
/// use vaepipe::FitConfig;
/// let config = FitConfig::new().latent_dim(16).hidden([256, 128]).seed(7);
/// assert_eq!(config.latent_dim, Some(16.into()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FitConfig {
    /// The set of defaults. Default: `reduce`.
    pub preset: Option<Preset>,
    /// Learn only these columns: names, globs, or `re:` and a regular expression. Empty: every column that can be learned.
    pub columns: Vec<String>,
    /// Do not learn these columns; same forms as `columns`. They are still written by a transform.
    pub exclude: Vec<String>,
    /// Learn these columns as categories: integers, and strings that look like identifiers, which are hashed into at most
    /// `max_categories` classes. Same forms as `columns`.
    pub categorical: Vec<String>,
    /// Most classes of a category, 2 to 4096; rarer words share one more class. Default: 64.
    pub max_categories: Option<usize>,
    /// Scaling of numbers.
    pub scale: Option<Scale>,
    /// Curves for skewed numbers; the last one that matches a column counts.
    pub map: Vec<MapOf>,
    /// Scaling of vectors. Default: each element by itself.
    pub vector_scale: Option<VectorScale>,
    /// Give the encoder an indicator of missing values for each feature that misses some. Default: yes, since it raises the
    /// likelihood of held-out rows.
    pub missing_indicator: Option<bool>,
    /// Share of the known values, 0 to 0.9, that each step hides from the encoder, so that it learns to do without them.
    /// Default: 0.1 if a learned column misses values in the training rows, else 0.
    pub mask_rate: Option<f64>,
    /// Width of the latent space, 1 to 4096, or a search for it.
    pub latent_dim: Option<LatentDim>,
    /// Widths of the encoder's hidden layers; the decoder mirrors them. Empty: a linear model.
    pub hidden: Option<Vec<usize>>,
    /// Activation function of the hidden layers.
    pub activation: Option<Activation>,
    /// Most passes over the training rows.
    pub epochs: Option<usize>,
    /// Most rows of a gradient step; an epoch is cut into steps of equal size.
    pub batch_size: Option<usize>,
    /// Highest learning rate of Adam.
    pub lr: Option<f64>,
    /// Weight of the KL term after the warm-up.
    pub beta: Option<f64>,
    /// Share of the step budget, 0 to 1, over which the KL weight rises from 0 to `beta`.
    pub kl_warmup: Option<f64>,
    /// Nats of KL per latent dimension, averaged over a batch, that are free of cost.
    pub free_bits: Option<f64>,
    /// Largest global gradient norm of a step; 0 disables clipping.
    pub clip_norm: Option<f64>,
    /// Share of each batch, 0 to 0.9, that is left out of the gradient: the rows of highest loss.
    pub trim: Option<f64>,
    /// Epochs without improvement before training stops; 0 trains all epochs.
    pub patience: Option<usize>,
    /// Share of rows, 0 to 0.5, held out of training: half for validation, half for calibration.
    pub val_fraction: Option<f64>,
    /// Rows shuffled together: all, or windows of this many.
    pub shuffle_rows: Option<u64>,
    /// Most rows that take part, a random sample; 2 or more.
    pub sample: Option<u64>,
    /// Most gradient steps; the last epoch may be cut short.
    pub max_steps: Option<usize>,
    /// Seed of the initial weights, order, noise, sample and held-out rows.
    pub seed: u64,
    /// Number of networks, 1 to 64, whose scores are averaged; latents and reconstructions come from the first. Default: 1.
    pub members: Option<usize>,
    /// The score in `anomaly_score`, which is calibrated: one of [`SCORES`](crate::SCORES). Default: `elbo`.
    pub anomaly_score: Option<String>,
    /// The rule that makes a row an anomaly, stored for transforms. Default: [`Decision::DEFAULT`].
    pub decision: Option<Decision>,
    /// Bytes of memory for rows, 16 MiB or more. Rows that do not fit are kept in a scratch file. Never changes a result.
    /// Default: 2 GiB for encoded rows.
    pub memory: Option<u64>,
    /// An existing directory for scratch files. Never changes a result. Default: the system's temporary directory.
    pub spool_dir: Option<PathBuf>,
    /// A stop ends the fit with the best weights so far, once an epoch is trained.
    pub keep_partial: bool,
    /// File of the checkpoint: written after epochs, at most once a second, and within long ones; removed by
    /// [`Fitted::save`](crate::Fitted::save). `None` writes none.
    pub checkpoint: Option<PathBuf>,
    /// Minutes between checkpoints within an epoch, above 0. Default: 10.
    pub checkpoint_minutes: Option<f64>,
    /// Resume from the checkpoint, if there is one, and end with the same model as an uninterrupted fit.
    pub resume: bool,
    /// File of the base model: its columns, categories, scaling and network are kept, and its training options unless they
    /// are set. Default: none; the fit starts from random weights.
    pub init: Option<PathBuf>,
    /// Scale the columns of the base model by the new rows.
    pub refit_scaling: bool,
    /// Accept a model that is worse on the calibration rows than the base model.
    pub accept_worse: bool,
}

/// Generates one builder method per field.
macro_rules! builders {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $wrap:expr;)+) => {
        impl FitConfig {
            $($(#[$doc])* #[must_use] pub fn $name(mut self, value: $type) -> Self {
                self.$name = $wrap(value);
                self
            })+
        }
    };
}
builders! {
    /// Sets [`preset`](Self::preset).
    preset: Preset => Some;
    /// Sets [`columns`](Self::columns).
    columns: Vec<String> => |value| value;
    /// Sets [`exclude`](Self::exclude).
    exclude: Vec<String> => |value| value;
    /// Sets [`categorical`](Self::categorical).
    categorical: Vec<String> => |value| value;
    /// Sets [`max_categories`](Self::max_categories).
    max_categories: usize => Some;
    /// Sets [`scale`](Self::scale).
    scale: Scale => Some;
    /// Sets [`map`](Self::map).
    map: Vec<MapOf> => |value| value;
    /// Sets [`vector_scale`](Self::vector_scale).
    vector_scale: VectorScale => Some;
    /// Sets [`missing_indicator`](Self::missing_indicator).
    missing_indicator: bool => Some;
    /// Sets [`mask_rate`](Self::mask_rate).
    mask_rate: f64 => Some;
    /// Sets [`activation`](Self::activation).
    activation: Activation => Some;
    /// Sets [`epochs`](Self::epochs).
    epochs: usize => Some;
    /// Sets [`batch_size`](Self::batch_size).
    batch_size: usize => Some;
    /// Sets [`lr`](Self::lr).
    lr: f64 => Some;
    /// Sets [`beta`](Self::beta).
    beta: f64 => Some;
    /// Sets [`kl_warmup`](Self::kl_warmup).
    kl_warmup: f64 => Some;
    /// Sets [`free_bits`](Self::free_bits).
    free_bits: f64 => Some;
    /// Sets [`clip_norm`](Self::clip_norm).
    clip_norm: f64 => Some;
    /// Sets [`trim`](Self::trim).
    trim: f64 => Some;
    /// Sets [`patience`](Self::patience).
    patience: usize => Some;
    /// Sets [`val_fraction`](Self::val_fraction).
    val_fraction: f64 => Some;
    /// Sets [`shuffle_rows`](Self::shuffle_rows).
    shuffle_rows: u64 => Some;
    /// Sets [`sample`](Self::sample).
    sample: u64 => Some;
    /// Sets [`max_steps`](Self::max_steps).
    max_steps: usize => Some;
    /// Sets [`memory`](Self::memory).
    memory: u64 => Some;
    /// Sets [`spool_dir`](Self::spool_dir).
    spool_dir: PathBuf => Some;
    /// Sets [`seed`](Self::seed).
    seed: u64 => |value| value;
    /// Sets [`members`](Self::members).
    members: usize => Some;
    /// Sets [`decision`](Self::decision).
    decision: Decision => Some;
    /// Sets [`keep_partial`](Self::keep_partial).
    keep_partial: bool => |value| value;
    /// Sets [`checkpoint`](Self::checkpoint).
    checkpoint: PathBuf => Some;
    /// Sets [`checkpoint_minutes`](Self::checkpoint_minutes).
    checkpoint_minutes: f64 => Some;
    /// Sets [`resume`](Self::resume).
    resume: bool => |value| value;
    /// Sets [`init`](Self::init).
    init: PathBuf => Some;
    /// Sets [`refit_scaling`](Self::refit_scaling).
    refit_scaling: bool => |value| value;
    /// Sets [`accept_worse`](Self::accept_worse).
    accept_worse: bool => |value| value;
}

impl FitConfig {
    /// The defaults of [`Preset::Reduce`], everything chosen from the data, seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`hidden`](Self::hidden).
    #[must_use]
    pub fn hidden(mut self, widths: impl Into<Vec<usize>>) -> Self {
        self.hidden = Some(widths.into());
        self
    }

    /// Sets [`latent_dim`](Self::latent_dim).
    #[must_use]
    pub fn latent_dim(mut self, dimensions: impl Into<LatentDim>) -> Self {
        self.latent_dim = Some(dimensions.into());
        self
    }

    /// Sets [`anomaly_score`](Self::anomaly_score).
    #[must_use]
    pub fn anomaly_score(mut self, name: impl Into<String>) -> Self {
        self.anomaly_score = Some(name.into());
        self
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`] for the first option outside it.
    pub fn check(&self) -> Result<()> {
        const WIDTH: std::ops::RangeInclusive<usize> = 1..=65_536;
        within("latent_dim", self.latent_dim, "auto, or 1 to 4096", |v| match v {
            LatentDim::Of(dimensions) => (1..=4096).contains(&dimensions),
            LatentDim::Auto => self.val_fraction != Some(0.0),
        })?;
        for &width in self.hidden.iter().flatten() {
            within("hidden", Some(width), "1 to 65536 a layer", |v| WIDTH.contains(&v))?;
        }
        if let Some(layers) = self.hidden.as_ref().map(Vec::len).filter(|&layers| layers > 16) {
            let value = format!("{layers} layers");
            return Err(Error::OptionRange { option: "hidden", value, range: "at most 16" });
        }
        within("max_categories", self.max_categories, "2 to 4096", |v| (2..=4096).contains(&v))?;
        within("mask_rate", self.mask_rate, "0 to 0.9", |v| (0.0..=0.9).contains(&v))?;
        within("epochs", self.epochs, "1 to 1000000", |v| (1..=1_000_000).contains(&v))?;
        within("batch_size", self.batch_size, "1 to 1048576", |v| (1..=1 << 20).contains(&v))?;
        within("lr", self.lr, "above 0 and finite", |v| v > 0.0 && v.is_finite())?;
        within("beta", self.beta, "0 or more and finite", |v| v >= 0.0 && v.is_finite())?;
        within("kl_warmup", self.kl_warmup, "0 to 1", |v| (0.0..=1.0).contains(&v))?;
        within("free_bits", self.free_bits, "0 or more and finite", |v| v >= 0.0 && v.is_finite())?;
        within("clip_norm", self.clip_norm, "0 or more and finite", |v| v >= 0.0 && v.is_finite())?;
        within("trim", self.trim, "0 to 0.9", |v| (0.0..=0.9).contains(&v))?;
        within("val_fraction", self.val_fraction, "0 to 0.5", |v| (0.0..=0.5).contains(&v))?;
        within("sample", self.sample, "2 or more", |v| v >= 2)?;
        within("max_steps", self.max_steps, "1 or more", |v| v >= 1)?;
        within("members", self.members, "1 to 64", |v| (1..=Training::MOST_MEMBERS).contains(&v))?;
        within("memory", self.memory, "16 MiB or more", |v| v >= 16 << 20)?;
        within("shuffle_rows", self.shuffle_rows, "1 or more", |v| v >= 1)?;
        check_decision(self.decision)?;
        within("checkpoint_minutes", self.checkpoint_minutes, "above 0, at most 1000000", |v| v > 0.0 && v <= 1e6)
    }
}

fn within<T: fmt::Display + Copy>(
    option: &'static str,
    value: Option<T>,
    range: &'static str,
    ok: impl Fn(T) -> bool,
) -> Result<()> {
    match value {
        Some(value) if !ok(value) => Err(Error::OptionRange { option, value: value.to_string(), range }),
        _ => Ok(()),
    }
}

fn check_decision(decision: Option<Decision>) -> Result<()> {
    let Some(decision) = decision else { return Ok(()) };
    let (range, is_within) = decision.range();
    within(decision.option(), Some(decision.value()), range, |_| is_within)
}

/// The resolved options of a fit, as stored in the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Training {
    /// The set of defaults.
    pub preset: Preset,
    /// Scaling of numbers.
    pub scale: Scale,
    /// Whether the encoder has an indicator of missing values.
    pub missing_indicator: bool,
    /// Share of the known values that each step hides from the encoder.
    pub mask_rate: f64,
    /// Most passes over the training rows; the last one may be cut short.
    pub epochs: usize,
    /// Gradient steps of a full epoch.
    pub steps_per_epoch: usize,
    /// Gradient steps of all epochs: the horizon of the cosine decay.
    pub steps: usize,
    /// Most rows of a step.
    pub batch_size: usize,
    /// Rows of a gradient shard; shards are summed in order.
    pub shard_rows: usize,
    /// Highest learning rate.
    pub lr: f64,
    /// KL weight after the warm-up.
    pub beta: f64,
    /// Share of the step budget over which the KL weight rises.
    pub kl_warmup: f64,
    /// Free nats of KL per latent dimension.
    pub free_bits: f64,
    /// Largest global gradient norm; 0 is off.
    pub clip_norm: f64,
    /// Share of each batch left out of the gradient.
    pub trim: f64,
    /// Epochs without improvement before training stops; 0 is never.
    pub patience: usize,
    /// Share of rows asked to be held out.
    pub val_fraction: f64,
    /// Number of networks, whose scores are averaged.
    pub members: usize,
    /// The seed.
    pub seed: u64,
    /// Rows shuffled together.
    pub shuffle_rows: u64,
}

impl Training {
    /// Most networks.
    pub(crate) const MOST_MEMBERS: usize = 64;

    /// The seed of weights and noise of network `n`; the first network has the seed of the fit.
    pub(crate) fn member_seed(&self, n: usize) -> u64 {
        if n == 0 { self.seed } else { RandomStream::new(self.seed, "members").bits(n as u64) }
    }
}
