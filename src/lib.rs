#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

// The house, floor by floor; imports point only downward.
mod ahead;
mod config;
mod density;
mod error;
mod layout;
mod normal;
mod random;
mod stage;
mod stop;
mod store;

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

mod aggregate;
mod artifact;
mod decode;
mod drift;
mod health;
mod score;

mod fit;
mod generate;
mod impute;
mod influence;
mod likelihood;
mod reconstruct;
mod transform;
mod traverse;

#[cfg(feature = "analysis")]
mod analysis;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;

pub use config::{
    Activation, Codec, Decision, Encoding, FitConfig, GenerateConfig, ImputeConfig, LatentDim, Map, MapOf, Preset,
    ReconstructConfig, Scale, SourceConfig, Training, TransformConfig, TraverseConfig, VectorScale,
};
pub use error::{Error, ErrorKind, Foreign, ModelFault, Place, Result};
pub use layout::{Likelihood, Shape};
pub use stop::Stop;
pub use store::is_url;

pub use device::Device;
pub use feature::{
    Carried, Category, Column, ColumnType, Curve, Cycle, Feature, FeatureCells, Flag, InputColumn, Kind, Number,
    Scaling, Time, ValueIssues, Values, Vector,
};
pub use sink::{Lock, check_distinct, check_target, ipc_schema, replace_file};
pub use source::{ParquetSource, Source, silence_decoder_panics};

pub use model::{Encoded, Network, Weight};

pub use artifact::{Epoch, History, Init, Metadata, Model, Provenance};
pub use drift::{Drift, Shift};
pub use health::{ColumnHealth, Dimension, Health, Measure};
pub use score::{SCORES, Score, Scoring, Tail};

pub use fit::{Fitted, Plan, PlannedColumn, PlannedModel, Progress};
pub use impute::Imputed;
pub use influence::Influence;
pub use likelihood::LogLikelihood;
pub use reconstruct::Reconstructed;
pub use transform::{Output, ScoreQuantiles, Transformed};

#[cfg(feature = "analysis")]
pub use analysis::{
    AtThreshold, Best, EvaluateConfig, Evaluation, Ranked, Report, ReportConfig, Top, evaluate, report,
};
