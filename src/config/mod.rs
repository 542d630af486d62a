//! What the user asks for ([`FitConfig`], [`SourceConfig`], [`TransformConfig`], [`ImputeConfig`], and of latents
//! [`GenerateConfig`], [`ReconstructConfig`], [`TraverseConfig`]) and what a fit resolves it to ([`Training`]).

#![forbid(unsafe_code)]

mod choices;
mod impute;
mod latents;
mod source;
mod transform;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::choices::{Activation, Codec, Decision, LatentDim, Map, MapOf, Preset, Scale, VectorScale};
pub use self::impute::ImputeConfig;
pub use self::latents::{GenerateConfig, ReconstructConfig, TraverseConfig};
pub use self::source::SourceConfig;
pub use self::transform::{Encoding, TransformConfig};
use crate::error::{Error, Result};
use crate::numerics::RandomStream;

/// What to fit and how. Every field left `None` is chosen from the data by the rule in its doc.
///
/// ```
/// use vaepipe::FitConfig;
/// let config = FitConfig::new().latent_dim(16).hidden([256, 128]).seed(7);
/// assert_eq!(config.latent_dim, Some(16.into()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FitConfig {
    /// The bundle of defaults to start from. Default: `reduce`.
    pub preset: Option<Preset>,
    /// Learn only these columns: names, globs, or `re:` and a regular expression. Empty: every column that can be.
    pub columns: Vec<String>,
    /// Do not learn these columns; same forms as `columns`. They are still written by a transform.
    pub exclude: Vec<String>,
    /// Learn these columns as categories: integers, and strings that look like identifiers, whose words are then hashed
    /// into at most `max_categories` classes. Same forms as `columns`.
    pub categorical: Vec<String>,
    /// Most words of a category that are told apart, 2 to 4096; the rest share one more class. Default 64.
    pub max_categories: Option<usize>,
    /// Scaling of numbers.
    pub scale: Option<Scale>,
    /// Curves for skewed numbers; of several that match a column, the last one.
    pub map: Vec<MapOf>,
    /// Scaling of vectors. Default: each element for itself.
    pub vector_scale: Option<VectorScale>,
    /// Tell the encoder of a feature with missing values which of them are missing. Default: yes, since it helps the
    /// likelihood of held-out rows.
    pub missing_indicator: Option<bool>,
    /// Share of the known values, 0 to 0.9, that each step hides from the encoder, to teach it to do without them.
    /// Default: 0.1 if a learned column misses values in the training rows, else 0.
    pub mask_rate: Option<f64>,
    /// Width of the latent space, 1 to 4096, or found from the data.
    pub latent_dim: Option<LatentDim>,
    /// Widths of the encoder's hidden layers; the decoder mirrors them. Empty: a linear model.
    pub hidden: Option<Vec<usize>>,
    /// Nonlinearity between layers.
    pub activation: Option<Activation>,
    /// Most passes over the training rows.
    pub epochs: Option<usize>,
    /// Most rows of a gradient step; an epoch is cut into steps of equal size.
    pub batch_size: Option<usize>,
    /// Highest learning rate of Adam.
    pub lr: Option<f64>,
    /// Weight of the KL term once warmed up.
    pub beta: Option<f64>,
    /// Share of the step budget, 0 to 1, over which the KL weight rises from 0 to `beta`.
    pub kl_warmup: Option<f64>,
    /// Nats of KL a latent dimension may carry, averaged over a batch, before it is paid for.
    pub free_bits: Option<f64>,
    /// Largest global gradient norm of a step; 0 switches clipping off.
    pub clip_norm: Option<f64>,
    /// Share of each batch, 0 to below 1, with the highest loss, that is left out of the gradient.
    pub trim: Option<f64>,
    /// Epochs without improvement before training stops; 0 trains all epochs.
    pub patience: Option<usize>,
    /// Share of rows, 0 to 0.5, held out of training; half choose the weights, half calibrate.
    pub val_fraction: Option<f64>,
    /// Rows shuffled together: all of them in memory, or windows of this many read in random order from the files.
    pub shuffle_rows: Option<u64>,
    /// Rows that take part at most, drawn from all of them; 2 or more.
    pub sample: Option<u64>,
    /// Gradient steps at most; the last epoch may be cut short.
    pub max_steps: Option<usize>,
    /// Decides initial weights, order, noise, sample and held-out rows.
    pub seed: u64,
    /// Networks whose scores are averaged, 1 to 64; latents and reconstructions are the first one's. Default: 1.
    pub members: Option<usize>,
    /// The score that `anomaly_score` holds and that is calibrated: one of [`SCORES`](crate::SCORES). Default: `elbo`.
    pub anomaly_score: Option<String>,
    /// What makes a row an anomaly, stored for transforms. Default: [`Decision::DEFAULT`].
    pub decision: Option<Decision>,
    /// Bytes of memory for rows on their way and between epochs, 16 MiB or more; `None` is 2 GiB for encoded rows. Rows
    /// that do not fit are kept in a scratch file. Never changes a number.
    pub memory: Option<u64>,
    /// Folder of scratch files, which must be there; `None` is the system's for temporary files. Never changes a number.
    pub spool_dir: Option<PathBuf>,
    /// Worker threads; `None` takes the machine's. Never changes a number.
    pub threads: Option<usize>,
    /// A fit that is asked to stop ends with the best weights so far, once an epoch is trained.
    pub keep_partial: bool,
    /// File of the checkpoint: written at the end of an epoch, though not more than once a second, and within long ones,
    /// until [`Fitted::save`](crate::Fitted::save) removes it. `None` writes none.
    pub checkpoint: Option<PathBuf>,
    /// Minutes without a checkpoint within an epoch, above 0. Default: 10.
    pub checkpoint_minutes: Option<f64>,
    /// Go on from the checkpoint, if there is one, and end with the same model as a fit that nothing interrupted.
    pub resume: bool,
    /// The model file to go on from: its columns, categories, scaling and network are kept, and what is left open of the
    /// training is as it had it. Default: none, and the fit starts from random weights.
    pub init: Option<PathBuf>,
    /// Scale the columns of [`init`](Self::init) by the new rows.
    pub refit_scaling: bool,
    /// Take a model that is worse on held-out rows than the one it went on from.
    pub accept_worse: bool,
}

/// Generates one builder method a field.
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
    /// Sets [`threads`](Self::threads).
    threads: usize => Some;
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
        within("checkpoint_minutes", self.checkpoint_minutes, "above 0, at most 1000000", |v| v > 0.0 && v <= 1e6)?;
        check_threads(self.threads)
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

fn check_threads(threads: Option<usize>) -> Result<()> {
    within("threads", threads, "1 to 1024", |v| (1..=1024).contains(&v))
}

/// What a fit used: every value that decides the numbers, as stored in the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Training {
    /// Defaults the fit started from.
    pub preset: Preset,
    /// Scaling of numbers.
    pub scale: Scale,
    /// Whether the encoder is told what is missing, of features with missing values.
    pub missing_indicator: bool,
    /// Share of the known values that each step hides from the encoder.
    pub mask_rate: f64,
    /// Most passes over the training rows; the last one may be cut short.
    pub epochs: usize,
    /// Gradient steps of a whole epoch.
    pub steps_per_epoch: usize,
    /// Gradient steps of all epochs: the horizon of the cosine decay.
    pub steps: usize,
    /// Most rows of a step.
    pub batch_size: usize,
    /// Rows of a gradient shard; shards are summed in order.
    pub shard_rows: usize,
    /// Highest learning rate.
    pub lr: f64,
    /// KL weight once warmed up.
    pub beta: f64,
    /// Share of the step budget over which the KL weight rises.
    pub kl_warmup: f64,
    /// Free nats a latent dimension.
    pub free_bits: f64,
    /// Largest global gradient norm; 0 is off.
    pub clip_norm: f64,
    /// Share of each batch left out of the gradient.
    pub trim: f64,
    /// Epochs without improvement before training stops; 0 is never.
    pub patience: usize,
    /// Share of rows asked to be held out.
    pub val_fraction: f64,
    /// Networks trained, one after the other, whose scores are averaged.
    pub members: usize,
    /// The seed.
    pub seed: u64,
    /// Rows shuffled together: all of them, or the window's.
    pub shuffle_rows: u64,
}

impl Training {
    /// More networks than any error has been seen to need.
    pub(crate) const MOST_MEMBERS: usize = 64;

    /// The seed of weights and noise of network `n`; the first one's is that of the fit.
    pub(crate) fn member_seed(&self, n: usize) -> u64 {
        if n == 0 { self.seed } else { RandomStream::new(self.seed, "members").bits(n as u64) }
    }
}
