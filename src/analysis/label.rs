//! Labels of rows: which of them are known anomalies.

use std::path::Path;

use crate::error::{Error, Place, Result};
use crate::source::near_names;

/// A column of labels.
#[derive(Debug, Clone)]
pub(super) struct LabelColumn {
    pub(super) name: String,
    /// The value of anomalies; `None` for 1, true and words like them.
    anomaly: Option<String>,
}

/// Values of a column, as its type has them; `None` where missing.
pub(super) enum LabelValues {
    Numbers(Vec<Option<f64>>),
    Words(Vec<Option<String>>),
}

impl LabelColumn {
    /// The label that `COL` names, or `COL=VALUE` if no column has this whole name.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`].
    pub(super) fn find(text: &str, columns: &[&str]) -> Result<Self> {
        if columns.contains(&text) {
            return Ok(Self { name: text.to_owned(), anomaly: None });
        }
        let mut parts = text.match_indices('=').map(|(at, _)| (&text[..at], &text[at + 1..]));
        if let Some((name, value)) = parts.find(|(name, _)| columns.contains(name)) {
            return Ok(Self { name: name.to_owned(), anomaly: Some(value.to_owned()) });
        }
        let near = near_names(text.split('=').next().unwrap_or(text), columns.iter().copied());
        Err(Error::UnknownColumn { selection: "label", name: text.to_owned(), near })
    }

    /// The labels: true for an anomaly, `None` where missing.
    ///
    /// # Errors
    /// [`Error::WrongType`] for a value that is neither of an anomaly nor of another row.
    pub(super) fn of(&self, path: &Path, values: &LabelValues) -> Result<Vec<Option<bool>>> {
        let wrong = |value: String| Error::WrongType {
            place: Place::column(path, &self.name),
            found: format!("{value} somewhere").into(),
            expected: "0 or 1, for an anomaly; or true and false, yes and no, or anomaly and normal".into(),
        };
        match (values, self.anomaly.as_deref()) {
            (LabelValues::Numbers(values), Some(anomaly)) => {
                let anomaly = anomaly.parse().ok().or_else(|| word(anomaly).map(|it| f64::from(u8::from(it))));
                Ok(values.iter().map(|value| value.map(|value| Some(value) == anomaly)).collect())
            }
            (LabelValues::Words(values), Some(anomaly)) => {
                Ok(values.iter().map(|value| value.as_deref().map(|value| value == anomaly)).collect())
            }
            (LabelValues::Numbers(values), None) => {
                let of = |value: f64| match value {
                    0.0 => Ok(false),
                    1.0 => Ok(true),
                    other => Err(wrong(other.to_string())),
                };
                values.iter().map(|value| value.map(of).transpose()).collect()
            }
            (LabelValues::Words(values), None) => {
                let of = |text: &String| word(text).ok_or_else(|| wrong(format!("{text:?}")));
                let is_known = |text: &&String| !text.trim().is_empty();
                values.iter().map(|value| value.as_ref().filter(is_known).map(of).transpose()).collect()
            }
        }
    }

    /// How the value of anomalies, or of others, is written.
    pub(super) fn value(&self, is_anomaly: bool) -> String {
        match (&self.anomaly, is_anomaly) {
            (None, true) => "1".to_owned(),
            (None, false) => "0".to_owned(),
            (Some(anomaly), true) => anomaly.clone(),
            (Some(anomaly), false) => format!("other than {anomaly}"),
        }
    }
}

/// Whether a word says that a row is an anomaly.
fn word(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "1" | "1.0" | "true" | "yes" | "anomaly" => Some(true),
        "0" | "0.0" | "false" | "no" | "normal" => Some(false),
        _ => None,
    }
}
