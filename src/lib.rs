#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

// The house, floor by floor; imports point only downward.
mod ahead;
mod config;
mod error;
mod layout;
mod normal;
mod random;
mod stage;
mod stop;

mod device;
mod feature;
#[cfg(feature = "analysis")]
mod frame;
mod scratch;
mod sink;
mod source;

mod batch;
mod model;
mod shuffle;
mod strips;

mod artifact;
mod score;

mod fit;
mod impute;
mod transform;

#[cfg(feature = "analysis")]
mod analysis;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;

pub use config::{
    Activation, Codec, Decision, Encoding, FitConfig, ImputeConfig, Map, MapOf, Preset, Scale, SourceConfig, Training,
    TransformConfig, VectorScale,
};
pub use error::{Error, ErrorKind, Foreign, ModelFault, Place, Result};
pub use layout::{Likelihood, Shape};
pub use stop::Stop;

pub use device::Device;
pub use feature::{
    Carried, Category, Cells, Column, Curve, Cycle, Feature, Flag, Found, Kind, Number, Scaling, Time, Values, Vector,
};
pub use sink::{Lock, check_distinct, check_target, ipc_schema};
pub use source::{ParquetSource, Source};

pub use model::{Encoded, Network, Weight};

pub use artifact::{Epoch, History, Metadata, Model, Provenance};
pub use score::{SCORES, Score, Scoring, Tail};

pub use fit::{Fitted, Plan, PlannedColumn, PlannedModel, Progress};
pub use impute::Imputed;
pub use transform::{Output, ScoreQuantiles, Transformed};

#[cfg(feature = "analysis")]
pub use analysis::{AtThreshold, Best, EvaluateConfig, Evaluation, Ranked, Top, evaluate};
