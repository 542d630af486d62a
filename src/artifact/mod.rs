//! The model file: weights as safetensors, and one metadata key `vaepipe` that holds JSON.
//!
//! **Invariant:** everything in a file is checked before use: its size, its version, its features, and the name, type
//! and shape of every tensor against the network that the JSON describes. Nothing in it is executed.

#![forbid(unsafe_code)]

mod aggregate;
mod checkpoint;
mod clusters;
mod container;
mod feedback;
mod groups;
mod health;
mod history;
mod logical_types;
mod members;
mod neighbors;
mod order;
mod ordered;
mod provenance;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use self::aggregate::{Aggregate, RANKS};
pub(crate) use self::checkpoint::{checkpoint_json, load_checkpoint, save_checkpoint};
pub use self::clusters::Clusters;
pub use self::feedback::{Reviewed, ReviewedRow};
pub use self::health::{ColumnHealth, Dimension, Health, Measure};
pub use self::history::History;
pub use self::provenance::{Init, Provenance};
use crate::config::Training;
use crate::drift::Sketch;
use crate::error::{Error, ModelFault, Result};
use crate::feature::{Carried, Features, GroupNorms, InputColumn, Kind, Layout, OrderedPair, OrderedValues, Watched};
use crate::model::{Device, Network, Vae, Weight, Weights};
use crate::numerics::MixtureClusters;
use crate::score::{AggregatePosterior, COMBINED, GroupScores, Neighbors, Reference, Score, Scorer, Scoring, Stored};
use crate::sequence::Sequence;
use crate::storage::{Object, Target, check_url, commit_bytes, is_url};

/// The newest format version that this program reads; it writes this one.
pub(crate) const FORMAT_VERSION: u64 = 2;

/// The key of an output's metadata that holds the hash of the model.
pub(crate) const MODEL_KEY: &str = "vaepipe.model";

/// Largest model file, larger than any trainable network within the configuration's ranges.
const MAX_BYTES: u64 = 16 << 30;

/// Everything about a model but its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Metadata {
    /// Version of this format.
    pub format_version: u64,
    /// The features, in row-vector order.
    pub features: Vec<Kind>,
    /// The given columns: the network sees them, and they are never scored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Kind>,
    /// The columns of the input, in its order.
    pub columns: Vec<InputColumn>,
    /// Columns of the input that were not learned.
    pub carried: Vec<Carried>,
    /// Pairs of columns whose values are in order in all rows of the fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ordered: Vec<OrderedPair>,
    /// The order of the rows and their windows; absent if each row is learned by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// The network between the row vector and the latents.
    pub network: Network,
    /// The settings that determine the weights.
    pub training: Training,
    /// The course of the fit.
    pub history: History,
    /// Measures on the calibration rows; absent without such rows.
    pub health: Option<Health>,
    /// The clusters of the latents; absent if none were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Clusters>,
    /// How rows are ranked and anomalies decided.
    pub scoring: Scoring,
    /// What people said of rows; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Reviewed>,
    /// The rows and the program it was fitted with.
    pub provenance: Provenance,
}

/// A fitted model.
///
/// ```no_run
/// # fn main() -> vaepipe::Result<()> {
/// use vaepipe::{Device, Model};
/// let model = Model::load("flights.safetensors", Device::Cpu)?;
/// println!("{} features", model.metadata().features.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Model {
    metadata: Metadata,
    features: Arc<Features>,
    weights: Vec<Weights>,
    scorer: Arc<Scorer>,
    reference: Option<Arc<Reference>>,
    aggregate: Aggregate,
    sketch: Option<Arc<Sketch>>,
    clusters: Option<Arc<MixtureClusters>>,
    hash: OnceLock<String>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

impl Model {
    /// Builds a model from the results of a fit.
    ///
    /// # Errors
    /// As [`from_parts`](Self::from_parts).
    pub(crate) fn new(
        metadata: Metadata,
        members: Vec<(Weights, AggregatePosterior)>,
        (stored, reference, found): (Option<&Neighbors>, Option<&Reference>, Option<&MixtureClusters>),
        (norms, group_scores): (&[Arc<GroupNorms>], &[GroupScores]),
        (aggregate, layout): (&Aggregate, &Layout),
        sketch: &Sketch,
        device: &candle_core::Device,
    ) -> Result<Self, ModelFault> {
        let mut tensors = Weights::from_iter(aggregate.tensors(metadata.network.latent_dim, layout));
        tensors.extend(groups::tensors(norms, group_scores));
        tensors.extend(sketch.tensors());
        tensors.extend(stored.map(neighbors::tensors).unwrap_or_default());
        tensors.extend(feedback::tensors(None, reference));
        tensors.extend(found.map(clusters::tensors).unwrap_or_default());
        for (n, (weights, latents)) in members.into_iter().enumerate() {
            tensors.extend(members::named(n, weights.into_iter().chain(members::latents(&latents))));
        }
        Self::from_parts(metadata, tensors, device)
    }

    /// Builds a model from the parts of a file.
    ///
    /// # Errors
    /// A [`ModelFault`] if the parts contradict each other.
    fn from_parts(metadata: Metadata, tensors: Weights, device: &candle_core::Device) -> Result<Self, ModelFault> {
        let contradiction = |what: &str| ModelFault::Contradiction(what.to_owned());
        let Network { hidden, latent_dim, .. } = &metadata.network;
        if metadata.features.is_empty() || *latent_dim == 0 || hidden.contains(&0) || hidden.len() > 64 {
            return Err(contradiction("the network has no features, an empty layer or too many layers"));
        }
        if !(-50.0..=0.0).contains(&metadata.network.noise_floor) {
            return Err(contradiction("the noise floor is out of its range"));
        }
        let all = || metadata.features.iter().chain(&metadata.given);
        if !all().all(|kind| kind.feature().is_valid()) {
            return Err(contradiction("a feature's scaling is not usable"));
        }
        let columns: BTreeSet<&str> = all().map(|kind| kind.column().name()).collect();
        if columns.len() < all().count() {
            return Err(contradiction("two features have the same column"));
        }
        if !metadata.sequence.as_ref().is_none_or(Sequence::is_valid) {
            return Err(contradiction("the window of rows in order is not usable"));
        }
        if !(1..=metadata.history.epochs.len()).contains(&metadata.history.best_epoch) {
            return Err(contradiction("the best epoch is not among the trained epochs"));
        }
        let Scoring { anomaly_score, components, calibration, directions, partial_windows, .. } = &metadata.scoring;
        let Ok(anomaly_score) = Score::named("anomaly_score", anomaly_score, |_| true) else {
            return Err(contradiction("the anomaly score is unknown"));
        };
        if !metadata.scoring.is_valid() {
            return Err(contradiction("the stored scores or the decision are invalid"));
        }
        let features =
            Features::new(metadata.features.clone(), metadata.given.clone(), metadata.training.missing_indicator)
                .ok_or_else(|| contradiction("the features are not in the order of the row vector"))?;
        if !OrderedValues::accepts(&features, &metadata.ordered) {
            return Err(contradiction("the ordered pairs of columns cannot be in order"));
        }
        let (aggregate, mut weights): (Weights, Weights) =
            tensors.into_iter().partition(|(name, _)| Aggregate::has_tensor(name));
        let norms = weights.extract_if(.., |name, _| groups::has_tensor(name)).collect();
        let (norms, group_scores) = groups::take(norms, &features, anomaly_score.parts(metadata.scoring.compares()))?;
        let features = features.with_norms(norms);
        let layout = features.layout();
        let Some(directions) = features.directed(directions) else {
            return Err(contradiction("a column with a direction is not learned as a number"));
        };
        let sketch: Weights = weights.extract_if(.., |name, _| Sketch::has_tensor(name)).collect();
        let stored: Weights = weights.extract_if(.., |name, _| neighbors::has_tensor(name)).collect();
        let stored = neighbors::take(stored, layout, *latent_dim)?;
        let own = weights.extract_if(.., |name, _| feedback::has_tensor(name)).collect();
        let (stated, sizes) = (metadata.feedback.as_ref(), (layout.inputs() + *latent_dim, metadata.provenance.rows));
        let (feedback, reference) = feedback::take(own, stated, calibration.as_ref(), sizes)?;
        let own = weights.extract_if(.., |name, _| clusters::has_tensor(name)).collect();
        let clusters = clusters::take(own, metadata.clusters.as_ref(), *latent_dim)?.map(Arc::new);
        let has = Stored::of(stored.as_ref());
        if metadata.scoring.compares() != has || anomaly_score.needs() > has {
            return Err(contradiction("the stored training rows do not match the scores"));
        }
        if components.as_ref().is_some_and(|components| !components.is_valid()) {
            return Err(contradiction("the stored scores or the decision are invalid"));
        }
        if reference.is_some() && (stored.is_none() || !COMBINED.is(anomaly_score)) {
            return Err(contradiction("the stored calibration rows do not match the scores"));
        }
        let stored = stored.zip(components.clone());
        let members =
            members::take(&metadata, layout, weights, |weights| Vae::new(layout, &metadata.network, weights, device))?;
        let names = || metadata.features.iter().map(|kind| kind.column().name());
        if metadata.health.as_ref().is_some_and(|health| !health.is_valid(*latent_dim, names())) {
            return Err(contradiction("the health does not match the model"));
        }
        let aggregate = Aggregate::from_tensors(aggregate, layout, metadata.network.latent_dim)?;
        let calibration = metadata.scoring.calibration.as_ref();
        let sketch = Sketch::from_tensors(sketch, &features, *latent_dim, calibration)?.map(Arc::new);
        let (weights, members) = members.into_iter().unzip();
        let scorer = Scorer::new(members).with_neighbors(stored).with_group_scores(group_scores);
        let scorer = scorer.with_directions(&directions).with_partial_windows(partial_windows.clone());
        let scorer = Arc::new(scorer.with_feedback(feedback));
        let reference = reference.map(Arc::new);
        let (features, hash) = (Arc::new(features), OnceLock::new());
        Ok(Self { metadata, features, weights, scorer, reference, aggregate, sketch, clusters, hash })
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no such file, [`Error::Io`] if it cannot be read, [`Error::Model`] if it is not a
    /// valid model, [`Error::Device`] if the device is not available.
    pub fn load(path: impl AsRef<Path>, device: Device) -> Result<Self> {
        let path = path.as_ref();
        check_url(path)?;
        let fault = |fault| Error::Model { path: path.to_owned(), fault };
        let open = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NoModel { path: path.to_owned() },
            _ => Error::io("open", path)(error),
        };
        let object = is_url(path).then(|| Object::open(path)).transpose().map_err(open)?;
        let bytes = match &object {
            Some(object) => object.length(),
            None => {
                let about = std::fs::metadata(path).map_err(open)?;
                if !about.is_file() {
                    return Err(fault(ModelFault::NotFile));
                }
                about.len()
            }
        };
        let device = device.resolve()?;
        if bytes > MAX_BYTES {
            return Err(fault(ModelFault::Size { bytes, limit: MAX_BYTES }));
        }
        let bytes =
            object.map_or_else(|| std::fs::read(path), |object| object.bytes()).map_err(Error::io("read", path))?;
        let (metadata, tensors) = parse(&bytes).map_err(fault)?;
        Self::from_parts(metadata, tensors, &device).map_err(fault)
    }

    /// Reads the bytes of a model file, as [`to_bytes`](Self::to_bytes) gives them.
    ///
    /// # Errors
    /// [`Error::Model`] if they are not a valid model, [`Error::Device`] if the device is not available.
    pub fn from_bytes(bytes: &[u8], device: Device) -> Result<Self> {
        let fault = |fault| Error::Model { path: "the model's bytes".into(), fault };
        let device = device.resolve()?;
        let (metadata, tensors) = parse(bytes).map_err(fault)?;
        Self::from_parts(metadata, tensors, &device).map_err(fault)
    }

    /// Writes the model file atomically, replacing an existing one.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written, [`Error::TargetNotFile`] if the path is a directory or device.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_new(path, true)
    }

    /// Writes the model file atomically; replaces an existing one only if `force`.
    ///
    /// # Errors
    /// As [`save`](Self::save), and [`Error::TargetExists`].
    pub fn save_new(&self, path: impl AsRef<Path>, force: bool) -> Result<()> {
        commit_bytes(&Target::check(path.as_ref(), force, [])?, &self.to_bytes())
    }

    /// The bytes of the model file. The same data, options and seed give the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let given = self.features.layout().given();
        let aggregate = self.aggregate.tensors(self.metadata.network.latent_dim, self.features.layout());
        let groups = groups::tensors(given.norms(), self.scorer.group_scores());
        let sketch = self.sketch.as_ref().map(|sketch| sketch.tensors()).unwrap_or_default();
        let stored = self.scorer.neighbors().map(|(stored, _)| neighbors::tensors(stored)).unwrap_or_default();
        let reviewed = feedback::tensors(self.scorer.feedback(), self.reference.as_deref());
        let clusters = self.clusters.as_deref().map(clusters::tensors).unwrap_or_default();
        let latents: Vec<_> = self.scorer.members().iter().map(|member| members::latents(&member.latents)).collect();
        let members = self.weights.iter().zip(&latents).enumerate().flat_map(|(n, (weights, latents))| {
            let latents = latents.iter().map(|(name, weight)| (name, weight));
            members::named(n, weights.iter().chain(latents).map(|(name, weight)| (name.clone(), weight)))
        });
        let others = aggregate.iter().chain(&sketch).chain(&stored).chain(&reviewed).chain(&clusters).chain(&groups);
        let tensors = members.chain(others.map(|(name, weight)| (name.clone(), weight)));
        let json = serde_json::to_string(&self.metadata).expect("plain data with string keys");
        container::pack(tensors, json)
    }

    /// SHA-256 of the model file, in hexadecimal; outputs store it. Computed once.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| Sha256::digest(self.to_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The key-value metadata of an output of this model, with the `score` it contains.
    pub(crate) fn keys(&self, score: Option<&str>) -> Vec<(String, String)> {
        let version = [("vaepipe.version", env!("CARGO_PKG_VERSION").to_owned()), (MODEL_KEY, self.hash().to_owned())];
        let features = || serde_json::to_string(&self.features.learned_columns()).expect("names are strings");
        let of_score = |score: &str| [("vaepipe.score", score.to_owned()), ("vaepipe.features", features())];
        let score = score.into_iter().flat_map(of_score);
        let seed = ("vaepipe.seed", self.metadata.training.seed.to_string());
        version.into_iter().chain(score).chain([seed]).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Everything but the weights.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The weights of the first network, by name, in candle's layout.
    pub fn weights(&self) -> &std::collections::BTreeMap<String, Weight> {
        &self.weights[0]
    }

    /// The weights of all networks.
    pub(crate) fn networks(&self) -> &[Weights] {
        &self.weights
    }

    /// The features, which encode rows.
    pub(crate) fn features(&self) -> &Arc<Features> {
        &self.features
    }

    /// The columns that were constant at fit.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        Watched::of(&self.metadata.carried, self.metadata.provenance.rows)
    }

    /// Statistics of the training rows.
    pub(crate) fn aggregate(&self) -> &Aggregate {
        &self.aggregate
    }

    /// Whether it stores a drift baseline, so that drift of other data can be measured.
    pub fn knows_drift(&self) -> bool {
        self.sketch.is_some()
    }

    /// The drift baseline; `None` if the model stores none.
    pub(crate) fn sketch(&self) -> Option<&Arc<Sketch>> {
        self.sketch.as_ref()
    }

    /// The clusters of the latents, if some were asked for.
    pub(crate) fn clusters(&self) -> Option<&Arc<MixtureClusters>> {
        self.clusters.as_ref()
    }

    /// Number of training rows that it stores, for scores by distance from them.
    pub fn stored_rows(&self) -> usize {
        self.scorer.neighbors().map_or(0, |(neighbors, _)| neighbors.stored())
    }

    /// The calibration rows it stores, so that feedback can change its scores.
    pub(crate) fn reference(&self) -> Option<&Reference> {
        self.reference.as_deref()
    }

    /// The first network.
    pub(crate) fn vae(&self) -> &Arc<Vae> {
        &self.scorer.first().vae
    }

    /// The networks, ready to score rows.
    pub(crate) fn scorer(&self) -> &Arc<Scorer> {
        &self.scorer
    }
}

/// Splits a file into metadata and tensors, which are not checked yet.
fn parse(bytes: &[u8]) -> Result<(Metadata, Weights), ModelFault> {
    let json = container::read_json(bytes)?;
    // Check the version first: a newer format may not parse, and the version is the better message.
    match json.get("format_version").and_then(serde_json::Value::as_u64) {
        Some(found) if !(1..=FORMAT_VERSION).contains(&found) => {
            return Err(ModelFault::Version { found, known: FORMAT_VERSION });
        }
        _ => {}
    }
    let metadata = serde_json::from_value(json).map_err(|error| ModelFault::Metadata(error.into()))?;
    Ok((metadata, container::read_tensors(bytes)?))
}
