//! Decoded columns that are kept from the first reading of a table to the second, so that a file is decoded once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, Schema};

use super::RowGroup;

/// Columns of row groups: first kept, then, once it is [closed](Self::close), given away. None of them is kept if all together
/// take more than some memory.
#[derive(Debug)]
pub(super) struct KeptColumns {
    most_bytes: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    is_open: bool,
    bytes: u64,
    /// The batches of each column of each row group.
    columns: HashMap<(RowGroup, String), KeptColumn>,
}

#[derive(Debug)]
struct KeptColumn {
    field: FieldRef,
    batches: Vec<ArrayRef>,
}

impl KeptColumns {
    /// Keeps at most so many bytes.
    pub(super) fn new(most_bytes: u64) -> Self {
        let kept = Kept { is_open: true, bytes: 0, columns: HashMap::new() };
        Self { most_bytes, kept: Mutex::new(kept) }
    }

    /// Keeps the next rows of some columns of a row group.
    pub(super) fn keep(&self, group: RowGroup, rows: &RecordBatch) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.is_open {
            return;
        }
        kept.bytes += rows.get_array_memory_size() as u64;
        if kept.bytes > self.most_bytes {
            (kept.is_open, kept.columns) = (false, HashMap::new());
            return;
        }
        for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
            let none = || KeptColumn { field: field.clone(), batches: Vec::new() };
            kept.columns.entry((group, field.name().clone())).or_insert_with(none).batches.push(column.clone());
        }
    }

    /// Ends the first reading: only these columns are needed again.
    pub(super) fn close(&self, needed: &[String]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.is_open = false;
        let needed: HashSet<&String> = needed.iter().collect();
        kept.columns.retain(|(_, column), _| needed.contains(column));
    }

    /// Gives some columns of a row group away; `None` if they were not kept, or not in the same batches.
    pub(super) fn take(&self, group: RowGroup, columns: &[String]) -> Option<Vec<RecordBatch>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_open || columns.is_empty() {
            return None;
        }
        let taken = columns.iter().map(|column| kept.columns.remove(&(group, column.clone())));
        let taken: Vec<KeptColumn> = taken.collect::<Option<_>>()?;
        drop(kept);
        let lengths = |column: &KeptColumn| column.batches.iter().map(|batch| batch.len()).collect::<Vec<_>>();
        let all = lengths(&taken[0]);
        if all.iter().sum::<usize>() as u64 != group.rows || taken.iter().any(|column| lengths(column) != all) {
            return None;
        }
        let schema = Arc::new(Schema::new(taken.iter().map(|column| column.field.clone()).collect::<Vec<_>>()));
        let batch = |n: usize| {
            let arrays = taken.iter().map(|column| column.batches[n].clone()).collect();
            RecordBatch::try_new(schema.clone(), arrays).ok()
        };
        (0..all.len()).map(batch).collect()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::*;
    use crate::source::ParquetSource;

    /// Two row groups of 3,000 rows.
    fn file(folder: &tempfile::TempDir) -> std::path::PathBuf {
        let path = folder.path().join("rows.parquet");
        let numbers: ArrayRef = Arc::new((0..6000).collect::<Int64Array>());
        let words: ArrayRef = Arc::new((0..6000).map(|n| Some(format!("{n}"))).collect::<StringArray>());
        let rows = RecordBatch::try_from_iter([("number", numbers), ("word", words)]).unwrap();
        let properties = parquet::file::properties::WriterProperties::builder().set_max_row_group_row_count(Some(3000));
        let to = std::fs::File::create(&path).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(to, rows.schema(), Some(properties.build())).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
        path
    }

    #[test]
    fn what_was_read_once_is_there_when_the_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        let source = ParquetSource::open([&path]).unwrap().keeping(1 << 20);
        let columns = ["word", "number"].map(str::to_owned);
        for column in &columns {
            assert_eq!(source.scan(std::slice::from_ref(column), 1000).count(), 6, "read column by column");
        }
        source.read_again(&columns);
        std::fs::File::create(&path).unwrap();
        let mut next = 0;
        for group in source.row_groups() {
            for batch in source.take_kept(&columns, group).unwrap() {
                for number in batch.column(1).as_primitive::<Int64Type>().values() {
                    assert_eq!(*number, next);
                    next += 1;
                }
            }
            assert!(source.take_kept(&columns, group).is_none(), "taken once");
        }
        assert_eq!(next, 6000);
    }

    #[test]
    fn nothing_is_kept_beyond_the_limit_nor_of_other_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        let columns = ["word", "number"].map(str::to_owned);
        let read = |most: u64, needed: &[String]| {
            let source = ParquetSource::open([&path]).unwrap().keeping(most);
            assert_eq!(source.scan(&columns, 3000).count(), 2);
            source.read_again(needed);
            let group = source.row_groups().next().unwrap();
            source.take_kept(&columns, group).is_some()
        };
        assert!(read(1 << 20, &columns) && !read(10_000, &columns) && !read(1 << 20, &columns[..1]));
    }
}
