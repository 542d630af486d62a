//! What a user may ask for: a struct of options for each command, and their ranges.
//!
//! With the feature `cli` the options are the flags of the program: the doc of a field is the help of its flag.

#![forbid(unsafe_code)]

#[macro_use]
mod words;

mod choices;
mod cluster_count;
mod compare;
mod csv;
mod decode;
mod direction;
mod export;
mod fit;
#[cfg(feature = "cli")]
mod flags;
mod gap;
mod impute;
mod order;
mod source;
mod tags;
mod training;
mod transform;

use std::fmt;

pub use self::choices::{
    Activation, BadLines, Codec, DecimalMark, Decision, ExplainRows, GivenValue, IfNewer, InputFormat, LatentDim,
    LatentShape, LogicalType, Map, MapOf, Preset, Scale, StreamFormat, TypeOf, VectorScale,
};
pub use self::cluster_count::ClusterCount;
pub use self::compare::CompareConfig;
pub use self::csv::CsvConfig;
pub use self::decode::{GenerateConfig, ReconstructConfig, TraverseConfig};
pub use self::direction::{Direction, DirectionOf};
pub use self::export::ExportConfig;
pub use self::fit::FitConfig;
pub use self::gap::{Gap, ParseGapError};
pub use self::impute::ImputeConfig;
pub use self::order::OrderConfig;
pub use self::source::SourceConfig;
pub use self::tags::Tags;
pub use self::training::Training;
pub use self::transform::{Encoding, OutputConfig, TransformConfig};
use crate::error::{Error, Result};

fn within<T: fmt::Display + Copy>(
    option: &'static str,
    value: Option<T>,
    range: &'static str,
    ok: impl Fn(T) -> bool,
) -> Result<()> {
    match value {
        Some(value) if !ok(value) => Err(Error::OptionRange { option, value: value.to_string(), range }),
        _ => Ok(()),
    }
}

fn check_decision(decision: Option<Decision>, ignore_above_p: Option<f64>) -> Result<()> {
    within("ignore_above_p", ignore_above_p, "between 0 and 1", |v| v > 0.0 && v < 1.0)?;
    let Some(decision) = decision else { return Ok(()) };
    let (range, is_within) = decision.range();
    within(decision.option(), decision.value(), range, |_| is_within)
}
