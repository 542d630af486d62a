//! The statistics pass: every candidate column is read once; the columns are divided among threads.

use std::collections::VecDeque;

use arrow::array::RecordBatch;

use crate::error::{Place, Result};
use crate::feature::{BadValue, COLUMNS_PER_BLOCK, Candidate, split_columns, top_columns};
use crate::pipeline::{self, Progress, Run, Stage, Stop, prefetch};
use crate::source::ParquetSource;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;

/// Messages that wait in the queue of a thread.
const AHEAD: usize = 64;

/// A message of a thread.
enum SurveyMessage {
    /// The candidates have read so many values more.
    Read(u64),
    /// These candidates have read all their rows.
    Done(Vec<Candidate>),
}

/// Shows all rows of `source` to the candidates; returns them in their order.
///
/// # Errors
/// The source's, and [`Error::Interrupted`].
pub(super) fn survey(
    source: &ParquetSource,
    mut candidates: Vec<Candidate>,
    run: &mut Run<'_>,
) -> Result<Vec<Candidate>> {
    let stage = Stage::new("statistics");
    // Each thread decodes columns of its own: there may be only one row group.
    let (lanes, all) = (run.workers().min(candidates.len()).max(1), candidates.len());
    let mut running = VecDeque::new();
    for lane in 0..lanes {
        let mut mine = candidates.drain(..all * (lane + 1) / lanes - all * lane / lanes).collect::<Vec<_>>();
        let strips = split_columns(mine.iter().map(Candidate::column), COLUMNS_PER_BLOCK);
        let strips: Vec<Vec<Candidate>> = strips.into_iter().map(|strip| mine.drain(..strip.len()).collect()).collect();
        let (source, stop) = (source.with_string_views(), run.stopper().clone());
        let messages = strips.into_iter().flat_map(move |strip| survey_strip(&source, strip, stop.clone()));
        running.push_back((lane, prefetch(&stage, AHEAD, messages)?));
    }
    let (mut done, mut read) = (Vec::new(), 0);
    done.resize_with(lanes, Vec::new);
    // In turns, so that no thread waits long for its queue.
    while let Some((lane, mut messages)) = running.pop_front() {
        match messages.next().transpose()? {
            Some(SurveyMessage::Read(values)) => {
                read += values;
                run.report(Progress::Read { rows: read / all as u64, of: source.rows() });
            }
            Some(SurveyMessage::Done(strip)) => done[lane].extend(strip),
            None => continue,
        }
        running.push_back((lane, messages));
    }
    pipeline::report(&[&stage]);
    Ok(done.into_iter().flatten().collect())
}

/// Shows all rows to a few candidates, with a message for each batch.
fn survey_strip(
    source: &ParquetSource,
    candidates: Vec<Candidate>,
    stop: Stop,
) -> impl Iterator<Item = Result<SurveyMessage>> + use<> {
    let (columns, places) = top_columns(candidates.iter().map(Candidate::column));
    let (mut scan, path) = (source.scan(&columns, BATCH_ROWS), source.path().to_owned());
    let update = move |(row_group, batch): (usize, RecordBatch), candidates: &mut [Candidate]| {
        for (candidate, &place) in candidates.iter_mut().zip(&places) {
            let column = batch.column(place);
            candidate.update(column).map_err(|error| {
                let place = Place { row_group: Some(row_group), ..Place::column(&path, candidate.column().name()) };
                BadValue::unreadable(place, column.data_type(), error)
            })?;
        }
        Ok(SurveyMessage::Read((batch.num_rows() * candidates.len()) as u64))
    };
    let mut candidates = Some(candidates);
    std::iter::from_fn(move || {
        let pending = candidates.as_mut()?;
        match scan.next() {
            Some(rows) => Some(stop.check().and(rows).and_then(|rows| update(rows, pending))),
            None => {
                pending.iter_mut().for_each(Candidate::finish);
                candidates.take().map(|done| Ok(SurveyMessage::Done(done)))
            }
        }
    })
}
