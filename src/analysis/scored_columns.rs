//! The columns of a scored file: those that a transform wrote, and those that the model learned.

use crate::score::{ANOMALY_SCORE, SCORES};
use crate::source::ParquetSource;

/// The column that a file is ranked by, and the prefix of the columns that the transform added.
pub(super) fn ranked_by(source: &ParquetSource) -> (String, String) {
    let ranks = source.metadata_value("vaepipe.score").unwrap_or_else(|| ANOMALY_SCORE.to_owned());
    let prefix = ranks.strip_suffix(ANOMALY_SCORE).unwrap_or_default().to_owned();
    (ranks, prefix)
}

/// The learned columns that the file has; if it does not list them, all columns that no transform wrote.
pub(super) fn features(source: &ParquetSource, prefix: &str) -> Vec<String> {
    let schema = source.schema();
    let all: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    match source.metadata_value("vaepipe.features").map(|list| serde_json::from_str::<Vec<String>>(&list)) {
        Some(Ok(features)) => features.into_iter().filter(|name| all.contains(&name)).collect(),
        _ => all.into_iter().filter(|name| !is_new(name, prefix)).cloned().collect(),
    }
}

/// Whether a transform writes a column of this name.
pub(super) fn is_new(name: &str, prefix: &str) -> bool {
    let Some(name) = name.strip_prefix(prefix) else { return false };
    let is_latent =
        ["z_std_", "z_"].iter().any(|start| name.strip_prefix(start).is_some_and(|n| n.parse::<u32>().is_ok()));
    let others = ["z", "z_std", ANOMALY_SCORE, "p_value", "is_anomaly", "top_features", "cluster", "cluster_p"];
    is_latent || others.contains(&name) || SCORES.iter().any(|score| score.name == name)
}
