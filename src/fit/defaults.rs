//! The defaults: rules for every option left open, from the width of the row vector and the number of training rows.

use std::ops::RangeInclusive;

use super::batch_size::batch_size;
use super::latent_dim_search::widest;
use super::missing_rates::MissingRates;
use crate::config::{Activation, FitConfig, LatentDim, Preset, Scale, Training};
use crate::feature::Features;
use crate::fit::row_order::CHUNK_ROWS;
use crate::model::Network;

/// Bytes of training rows up to which all are shuffled together. A constant, since the order of training depends on it.
const SHUFFLE_BYTES: u64 = 2 << 30;

/// Bytes of a shuffle window if there are more: small enough to be read together, large enough for a fair draw.
const WINDOW_BYTES: u64 = SHUFFLE_BYTES / 4;

/// Decides how many of `rows` rows, of which `taken` take part, are shuffled together: all, or a window.
pub(super) fn shuffle_rows(rows: u64, taken: u64, row_bytes: u64) -> u64 {
    if taken.saturating_mul(row_bytes) <= SHUFFLE_BYTES {
        return rows;
    }
    let window = (WINDOW_BYTES / row_bytes.max(1)) as f64 * (rows as f64 / taken as f64);
    (window as u64).max(CHUNK_ROWS).div_ceil(CHUNK_ROWS) * CHUNK_ROWS
}

/// Decides the rows of a gradient shard: a quarter of a batch, so that threads share it, within limits: large enough for
/// fast matrix products, small enough for a core's cache. Measured at 784 columns and two threads: shards of 128, 256 and
/// 512 rows of a batch of 1,024 trained at speeds of 0.92 : 1 : 1.01, and only the first two leave work for more threads.
fn shard_rows(batch_size: usize) -> usize {
    (batch_size / 4).clamp(64, 512)
}

/// Width of the row vector, and number of training rows.
#[derive(Debug, Clone, Copy)]
struct DataShape {
    inputs: usize,
    rows: usize,
}

impl DataShape {
    /// Whether there are few features: then details of each tell rows apart.
    fn is_narrow(self) -> bool {
        self.inputs < 32
    }

    /// Whether there are many features and few rows, as in embeddings of some hundred texts: too few rows to learn nonlinear
    /// structure, while linear directions explain much.
    fn is_wide_and_short(self) -> bool {
        self.inputs >= 256 && self.rows < 4 * self.inputs
    }
}

/// Most latents that are few: they have little room to place rows near all rows like them.
const FEW_LATENTS: usize = 3;

/// The presets: values, and rules from the width of the row vector and the number of training rows.
///
/// `reduce` was chosen by 5-nearest-neighbour accuracy in the latents of images and tables; `anomaly` by AUROC and
/// average precision of the score on tables with labelled anomalies.
struct Defaults {
    scale: Scale,
    hidden: fn(shape: DataShape, latent_dim: usize) -> Vec<usize>,
    latent_dim: fn(shape: DataShape) -> usize,
    /// Gradient steps to aim for, and the range of epochs.
    steps: usize,
    epochs: fn(shape: DataShape) -> RangeInclusive<usize>,
    /// Most gradient steps, whatever the number of rows.
    most_steps: usize,
    lr: f64,
    kl_warmup: f64,
    trim: f64,
    noise_floor: f64,
    patience: fn(epochs: usize) -> usize,
    anomaly_score: &'static str,
}

const REDUCE: Defaults = Defaults {
    scale: Scale::Minmax,
    // The next power of two above twice the width: wide enough for the data, narrow enough to train fast. Many features in
    // two or three latents gain from a third layer; otherwise it makes latents worse.
    hidden: |DataShape { inputs, .. }, latent_dim| {
        let first = (2 * inputs.min(128)).next_power_of_two().clamp(64, 256);
        let layers = if latent_dim <= FEW_LATENTS && inputs >= 32 { 3 } else { 2 };
        (0..layers).map(|layer| first >> layer).collect()
    },
    latent_dim: |DataShape { inputs, .. }| ((inputs as f64).sqrt() as usize).clamp(2, 16).min(inputs),
    steps: 2000,
    // Many epochs overfit few rows.
    epochs: |DataShape { rows, .. }| 3..=rows.clamp(200, 400),
    // Thirteen million rows at the default batch size: more rows add little.
    most_steps: 50_000,
    lr: 4e-3,
    kl_warmup: 0.3,
    trim: 0.0,
    // For features like rarely set pixels; lower floors make the latents of images worse.
    noise_floor: -0.5,
    // Generous: with the decaying rate the best weights often come late.
    patience: |epochs| (epochs * 3).div_ceil(10).max(10),
    anomaly_score: "elbo",
};

/// A map of all rows: as for latents, but with a deeper network, since a plane has little room to undo a wrong fold. Chosen by
/// 5-nearest-neighbour accuracy and trustworthiness.
const MAP: Defaults = Defaults {
    hidden: |shape, latent_dim| match latent_dim {
        ..=FEW_LATENTS => vec![256, 256, 128, 64],
        _ => (REDUCE.hidden)(shape, latent_dim),
    },
    latent_dim: |DataShape { inputs, .. }| inputs.min(2),
    // The validation loss does not tell when neighbours are together.
    patience: |_| 0,
    ..REDUCE
};

/// Neighbours of a row that preset map keeps near to it.
const NEIGHBORS_OF_MAP: usize = 15;

/// The deviation of the noise on what the encoder sees in training: it makes rows that the fit has not seen fall where rows like
/// them are. It costs likelihood in narrow tables without neighbours, and costs more with more latents (benches/README.md).
fn input_noise(config: &FitConfig, inputs: usize, latents: usize) -> f64 {
    // A linear network without noise is probabilistic PCA.
    let is_linear = config.hidden.as_ref().is_some_and(Vec::is_empty);
    match (neighbors(config) > 0, latents) {
        (false, ..=FEW_LATENTS) if preset(config) != Preset::Anomaly && !is_linear => by_width(inputs, 0.7, 0.0),
        (false, _) => 0.0,
        (true, ..=FEW_LATENTS) => by_width(inputs, 0.7, 0.2),
        (true, _) => by_width(inputs, 0.3, 0.0),
    }
}

/// A value for many features, and one for few.
fn by_width(inputs: usize, wide: f64, narrow: f64) -> f64 {
    if inputs >= 32 { wide } else { narrow }
}

/// The weight of neighbours beside the ELBO, in nats a feature. More costs likelihood and gains nothing in narrow tables and with
/// many latents (benches/README.md).
fn neighbor_weight(inputs: usize, latents: usize) -> f64 {
    match latents {
        ..=FEW_LATENTS => by_width(inputs, 1.0, 0.1) * (2.0 / latents as f64).min(1.0),
        _ => 0.2 / latents as f64,
    }
}

const ANOMALY: Defaults = Defaults {
    scale: Scale::Asinh,
    hidden: |shape, _| if shape.is_wide_and_short() { Vec::new() } else { vec![64, 32] },
    latent_dim: |shape| if shape.is_wide_and_short() { 32 } else { shape.inputs.min(2) },
    steps: 1000,
    // A linear network does not overfit.
    epochs: |shape| if shape.is_wide_and_short() { 200..=200 } else { 1..=100 },
    most_steps: 50_000,
    lr: 2e-3,
    kl_warmup: 0.3,
    trim: 0.2,
    noise_floor: -6.0,
    patience: |_| 0,
    // Where the anomalies are rows among others, as far from them as from the network's expectation of them.
    anomaly_score: "combined",
};

/// Share of the known values hidden in training if some are missing, so that the encoder learns to do without them.
const MASK_RATE: f64 = 0.1;

/// The noise floor for many missing values: next to none, since it would make intervals too wide. With it go twice the
/// latents and one layer of twice the width in place of two, which fill held-out values better.
const NOISE_FLOOR_OF_MISSING: f64 = -4.0;

/// Defaults of all presets.
const ACTIVATION: Activation = Activation::Silu;
const BETA: f64 = 1.0;
const FREE_BITS: f64 = 0.0;
const VAL_FRACTION: f64 = 0.1;
// Four networks find no more anomalies in 21 public data sets than one.
const MEMBERS: usize = 1;

/// Clipping is for spikes, not for every step: gradients grow with the number of features, and so does this norm.
const CLIP_NORM_A_FEATURE: f64 = 10.0;

fn defaults(preset: Preset) -> &'static Defaults {
    match preset {
        Preset::Reduce => &REDUCE,
        Preset::Anomaly => &ANOMALY,
        Preset::Map => &MAP,
    }
}

/// The number of neighbours that are kept near to a row.
pub(super) fn neighbors(config: &FitConfig) -> usize {
    config.neighbors.unwrap_or(if preset(config) == Preset::Map { NEIGHBORS_OF_MAP } else { 0 })
}

/// The bundle of defaults.
fn preset(config: &FitConfig) -> Preset {
    // What happens in rows in order is mostly judged, not embedded.
    config.preset.unwrap_or(if config.order_by.is_some() { Preset::Anomaly } else { Preset::default() })
}

/// Whether anomalies are looked for in rows in order. Their windows are mostly linear in each other: a linear network that
/// trains on all of them, and the distance from the nearest training windows on a linear scale, are best (benches/README.md).
fn finds_in_order(config: &FitConfig) -> bool {
    config.order_by.is_some() && preset(config) == Preset::Anomaly
}

/// The scaling to fit features with.
pub(super) fn scale(config: &FitConfig) -> Scale {
    let default = if finds_in_order(config) { Scale::Standard } else { defaults(preset(config)).scale };
    config.scale.unwrap_or(default)
}

/// The name of the score to rank rows by.
pub(super) fn anomaly_score(config: &FitConfig) -> &str {
    let default = if finds_in_order(config) { "neighbor_distance" } else { defaults(preset(config)).anomaly_score };
    config.anomaly_score.as_deref().unwrap_or(default)
}

/// The share of rows to hold out.
pub(super) fn val_fraction(config: &FitConfig) -> f64 {
    config.val_fraction.unwrap_or(VAL_FRACTION)
}

/// The learning rate of preset anomaly with given columns: the network must learn their effects in few steps.
const LR_GIVEN: f64 = 8e-3;

/// The trim of the same: at first many ordinary rows look odd for their circumstances.
const TRIM_GIVEN: f64 = 0.05;

/// The learning rate of preset map for narrow tables: a lower one leaves rows together that details tell apart.
const LR_OF_NARROW_MAP: f64 = 8e-3;

fn lr(config: &FitConfig, shape: DataShape) -> f64 {
    match preset(config) {
        Preset::Anomaly if !config.given.is_empty() => LR_GIVEN,
        Preset::Map if shape.is_narrow() => LR_OF_NARROW_MAP,
        preset => defaults(preset).lr,
    }
}

fn trim(config: &FitConfig) -> f64 {
    match preset(config) {
        Preset::Anomaly if config.order_by.is_some() => 0.0,
        Preset::Anomaly if !config.given.is_empty() => TRIM_GIVEN,
        preset => defaults(preset).trim,
    }
}

/// The options of a fit in which some columns are given by themselves, as times are: those of preset anomaly are as if they were named.
pub(super) fn with_given(mut config: FitConfig, features: &Features) -> FitConfig {
    if preset(&config) == Preset::Anomaly && config.order_by.is_none() && !features.given().is_empty() {
        config.lr.get_or_insert(LR_GIVEN);
        config.trim.get_or_insert(TRIM_GIVEN);
    }
    config
}

/// Decides the network for `rows` training rows of `inputs` elements.
pub(super) fn network(config: &FitConfig, inputs: usize, rows: usize, missing: MissingRates) -> Network {
    let (defaults, shape) = (defaults(preset(config)), DataShape { inputs, rows });
    let fills = missing.many && preset(config) == Preset::Reduce;
    let latent_dim = match (config.latent_dim, (defaults.latent_dim)(shape)) {
        (Some(LatentDim::Of(latents)), _) => latents,
        // The search tries at most this.
        (Some(LatentDim::Auto), _) => widest(inputs),
        (None, latents) if fills => (2 * latents).min(16).min(inputs),
        (None, latents) => latents,
    };
    let hidden = config.hidden.clone().unwrap_or_else(|| match (defaults.hidden)(shape, latent_dim) {
        _ if finds_in_order(config) => Vec::new(),
        widths if fills => widths.first().map(|width| 2 * width).into_iter().collect(),
        widths => widths,
    });
    // Columns that a user gives are there to tell what is odd for them.
    let floor = if config.given.is_empty() { defaults.noise_floor } else { ANOMALY.noise_floor };
    let noise_floor = if fills { NOISE_FLOOR_OF_MISSING.min(floor) } else { floor };
    Network { hidden, latent_dim, activation: config.activation.unwrap_or(ACTIVATION), noise_floor }
}

/// Decides how many of `rows` rows take part: as many as asked for, or as the steps can reach.
pub(super) fn sample(config: &FitConfig, rows: u64) -> u64 {
    let steps = match (config.max_steps, config.epochs) {
        (Some(steps), _) => steps,
        // A number of epochs asks for all rows.
        (None, Some(_)) => return config.sample.unwrap_or(rows).min(rows),
        (None, None) => defaults(preset(config)).most_steps,
    };
    // Held-out rows are not trained on.
    let reached = |rows: u64| {
        let batch_size = config.batch_size.unwrap_or_else(|| batch_size(usize::try_from(rows).unwrap_or(usize::MAX)));
        ((steps as u64).saturating_mul(batch_size as u64) as f64 / (1.0 - val_fraction(config))).ceil() as u64
    };
    // Fewer rows may have smaller batches, which reach fewer rows.
    let mut taken = config.sample.unwrap_or(rows).min(rows);
    while reached(taken) < taken {
        taken = reached(taken);
    }
    taken.max(2).min(rows)
}

/// Whether the encoder is told what is missing.
pub(super) fn missing_indicator(config: &FitConfig) -> bool {
    config.missing_indicator.unwrap_or(true)
}

/// Decides the training for `rows` training rows of `inputs` elements, with `missing` values or none.
pub(super) fn training(config: &FitConfig, inputs: usize, rows: usize, shuffle_rows: u64, missing: bool) -> Training {
    let (defaults, shape) = (defaults(preset(config)), DataShape { inputs, rows });
    let batch_size = config.batch_size.unwrap_or_else(|| batch_size(rows));
    let steps_per_epoch = rows.div_ceil(batch_size).max(1);
    let epochs = config.epochs.unwrap_or_else(|| {
        let most = (defaults.epochs)(shape);
        defaults.steps.div_ceil(steps_per_epoch).clamp(*most.start(), *most.end())
    });
    let most_steps = config.max_steps.or(config.epochs.is_none().then_some(defaults.most_steps));
    let steps = epochs.saturating_mul(steps_per_epoch).min(most_steps.unwrap_or(usize::MAX));
    let epochs = steps.div_ceil(steps_per_epoch);
    let (neighbors, latents) = (neighbors(config), (defaults.latent_dim)(shape));
    let latents = if let Some(LatentDim::Of(latents)) = config.latent_dim { latents } else { latents };
    let weight = || config.neighbor_weight.unwrap_or_else(|| neighbor_weight(inputs, latents));
    Training {
        preset: preset(config),
        scale: scale(config),
        missing_indicator: missing_indicator(config),
        mask_rate: config.mask_rate.unwrap_or(if missing { MASK_RATE } else { 0.0 }),
        epochs,
        steps_per_epoch,
        steps,
        batch_size,
        shard_rows: shard_rows(if neighbors > 0 { 2 * batch_size } else { batch_size }),
        lr: config.lr.unwrap_or_else(|| lr(config, shape)),
        beta: config.beta.unwrap_or(BETA),
        kl_warmup: config.kl_warmup.unwrap_or(defaults.kl_warmup),
        free_bits: config.free_bits.unwrap_or(FREE_BITS),
        clip_norm: config.clip_norm.unwrap_or(CLIP_NORM_A_FEATURE * inputs as f64),
        trim: config.trim.unwrap_or_else(|| trim(config)),
        patience: config.patience.unwrap_or_else(|| (defaults.patience)(epochs)),
        val_fraction: val_fraction(config),
        neighbors,
        neighbor_weight: if neighbors == 0 { 0.0 } else { weight() },
        input_noise: input_noise(config, inputs, latents),
        members: config.members.unwrap_or(MEMBERS),
        seed: config.seed,
        shuffle_rows,
    }
}

impl FitConfig {
    /// Fills every open option that the preset decides without data.
    #[must_use]
    pub fn with_preset(&self) -> Self {
        let defaults = defaults(preset(self));
        let mut filled = self.clone();
        filled.preset.get_or_insert(preset(self));
        filled.scale.get_or_insert_with(|| scale(self));
        filled.activation.get_or_insert(ACTIVATION);
        // That of a map depends on the number of features.
        if preset(self) != Preset::Map {
            filled.lr.get_or_insert_with(|| lr(self, DataShape { inputs: 0, rows: 0 }));
        }
        filled.beta.get_or_insert(BETA);
        filled.kl_warmup.get_or_insert(defaults.kl_warmup);
        filled.free_bits.get_or_insert(FREE_BITS);
        filled.trim.get_or_insert_with(|| trim(self));
        filled.members.get_or_insert(MEMBERS);
        filled.neighbors.get_or_insert(neighbors(self));
        filled.val_fraction.get_or_insert(VAL_FRACTION);
        filled.anomaly_score.get_or_insert_with(|| anomaly_score(self).to_owned());
        filled
    }
}

#[cfg(test)]
mod tests;
