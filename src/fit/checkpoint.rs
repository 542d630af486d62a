//! Where a fit stands, on the disk: enough to go on after a kill as if nothing had happened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::{History, checkpoint_json, load_checkpoint, save_checkpoint};
use crate::error::{Error, ModelFault, Result};
use crate::model::{AdamMoments, Checkpoint, Parameter, Weights};
use crate::storage::Target;

/// The version of the file's form; no other is read.
const FORMAT_VERSION: u64 = 1;

/// Ends of epochs closer together than this share a checkpoint: an epoch may take a millisecond.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// Everything the epochs change but the trainer itself.
pub(super) struct TrainingState {
    pub(super) history: History,
    /// What roll-backs left of the learning rate.
    pub(super) lr_scale: f64,
    /// The state to roll back to: that after the last whole epoch.
    pub(super) last_good: Checkpoint,
    /// Loss and weights of the best epoch.
    pub(super) best: Option<(f64, Weights)>,
    /// The epoch under way.
    pub(super) pass: EpochPass,
}

/// An epoch under way.
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
    /// What must be the same to go on.
    fit: Value,
    /// How the networks went that are done.
    finished: Vec<History>,
    history: History,
    lr_scale: f64,
    /// Loss of the best epoch, where there is one, and rows to choose by.
    best: Option<f64>,
    pass: EpochPass,
    /// Updates of Adam so far, now and after the last whole epoch.
    updates: [i32; 2],
}

/// Writes checkpoints when they are due, and reads the one to start from.
pub(super) struct CheckpointWriter {
    target: Target,
    fit: Value,
    parameters: Vec<Parameter>,
    /// The networks that are done.
    finished: Vec<(Weights, History)>,
    /// Where the next one stands, and its trainer, if it does not start from its beginning.
    resumed: Option<(TrainingState, Checkpoint)>,
    /// Longest time without one within an epoch.
    every: Duration,
    last: Instant,
}

impl CheckpointWriter {
    /// One that writes to `path`, and with `resume` goes on from there. `fit` says what this fit is of: data, options,
    /// version.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::TargetNotFile`] if there can be no file there; [`Error::OtherCheckpoint`] and
    /// [`Error::Checkpoint`] if the one to go on from cannot be.
    pub(super) fn new(
        path: &Path,
        fit: Value,
        parameters: Vec<Parameter>,
        resume: bool,
        every: Duration,
    ) -> Result<Self> {
        // Nobody asked for this file: no link that somebody put in its place is followed.
        if path.is_symlink() {
            return Err(Error::TargetNotFile { path: path.to_owned() });
        }
        let target = Target::check(path, true, [])?;
        let (finished, resumed) = (Vec::new(), None);
        let mut keeper = Self { target, fit, parameters, finished, resumed, every, last: Instant::now() };
        keeper.read(resume)?;
        Ok(keeper)
    }

    /// Reads the checkpoint to go on from.
    fn read(&mut self, resume: bool) -> Result<()> {
        let path = self.target.path();
        if !path.exists() {
            if resume {
                tracing::info!("{}: no checkpoint; the fit starts from its beginning", path.display());
            }
            return Ok(());
        }
        if !resume {
            tracing::warn!("{}: an unfinished fit's checkpoint, which this fit replaces", path.display());
            return Ok(());
        }
        let fault = |fault| Error::Checkpoint { path: path.to_owned(), fault };
        let (about, mut sets): (CheckpointHeader, _) =
            load_checkpoint(path, &self.parameters, |json| self.is_of_this_fit(json))?;
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

    /// The networks that are done.
    pub(super) fn finished(&self) -> &[(Weights, History)] {
        &self.finished
    }

    /// Takes a network that is done.
    pub(super) fn finish(&mut self, weights: Weights, history: History) {
        self.finished.push((weights, history));
    }

    /// The state that the network to train next stands in, and that of its trainer; `None` if it starts from its
    /// beginning.
    pub(super) fn resumed(&mut self) -> Option<(TrainingState, Checkpoint)> {
        self.resumed.take()
    }

    fn is_of_this_fit(&self, json: &Value) -> Result<()> {
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

    /// Whether it is time for one within an epoch.
    pub(super) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.every
    }

    /// Whether there is enough to lose for one between epochs, or before the fit ends early.
    pub(super) fn is_worth_it(&self) -> bool {
        self.last.elapsed() >= AT_MOST_EVERY
    }

    /// Writes one.
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

    /// Where it writes.
    pub(super) fn path(&self) -> PathBuf {
        self.target.path().to_owned()
    }
}

/// How many latent dimensions the fit of a checkpoint had found, if it had looked for them. What is wrong with the file,
/// [`CheckpointWriter::new`] says.
pub(super) fn dimensions_found(path: &Path) -> Option<usize> {
    let json = checkpoint_json(path).ok()?;
    let fit = json.get("fit").filter(|fit| fit.get("searched").and_then(Value::as_bool) == Some(true))?;
    usize::try_from(fit.pointer("/network/latent_dim")?.as_u64()?).ok()
}

/// The name of a finished network's set.
fn member(n: usize) -> String {
    format!("member_{n}")
}

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
