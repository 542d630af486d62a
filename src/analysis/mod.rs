//! Questions to whole tables, answered with polars, and what there is to see of them.

#![forbid(unsafe_code)]

mod escape;
mod evaluate;
mod figure;
mod ranking;
mod report;
mod scored;
mod table;

pub use self::evaluate::{AtThreshold, Best, EvaluateConfig, Evaluation, Ranked, Top, evaluate};
pub use self::report::{Report, ReportConfig, report};
