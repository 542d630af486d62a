//! What people said of rows, in a model file; and the calibration rows by which p-values stay valid.

#![forbid(unsafe_code)]

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::Model;
use super::container::PrefixedTensors;
use crate::drift::Sketch;
use crate::error::ModelFault;
use crate::model::{Weight, Weights};
use crate::score::{Feedback, Reference, RowPlaces, Tail, Verdict};

/// The prefixes of the tensor names.
const REVIEWED: &str = "feedback.";
const REFERENCE: &str = "reference.";

/// What people said of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Reviewed {
    /// The rows, in the order in which they were reviewed.
    pub rows: Vec<ReviewedRow>,
    /// The scores of the calibration rows without feedback.
    pub calibration: Tail,
}

/// What somebody said of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ReviewedRow {
    /// Whether it is an anomaly.
    pub verdict: Verdict,
    /// The name of the file that says so.
    pub file: String,
    /// Its number among the rows of that file, from 1.
    pub row: u64,
    /// Its anomaly score without feedback, in nats.
    pub score: f32,
    /// The column that raised this score most, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    /// The value of that column, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl Reviewed {
    /// What is said of rows in these places.
    fn feedback(rows: &[ReviewedRow], places: RowPlaces) -> Feedback {
        Feedback { rows: places, verdicts: rows.iter().map(|row| row.verdict).collect() }
    }
}

impl Model {
    /// The same model whose scores follow what people said of rows, with p-values calibrated for it; without any, the model
    /// as the fit made it.
    ///
    /// # Panics
    /// If there are rows and the model stores no calibration rows.
    pub(crate) fn with_reviewed(&self, rows: Vec<ReviewedRow>, places: RowPlaces) -> Self {
        let mut metadata = self.metadata.clone();
        let before =
            metadata.feedback.take().map(|reviewed| reviewed.calibration).or(metadata.scoring.calibration.take());
        let feedback = (!rows.is_empty()).then(|| Reviewed::feedback(&rows, places));
        metadata.scoring.calibration = match &feedback {
            Some(feedback) => Some(self.reference.as_ref().expect("feedback needs them").tail(feedback)),
            None => before.clone(),
        };
        metadata.feedback = before.filter(|_| !rows.is_empty()).map(|calibration| Reviewed { rows, calibration });
        let (kinds, latent_dim) = (&metadata.features, metadata.network.latent_dim);
        let calibration = metadata.scoring.calibration.as_ref();
        let recalibrated =
            |sketch: &Arc<Sketch>| sketch.recalibrated(kinds, self.features.layout(), latent_dim, calibration);
        let sketch = self.sketch.as_ref().map(|sketch| Arc::new(recalibrated(sketch)));
        let scorer = Arc::new(self.scorer.with_feedback(feedback));
        Self { metadata, scorer, sketch, hash: OnceLock::new(), ..self.clone() }
    }
}

/// Whether a tensor name belongs to either.
pub(super) fn has_tensor(name: &str) -> bool {
    name.starts_with(REVIEWED) || name.starts_with(REFERENCE)
}

/// Both as tensors, by name.
pub(super) fn tensors(feedback: Option<&Feedback>, reference: Option<&Reference>) -> Weights {
    let places = |prefix: &str, rows: &RowPlaces| {
        let shapes = [vec![rows.len(), rows.places.len() / rows.len().max(1)], vec![rows.len()]];
        let values = [&rows.places, &rows.distances].map(Vec::clone);
        let names = ["places", "distances"].map(|name| format!("{prefix}{name}"));
        let weights = shapes.into_iter().zip(values).map(|(shape, values)| Weight { shape, values });
        names.into_iter().zip(weights).collect::<Vec<_>>()
    };
    let mut tensors = Weights::new();
    tensors.extend(feedback.into_iter().flat_map(|feedback| places(REVIEWED, &feedback.rows)));
    if let Some(Reference { rows, scores, .. }) = reference {
        tensors.extend(places(REFERENCE, rows));
        let scores = Weight { shape: vec![scores.len()], values: scores.clone() };
        tensors.insert(format!("{REFERENCE}scores"), scores);
    }
    tensors
}

/// Reads the feedback and the reference rows from tensors, which may hold nothing else. `width` is that of the space of
/// stored rows, and a fit had so many rows.
///
/// # Errors
/// A [`ModelFault`] if a tensor is missing, has another shape, is not finite or is unknown, or if they contradict the
/// metadata.
pub(super) fn take(
    mut tensors: Weights,
    stated: Option<&Reviewed>,
    calibration: Option<&Tail>,
    (width, rows_of_fit): (usize, u64),
) -> Result<(Option<Feedback>, Option<Reference>), ModelFault> {
    let invalid = || ModelFault::Contradiction("the feedback is invalid".to_owned());
    let reviewed = tensors.extract_if(.., |name, _| name.starts_with(REVIEWED)).collect();
    let (mut reviewed, mut reference) =
        (PrefixedTensors::new(REVIEWED, reviewed), PrefixedTensors::new(REFERENCE, tensors));
    let dimensions = RowPlaces::dimensions_of(width);
    let places = |tensors: &mut PrefixedTensors, rows: usize| {
        let (places, distances) = (tensors.take("places", &[rows, dimensions])?, tensors.take("distances", &[rows])?);
        if distances.iter().any(|distance| *distance < 0.0) {
            return Err(invalid());
        }
        Ok(RowPlaces::new(dimensions, places, distances))
    };
    let feedback = match stated {
        Some(Reviewed { rows, calibration }) => {
            if rows.is_empty() || !calibration.is_valid() || rows.iter().any(|row| !row.score.is_finite()) {
                return Err(invalid());
            }
            Some(Reviewed::feedback(rows, places(&mut reviewed, rows.len())?))
        }
        None => None,
    };
    reviewed.finish()?;
    let stored = reference.get("scores").map(|scores| scores.values.len());
    let stored = match stored {
        Some(stored) => {
            let (rows, scores) = (places(&mut reference, stored)?, reference.take("scores", &[stored])?);
            let of = stated.map(|stated| &stated.calibration).or(calibration).map_or(0, Tail::rows);
            if of > rows_of_fit {
                return Err(invalid());
            }
            Some(Reference::new(rows, scores, of as usize).ok_or_else(invalid)?)
        }
        None => None,
    };
    reference.finish()?;
    if feedback.is_some() && (stored.is_none() || calibration.is_none()) {
        Err(invalid())
    } else {
        Ok((feedback, stored))
    }
}
