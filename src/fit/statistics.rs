//! The first pass: a look at every candidate column, the columns divided among threads.

use crate::ahead;
use crate::error::{Error, Place, Result};
use crate::feature::{Candidate, runs, tops};
use crate::source::ParquetSource;
use crate::stage::Stage;
use crate::stop::Stop;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;

/// Columns a thread reads at once: readers of hundreds hold more pages than there is memory.
const STRIP: usize = 16;

/// The candidates, in order, once they have seen all rows of `source`.
///
/// # Errors
/// The source's, and [`Error::Interrupted`].
pub(super) fn survey(
    source: &ParquetSource,
    mut candidates: Vec<Candidate>,
    threads: usize,
    stop: &Stop,
) -> Result<Vec<Candidate>> {
    // Each thread decodes columns of its own: that needs no agreement on row groups, of which there may be one.
    let (lanes, all) = (threads.min(candidates.len()).max(1), candidates.len());
    let jobs = (0..lanes).map(|lane| {
        let mut mine = candidates.drain(..all * (lane + 1) / lanes - all * lane / lanes).collect::<Vec<_>>();
        let (source, stop) = (source.with_views(), stop.clone());
        move || {
            for run in runs(mine.iter().map(Candidate::column), STRIP) {
                look(&source, &mut mine[run], &stop)?;
            }
            Ok(mine)
        }
    });
    Ok(ahead::all(&Stage::new("statistics"), jobs.collect())?.into_iter().flatten().collect())
}

/// Shows a few candidates all their rows.
fn look(source: &ParquetSource, candidates: &mut [Candidate], stop: &Stop) -> Result<()> {
    let (columns, places) = tops(candidates.iter().map(Candidate::column));
    for rows in source.scan(&columns, BATCH_ROWS) {
        stop.check()?;
        let (row_group, batch) = rows?;
        for (candidate, &place) in candidates.iter_mut().zip(&places) {
            candidate.update(batch.column(place)).map_err(|error| Error::Read {
                place: Place { row_group: Some(row_group), ..Place::column(source.path(), candidate.column().name()) },
                source: Box::new(error),
            })?;
        }
    }
    candidates.iter_mut().for_each(Candidate::finish);
    Ok(())
}
