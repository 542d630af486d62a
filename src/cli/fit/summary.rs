//! The summary of a fit.

use std::path::Path;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use vaepipe::{Clusters, Fitted, History, Init, LogicalType, Model, Network, Tail, Training};

use crate::cli::fit::{health, verdict};
use crate::cli::flags::decision::because;
use crate::cli::output::{describe_order, grouped, list, names, own_names, percent, seconds, shown};

/// The lines of the text summary.
pub(crate) fn lines(fitted: &Fitted, total: f64) -> Vec<(&'static str, String)> {
    let metadata = fitted.model.metadata();
    let (rows, history) = (&metadata.provenance, &metadata.history);
    let (features, given) = (own_names(metadata), names(&metadata.given));
    let all = features.len() + given.len() + metadata.carried.len();
    let mut lines = vec![(
        "learned",
        format!("{} of {all} columns of {} rows: {}", features.len(), HumanCount(rows.rows), list(&features)),
    )];
    lines.extend(metadata.sequence.as_ref().map(|sequence| ("order", describe_order(sequence))));
    if !given.is_empty() {
        lines.push(("given", list(&given)));
    }
    for (n, (columns, reason)) in grouped(&metadata.carried).into_iter().enumerate() {
        let label = if n == 0 { "left out" } else { "" };
        lines.push((label, format!("{columns}: {reason}")));
    }
    for (column, logical_type) in &fitted.suggested_types {
        lines.push(("hint", suggested_type(column, *logical_type)));
    }
    let loss = match (history.validation_loss(), history.held_out_loss) {
        (Some(validation), Some(calibration)) => {
            format!("validation loss {validation:.4} nats a row, calibration loss {calibration:.4}")
        }
        (Some(validation), None) => format!("validation loss {validation:.4} nats a row"),
        _ => "not measured: no rows were held out".to_owned(),
    };
    lines.extend([
        (
            "rows",
            format!(
                "{} training, {} validation, {} calibration",
                HumanCount(rows.training_rows),
                HumanCount(rows.validation_rows),
                HumanCount(rows.calibration_rows)
            ),
        ),
        ("network", network(&metadata.network, &metadata.training, elements(&fitted.model), parameters(&fitted.model))),
        (
            "epochs",
            format!(
                "{} {} of {} trained, {} at most{}",
                if metadata.training.neighbors > 0 { "kept" } else { "best" },
                history.best_epoch,
                history.epochs.len(),
                metadata.training.epochs,
                refit(history)
            ),
        ),
        ("loss", loss),
    ]);
    if let (Some(Init { held_out_loss: Some(before), .. }), Some(after)) = (&rows.init, history.held_out_loss) {
        lines.push(("base", format!("calibration loss {before:.4} nats a row before, {after:.4} after")));
    }
    if let Some(health) = &metadata.health {
        lines.push(("latents", health::line(health)));
        lines.extend(health::neighbors(health).map(|kept| ("", kept)));
        lines.extend(health::advice(health).filter(|_| health.active() > 0).map(|advice| ("", advice)));
    }
    lines.extend(metadata.clusters.as_ref().map(|found| ("clusters", clusters(found))));
    lines.extend(scores(&fitted.model));
    lines.extend(verdict::lines(&fitted.model));
    lines.push((
        "time",
        format!(
            "{total:.2} s, of which {:.2} s training at {} rows/s",
            fitted.train_seconds,
            HumanCount(rows_per_second(fitted) as u64)
        ),
    ));
    lines
}

/// Describes clusters by the share of the training rows in each.
pub(crate) fn clusters(found: &Clusters) -> String {
    const SHOWN: usize = 8;
    let all = found.rows.len();
    let mut shares: Vec<String> = found.shares().take(SHOWN).map(percent).collect();
    if all > SHOWN {
        shares.push(format!("… {} more", all - SHOWN));
    }
    format!("{all}, of {} of the training rows", shares.join(", "))
}

/// The way to read a column of strings as what they are.
pub(crate) fn suggested_type(column: &str, logical_type: LogicalType) -> String {
    let what = match logical_type {
        LogicalType::Date => "dates",
        LogicalType::Timestamp => "times",
        _ => "numbers",
    };
    format!("the strings of {column} are {what}; --types {column}={logical_type} reads them as such")
}

/// Describes the refit, if there was one.
pub(crate) fn refit(history: &History) -> &'static str {
    if history.refit { "; refit for as many on training and validation rows" } else { "" }
}

/// The lines about the score and the decision.
pub(crate) fn scores(model: &Model) -> Vec<(&'static str, String)> {
    let (scoring, stored) = (&model.metadata().scoring, model.stored_rows());
    let rows = scoring.calibration.as_ref().map_or(0, Tail::rows);
    let (score, because) = (&scoring.anomaly_score, because(scoring.decision, scoring.ignore_above_p));
    let said =
        format!("anomaly_score is {score}; p-values from {} calibration rows; anomalies: {because}", HumanCount(rows));
    let holds = (stored > 0)
        .then(|| format!("the model stores {} training rows for nearest neighbours", HumanCount(stored as u64)));
    let contaminated = scoring.suspected_contamination().map(contaminated);
    let windows: Vec<String> = model.metadata().sequence.iter().flat_map(|sequence| sequence.window_names()).collect();
    let of_columns = scoring.directions.iter().filter(|(column, _)| !windows.contains(column));
    let sides: Vec<String> = of_columns.map(|(column, side)| format!("{} {side}", shown(column))).collect();
    let sides = (!sides.is_empty()).then(|| format!("odd on one side only: {}", sides.join(", ")));
    [("scores", said)]
        .into_iter()
        .chain([holds, sides, contaminated].into_iter().flatten().map(|but| ("", but)))
        .collect()
}

/// Says that training rows look like anomalies.
fn contaminated(share: f64) -> String {
    format!(
        "the training rows look contaminated: {} of them score far above all others; if they are anomalies, fit with \
         --contamination auto",
        percent(share)
    )
}

/// The path and size of the model file.
pub(crate) fn file(model: &Model, path: &Path) -> String {
    format!("{}, {}", path.display(), HumanBytes(model.to_bytes().len() as u64))
}

/// Describes a model's networks, each of `parameters` parameters.
pub(crate) fn network(network: &Network, training: &Training, inputs: usize, parameters: usize) -> String {
    let widths = [inputs].into_iter().chain(network.hidden.iter().copied()).chain([network.latent_dim]);
    let widths: Vec<String> = widths.map(|width| width.to_string()).collect();
    let members = if training.members > 1 { format!(", {} of them", training.members) } else { String::new() };
    let parameters = HumanCount(parameters as u64);
    format!("{} and back, {}, {parameters} parameters{members}", widths.join("-"), network.activation)
}

/// The width of a model's row vector.
pub(crate) fn elements(model: &Model) -> usize {
    model.metadata().features.iter().map(|feature| feature.elements()).sum()
}

/// The number of weights and biases of each of a model's networks.
pub(crate) fn parameters(model: &Model) -> usize {
    model.weights().values().map(|weight| weight.values.len()).sum()
}

/// The JSON summary.
pub(crate) fn json(fitted: &Fitted, total: f64) -> Value {
    let metadata = fitted.model.metadata();
    let (rows, history) = (&metadata.provenance, &metadata.history);
    json!({
        "model_hash": fitted.model.hash(),
        "rows": rows.rows,
        "train_rows": rows.training_rows,
        "empty_rows": rows.empty_rows,
        "features": metadata.features.len(),
        "sequence": metadata.sequence,
        "given": names(&metadata.given),
        "carried": metadata.carried,
        "suggested_types": fitted.suggested_types.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "latent_dim": metadata.network.latent_dim,
        "hidden": metadata.network.hidden,
        "members": metadata.training.members,
        "epochs": history.epochs.len(),
        "best_epoch": history.best_epoch,
        "validation_loss": history.validation_loss(),
        "held_out_loss": history.held_out_loss,
        "init": rows.init,
        "health": metadata.health,
        "clusters": metadata.clusters,
        "verdict": verdict::json(&fitted.model),
        "anomaly_score": metadata.scoring.anomaly_score,
        "calibration_rows": metadata.scoring.calibration.as_ref().map_or(0, Tail::rows),
        "decision": metadata.scoring.decision,
        "suspected_contamination": metadata.scoring.suspected_contamination(),
        "rollbacks": history.rollbacks,
        "refit": history.refit,
        "interrupted": fitted.interrupted,
        "seconds": {
            "statistics": seconds(fitted.statistics_seconds),
            "train": seconds(fitted.train_seconds),
            "total": seconds(total),
        },
        "rows_per_second": rows_per_second(fitted).round(),
    })
}

/// Training rows per second of training, validation included.
fn rows_per_second(fitted: &Fitted) -> f64 {
    fitted.trained_rows as f64 / fitted.train_seconds.max(1e-9)
}
