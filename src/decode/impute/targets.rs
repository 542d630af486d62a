//! The columns to fill: those with missing values that the model can fill.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::and;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::artifact::Model;
use crate::error::{Error, Place, Result, Unsupported};
use crate::feature::{COLUMNS_PER_BLOCK, Column, missing_values, split_columns, top_columns};
use crate::pipeline::{Route, Run, Stage};
use crate::source::{Selection, Source};

/// Rows of a batch.
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

/// Which values of a column can be filled: the missing ones, except where a struct above them is null.
pub(super) fn fillable(column: &Column, top: &ArrayRef) -> Result<arrow::array::BooleanArray, ArrowError> {
    let missing = missing_values(&column.bare(top)?)?;
    match column.nulls_above(top)? {
        Some(above) => and(&missing, &above.into_inner().into()),
        None => Ok(missing),
    }
}

/// The learned columns and those that were constant at fit, if they have a missing value in `source` and are `wanted`; in its
/// order. All are if none is named.
///
/// # Errors
/// The source's, and [`Error::Interrupted`]; [`Error::UnknownColumn`], [`Error::BadPattern`], and [`Error::Unsupported`] for a
/// name of another column.
pub(super) fn targets(model: &Model, source: &Source, wanted: &[String], run: &Run<'_>) -> Result<Vec<ImputeTarget>> {
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
    retain_wanted(&mut all, source, wanted)?;
    let mut missing = Vec::new();
    // Parquet files read any columns for the cost of these alone.
    let columns = if source.is_parquet() { COLUMNS_PER_BLOCK } else { usize::MAX };
    for strip in split_columns(all.iter().map(|target| &target.column), columns) {
        missing.extend(have_missing_values(&all[strip], source, run)?);
    }
    let mut missing = missing.into_iter();
    all.retain(|_| missing.next() == Some(true));
    Ok(all)
}

/// Keeps the targets that are named, alone or by their top-level column.
fn retain_wanted(all: &mut Vec<ImputeTarget>, source: &Source, wanted: &[String]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let selection = Selection::parse("columns", wanted)?;
    let leaves: Vec<String> =
        Column::leaves(&source.schema()).into_iter().map(|(column, _)| column.name().to_owned()).collect();
    let tops: Vec<String> = source.schema().fields().iter().map(|field| field.name().clone()).collect();
    selection.check(leaves.iter().chain(&tops).map(String::as_str))?;
    let is_wanted = |column: &Column| selection.matches(column.name()) || selection.matches(column.top());
    let is_target = |name: &String| all.iter().any(|it| it.column.name() == *name || it.column.top() == *name);
    if let Some(name) = leaves.iter().chain(&tops).find(|name| selection.names(name) && !is_target(name)) {
        return Err(Error::Unsupported { place: Place::column(source.path(), name), what: Unsupported::FillUnlearned });
    }
    all.retain(|target| is_wanted(&target.column));
    Ok(())
}

/// Which of some targets have a missing value.
fn have_missing_values(targets: &[ImputeTarget], source: &Source, run: &Run<'_>) -> Result<Vec<bool>> {
    let (columns, indexes) = top_columns(targets.iter().map(|target| &target.column));
    let batches = source.stream(&columns, BATCH_ROWS)?.batches;
    let (looked_at, path) = (targets.to_vec(), source.display_name().to_owned());
    let look = move |batch: RecordBatch| -> Result<Vec<bool>> {
        let look = |(target, &index): (&ImputeTarget, &usize)| {
            let missing = fillable(&target.column, batch.column(index)).map_err(|source| Error::Read {
                place: Place::column(&path, target.column.name()),
                source: Box::new(source),
            })?;
            Ok(missing.true_count() > 0)
        };
        looked_at.iter().zip(&indexes).map(look).collect()
    };
    let mut have = vec![false; targets.len()];
    let bytes = BATCH_ROWS * size_of::<f64>() * targets.len().max(1);
    let route = Route { work: Stage::new("look"), ..Route::new(bytes) };
    for batch in run.spread(&route, batches, look)? {
        have.iter_mut().zip(batch?).for_each(|(have, here)| *have |= here);
    }
    Ok(have)
}
