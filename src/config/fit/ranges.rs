//! The ranges of the options of a fit.

#![forbid(unsafe_code)]

use super::FitConfig;
use crate::config::{ClusterCount, LatentDim, Preset, Training, check_decision, within};
use crate::error::{Error, Result};

impl FitConfig {
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
        within("clusters", self.clusters, "auto, or 1 to 64", ClusterCount::is_valid)?;
        self.check_order()?;
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
        within("neighbors", self.neighbors, "0 to 100", |v| v <= 100)?;
        within("neighbor_weight", self.neighbor_weight, "0 or more and finite", |v| v >= 0.0 && v.is_finite())?;
        self.check_neighbors()?;
        within("val_fraction", self.val_fraction, "0 to 0.5", |v| (0.0..=0.5).contains(&v))?;
        within("sample", self.sample, "2 or more", |v| v >= 2)?;
        within("max_steps", self.max_steps, "1 or more", |v| v >= 1)?;
        within("members", self.members, "1 to 64", |v| (1..=Training::MOST_MEMBERS).contains(&v))?;
        within("memory", self.memory, "16 MiB or more", |v| v >= 16 << 20)?;
        within("shuffle_rows", self.shuffle_rows, "1 or more", |v| v >= 1)?;
        check_decision(self.decision, self.ignore_above_p)?;
        if self.ignore_above_p.is_some() && self.val_fraction == Some(0.0) {
            return Err(Error::NotCalibrated { option: "ignore_above_p" });
        }
        self.tags.check()?;
        within("checkpoint_minutes", self.checkpoint_minutes, "above 0, at most 1000000", |v| v > 0.0 && v <= 1e6)
    }

    /// Checks that a weight of neighbours has neighbours, which a base model may have.
    fn check_neighbors(&self) -> Result<()> {
        let kept = self.neighbors.map_or(self.preset == Some(Preset::Map), |neighbors| neighbors > 0);
        match self.neighbor_weight {
            Some(weight) if !kept && self.init.is_none() => {
                let range = "left out unless neighbors are kept together";
                Err(Error::OptionRange { option: "neighbor_weight", value: weight.to_string(), range })
            }
            _ => Ok(()),
        }
    }

    /// Checks the options about the order of the rows.
    fn check_order(&self) -> Result<()> {
        within("window", self.window, "a power of two, 2 to 1024", |v| v.is_power_of_two() && (2..=1024).contains(&v))?;
        within("max_groups", self.max_groups, "1 or more", |v| v >= 1)?;
        let by = (!self.by.is_empty()).then(|| self.by.join(","));
        let only_ordered = [
            ("by", by),
            ("window", self.window.map(|window| window.to_string())),
            ("max_gap", self.max_gap.map(|gap| gap.to_string())),
            ("max_groups", self.max_groups.map(|groups| groups.to_string())),
            ("sort", self.sort.then(|| "true".to_owned())),
        ];
        match only_ordered.into_iter().find_map(|(option, value)| Some((option, value?))) {
            Some((option, value)) if self.order_by.is_none() && self.init.is_none() => {
                Err(Error::OptionRange { option, value, range: "left out unless order_by names a column" })
            }
            _ => Ok(()),
        }
    }
}
