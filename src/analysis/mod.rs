//! Questions to whole tables, answered with polars.

mod evaluate;
mod ranking;
mod table;

pub use self::evaluate::{AtThreshold, Best, EvaluateConfig, Evaluation, Ranked, Top, evaluate};
