//! Which columns have missing values that can be filled.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::and;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::artifact::Model;
use crate::error::{Error, Place, Result};
use crate::feature::{COLUMNS_PER_BLOCK, Column, missing_values, split_columns, top_columns};
use crate::pipeline::{self, Stage, Stop, prefetch_map};
use crate::source::ParquetSource;

/// Rows looked at at once.
const BATCH_ROWS: usize = 8192;

/// What fills a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FillBy {
    /// The model's feature of this number.
    Feature(usize),
    /// A constant, as text.
    Constant(String),
}

/// A column to fill.
#[derive(Debug, Clone)]
pub(super) struct ImputeTarget {
    pub(super) column: Column,
    pub(super) data_type: DataType,
    pub(super) by: FillBy,
}

/// Which values of a top-level column can be filled: those missing, but not where a struct above them is.
pub(super) fn fillable(column: &Column, top: &ArrayRef) -> Result<arrow::array::BooleanArray, ArrowError> {
    let missing = missing_values(&column.bare(top)?)?;
    match column.nulls_above(top)? {
        Some(above) => and(&missing, &above.into_inner().into()),
        None => Ok(missing),
    }
}

/// The learned columns, and those carried for being constant, that have a missing value in `source`, in its order.
///
/// # Errors
/// The source's, and [`Error::Interrupted`].
pub(super) fn targets(model: &Model, source: &ParquetSource, threads: usize, stop: &Stop) -> Result<Vec<ImputeTarget>> {
    let (kinds, carried) = (model.features().kinds(), &model.metadata().carried);
    let by = |column: &Column| {
        let feature = kinds.iter().position(|kind| kind.column() == column).map(FillBy::Feature);
        let constant = || carried.iter().find(|carried| carried.column == column.name())?.constant.clone();
        feature.or_else(|| constant().map(FillBy::Constant))
    };
    let leaves = Column::leaves(&source.schema());
    let mut all: Vec<ImputeTarget> = leaves
        .into_iter()
        .filter_map(|(column, field)| {
            Some(ImputeTarget { by: by(&column)?, data_type: field.data_type().clone(), column })
        })
        .collect();
    let mut found = Vec::new();
    for run in split_columns(all.iter().map(|target| &target.column), COLUMNS_PER_BLOCK) {
        found.extend(have_holes(&all[run], source, threads, stop)?);
    }
    let mut found = found.into_iter();
    all.retain(|_| found.next() == Some(true));
    Ok(all)
}

/// Which of some targets have a missing value.
fn have_holes(targets: &[ImputeTarget], source: &ParquetSource, threads: usize, stop: &Stop) -> Result<Vec<bool>> {
    let (columns, places) = top_columns(targets.iter().map(|target| &target.column));
    let scan = source.with_views().scan(&columns, BATCH_ROWS);
    let depth = pipeline::queue_depth(BATCH_ROWS * size_of::<f64>() * targets.len().max(1), pipeline::QUEUE_BYTES);
    let (looked, path, stop) = (targets.to_vec(), source.path().to_owned(), stop.clone());
    let look = move |(row_group, batch): (usize, RecordBatch)| -> Result<Vec<bool>> {
        stop.check()?;
        let look = |(target, &place): (&ImputeTarget, &usize)| {
            let missing = fillable(&target.column, batch.column(place)).map_err(|source| Error::Read {
                place: Place { row_group: Some(row_group), ..Place::column(&path, target.column.name()) },
                source: Box::new(source),
            })?;
            Ok(missing.true_count() > 0)
        };
        looked.iter().zip(&places).map(look).collect()
    };
    let mut found = vec![false; targets.len()];
    for batch in prefetch_map(&Stage::new("read"), scan, &Stage::new("look"), depth, threads, look)? {
        found.iter_mut().zip(batch?).for_each(|(found, here)| *found |= here);
    }
    Ok(found)
}
