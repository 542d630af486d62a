//! Evaluation of scored tables with polars, and report pages with figures.

#![forbid(unsafe_code)]

mod alert_counts;
mod escape;
mod evaluate;
mod events;
mod figure;
mod groups;
mod label;
mod period;
mod ranking;
mod report;
mod scored_columns;
mod series;
mod table;
mod thresholds;
mod time_unit;
mod vus;

pub use self::alert_counts::AlertCounts;
pub use self::evaluate::{AtThreshold, Best, EvaluateConfig, Evaluation, Ranked, Top, evaluate};
pub use self::events::EventDetection;
pub use self::report::{Report, ReportConfig, comparison_report, report};
pub use self::series::{SeriesConfig, SeriesSummary, Vus};
pub use self::thresholds::{AlertsAt, Per, Spread, Thresholds, ThresholdsConfig, thresholds};
pub use self::time_unit::PeriodUnit;
