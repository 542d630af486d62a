//! Scores of rows out of fold, for tables with too few calibration rows, and for rows in order, whose windows overlap: each
//! fold has a network of its own, which scores the rows it was not trained on.

#![forbid(unsafe_code)]

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::encoded_rows::{EncodedRows, RowsWithScores};
use super::group_norms::with_group_norms;
use super::members::without_epochs;
use super::rows::FitRows;
use super::trained::Trained;
use super::training_loop::{TrainingLoop, TrainingTask};
use crate::batch::Table;
use crate::config::Training;
use crate::error::Result;
use crate::feature::{Features, Layout};
use crate::model::Weights;
use crate::numerics::RandomStream;
use crate::pipeline::Run;

/// Fewest calibration rows that calibrate scores by themselves.
const FEWEST: usize = 40;

/// Most rows in order that are scored out of fold: of more rows, those that training and stored rows overlap with are few.
const MOST_IN_ORDER: usize = 1 << 16;

/// Number of folds: a network of a fold trains on nine tenths of the rows, about as many as that of the fit.
const FOLDS: usize = 10;

/// Tables of so many rows, and at most so many elements, are scored out of fold for precise p-values: a second of work. With 500
/// calibration rows the share of false alarms at 0.01 varies from fit to fit by 0.45 percent points, with 4,000 by 0.16.
const FEW: RangeInclusive<usize> = 2000..=10_000;
const MOST_ELEMENTS: usize = 1 << 17;

/// The same of tables of fewer rows, whose calibration rows are fewer than a hundred.
const MOST_ELEMENTS_OF_FEWER: usize = 1 << 15;

/// Number of folds of these, and of maps, whose networks take long. They train on four fifths of the rows: of fresh rows 4.2 % and
/// 4.8 % have a p-value of at most .05 after maps of 150 and 400 rows, by ten folds 4.5 % and 5.1 %.
const FEWER_FOLDS: usize = 5;

/// Most elements, 256 MiB, of the rows and networks of folds that are trained at the same time. A network in training has about
/// eight copies: gradients of shards, moments, the last good ones.
const MOST_ELEMENTS_AT_ONCE: usize = 1 << 26;
const COPIES: usize = 8;

/// Rows scored out of fold.
pub(super) struct OutOfFold {
    /// All rows.
    pub(super) all: RowsWithScores,
    /// The scores of rows whose windows have begun again.
    pub(super) restarted: Vec<f32>,
}

impl Trained {
    /// Scores all rows, and those of windows that have begun `restarted`, out of fold; `None` if there are enough calibration rows, or
    /// none by request.
    ///
    /// # Errors
    /// [`Error::Diverged`](crate::Error::Diverged), the store's, and [`Error::Interrupted`](crate::Error::Interrupted).
    pub(super) fn score_out_of_fold(&self, restarted: &Table, run: &mut Run<'_>) -> Result<Option<OutOfFold>> {
        let (rows, training) = (&self.loaded.rows, &self.loaded.training);
        let in_order = self.loaded.prepared.config.order_by.is_some();
        let overlap = in_order && rows.known() <= MOST_IN_ORDER;
        let width = self.loaded.features.layout().width();
        let folds_of_few = if training.neighbors > 0 { FEWER_FOLDS } else { FOLDS };
        let (count, why) = match rows.calibration.len() {
            0 => return Ok(None),
            _ if self.members.interrupted => return Ok(None),
            _ if overlap => (folds_of_few, "overlap with training rows"),
            few if few < FEWEST => (folds_of_few, "are few"),
            // Maps take long to train, and are for looking at.
            _ if training.neighbors > 0 => return Ok(None),
            _ if FEW.contains(&rows.known()) && rows.known() * width <= MOST_ELEMENTS => (FEWER_FOLDS, "are few"),
            _ if rows.known() < *FEW.start() && rows.known() * width <= MOST_ELEMENTS_OF_FEWER => {
                (FEWER_FOLDS, "are few")
            }
            _ => return Ok(None),
        };
        tracing::info!("{} calibration rows {why}: scoring all rows out of fold", rows.calibration.len());
        let all = rows.all(width)?;
        let count = count.min(all.len());
        let folds = match in_order {
            // Rows beside each other are in one fold.
            true => (0..all.len()).map(|row| row * count / all.len()).collect(),
            false => folds(&all.ids, count, training.seed),
        };
        // Windows of rows side by side overlap: those within a window of a fold, or within a fold of it, are not trained on.
        let window = self.loaded.prepared.columns.sequence.as_ref().map_or(1, |sequence| sequence.window);
        let margin = (window - 1).min(all.len() / count);
        let last = all.len() - 1;
        let is_near = |row: usize, fold: usize| {
            [row.saturating_sub(margin), row, (row + margin).min(last)].iter().any(|&row| folds[row] == fold)
        };
        let of_folds = run.side_by_side(count, self.folds_at_once(all.len() * width), |fold, run| {
            let takes = |row: usize, inside: bool| if inside { folds[row] == fold } else { !is_near(row, fold) };
            let some = |inside: bool| {
                let mut some = Table::default();
                let rows = (0..all.len()).filter(|&row| takes(row, inside));
                rows.for_each(|row| some.push_row(&all, row, width));
                some
            };
            let some_restarted = |inside: bool| {
                // The same row is in one fold, whatever its window.
                let place = |row: usize| all.ids.partition_point(|id| *id < restarted.ids[row]).min(last);
                let mut some = Table::default();
                let rows = (0..restarted.len()).filter(|&row| takes(place(row), inside));
                rows.for_each(|row| some.push_row(restarted, row, width));
                some
            };
            let mut split = rows.with_split(some(false), some(true));
            let features = self.features_of_fold(&split, run)?;
            split.find_neighbors(features.layout(), training, run)?;
            let weights = self.train_fold(&split, features.layout(), run)?;
            let held_out = [some_restarted(false), some_restarted(true)];
            self.score_fold((&split, held_out), features.layout(), &weights, run)
        })?;
        let (mut of_folds, restarted): (Vec<_>, Vec<_>) =
            of_folds.into_iter().map(|[all, restarted]| (all.into_iter(), restarted)).unzip();
        let scores = folds.iter().map(|&fold| of_folds[fold].next().unwrap_or_default()).collect();
        let all = RowsWithScores { rows: EncodedRows::of(all), scores };
        Ok(Some(OutOfFold { all, restarted: restarted.concat() }))
    }

    /// How many folds are trained at the same time: a device trains one.
    fn folds_at_once(&self, elements: usize) -> usize {
        if !self.loaded.prepared.device.is_cpu() {
            return 1;
        }
        let parameters: usize = self.members.weights.iter().flatten().map(|(_, weight)| weight.values.len()).sum();
        MOST_ELEMENTS_AT_ONCE / (elements + COPIES * parameters)
    }

    /// The features, with the levels and spreads of groups in the training rows of a fold; those of a base model stay.
    fn features_of_fold(&self, rows: &FitRows, run: &Run<'_>) -> Result<Arc<Features>> {
        let features = &self.loaded.features;
        if self.loaded.prepared.keeps_norms() {
            return Ok(features.clone());
        }
        with_group_norms(Arc::new(Features::clone(features).with_norms(Vec::new())), rows, run)
    }

    /// Trains the networks on the training rows of a fold, for as many epochs as were best.
    fn train_fold(&self, rows: &FitRows, layout: &Layout, run: &mut Run<'_>) -> Result<Vec<Weights>> {
        let epochs = self.members.history.best_epoch;
        let train = |n: usize| {
            let training = self.loaded.training_of(rows);
            let training = Training { seed: training.member_seed(n), ..training };
            let mut trainer = self.loaded.trainer(&self.network, n, run.workers())?;
            let task = TrainingTask { layout, rows, training: &training, epochs, keep_partial: false };
            Ok(TrainingLoop::new(task, &mut trainer, None)?.run(&mut without_epochs(run))?.weights)
        };
        (0..self.members.weights.len()).map(train).collect()
    }

    /// The scores of the rows of a fold that its networks have not seen, and of rows of `restarted` windows: the first of these are
    /// stored, the others scored.
    fn score_fold(
        &self,
        (rows, [stored, restarted]): (&FitRows, [Table; 2]),
        layout: &Layout,
        weights: &[Weights],
        run: &Run<'_>,
    ) -> Result<[Vec<f32>; 2]> {
        let calibration = self.calibration(weights, layout)?;
        let scorer = calibration.scorer(rows, &stored, run)?.scorer;
        let scores = calibration.scores(&scorer, &rows.calibration, usize::MAX, run)?;
        let scores = scores.into_iter().flatten().collect();
        Ok([scores, calibration.restarted_scores(&scorer, restarted, run)?])
    }
}

/// A random fold for each row, all of one size.
fn folds(ids: &[u64], count: usize, seed: u64) -> Vec<usize> {
    let order = RandomStream::new(seed, "folds");
    let mut shuffled: Vec<usize> = (0..ids.len()).collect();
    shuffled.sort_by_key(|&row| order.bits(ids[row]));
    let mut folds = vec![0; ids.len()];
    (0..).zip(shuffled).for_each(|(place, row): (usize, usize)| folds[row] = place % count);
    folds
}
