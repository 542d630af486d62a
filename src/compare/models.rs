//! What two models learned, side by side.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::artifact::{Health, Metadata, Model};
use crate::score::Tail;

/// Two models side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelComparison {
    /// Whether they are the same file, byte for byte.
    pub identical: bool,
    /// The columns that one of them uses, in the order of the first, then those of the second alone.
    pub columns: Vec<ComparedColumn>,
    /// The options of the fits, defaults included.
    pub options: BTreeMap<String, ValueComparison>,
    /// The data and program of the fits, and what they were told to remember.
    pub data: BTreeMap<String, ValueComparison>,
    /// How good they are, on their own calibration rows.
    pub health: BTreeMap<String, ValueComparison>,
    /// How they rank rows and decide which are anomalies.
    pub scores: BTreeMap<String, ValueComparison>,
    /// Their sizes.
    pub sizes: BTreeMap<String, ValueComparison>,
}

/// A value of two models, as JSON has it; null where a model has none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ValueComparison {
    /// That of the first.
    pub a: Value,
    /// That of the second.
    pub b: Value,
}

/// A column that one of two models uses.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComparedColumn {
    /// The column, or the leaf of a struct column.
    pub column: String,
    /// What changes from the first model to the second.
    pub change: ColumnChange,
    /// What the first makes of it; `None` if its data did not have it.
    pub a: Option<ColumnUse>,
    /// What the second makes of it.
    pub b: Option<ColumnUse>,
}

/// What changes about a column from one model to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ColumnChange {
    /// Nothing.
    Same,
    /// Only the second uses it.
    Added,
    /// Only the first uses it.
    Gone,
    /// Both use it, as another kind, with another range, or one learns it and the other is given it.
    Changed,
}

/// What a model makes of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ColumnUse {
    /// `learned`, `given` or `carried`.
    pub role: &'static str,
    /// Its kind and range; of a carried column, why it is one.
    pub detail: String,
    /// How well it is reconstructed, at most 1: R² of numbers, accuracy of others; `None` if that is not measured.
    pub quality: Option<f64>,
}

impl Model {
    /// Compares what this model and `other` learned. [`compare_on`](Self::compare_on) compares what they say of rows.
    pub fn compare(&self, other: &Self) -> ModelComparison {
        let [a, b] = [self, other];
        let both = |of: fn(&Model) -> Value| values(of(a), of(b));
        ModelComparison {
            identical: a.hash() == b.hash(),
            columns: columns(a.metadata(), b.metadata()),
            options: both(options),
            data: both(data),
            health: both(|model| health(model.metadata())),
            scores: both(scores),
            sizes: both(sizes),
        }
    }
}

impl ValueComparison {
    /// Whether the models differ in it.
    pub fn differs(&self) -> bool {
        self.a != self.b
    }

    /// Both values in plain words.
    pub fn in_words(&self) -> [String; 2] {
        [&self.a, &self.b].map(in_words)
    }
}

impl ColumnChange {
    /// It in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Added => "added",
            Self::Gone => "gone",
            Self::Changed => "changed",
        }
    }
}

impl fmt::Display for ColumnUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            "learned" => f.write_str(&self.detail),
            "carried" => write!(f, "not learned: {}", self.detail),
            role => write!(f, "{role}: {}", self.detail),
        }
    }
}

/// A value in plain words, the first few items of a long list.
fn in_words(value: &Value) -> String {
    /// Most items of a list.
    const SHOWN: usize = 6;
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (None, Some(value)) if value != 0.0 && value.abs() < 1e-3 => format!("{value:.2e}"),
            (None, Some(value)) => format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_owned(),
            _ => number.to_string(),
        },
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => {
            let more = (items.len() > SHOWN).then(|| format!("… {} more", items.len() - SHOWN));
            items.iter().take(SHOWN).map(in_words).chain(more).collect::<Vec<_>>().join(", ")
        }
        Value::Object(map) => {
            map.iter().map(|(key, value)| format!("{key} {}", in_words(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(_) => value.to_string(),
    }
}

/// The values of two objects by name.
fn values(a: Value, b: Value) -> BTreeMap<String, ValueComparison> {
    let [a, b] = [a, b].map(|of| if let Value::Object(map) = of { map } else { Map::new() });
    let of = |map: &Map<String, Value>, name: &String| map.get(name).cloned().unwrap_or_default();
    let both = |name: &String| (name.clone(), ValueComparison { a: of(&a, name), b: of(&b, name) });
    a.keys().chain(b.keys()).map(both).collect()
}

fn columns(a: &Metadata, b: &Metadata) -> Vec<ComparedColumn> {
    let [of_a, of_b] = [a, b].map(uses);
    let (used_by_a, used_by_b) = (used(a), used(b));
    let only_b = used_by_b.iter().filter(|name| !used_by_a.contains(name));
    let compared = |name: &&String| {
        let [a, b] = [&of_a, &of_b].map(|of| of.get(name.as_str()).cloned());
        let is_used = |by: &Option<ColumnUse>| by.as_ref().is_some_and(|by| by.role != "carried");
        let said = |by: &Option<ColumnUse>| by.as_ref().map(|by| (by.role, by.detail.clone()));
        let change = match (is_used(&a), is_used(&b)) {
            (true, false) => ColumnChange::Gone,
            (false, _) => ColumnChange::Added,
            _ if said(&a) == said(&b) => ColumnChange::Same,
            _ => ColumnChange::Changed,
        };
        ComparedColumn { column: (*name).clone(), change, a, b }
    };
    used_by_a.iter().chain(only_b).collect::<Vec<_>>().iter().map(compared).collect()
}

/// The columns that a model learned or was given.
fn used(model: &Metadata) -> Vec<String> {
    model.features.iter().chain(&model.given).map(|kind| kind.column().name().to_owned()).collect()
}

/// What a model makes of each column, by name.
fn uses(model: &Metadata) -> BTreeMap<&str, ColumnUse> {
    let measured = model.health.iter().flat_map(|health| &health.columns);
    let quality: BTreeMap<&str, Option<f64>> = measured.map(|it| (it.column.as_str(), it.value)).collect();
    let learned = model.features.iter().map(|kind| {
        let name = kind.column().name();
        let quality = quality.get(name).copied().flatten();
        (name, ColumnUse { role: "learned", detail: kind.describe(), quality })
    });
    let given = model
        .given
        .iter()
        .map(|kind| (kind.column().name(), ColumnUse { role: "given", detail: kind.describe_given(), quality: None }));
    let carried = model.carried.iter().map(|carried| {
        (carried.column.as_str(), ColumnUse { role: "carried", detail: carried.reason.clone(), quality: None })
    });
    // What is used counts, wherever else the column is named.
    carried.chain(given).chain(learned).collect()
}

fn options(model: &Model) -> Value {
    let Metadata { network, training, sequence, clusters, .. } = model.metadata();
    let mut all = json!(training);
    let mut add = |name: &str, value: Value| all[name] = value;
    add("hidden", json!(network.hidden));
    add("latent_dim", json!(network.latent_dim));
    add("activation", json!(network.activation));
    add("clusters", json!(clusters.as_ref().map(|clusters| clusters.asked)));
    if let Some(sequence) = sequence {
        add("order_by", json!(sequence.order_by.name()));
        let by: Vec<_> = sequence.by.iter().map(|column| column.name()).collect();
        add("by", json!((!by.is_empty()).then_some(by)));
        add("window", json!(sequence.window));
        add("max_gap", json!(sequence.max_gap));
        add("max_groups", json!(sequence.max_groups));
    }
    all
}

fn data(model: &Model) -> Value {
    let Metadata { provenance, format_version, .. } = model.metadata();
    let (tags, init) = (&provenance.tags, provenance.init.as_ref());
    json!({
        "vaepipe_version": provenance.vaepipe_version,
        "format_version": format_version,
        "rows": provenance.rows,
        "training_rows": provenance.training_rows,
        "validation_rows": provenance.validation_rows,
        "calibration_rows": provenance.calibration_rows,
        "empty_rows": provenance.empty_rows,
        "names": tags.data,
        "time": tags.time,
        "note": tags.note,
        "base": tags.base,
        "base_hash": init.map(|init| &init.model),
        "base_note": init.map(|init| &init.tags.note),
        "base_time": init.map(|init| &init.tags.time),
    })
}

fn health(model: &Metadata) -> Value {
    let (history, health) = (&model.history, model.health.as_ref());
    let of = |measure: fn(&Health) -> Option<f64>| health.and_then(measure);
    json!({
        "epochs": history.epochs.len(),
        "best_epoch": history.best_epoch,
        "validation_loss": history.validation_loss(),
        "calibration_loss": history.held_out_loss,
        "elbo": of(|it| Some(it.elbo())),
        "log_likelihood": of(|it| Some(it.log_likelihood)),
        "kl": of(|it| Some(it.kl)),
        "active_dimensions": health.map(Health::active),
        "error": of(|it| Some(it.error)),
        "pca_error": of(|it| it.principal_error),
        "gain_over_pca": of(Health::gain_over_pca),
        "hardly_learned": health.map(Health::hardly_learned),
    })
}

fn scores(model: &Model) -> Value {
    let scoring = &model.metadata().scoring;
    let calibration = scoring.calibration.as_ref();
    json!({
        "anomaly_score": scoring.anomaly_score,
        "decision": scoring.decision,
        "threshold": scoring.threshold(None),
        "calibration_rows": calibration.map_or(0, Tail::rows),
        "least_p_value": scoring.least_p_value(),
        "suspected_contamination": scoring.suspected_contamination(),
        "stored_rows": model.stored_rows(),
        "ignore_above_p": scoring.ignore_above_p,
        "directions": (!scoring.directions.is_empty()).then_some(&scoring.directions),
        "reviewed": model.metadata().feedback.as_ref().map(|reviewed| reviewed.rows.len()),
    })
}

fn sizes(model: &Model) -> Value {
    let metadata = model.metadata();
    json!({
        "bytes": model.to_bytes().len(),
        "parameters": model.weights().values().map(|weight| weight.values.len()).sum::<usize>(),
        "learned_columns": metadata.features.len(),
        "given_columns": metadata.given.len(),
        "carried_columns": metadata.carried.len(),
    })
}
