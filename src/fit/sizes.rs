//! The rules for everything a user leaves open, from the width of the row vector and the number of training rows.

use crate::config::{Activation, FitConfig, Preset, Scale, Training};
use crate::model::Network;

/// Rows of a gradient shard: two of a batch of 256, so that two threads share it.
const SHARD_ROWS: usize = 128;

/// What a preset decides.
struct Defaults {
    scale: Scale,
    activation: Activation,
    lr: f64,
    beta: f64,
    kl_warmup: f64,
    free_bits: f64,
    clip_norm: f64,
    trim: f64,
    patience: usize,
    val_fraction: f64,
}

const REDUCE: Defaults = Defaults {
    scale: Scale::Standard,
    activation: Activation::Silu,
    lr: 2e-3,
    beta: 1.0,
    kl_warmup: 0.1,
    free_bits: 0.0,
    clip_norm: 0.0,
    trim: 0.0,
    patience: 50,
    val_fraction: 0.1,
};

const ANOMALY: Defaults = Defaults {
    scale: Scale::Robust,
    activation: Activation::Silu,
    lr: 2e-3,
    beta: 1.0,
    kl_warmup: 0.3,
    free_bits: 0.0,
    clip_norm: 0.0,
    trim: 0.1,
    patience: 0,
    val_fraction: 0.1,
};

fn defaults(preset: Preset) -> &'static Defaults {
    match preset {
        Preset::Reduce => &REDUCE,
        Preset::Anomaly => &ANOMALY,
    }
}

/// The scaling to fit features with.
pub(super) fn scale(config: &FitConfig) -> Scale {
    config.scale.unwrap_or(defaults(config.preset).scale)
}

/// The share of rows to hold out.
pub(super) fn val_fraction(config: &FitConfig) -> f64 {
    config.val_fraction.unwrap_or(defaults(config.preset).val_fraction)
}

/// The network for rows of `inputs` elements.
pub(super) fn network(config: &FitConfig, inputs: usize) -> Network {
    let (hidden, latent_dim) = match config.preset {
        Preset::Reduce => (hidden(inputs), latent_dim(inputs)),
        Preset::Anomaly => (vec![64, 32], 2),
    };
    Network {
        hidden: config.hidden.clone().unwrap_or(hidden),
        latent_dim: config.latent_dim.unwrap_or(latent_dim),
        activation: config.activation.unwrap_or(defaults(config.preset).activation),
    }
}

fn hidden(inputs: usize) -> Vec<usize> {
    if inputs <= 64 { vec![128, 64] } else { vec![256, 128] }
}

fn latent_dim(inputs: usize) -> usize {
    ((inputs as f64).sqrt() as usize).clamp(2, 16).min(inputs)
}

/// Everything else, for `rows` training rows.
pub(super) fn training(config: &FitConfig, rows: usize, shuffle_rows: u64) -> Training {
    let defaults = defaults(config.preset);
    let batch_size = config.batch_size.unwrap_or(match rows {
        0..300 => 32,
        300..1000 => 64,
        1000..4000 => 128,
        _ => 256,
    });
    let steps_per_epoch = rows.div_ceil(batch_size).max(1);
    let epochs = config.epochs.unwrap_or_else(|| (2000_usize).div_ceil(steps_per_epoch).clamp(3, 200));
    Training {
        preset: config.preset,
        scale: scale(config),
        epochs,
        steps_per_epoch,
        batch_size,
        shard_rows: SHARD_ROWS,
        lr: config.lr.unwrap_or(defaults.lr),
        beta: config.beta.unwrap_or(defaults.beta),
        kl_warmup: config.kl_warmup.unwrap_or(defaults.kl_warmup),
        free_bits: config.free_bits.unwrap_or(defaults.free_bits),
        clip_norm: config.clip_norm.unwrap_or(defaults.clip_norm),
        trim: config.trim.unwrap_or(defaults.trim),
        patience: config.patience.unwrap_or(defaults.patience),
        val_fraction: val_fraction(config),
        seed: config.seed,
        shuffle_rows,
    }
}
