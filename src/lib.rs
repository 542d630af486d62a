#![doc = include_str!("../README.md")]
#![warn(missing_docs, missing_debug_implementations)]

// The house, from the ground up; imports point only downward.
mod config;
mod error;
mod numerics;
mod pipeline;
mod storage;

mod feature;
#[cfg(feature = "analysis")]
mod frame;
mod sink;
mod source;

mod batch;
mod model;

mod artifact;
mod drift;
mod score;

mod decode;
mod fit;
mod transform;

#[cfg(feature = "analysis")]
mod analysis;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;

pub use config::{
    Activation, Codec, Decision, Encoding, FitConfig, GenerateConfig, ImputeConfig, LatentDim, Map, MapOf, Preset,
    ReconstructConfig, Scale, SourceConfig, Training, TransformConfig, TraverseConfig, VectorScale,
};
pub use error::{Error, ErrorKind, Foreign, ModelFault, ParseChoiceError, Place, Result};
pub use pipeline::{Epoch, Progress, Run, Stop};
pub use storage::{Lock, check_distinct, check_target, is_url, replace_file};

pub use feature::{
    Carried, Category, Column, ColumnType, Curve, Cycle, Feature, FeatureCells, Flag, InputColumn, Kind, Likelihood,
    Number, Scaling, Shape, Time, ValueIssues, Values, Vector,
};
pub use sink::ipc_schema;
pub use source::{ParquetSource, Source, silence_decoder_panics};

pub use model::{Device, Encoded, Network, Weight};

pub use artifact::{ColumnHealth, Dimension, Health, History, Init, Measure, Metadata, Model, Provenance};
pub use drift::{Drift, Shift};
pub use score::{SCORES, Score, Scoring, Tail};

pub use decode::{Imputed, Influence, Reconstructed};
pub use fit::{Fitted, Plan, PlannedColumn, PlannedModel};
pub use transform::{LogLikelihood, Output, ScoreQuantiles, Transformed};

#[cfg(feature = "analysis")]
pub use analysis::{
    AtThreshold, Best, EvaluateConfig, Evaluation, Ranked, Report, ReportConfig, Top, evaluate, report,
};
