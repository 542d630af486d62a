//! The options of a fit.

mod ranges;

use std::path::PathBuf;

use serde::Serialize;

#[cfg(feature = "cli")]
use super::flags;
use super::{Activation, ClusterCount, Decision, DirectionOf, Gap, LatentDim, MapOf, Preset, Scale, Tags, VectorScale};

/// Options of a fit. A field that is `None` takes its default, or is chosen from the data.
///
/// ```
/// use vaepipe::FitConfig;
/// let config = FitConfig::new().latent_dim(16).hidden([256, 128]).seed(7);
/// assert_eq!(config.latent_dim, Some(16.into()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[non_exhaustive]
pub struct FitConfig {
    /// Learn only these columns: names, globs, or re:REGEX. Identifiers and elapsed times are learned only if named exactly.
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL,...", value_delimiter = ',', help_heading = "Columns"))]
    pub columns: Vec<String>,
    /// Do not learn these columns; they are still written by a transform.
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL,...", value_delimiter = ',', help_heading = "Columns"))]
    pub exclude: Vec<String>,
    /// Give these columns to the model as context: other columns are learned given them, and they are never scored. Names,
    /// globs, or re:REGEX [default: the hour, weekday and day of year of dates and times]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL,...", value_delimiter = ',', help_heading = "Columns"))]
    pub given: Vec<String>,
    /// Learn these columns as categories: integers, or strings that look like identifiers (these are hashed).
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL,...", value_delimiter = ',', help_heading = "Columns"))]
    pub categorical: Vec<String>,
    /// Maximum classes of a category; rarer and unseen values share one more class [default: 64]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Columns"))]
    pub max_categories: Option<usize>,
    /// Apply a curve to skewed numbers before scaling: COL=asinh, log1p, quantile, auto or none; the last match counts.
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "COL=CURVE,...", value_delimiter = ',', help_heading = "Columns")
    )]
    pub map: Vec<MapOf>,
    /// Only values above (COL=high), or only values below (COL=low), what other columns lead to expect count in scores; for numbers
    /// and lists of numbers [default: both]
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "COL=SIDE,...", value_delimiter = ',', help_heading = "Anomalies")
    )]
    pub direction: Vec<DirectionOf>,
    /// Scale each number of a vector by itself (element), or all as one (whole) [default: element]
    #[cfg_attr(feature = "cli", arg(long, value_parser = flags::words::<VectorScale>(VectorScale::WORDS), help_heading = "Columns"))]
    pub vector_scale: Option<VectorScale>,
    /// Tell the encoder which values are missing, for columns with missing values [default: true]
    #[cfg_attr(feature = "cli", arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Columns"))]
    pub missing_indicator: Option<bool>,
    /// The rows are in the order of this column, a time or a number: each is learned and scored together with those before
    /// it [default: none]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL", help_heading = "Order"))]
    pub order_by: Option<String>,
    /// The rows are sequences, told apart by the values of these columns, such as a device; their rows may alternate
    /// [default: all rows are one sequence]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL,...", value_delimiter = ',', help_heading = "Order"))]
    pub by: Vec<String>,
    /// Rows of a window, the row itself included: a power of two [default: 64]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Order"))]
    pub window: Option<usize>,
    /// A longer step between two rows of a sequence begins a new window: a time, as in 10m, or a number [default: none]
    #[cfg_attr(feature = "cli", arg(long, value_name = "STEP", help_heading = "Order"))]
    pub max_gap: Option<Gap>,
    /// Sequences whose windows are kept at a time; those without a row for longest are dropped first, and begin again
    /// [default: 16384]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Order"))]
    pub max_groups: Option<usize>,
    /// Sort the rows of each file by [`order_by`](Self::order_by) first.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub sort: bool,
    /// How numbers are scaled; with --order-by the default is standard [default: minmax; with --preset anomaly asinh]
    #[cfg_attr(feature = "cli", arg(long, value_parser = flags::words::<Scale>(Scale::WORDS), help_heading = "Columns"))]
    pub scale: Option<Scale>,
    /// Defaults for a purpose: reduce for latents of every row, map for two latents that keep neighbours together, anomaly for
    /// scores, and by default with --order-by [default: reduce]
    #[cfg_attr(feature = "cli", arg(long, value_parser = flags::words::<Preset>(Preset::WORDS), help_heading = "Model"))]
    pub preset: Option<Preset>,
    /// Number of latent dimensions; auto doubles it until the loss of held-out rows stops improving [default: by the number
    /// of features; with --preset map 2]
    #[cfg_attr(feature = "cli", arg(long, value_name = "auto|K", help_heading = "Model"))]
    pub latent_dim: Option<LatentDim>,
    /// Widths of the encoder's hidden layers, like 256,128; the decoder mirrors them; "none" for a linear model,
    /// the default with --order-by [default: by the number of features]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N,...", value_parser = flags::widths, help_heading = "Model"))]
    pub hidden: Option<Widths>,
    /// Nearest neighbours of a training row to keep near to it in the latents, at most 100; 0 is none, and with --preset map the
    /// default is 15 [default: 0]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Model"))]
    pub neighbors: Option<usize>,
    /// Weight of the neighbours beside the ELBO, in nats a feature [default: 1, below 32 features 0.1; two
    /// thirds of that for three latents; 0.2 / latents for more]
    #[cfg_attr(feature = "cli", arg(long, value_name = "WEIGHT", help_heading = "Model"))]
    pub neighbor_weight: Option<f64>,
    /// Networks to train in one model; scores are averaged, latents come from the first [default: 1]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Model"))]
    pub members: Option<usize>,
    /// Find clusters in the latents, so many or auto; a transform adds cluster, numbered from 0 by size, and cluster_p, its
    /// probability [default: none]
    #[cfg_attr(feature = "cli", arg(long, value_name = "auto|K", help_heading = "Model"))]
    pub clusters: Option<ClusterCount>,
    /// The score in the column anomaly_score, which also makes the p-values; neighbor_distance, the default with --order-by,
    /// marginal_nll and combined store training rows in the model [default: elbo; with --preset anomaly combined]
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", help_heading = "Anomalies"))]
    pub anomaly_score: Option<String>,
    /// Activation function of the hidden layers [default: silu]
    #[cfg_attr(feature = "cli", arg(long, value_parser = flags::words::<Activation>(Activation::WORDS), help_heading = "Model"))]
    pub activation: Option<Activation>,
    /// Maximum passes over the training rows [default: by the number of rows]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Training"))]
    pub epochs: Option<usize>,
    /// Maximum rows per gradient step [default: by the number of rows]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Training"))]
    pub batch_size: Option<usize>,
    /// Peak learning rate of Adam; with --preset anomaly and --given, or --preset map below 32 features, the default is
    /// 0.008 [default: 0.004; with --preset anomaly 0.002]
    #[cfg_attr(feature = "cli", arg(long, value_name = "RATE", help_heading = "Training"))]
    pub lr: Option<f64>,
    /// Weight of the KL term after the warm-up [default: 1]
    #[cfg_attr(feature = "cli", arg(long, value_name = "WEIGHT", help_heading = "Training"))]
    pub beta: Option<f64>,
    /// Share of the steps in which the KL weight rises from 0 [default: 0.3]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", help_heading = "Training"))]
    pub kl_warmup: Option<f64>,
    /// KL divergence per latent dimension that costs nothing, in nats [default: 0]
    #[cfg_attr(feature = "cli", arg(long, value_name = "NATS", help_heading = "Training"))]
    pub free_bits: Option<f64>,
    /// Maximum global gradient norm; 0 is off [default: 10 times the number of features]
    #[cfg_attr(feature = "cli", arg(long, value_name = "NORM", help_heading = "Training"))]
    pub clip_norm: Option<f64>,
    /// Share of each batch to leave out of the gradient: the rows whose numbers have the highest loss; with --preset
    /// anomaly and --given the default is 0.05, and with --order-by 0 [default: 0; with --preset anomaly 0.2]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", help_heading = "Training"))]
    pub trim: Option<f64>,
    /// Share of the known values to hide from the encoder in each step, or auto [default: 0.1 if a learned column has missing
    /// values, else 0]
    #[cfg_attr(feature = "cli", arg(long, value_name = "auto|SHARE", value_parser = flags::share_or_auto, default_value = "auto", hide_default_value = true, help_heading = "Training"))]
    pub mask_rate: Share,
    /// Stop after this many epochs without improvement; 0 never stops early, as with --neighbors [default: 30 % of the epochs,
    /// at least 10; with --preset anomaly 0]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Training"))]
    pub patience: Option<usize>,
    /// Share of rows to hold out of training: half for validation, half for calibration [default: 0.1]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", help_heading = "Training"))]
    pub val_fraction: Option<f64>,
    /// Rows to shuffle at a time [default: all while they take at most 2 GiB, else as many as take 512 MiB]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Training"))]
    pub shuffle_rows: Option<u64>,
    /// Train on at most this many rows, drawn at random [default: as many as the steps can reach]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Training"))]
    pub sample: Option<u64>,
    /// Maximum gradient steps [default: 50000, unless --epochs is given]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", help_heading = "Training"))]
    pub max_steps: Option<usize>,
    /// Memory for rows, like 512MiB; never changes a result. Rows that do not fit go to a scratch file; a column page that
    /// does not fit is an error [default: 2GiB for encoded rows, and up to 320MiB for reading them]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SIZE", value_parser = flags::bytes, help_heading = "Run"))]
    pub memory: Option<u64>,
    /// Existing directory for scratch files: rows that do not fit in memory, and inputs that are read twice (stdin, CSV,
    /// Arrow) [default: that of the model or output]
    #[cfg_attr(feature = "cli", arg(long, value_name = "DIR", help_heading = "Run"))]
    pub spool_dir: Option<PathBuf>,
    /// Seed of everything random: initial weights, row order, noise, sample and held-out rows.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 0, help_heading = "Training"))]
    pub seed: u64,
    /// The rule that makes a row an anomaly, stored for transforms. Default: [`Decision::DEFAULT`].
    #[cfg_attr(feature = "cli", arg(skip))]
    pub decision: Option<Decision>,
    /// Anomalies must also have a p-value of at most this, stored for transforms.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub ignore_above_p: Option<f64>,
    /// A stop ends the fit with the best weights so far, once an epoch is trained.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub keep_partial: bool,
    /// File of the checkpoint: written after epochs, at most once a second, and within long ones; removed by
    /// [`Fitted::save`](crate::Fitted::save). `None` writes none.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub checkpoint: Option<PathBuf>,
    /// Minutes between checkpoints within an epoch, above 0. Default: 10.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub checkpoint_minutes: Option<f64>,
    /// Resume from the checkpoint, if there is one, and end with the same model as an uninterrupted fit.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub resume: bool,
    /// File of the base model: its columns, categories, scaling and network are kept, and its training options unless they
    /// are set. Default: none; the fit starts from random weights.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub init: Option<PathBuf>,
    /// Scale the columns of the base model by the new rows.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub refit_scaling: bool,
    /// Accept a model that is worse on the calibration rows than the base model.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub accept_worse: bool,
    /// What the model remembers of the fit.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub tags: Tags,
}

/// Widths of layers.
type Widths = Vec<usize>;

/// A share, or `None` for `auto`.
type Share = Option<f64>;

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
    /// Sets [`given`](Self::given).
    given: Vec<String> => |value| value;
    /// Sets [`categorical`](Self::categorical).
    categorical: Vec<String> => |value| value;
    /// Sets [`max_categories`](Self::max_categories).
    max_categories: usize => Some;
    /// Sets [`by`](Self::by).
    by: Vec<String> => |value| value;
    /// Sets [`window`](Self::window).
    window: usize => Some;
    /// Sets [`max_gap`](Self::max_gap).
    max_gap: Gap => Some;
    /// Sets [`max_groups`](Self::max_groups).
    max_groups: usize => Some;
    /// Sets [`scale`](Self::scale).
    scale: Scale => Some;
    /// Sets [`map`](Self::map).
    map: Vec<MapOf> => |value| value;
    /// Sets [`direction`](Self::direction).
    direction: Vec<DirectionOf> => |value| value;
    /// Sets [`vector_scale`](Self::vector_scale).
    vector_scale: VectorScale => Some;
    /// Sets [`missing_indicator`](Self::missing_indicator).
    missing_indicator: bool => Some;
    /// Sets [`mask_rate`](Self::mask_rate).
    mask_rate: f64 => Some;
    /// Sets [`neighbors`](Self::neighbors).
    neighbors: usize => Some;
    /// Sets [`neighbor_weight`](Self::neighbor_weight).
    neighbor_weight: f64 => Some;
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
    /// Sets [`ignore_above_p`](Self::ignore_above_p).
    ignore_above_p: f64 => Some;
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
    /// Sets [`sort`](Self::sort).
    sort: bool => |value| value;
    /// Sets [`refit_scaling`](Self::refit_scaling).
    refit_scaling: bool => |value| value;
    /// Sets [`accept_worse`](Self::accept_worse).
    accept_worse: bool => |value| value;
    /// Sets [`tags`](Self::tags).
    tags: Tags => |value| value;
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

    /// Sets [`clusters`](Self::clusters).
    #[must_use]
    pub fn clusters(mut self, clusters: impl Into<ClusterCount>) -> Self {
        self.clusters = Some(clusters.into());
        self
    }

    /// Sets [`order_by`](Self::order_by).
    #[must_use]
    pub fn order_by(mut self, column: impl Into<String>) -> Self {
        self.order_by = Some(column.into());
        self
    }

    /// Sets [`anomaly_score`](Self::anomaly_score).
    #[must_use]
    pub fn anomaly_score(mut self, name: impl Into<String>) -> Self {
        self.anomaly_score = Some(name.into());
        self
    }
}
