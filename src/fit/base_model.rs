//! The base model of a fit: which options and columns the fit takes from it, and whether the new model is worse.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::column_choice::ColumnChoice;
use super::missing_rates::MissingRates;
use super::statistics;
use super::windows::WindowedRows;
use crate::artifact::{Init, Metadata, Model};
use crate::config::{Direction, FitConfig, LatentDim};
use crate::error::{Error, Result, Worse};
use crate::feature::{Watched, conflicting_option, rescale, rescale_candidates, unlearned_columns};
use crate::model::{Checkpoint, Device, Network, mean_of_best};
use crate::pipeline::Run;
use crate::sequence::Sequence;
use crate::source::ParquetSource;

/// The factor of the base model's learning rate: high enough to follow the new rows, low enough to keep what was learned
/// (measured in benches/README.md).
const FINER: f64 = 0.25;

/// Standard errors of the rows' mean difference up to which a loss counts as no worse: of two equally good models, one
/// exceeds that in one fit of forty.
const STANDARD_ERRORS: f64 = 2.0;

/// Fewest calibration rows to compare two models on: fewer have no reliable standard error.
pub(super) const FEWEST_COMPARED: usize = 8;

/// The model that a fit starts from.
pub(super) struct BaseModel {
    path: PathBuf,
    model: Model,
    init: Init,
}

impl BaseModel {
    /// Loads the base model that the options name, if any.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub(super) fn load(config: &FitConfig) -> Result<Option<Self>> {
        let Some(path) = &config.init else { return Ok(None) };
        let model = Model::load(path, Device::Cpu)?;
        let init = Init {
            model: model.hash().to_owned(),
            held_out_loss: None,
            refit_scaling: config.refit_scaling,
            tags: model.metadata().provenance.tags.clone(),
        };
        Ok(Some(Self { path: path.clone(), model, init }))
    }

    /// Fills the options that `config` leaves open with those of the model.
    ///
    /// # Errors
    /// [`Error::OtherModel`] for an option that contradicts the model.
    pub(super) fn fill(&self, config: &FitConfig, source: &ParquetSource) -> Result<FitConfig> {
        let Metadata { carried, network, training, clusters, scoring, provenance, sequence, .. } =
            self.model.metadata();
        let latent_dim = LatentDim::Of(network.latent_dim);
        let differences = [
            ("preset", difference(config.preset, training.preset)),
            ("scale", difference(config.scale, training.scale)),
            ("missing_indicator", difference(config.missing_indicator, training.missing_indicator)),
            ("latent_dim", difference(config.latent_dim.filter(|asked| *asked != LatentDim::Auto), latent_dim)),
            ("hidden", difference(config.hidden.as_deref().map(widths), widths(&network.hidden))),
            ("activation", difference(config.activation, network.activation)),
            ("members", difference(config.members, training.members)),
        ];
        let differences = differences.into_iter().chain(other_order(config, sequence.as_ref()));
        let first = differences.into_iter().find_map(|(option, difference)| Some((option, difference?)));
        let first = first.map_or_else(
            || conflicting_option(&source.schema(), config, self.model.features(), carried),
            |first| Ok(Some(first)),
        )?;
        if let Some((option, difference)) = first {
            return Err(Error::OtherModel { option, path: self.path.clone(), difference });
        }
        // A model that has a base model itself has the lower rate already.
        let finer = if provenance.init.is_some() { 1.0 } else { FINER };
        Ok(FitConfig {
            preset: Some(training.preset),
            scale: Some(training.scale),
            missing_indicator: Some(training.missing_indicator),
            latent_dim: Some(latent_dim),
            hidden: Some(network.hidden.clone()),
            activation: Some(network.activation),
            members: Some(training.members),
            mask_rate: config.mask_rate.or(Some(training.mask_rate).filter(|rate| *rate > 0.0)),
            lr: config.lr.or(Some(finer * training.lr)),
            beta: config.beta.or(Some(training.beta)),
            // The KL weight has risen already.
            kl_warmup: config.kl_warmup.or(Some(0.0)),
            free_bits: config.free_bits.or(Some(training.free_bits)),
            clip_norm: config.clip_norm.or(Some(training.clip_norm)),
            trim: config.trim.or(Some(training.trim)),
            neighbors: config.neighbors.or(Some(training.neighbors)),
            neighbor_weight: config.neighbor_weight.or(Some(training.neighbor_weight).filter(|weight| *weight > 0.0)),
            val_fraction: config.val_fraction.or(Some(training.val_fraction)),
            anomaly_score: config.anomaly_score.clone().or(Some(scoring.anomaly_score.clone())),
            clusters: config.clusters.or(clusters.as_ref().map(|clusters| clusters.asked)),
            decision: config.decision.or(Some(scoring.decision)),
            ignore_above_p: config.ignore_above_p.or(scoring.ignore_above_p),
            order_by: sequence.as_ref().map(|sequence| sequence.order_by.name().to_owned()),
            ..config.clone()
        })
    }

    /// Finds the model's columns in `source`, and scales them by its rows if that is asked for.
    ///
    /// # Errors
    /// [`Error::MissingFeature`] and [`Error::WrongType`] for a column that does not fit the model, the source's, and
    /// [`Error::Interrupted`].
    pub(super) fn choose_columns(
        &self,
        config: &FitConfig,
        source: &ParquetSource,
        windowed: Option<&WindowedRows>,
        run: &mut Run<'_>,
    ) -> Result<ColumnChoice> {
        let Metadata { carried, training, ordered, .. } = self.model.metadata();
        let model = self.model.reading(source.types());
        let not_learned = unlearned_columns(&source.schema(), model.features(), carried);
        let source = windowed.map_or(source, |windowed| &windowed.source);
        let (mut features, schema) = (model.features().clone(), source.schema());
        features.check(&schema, source.path())?;
        let columns = features.columns();
        source.check_types(schema.fields().iter().filter(|field| columns.contains(field.name())))?;
        if self.init.refit_scaling {
            let candidates = rescale_candidates(&features, &schema, source.rows(), training.scale, config.vector_scale);
            let surveyed = statistics::survey(source, candidates, run)?;
            let (scaled, kept) = rescale(&features, &surveyed, training.scale, training.missing_indicator);
            for (column, reason) in kept {
                tracing::warn!("column {column:?} keeps its scaling: it {reason}");
            }
            features = Arc::new(scaled);
        }
        let missing = MissingRates::of(features.kinds(), source.rows());
        let sequence = windowed.map(|windowed| windowed.sequence.clone());
        let (values, suggested_types, ordered) = (Default::default(), Vec::new(), ordered.clone());
        Ok(ColumnChoice { features, carried: not_learned, values, suggested_types, ordered, missing, sequence })
    }

    /// The order of the model's rows with their windows, and the columns to read; `None` if it learned each row by itself.
    pub(super) fn order(&self) -> Option<(Sequence, Vec<String>)> {
        Some((self.model.metadata().sequence.clone()?, self.model.read_columns(self.model.features())))
    }

    /// The columns that were constant in the fit of the model, without those that cannot be read.
    pub(super) fn watched(&self, source: &ParquetSource) -> Vec<Watched> {
        let (mut watched, schema) = (self.model.watched(), source.schema());
        watched.retain(|Watched { name, .. }| {
            let is_top =
                |top: &str| name.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            source.check_types(schema.fields().iter().filter(|field| is_top(field.name()))).is_ok()
        });
        watched
    }

    /// The directions of the model's columns.
    pub(super) fn directions(&self) -> &BTreeMap<String, Direction> {
        &self.model.metadata().scoring.directions
    }

    /// The model's network.
    pub(super) fn network(&self) -> Network {
        self.model.metadata().network.clone()
    }

    /// The first state of network `n`: the weights of the model.
    pub(super) fn checkpoint(&self, n: usize) -> Checkpoint {
        Checkpoint::start(self.model.networks()[n].clone())
    }

    /// Rows it was fitted to.
    pub(super) fn rows(&self) -> u64 {
        self.model.metadata().provenance.rows
    }

    /// The record of this model in the new one.
    pub(super) fn init(&self) -> Init {
        self.init.clone()
    }

    /// Rejects a fit with too few calibration rows to compare the models on.
    ///
    /// # Errors
    /// [`Error::NotMeasured`] unless `accept_worse`.
    pub(super) fn not_measured(&self, accept_worse: bool) -> Result<()> {
        if accept_worse { Ok(()) } else { Err(Error::NotMeasured { path: self.path.clone() }) }
    }

    /// Compares the losses of the same calibration rows in each network before and after, at the share `trim`; returns the
    /// mean loss of the first network before.
    ///
    /// # Errors
    /// [`Error::Worse`] if the new model is worse, unless `accept_worse`.
    pub(super) fn compare(
        &self,
        before: &[Vec<f64>],
        after: &[Vec<f64>],
        trim: f64,
        accept_worse: bool,
    ) -> Result<f64> {
        let first = mean_of_best(before[0].clone(), trim);
        let [before, after] = [before, after].map(mean_of_networks);
        let [was, is] = [&before, &after].map(|losses| mean_of_best(losses.clone(), trim));
        tracing::info!("calibration loss {was:.4} nats a row before, {is:.4} after");
        if is_worse(&before, &after, trim) {
            let worse = Worse { path: self.path.clone(), before: was, after: is, rows: before.len() };
            if !accept_worse {
                return Err(worse.into());
            }
            tracing::warn!("{worse}");
        }
        Ok(first)
    }
}

/// Each row's mean loss over the networks.
fn mean_of_networks(losses: &[Vec<f64>]) -> Vec<f64> {
    let sum = |row| losses.iter().map(|of_network| of_network[row]).sum::<f64>();
    (0..losses[0].len()).map(|row| sum(row) / losses.len() as f64).collect()
}

/// Describes how an option differs from the model.
fn difference<T: PartialEq + std::fmt::Display>(asked: Option<T>, has: T) -> Option<String> {
    asked.filter(|asked| *asked != has).map(|asked| format!("it has {has}, and not {asked}"))
}

/// The options about the order of rows, each with how it differs from the model.
fn other_order(config: &FitConfig, has: Option<&Sequence>) -> [(&'static str, Option<String>); 6] {
    let FitConfig { order_by, by, window, max_gap, max_groups, sort, .. } = config;
    let by = (!by.is_empty()).then(|| by.join(","));
    let of = |asked: Option<String>, has_it: &dyn Fn(&Sequence) -> String| match has {
        Some(has) => difference(asked, has_it(has)),
        None => asked.map(|_| "it learned no rows in order".to_owned()),
    };
    let names = |has: &Sequence| has.by.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let gap = |has: &Sequence| has.max_gap.map_or_else(|| "none".to_owned(), |gap| gap.to_string());
    [
        ("order_by", of(order_by.clone(), &|has| has.order_by.to_string())),
        ("by", of(by, &names)),
        ("window", of(window.map(|rows| rows.to_string()), &|has| has.window.to_string())),
        ("max_gap", of(max_gap.map(|gap| gap.to_string()), &gap)),
        ("max_groups", of(max_groups.map(|groups| groups.to_string()), &|has| has.max_groups.to_string())),
        ("sort", of(sort.then(|| "true".to_owned()), &|_| "true".to_owned())),
    ]
}

fn widths(hidden: &[usize]) -> String {
    if hidden.is_empty() {
        return "none".to_owned();
    }
    hidden.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// Whether the mean difference of the rows' losses, without the share `trim` of the highest, is larger than chance makes
/// it.
fn is_worse(before: &[f64], after: &[f64], trim: f64) -> bool {
    if before.iter().zip(after).any(|(before, after)| before.is_finite() && !after.is_finite()) {
        return true;
    }
    let mut rows: Vec<(f64, f64)> =
        before.iter().zip(after).map(|(before, after)| (before + after, after - before)).collect();
    // The choice of rows must not favour either model.
    rows.sort_by(|one, other| one.0.total_cmp(&other.0));
    rows.truncate((rows.len() - (rows.len() as f64 * trim).floor() as usize).max(1));
    let count = rows.len() as f64;
    let mean = rows.iter().map(|(_, difference)| difference).sum::<f64>() / count;
    let variance = rows.iter().map(|(_, difference)| (difference - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    // A mean that is not a number counts as worse.
    mean.partial_cmp(&(STANDARD_ERRORS * (variance / count).sqrt())).is_none_or(Ordering::is_gt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_what_chance_does_not_explain() {
        let before: Vec<f64> = (0..100).map(f64::from).collect();
        let after = |shift: f64, spread: f64| -> Vec<f64> {
            before
                .iter()
                .enumerate()
                .map(|(row, loss)| loss + shift + if row % 2 == 0 { spread } else { -spread })
                .collect()
        };
        // Standard error 0.1 (and a half per cent): scipy.stats.ttest_rel.
        assert!(!is_worse(&before, &after(0.19, 1.0), 0.0) && is_worse(&before, &after(0.21, 1.0), 0.0));
        assert!(!is_worse(&before, &before, 0.0) && !is_worse(&before, &after(-5.0, 1.0), 0.0));
        assert!(is_worse(&before, &after(f64::NAN, 0.0), 0.0));
        // One row in a hundred that is worse by much, and of those of highest loss.
        let mut wild = after(-0.1, 0.0);
        wild[99] += 1e6;
        assert!(!is_worse(&before, &wild, 0.2));
    }
}
