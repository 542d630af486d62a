//! Comparison of two models: what they learned, and what they say of the same rows.

#![forbid(unsafe_code)]

mod agreement;
mod models;
mod ranked_sample;
mod rows;

pub use self::agreement::{AtPValue, BothCounts, ComparedRow, RowComparison, RowUnderModel};
pub use self::models::{ColumnChange, ColumnUse, ComparedColumn, ModelComparison, ValueComparison};
