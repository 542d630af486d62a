//! The checkpoint of a fit: the state of its training in a file. A fit that resumes from it ends with the same bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::{History, checkpoint_json, load_checkpoint, save_checkpoint};
use crate::error::{Error, ModelFault, Result};
use crate::model::{AdamMoments, Checkpoint, Parameter, Weights};
use crate::storage::Target;

/// Version of the file format; no other is read.
const FORMAT_VERSION: u64 = 1;

/// Shortest time between two checkpoints: an epoch may take a millisecond.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The state of an epoch loop, beside that of its trainer.
pub(super) struct TrainingState {
    pub(super) history: History,
    /// Factor of the learning rate, lowered by roll-backs.
    pub(super) lr_scale: f64,
    /// The state to roll back to: that after the last complete epoch.
    pub(super) last_good: Checkpoint,
    /// Loss and weights of the best epoch.
    pub(super) best: Option<(f64, Weights)>,
    /// The sums of the current epoch.
    pub(super) pass: EpochPass,
}

/// The steps of the current epoch so far, and their sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EpochPass {
    /// Steps done.
    pub(super) steps: usize,
    /// Rows in them.
    pub(super) rows: usize,
    /// Sum of their negative log-likelihoods, nats.
    pub(super) nll: f64,
    /// Sum of their KL divergences, nats.
    pub(super) kl: f64,
}

/// The JSON of a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointHeader {
    format_version: u64,
    /// The data, options and version of the fit, which must be the same to resume.
    fit: Value,
    /// Histories of the finished networks.
    finished: Vec<History>,
    history: History,
    lr_scale: f64,
    /// Validation loss of the best epoch; absent without one or without validation rows.
    best: Option<f64>,
    pass: EpochPass,
    /// Adam updates, now and after the last complete epoch.
    updates: [i32; 2],
}

/// Writes the checkpoint when it is due, and reads the one to resume from.
pub(super) struct CheckpointWriter {
    target: Target,
    fit: Value,
    parameters: Vec<Parameter>,
    /// The finished networks.
    finished: Vec<(Weights, History)>,
    /// The state of the next network and of its trainer, if it resumes.
    resumed: Option<(TrainingState, Checkpoint)>,
    /// Longest time between checkpoints within an epoch.
    every: Duration,
    last: Instant,
}

impl CheckpointWriter {
    /// Writes to `path`, and with `resume` starts from the checkpoint there. `fit` holds the data, options and version of
    /// this fit.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::TargetNotFile`] if there can be no file at `path`; [`Error::OtherCheckpoint`] and
    /// [`Error::Checkpoint`] if the checkpoint there does not fit.
    pub(super) fn new(
        path: &Path,
        fit: Value,
        parameters: Vec<Parameter>,
        resume: bool,
        every: Duration,
    ) -> Result<Self> {
        // The user did not name this file: a link at its path may be an attack and is not followed.
        if path.is_symlink() {
            return Err(Error::TargetNotFile { path: path.to_owned() });
        }
        let target = Target::check(path, true, [])?;
        let (finished, resumed) = (Vec::new(), None);
        let mut writer = Self { target, fit, parameters, finished, resumed, every, last: Instant::now() };
        writer.read(resume)?;
        Ok(writer)
    }

    /// Reads the checkpoint to resume from.
    fn read(&mut self, resume: bool) -> Result<()> {
        let path = self.target.path();
        if !path.exists() {
            if resume {
                tracing::info!("{}: no checkpoint; the fit starts from the beginning", path.display());
            }
            return Ok(());
        }
        if !resume {
            tracing::warn!("{}: this fit replaces the checkpoint of an unfinished one", path.display());
            return Ok(());
        }
        let fault = |fault| Error::Checkpoint { path: path.to_owned(), fault };
        let (about, mut sets): (CheckpointHeader, _) =
            load_checkpoint(path, &self.parameters, |json| self.check_fit(json))?;
        let CheckpointHeader { finished, history, lr_scale, best, pass, updates, .. } = about;
        let best = sets.remove("best").map(|weights| (best.unwrap_or(f64::NEG_INFINITY), weights));
        let now = take(&mut sets, "", updates[0]).map_err(fault)?;
        let last_good =
            if pass.steps == 0 { now.clone() } else { take(&mut sets, "good_", updates[1]).map_err(fault)? };
        let of_member = |(n, history): (usize, History)| {
            let name = member(n);
            sets.remove(&name).map(|weights| (weights, history)).ok_or(ModelFault::MissingTensor { name })
        };
        let finished = finished.into_iter().enumerate().map(of_member).collect::<Result<_, _>>().map_err(fault)?;
        tracing::info!("resumed after epoch {} and {} steps", history.epochs.len(), pass.steps);
        self.finished = finished;
        self.resumed = Some((TrainingState { history, lr_scale, last_good, best, pass }, now));
        Ok(())
    }

    /// The finished networks.
    pub(super) fn finished(&self) -> &[(Weights, History)] {
        &self.finished
    }

    /// Adds a finished network.
    pub(super) fn finish(&mut self, weights: Weights, history: History) {
        self.finished.push((weights, history));
    }

    /// Takes the state of the next network and of its trainer; `None` if it does not resume.
    pub(super) fn take_resumed(&mut self) -> Option<(TrainingState, Checkpoint)> {
        self.resumed.take()
    }

    fn check_fit(&self, json: &Value) -> Result<()> {
        let found = json.get("format_version").and_then(Value::as_u64).unwrap_or_default();
        if found != FORMAT_VERSION {
            let fault = ModelFault::Version { found, known: FORMAT_VERSION };
            return Err(Error::Checkpoint { path: self.target.path().to_owned(), fault });
        }
        match difference("", json.get("fit").unwrap_or(&Value::Null), &self.fit) {
            Some(difference) => Err(Error::OtherCheckpoint { path: self.target.path().to_owned(), difference }),
            None => Ok(()),
        }
    }

    /// Whether a checkpoint within an epoch is due.
    pub(super) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.every
    }

    /// Whether a checkpoint between epochs, or at an early end, saves enough work.
    pub(super) fn is_worthwhile(&self) -> bool {
        self.last.elapsed() >= AT_MOST_EVERY
    }

    /// Writes the checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn save(&mut self, now: &Checkpoint, run: &TrainingState) -> Result<()> {
        let about = CheckpointHeader {
            format_version: FORMAT_VERSION,
            fit: self.fit.clone(),
            finished: self.finished.iter().map(|(_, history)| history.clone()).collect(),
            history: run.history.clone(),
            lr_scale: run.lr_scale,
            best: run.best.as_ref().map(|(loss, _)| *loss).filter(|loss| loss.is_finite()),
            pass: run.pass,
            updates: [now.moments.steps, run.last_good.moments.steps],
        };
        let AdamMoments { first, second, .. } = &now.moments;
        let mut sets = vec![("weights", &now.weights), ("first", first), ("second", second)];
        if run.pass.steps > 0 {
            let Checkpoint { weights, moments: AdamMoments { first, second, .. } } = &run.last_good;
            sets.extend([("good_weights", weights), ("good_first", first), ("good_second", second)]);
        }
        sets.extend(run.best.as_ref().map(|(_, weights)| ("best", weights)));
        let names: Vec<String> = (0..self.finished.len()).map(member).collect();
        sets.extend(names.iter().map(String::as_str).zip(self.finished.iter().map(|(weights, _)| weights)));
        save_checkpoint(&self.target, &about, &sets)?;
        tracing::debug!("{}: checkpoint after epoch {}", self.target.path().display(), run.history.epochs.len());
        self.last = Instant::now();
        Ok(())
    }

    /// The path of the checkpoint.
    pub(super) fn path(&self) -> PathBuf {
        self.target.path().to_owned()
    }
}

/// Reads the latent dimensions that a search found from a checkpoint. Faults of the file are left to
/// [`CheckpointWriter::new`].
pub(super) fn searched_latent_dim(path: &Path) -> Option<usize> {
    let json = checkpoint_json(path).ok()?;
    let fit = json.get("fit").filter(|fit| fit.get("searched").and_then(Value::as_bool) == Some(true))?;
    usize::try_from(fit.pointer("/network/latent_dim")?.as_u64()?).ok()
}

/// The name of a finished network's tensors.
fn member(n: usize) -> String {
    format!("member_{n}")
}

/// Takes the weights and moments named `prefix` out of the tensors.
fn take(sets: &mut BTreeMap<String, Weights>, prefix: &str, steps: i32) -> Result<Checkpoint, ModelFault> {
    let mut set = |name: &str| {
        let name = format!("{prefix}{name}");
        sets.remove(&name).ok_or(ModelFault::MissingTensor { name })
    };
    let (weights, first, second) = (set("weights")?, set("first")?, set("second")?);
    Ok(Checkpoint { weights, moments: AdamMoments { first, second, steps } })
}

/// The first place where two documents differ, and how.
fn difference(place: &str, theirs: &Value, ours: &Value) -> Option<String> {
    let within = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match (theirs, ours) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let of = |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or_default();
                difference(&within(key), &of(one), &of(other))
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(n, (one, other))| difference(&within(&n.to_string()), one, other))
        }
        (one, other) if one == other => None,
        (one, other) => Some(format!("{place} is {} there and {} here", short(one), short(other))),
    }
}

fn short(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let one = json!({"training": {"lr": 0.1, "seed": 1}, "data": {"rows": 7, "columns": [1, 2]}});
        let with = |pointer: &str, value: Value| {
            let mut other = one.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            difference("", &one, &other)
        };
        assert_eq!(difference("", &one, &one), None);
        assert_eq!(with("/training/lr", json!(0.2)).unwrap(), "training.lr is 0.1 there and 0.2 here");
        assert_eq!(with("/data/columns/1", json!("b")).unwrap(), "data.columns.1 is 2 there and \"b\" here");
        assert_eq!(with("/data/columns", json!([1])).unwrap(), "data.columns is [1,2] there and [1] here");
        assert_eq!(with("/data", json!({})).unwrap().split(" is ").next(), Some("data.columns"));
    }
}
