//! Rows put in order: sorted runs, merged. Runs that do not fit in memory are in scratch files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::error::ArrowError;

use super::order_key::{OrderKey, order_keys_of};
use crate::batch::batch_bytes;
use crate::error::{Error, Place, Result};
use crate::feature::Column;
use crate::source::{Batches, ColumnStream, ColumnTypes, Source};

/// Rows of a batch of sorted rows.
const BATCH_ROWS: usize = 8192;

/// Most sorted runs that are open together: each takes a file and a batch.
const MOST_RUNS: usize = 128;

/// How rows are sorted.
#[derive(Debug, Clone)]
pub(crate) struct Sorter {
    /// Where scratch files are.
    pub(super) folder: PathBuf,
    /// Bytes of rows that are sorted in memory; of more, all but the last so many wait in scratch files.
    bytes: u64,
}

impl Sorter {
    /// Bytes of rows that are sorted in memory by default.
    const BYTES: u64 = 256 << 20;

    /// Sorts up to `bytes` of rows in memory, and more with scratch files in `folder`.
    pub(crate) fn new(folder: PathBuf, bytes: Option<u64>) -> Self {
        Self { folder, bytes: bytes.unwrap_or(Self::BYTES) }
    }

    /// The rows of `path` in the order of a column; those of one place keep their order.
    ///
    /// # Errors
    /// [`OrderFault::Missing`](crate::error::OrderFault::Missing), those of the rows, and [`Error::Io`] if the disk is full.
    pub(super) fn sorted(&self, rows: ColumnStream, column: &Column, path: &Path) -> Result<Batches> {
        let ColumnStream { schema, batches } = rows;
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let spilled = |batches| {
            let stream = ColumnStream { schema: schema.clone(), batches };
            let rows = Source::of_stream(path, stream, &ColumnTypes::default()).spooled(&self.folder)?;
            Ok::<Batches, Error>(rows.stream(&names, BATCH_ROWS)?.batches)
        };
        let (mut runs, mut run, mut row): (Vec<Batches>, _, _) = (Vec::new(), RowsToSort::default(), 0);
        for batch in batches {
            if run.bytes >= self.bytes {
                runs.push(spilled(std::mem::take(&mut run).sorted(path))?);
            }
            if runs.len() == MOST_RUNS {
                let merged = Merge::new(std::mem::take(&mut runs), column, path)?;
                runs.push(spilled(Box::new(merged))?);
            }
            let batch = batch?;
            let keys = order_keys_of(column, &batch, path, row)?;
            row += keys.len() as u64;
            run.add(batch, keys);
        }
        runs.push(run.sorted(path));
        if runs.len() == 1 {
            return Ok(runs.remove(0));
        }
        Ok(Box::new(Merge::new(runs, column, path)?))
    }
}

/// Rows that are sorted together.
#[derive(Default)]
struct RowsToSort {
    batches: Vec<RecordBatch>,
    /// The key of each row, and where it is.
    rows: Vec<(OrderKey, (usize, usize))>,
    bytes: u64,
}

impl RowsToSort {
    fn add(&mut self, batch: RecordBatch, keys: Vec<OrderKey>) {
        self.bytes += batch_bytes(&batch) + (keys.len() * size_of::<(OrderKey, (usize, usize))>()) as u64;
        let number = self.batches.len();
        self.rows.extend(keys.into_iter().zip((0..).map(|row| (number, row))));
        self.batches.push(batch);
    }

    /// The rows in order.
    fn sorted(mut self, path: &Path) -> Batches {
        self.rows.sort_by_key(|(key, _)| *key);
        let (path, mut next) = (path.to_owned(), 0);
        Box::new(std::iter::from_fn(move || {
            let rows: Vec<_> = self.rows[next..].iter().take(BATCH_ROWS).map(|(_, place)| *place).collect();
            next += rows.len();
            let batches: Vec<&RecordBatch> = self.batches.iter().collect();
            (!rows.is_empty()).then(|| interleave_record_batch(&batches, &rows).map_err(unreadable(&path)))
        }))
    }
}

/// Sorted runs, which are read together.
struct Merge {
    column: Column,
    path: PathBuf,
    runs: Vec<MergedRun>,
    /// The key of each run's next row, and the number of the run: of equal keys the earlier run is first.
    next: BinaryHeap<Reverse<(OrderKey, usize)>>,
}

/// A run, as far as it is read.
struct MergedRun {
    batch: RecordBatch,
    keys: Vec<OrderKey>,
    /// The next row of the batch.
    row: usize,
    rest: Batches,
}

impl Merge {
    fn new(runs: Vec<Batches>, column: &Column, path: &Path) -> Result<Self> {
        let mut merge =
            Self { column: column.clone(), path: path.to_owned(), runs: Vec::new(), next: BinaryHeap::new() };
        for mut rest in runs {
            let Some(batch) = rest.next() else { continue };
            let batch = batch?;
            let keys = order_keys_of(column, &batch, path, 0)?;
            merge.next.push(Reverse((keys[0], merge.runs.len())));
            merge.runs.push(MergedRun { batch, keys, row: 0, rest });
        }
        Ok(merge)
    }

    /// The next rows in order; no rows at the end.
    fn advance(&mut self) -> Result<RecordBatch> {
        let Self { column, path, runs, next } = self;
        // The batches that rows are taken from, and the place among them of each run's own.
        let mut batches: Vec<RecordBatch> = runs.iter().map(|run| run.batch.clone()).collect();
        let (mut places, mut rows): (Vec<usize>, _) = ((0..runs.len()).collect(), Vec::new());
        while rows.len() < BATCH_ROWS
            && let Some(Reverse((_, number))) = next.pop()
        {
            let run = &mut runs[number];
            rows.push((places[number], run.row));
            run.row += 1;
            if run.row == run.keys.len()
                && let Some(batch) = run.rest.next()
            {
                (run.batch, run.row) = (batch?, 0);
                run.keys = order_keys_of(column, &run.batch, path, 0)?;
                places[number] = batches.len();
                batches.push(run.batch.clone());
            }
            next.extend(run.keys.get(run.row).map(|key| Reverse((*key, number))));
        }
        interleave_record_batch(&batches.iter().collect::<Vec<_>>(), &rows).map_err(unreadable(path))
    }
}

impl Iterator for Merge {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.next.is_empty()).then(|| self.advance())
    }
}

fn unreadable(path: &Path) -> impl Fn(ArrowError) -> Error + use<> {
    let place = Place::file(path);
    move |source| Error::Read { place: place.clone(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn rows_come_in_order_and_those_of_one_place_as_they_were_in_one_run_or_many() {
        let keys: Vec<i64> = (0..40_000).map(|row| row * 7919 % 1013).collect();
        let batches = keys.chunks(199).enumerate().map(|(n, keys)| {
            let rows: Int64Array = (0..keys.len()).map(|row| (n * 199 + row) as i64).collect::<Vec<_>>().into();
            let words: StringArray = keys.iter().map(|key| Some(format!("word {key}"))).collect();
            let columns: [(&str, ArrayRef); 3] = [
                ("key", Arc::new(Int64Array::from(keys.to_vec()))),
                ("row", Arc::new(rows)),
                ("word", Arc::new(words)),
            ];
            RecordBatch::try_from_iter(columns).unwrap()
        });
        let batches: Vec<RecordBatch> = batches.collect();
        let mut expected: Vec<(i64, i64)> = keys.iter().copied().zip(0..).collect();
        expected.sort_unstable();
        let folder = tempfile::tempdir().unwrap();
        for bytes in [u64::MAX, 600_000, 1] {
            let schema = batches[0].schema();
            let stream =
                ColumnStream { schema: schema.clone(), batches: Box::new(batches.clone().into_iter().map(Ok)) };
            let sorter = Sorter::new(folder.path().to_owned(), Some(bytes));
            let rows = sorter.sorted(stream, &Column::root("key"), Path::new("rows")).unwrap();
            let rows = concat_batches(&schema, &rows.collect::<Result<Vec<_>>>().unwrap()).unwrap();
            let of = |column: usize| rows.column(column).as_primitive::<Int64Type>().values().to_vec();
            let found: Vec<(i64, i64)> = of(0).into_iter().zip(of(1)).collect();
            assert!(found == expected, "runs of {bytes} bytes");
            let words = rows.column(2).as_string::<i32>();
            assert!(found.iter().zip(words).all(|((key, _), word)| word == Some(&format!("word {key}"))));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
