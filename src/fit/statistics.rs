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
    let jobs = (0..lanes)
        .map(|lane| {
            let fields = &fields[fields.len() * lane / lanes..fields.len() * (lane + 1) / lanes];
            let columns: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
            let (scan, path) = (source.scan(&columns, BATCH_ROWS)?, source.path().to_owned());
            let stop = stop.clone();
            Ok(move || {
                let mut statistics = vec![Statistics::new(scale == Scale::Robust); columns.len()];
                for rows in scan {
                    stop.check()?;
                    let rows = rows?;
                    for ((column, array), statistics) in columns.iter().zip(rows.batch.columns()).zip(&mut statistics) {
                        statistics.update(array).map_err(|source| Error::Read {
                            place: Place { row_group: Some(rows.row_group), ..Place::column(&path, column) },
                            source: Box::new(source),
                        })?;
                    }
                }
                Ok(statistics.into_iter().map(Statistics::finish).collect::<Vec<_>>())
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(ahead::all(&Stage::new("statistics"), jobs)?.into_iter().flatten().collect())
}
