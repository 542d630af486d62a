//! The first pass: a look at every candidate column, the columns divided among threads.

use std::collections::VecDeque;

use arrow::array::RecordBatch;

use super::watch::FitWatch;
use crate::error::{Error, Place, Result};
use crate::feature::{COLUMNS_PER_BLOCK, Candidate, split_columns, top_columns};
use crate::pipeline::{self, Progress, Stage, Stop, prefetch};
use crate::source::ParquetSource;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;

/// Signs of life a thread is ahead of the others.
const AHEAD: usize = 64;

/// What a thread has done.
enum SurveyedColumns {
    /// It has shown this many rows to this many candidates; the product.
    Read(u64),
    /// A few candidates have seen all their rows.
    Seen(Vec<Candidate>),
}

/// The candidates, in order, once they have seen all rows of `source`.
///
/// # Errors
/// The source's, and [`Error::Interrupted`].
pub(super) fn survey(
    source: &ParquetSource,
    mut candidates: Vec<Candidate>,
    threads: usize,
    watch: &mut FitWatch<'_>,
) -> Result<Vec<Candidate>> {
    let stage = Stage::new("statistics");
    // Each thread decodes columns of its own: that needs no agreement on row groups, of which there may be one.
    let (lanes, all) = (threads.min(candidates.len()).max(1), candidates.len());
    let mut running = VecDeque::new();
    for lane in 0..lanes {
        let mut mine = candidates.drain(..all * (lane + 1) / lanes - all * lane / lanes).collect::<Vec<_>>();
        let strips = split_columns(mine.iter().map(Candidate::column), COLUMNS_PER_BLOCK);
        let strips: Vec<Vec<Candidate>> = strips.into_iter().map(|run| mine.drain(..run.len()).collect()).collect();
        let (source, stop) = (source.with_views(), watch.stop.clone());
        let signs = strips.into_iter().flat_map(move |strip| look(&source, strip, stop.clone()));
        running.push_back((lane, prefetch(&stage, AHEAD, signs)?));
    }
    let (mut seen, mut read) = (Vec::new(), 0);
    seen.resize_with(lanes, Vec::new);
    // In turn: none is held up for long by what the others have to say.
    while let Some((lane, mut signs)) = running.pop_front() {
        match signs.next().transpose()? {
            Some(SurveyedColumns::Read(values)) => {
                read += values;
                (watch.on_progress)(Progress::Read { rows: read / all as u64, of: source.rows() });
            }
            Some(SurveyedColumns::Seen(strip)) => seen[lane].extend(strip),
            None => continue,
        }
        running.push_back((lane, signs));
    }
    pipeline::report(&[&stage]);
    Ok(seen.into_iter().flatten().collect())
}

/// Shows a few candidates all their rows, with a sign of life a batch.
fn look(
    source: &ParquetSource,
    candidates: Vec<Candidate>,
    stop: Stop,
) -> impl Iterator<Item = Result<SurveyedColumns>> + use<> {
    let (columns, places) = top_columns(candidates.iter().map(Candidate::column));
    let (mut scan, path) = (source.scan(&columns, BATCH_ROWS), source.path().to_owned());
    let update = move |(row_group, batch): (usize, RecordBatch), candidates: &mut [Candidate]| {
        for (candidate, &place) in candidates.iter_mut().zip(&places) {
            candidate.update(batch.column(place)).map_err(|error| Error::Read {
                place: Place { row_group: Some(row_group), ..Place::column(&path, candidate.column().name()) },
                source: Box::new(error),
            })?;
        }
        Ok(SurveyedColumns::Read((batch.num_rows() * candidates.len()) as u64))
    };
    let mut candidates = Some(candidates);
    std::iter::from_fn(move || {
        let looking = candidates.as_mut()?;
        match scan.next() {
            Some(rows) => Some(stop.check().and(rows).and_then(|rows| update(rows, looking))),
            None => {
                looking.iter_mut().for_each(Candidate::finish);
                candidates.take().map(|seen| Ok(SurveyedColumns::Seen(seen)))
            }
        }
    })
}
