//! The columns that explain the scores of rows: as the file has them, or as the model finds them.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatchIterator, StringArray};
use arrow::datatypes::Float32Type;

use super::sampled_rows::{SampledRows, failed};
use crate::artifact::Model;
use crate::config::{ExplainRows, TransformConfig};
use crate::error::Result;
use crate::pipeline::{Run, Stop};
use crate::score::rows_encoded_for_one;

/// Columns that explain a row's score.
pub(super) const REASONS: usize = 3;

/// Rows that the model encodes to explain one.
pub(super) const ENCODED_FOR_ONE: usize = rows_encoded_for_one(REASONS);

/// A column counts among the main ones if it makes at least this part of what the first one makes.
const MAIN: f32 = 0.25;

/// Elements that are encoded before a stop is looked for.
const VALUES_AT_ONCE: usize = 2 << 20;

/// A column that raises a row's score.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reason {
    pub(super) column: String,
    /// The part of the score that it makes.
    pub(super) share: f32,
    pub(super) value: Option<String>,
    pub(super) expected: Option<String>,
}

/// The main reasons of a row: the first one, and others that make a good part of what it makes.
pub(super) fn main_reasons(reasons: &[Reason]) -> impl Iterator<Item = &Reason> + Clone {
    reasons.iter().filter(|reason| reason.share >= MAIN * reasons[0].share)
}

/// The reasons of each row, the largest share first; of a row without a score, none. `None` if the column holds something
/// else.
pub(super) fn read(column: &ArrayRef) -> Option<Vec<Vec<Reason>>> {
    let lists = column.as_list_opt::<i32>()?;
    let parts = lists.values().as_struct_opt()?;
    let share = parts.column_by_name("contribution")?.as_primitive_opt::<Float32Type>()?;
    let text = |name: &str| parts.column_by_name(name)?.as_string_opt::<i32>();
    let (column, value, expected) = (text("feature")?, text("value")?, text("expected")?);
    let known = |texts: &StringArray, n: usize| texts.is_valid(n).then(|| texts.value(n).to_owned());
    let reason = |n: usize| Reason {
        column: column.value(n).to_owned(),
        share: share.value(n),
        value: known(value, n),
        expected: known(expected, n),
    };
    let ranges = lists.value_offsets().windows(2).map(|ends| ends[0] as usize..ends[1] as usize);
    let of_row = |(row, range): (usize, std::ops::Range<usize>)| match lists.is_valid(row) {
        true => range.take(REASONS).map(reason).collect(),
        false => Vec::new(),
    };
    Some(ranges.enumerate().map(of_row).collect())
}

/// Explains the rows' scores by the model. The rows have all its columns.
pub(super) fn explain(model: &Model, rows: &SampledRows, stop: &Stop) -> Result<Option<Vec<Vec<Reason>>>> {
    let mut config = TransformConfig::new();
    config.explain = REASONS;
    config.explain_rows = ExplainRows::All;
    // A prefix that no column has: the rows may already have columns of a transform.
    config.prefix = "\0".to_owned();
    let batch = rows.project(&model.features().columns())?;
    // A few rows at once, so that a stop is soon seen.
    let width = model.features().layout().width().max(1);
    let at_once = (VALUES_AT_ONCE / (ENCODED_FOR_ONE * width)).clamp(8, 1024);
    let mut reasons = Vec::new();
    for from in (0..batch.num_rows()).step_by(at_once) {
        stop.check()?;
        let rows = batch.slice(from, (batch.num_rows() - from).min(at_once));
        let reader = RecordBatchIterator::new([Ok(rows)], batch.schema());
        for batch in model.transform_with(reader, &config, &Run::new().stop(stop))? {
            let batch = batch.map_err(|error| stop.check().err().unwrap_or_else(|| failed("".as_ref(), "", error)))?;
            match batch.column_by_name("\0top_features").and_then(read) {
                Some(of_batch) => reasons.extend(of_batch),
                None => return Ok(None),
            }
        }
    }
    Ok(Some(reasons))
}
