//! Evaluation of scored tables with polars, and report pages with figures.

#![forbid(unsafe_code)]

mod escape;
mod evaluate;
mod figure;
mod ranking;
mod report;
mod scored_columns;
mod table;

pub use self::evaluate::{AtThreshold, Best, EvaluateConfig, Evaluation, Ranked, Top, evaluate};
pub use self::report::{Report, ReportConfig, report};
