#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

// The house, floor by floor; imports point only downward.
mod ahead;
mod config;
mod error;
mod layout;
mod random;
mod stage;
mod stop;

mod device;
mod feature;
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
mod transform;

pub use config::{Activation, FitConfig, Preset, Scale, Training, TransformConfig};
pub use error::{Error, ErrorKind, Foreign, ModelFault, Place, Result};
pub use layout::Likelihood;
pub use stop::Stop;

pub use device::Device;
pub use feature::{Carried, Cells, Feature, Flag, Kind, Number, Values};
pub use sink::{check_distinct, check_target};
pub use source::ParquetSource;

pub use model::{Encoded, Network, Weight};

pub use artifact::{Epoch, History, Metadata, Model, Provenance};
pub use score::{SCORES, Score};

pub use fit::{Fitted, Plan, PlannedColumn, PlannedModel, Progress};
pub use transform::Transformed;
