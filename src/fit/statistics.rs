//! The first pass: statistics of every candidate column, the columns divided among threads.

use arrow::datatypes::FieldRef;

use crate::ahead;
use crate::config::Scale;
use crate::error::{Error, Place, Result};
use crate::feature::Statistics;
use crate::source::ParquetSource;
use crate::stage::Stage;
use crate::stop::Stop;

/// Rows decoded at once.
const BATCH_ROWS: usize = 8192;

/// Columns a thread reads at once: readers of hundreds hold more pages than there is memory.
const STRIP: usize = 16;

/// Statistics of each of `fields`, in order, over all rows of `source`, as far as `scale` needs them.
///
/// # Errors
/// The source's, and [`Error::Interrupted`].
pub(super) fn statistics(
    source: &ParquetSource,
    fields: &[FieldRef],
    scale: Scale,
    threads: usize,
    stop: &Stop,
) -> Result<Vec<Statistics>> {
    // Each thread decodes columns of its own: that needs no agreement on row groups, of which there may be one.
    let lanes = threads.min(fields.len()).max(1);
    let jobs = (0..lanes).map(|lane| {
        let fields = fields[fields.len() * lane / lanes..fields.len() * (lane + 1) / lanes].to_vec();
        let (source, stop) = (source.clone(), stop.clone());
        move || {
            let of = |fields: &[FieldRef]| some(&source, fields, scale, &stop);
            fields.chunks(STRIP).map(of).collect::<Result<Vec<_>>>().map(|all| all.concat())
        }
    });
    Ok(ahead::all(&Stage::new("statistics"), jobs.collect())?.concat())
}

/// Statistics of a few columns.
fn some(source: &ParquetSource, fields: &[FieldRef], scale: Scale, stop: &Stop) -> Result<Vec<Statistics>> {
    let columns: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let mut statistics = vec![Statistics::new(scale == Scale::Robust); columns.len()];
    for rows in source.scan(&columns, BATCH_ROWS) {
        stop.check()?;
        let (row_group, batch) = rows?;
        for ((column, array), statistics) in columns.iter().zip(batch.columns()).zip(&mut statistics) {
            statistics.update(array).map_err(|error| Error::Read {
                place: Place { row_group: Some(row_group), ..Place::column(source.path(), column) },
                source: Box::new(error),
            })?;
        }
    }
    Ok(statistics.into_iter().map(Statistics::finish).collect())
}
