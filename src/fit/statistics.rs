//! The first pass: statistics of every candidate column, the columns divided among threads.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::datatypes::FieldRef;

use super::progress::{Progress, Watch};
use crate::ahead::ahead;
use crate::config::Scale;
use crate::error::{Error, Place, Result};
use crate::feature::Statistics;
use crate::source::ParquetSource;
use crate::stage::{self, Stage};
use crate::stop::Stop;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;

/// Columns a thread reads at once: readers of hundreds hold more pages than there is memory.
const STRIP: usize = 16;

/// Signs of life a thread is ahead of the others.
const AHEAD: usize = 64;

/// What a thread has done.
enum Done {
    /// It has read this many values.
    Read(u64),
    /// It has seen the last of a few columns.
    Columns(Vec<Statistics>),
}

/// Statistics of each of `fields`, in order, over all rows of `source`, as far as `scale` needs them.
///
/// # Errors
/// The source's, and [`Error::Interrupted`].
pub(super) fn statistics(
    source: &ParquetSource,
    fields: &[FieldRef],
    scale: Scale,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<Vec<Statistics>> {
    let stage = Stage::new("statistics");
    // Each thread decodes columns of its own: that needs no agreement on row groups, of which there may be one.
    let lanes = threads.min(fields.len()).max(1);
    let mut running = VecDeque::new();
    for lane in 0..lanes {
        let fields = &fields[fields.len() * lane / lanes..fields.len() * (lane + 1) / lanes];
        let strips: Vec<_> = fields.chunks(STRIP).map(<[FieldRef]>::to_vec).collect();
        let (source, stop) = (source.clone(), watch.stop.clone());
        let signs = strips.into_iter().flat_map(move |fields| some(&source, &fields, scale, stop.clone()));
        running.push_back((lane, ahead(&stage, AHEAD, signs)?));
    }
    let (mut found, mut read) = (vec![Vec::new(); lanes], 0);
    // In turn: none is held up for long by what the others have to say.
    while let Some((lane, mut signs)) = running.pop_front() {
        match signs.next().transpose()? {
            Some(Done::Read(values)) => {
                read += values;
                (watch.on_progress)(Progress::Read { rows: read / fields.len() as u64, of: source.rows() });
            }
            Some(Done::Columns(statistics)) => found[lane].extend(statistics),
            None => continue,
        }
        running.push_back((lane, signs));
    }
    stage::report(&[&stage]);
    Ok(found.concat())
}

/// Statistics of a few columns, after a sign of life a batch.
fn some(
    source: &ParquetSource,
    fields: &[FieldRef],
    scale: Scale,
    stop: Stop,
) -> impl Iterator<Item = Result<Done>> + use<> {
    let columns: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let mut statistics = Some(vec![Statistics::new(scale == Scale::Robust); columns.len()]);
    let (mut scan, path) = (source.scan(&columns, BATCH_ROWS), source.path().to_owned());
    let update = move |(row_group, batch): (usize, RecordBatch), statistics: &mut [Statistics]| {
        for ((column, array), statistics) in columns.iter().zip(batch.columns()).zip(statistics) {
            statistics.update(array).map_err(|error| Error::Read {
                place: Place { row_group: Some(row_group), ..Place::column(&path, column) },
                source: Box::new(error),
            })?;
        }
        Ok(Done::Read((batch.num_rows() * batch.num_columns()) as u64))
    };
    std::iter::from_fn(move || {
        let so_far = statistics.as_mut()?;
        match scan.next() {
            Some(rows) => Some(stop.check().and(rows).and_then(|rows| update(rows, so_far))),
            None => {
                let finished = statistics.take()?.into_iter().map(Statistics::finish);
                Some(Ok(Done::Columns(finished.collect())))
            }
        }
    })
}
