//! Phase 2 of a fit: the rows are read, encoded and split.

use std::sync::Arc;

use super::base_model::{BaseModel, FEWEST_COMPARED};
use super::defaults;
use super::group_norms::with_group_norms;
use super::prepared::Prepared;
use super::row_order::{HeldOut, HoldOut, RowOrder};
use super::rows::{FitRows, RowLoader};
use super::sizes::SplitSizes;
use crate::config::Training;
use crate::error::{Error, Result};
use crate::feature::{Features, still_constant, with_missing_counts};
use crate::pipeline::Run;
use crate::sequence::Sequence;

/// A fit whose rows are encoded.
pub(super) struct Loaded {
    pub(super) prepared: Prepared,
    /// The features, with the missing values of these rows counted.
    pub(super) features: Arc<Features>,
    pub(super) hold_out: HoldOut,
    pub(super) rows: FitRows,
    /// The training for these rows.
    pub(super) training: Training,
    /// Seconds of the statistics and of the encoding.
    pub(super) seconds: f64,
}

impl Prepared {
    /// Reads, encodes and splits the rows.
    ///
    /// # Errors
    /// [`Error::TooFewRows`], [`Error::NotMeasured`], the source's, [`Error::Io`] for a scratch file, and
    /// [`Error::Interrupted`].
    pub(super) fn load(mut self, run: &mut Run<'_>) -> Result<Loaded> {
        let SplitSizes { sample, held_out, shuffled, .. } = self.sizes.rows;
        let hold_out = |held_out| HoldOut::new(self.config.seed, self.source.rows(), sample, held_out);
        let split = hold_out(held_out);
        let mut rows = self.load_rows(split, run)?;
        if rows.training.len() < 2 && rows.known() >= 2 {
            tracing::warn!("too few usable rows; none held out");
            rows = self.load_rows(hold_out(HeldOut::default()), run)?;
        }
        let watched = self.base.as_ref().map(|base| base.watched(&self.source)).unwrap_or_default();
        let rows_at_fit = self.base.as_ref().map_or(0, BaseModel::rows);
        self.source = self.source.without_kept();
        rows.issues.warn(&self.columns.features, &watched, self.source.rows(), rows_at_fit);
        self.columns.carried = still_constant(self.columns.carried, &watched, &rows.issues);
        if rows.empty > 0 {
            tracing::warn!("{} rows have no known value in any learned column; they are not trained on", rows.empty);
        }
        if rows.training.len() < 2 {
            let rows = rows.training.len() as u64;
            return Err(Error::TooFewRows { path: self.source.path().to_owned(), rows });
        }
        if let Some(base) = self.base.as_ref().filter(|_| rows.calibration.len() < FEWEST_COMPARED) {
            base.not_measured(self.config.accept_worse)?;
        }
        let features = &self.columns.features;
        let features = match &self.base {
            Some(_) => Arc::new(with_missing_counts(features, &rows.issues, defaults::missing_indicator(&self.config))),
            None => features.clone(),
        };
        let features = with_group_norms(features, &rows, run)?;
        let training = defaults::training(&self.config, self.sizes.inputs, rows.training.len(), shuffled, rows.missing);
        rows.find_neighbors(features.layout(), &training, run)?;
        tracing::info!(
            "training on {} rows of {} columns, {} shuffled together, for {} steps at most; {} validation rows, {} \
             calibration rows",
            rows.training.len(),
            features.kinds().len(),
            if shuffled >= self.source.rows() { "all".to_owned() } else { shuffled.to_string() },
            training.steps,
            rows.validation.len(),
            rows.calibration.len()
        );
        let seconds = self.start.elapsed().as_secs_f64();
        Ok(Loaded { prepared: self, features, hold_out: split, rows, training, seconds })
    }

    /// Reads and encodes the rows of a split.
    pub(super) fn load_rows(&self, hold_out: HoldOut, run: &mut Run<'_>) -> Result<FitRows> {
        let SplitSizes { sample, shuffled, memory, .. } = self.sizes.rows;
        let (source, folder) = (&self.source, self.folder.as_path());
        let features = match &self.base {
            Some(base) => {
                let windows = self.columns.sequence.iter().flat_map(Sequence::window_names).collect();
                let (watched, schema) = (base.watched(source), source.schema());
                Arc::new(self.columns.features.watching(&watched, &windows, source.rows(), &schema))
            }
            None => self.columns.features.clone(),
        };
        let order = RowOrder::new(self.config.seed, source.rows(), shuffled);
        RowLoader { source, features: &features, hold_out, order, memory, rows: sample, folder }.load(run)
    }
}
