//! The rows, the program and the base model that a model was fitted with.

use serde::{Deserialize, Serialize};

use crate::config::Tags;

/// The rows and the program that a model was fitted with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Provenance {
    /// The program's version.
    pub vaepipe_version: String,
    /// Rows of the input.
    pub rows: u64,
    /// Training rows.
    #[serde(rename = "train_rows")]
    pub training_rows: u64,
    /// Validation rows.
    #[serde(rename = "select_rows")]
    pub validation_rows: u64,
    /// Calibration rows.
    #[serde(rename = "calibrate_rows")]
    pub calibration_rows: u64,
    /// Rows without a single known feature.
    pub empty_rows: u64,
    /// The base model; absent if the fit started from random weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// What the fit was told to remember.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// The base model of a fit, and its loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Init {
    /// SHA-256 of the base model's file, in hexadecimal.
    pub model: String,
    /// Its loss on the calibration rows, nats a row, before training; absent without such rows.
    pub held_out_loss: Option<f64>,
    /// Whether the columns were scaled by the rows of this fit; then the loss is at the new scaling.
    pub refit_scaling: bool,
    /// The tags of the base model.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}
