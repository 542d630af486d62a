//! Evaluation of scored tables with polars, and report pages with figures.

#![forbid(unsafe_code)]

mod escape;
mod evaluate;
mod events;
mod figure;
mod period;
mod ranking;
mod report;
mod scored_columns;
mod series;
mod table;
mod vus;

pub use self::evaluate::{AtThreshold, Best, EvaluateConfig, Evaluation, Ranked, Top, evaluate};
pub use self::events::EventDetection;
pub use self::report::{Report, ReportConfig, report};
pub use self::series::{SeriesConfig, SeriesSummary, Vus};
