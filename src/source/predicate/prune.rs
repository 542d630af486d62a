//! Predicate pushdown: proves from the statistics of a row group that no row matches.

use std::sync::Arc;

use ::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use ::parquet::basic::Type;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use polars::prelude::{Expr, IntoLazy, Operator, col};

use crate::frame::frame;
use crate::source::ParquetFile;

/// The number of `TypeDefinedOrder` in the format's union `ColumnOrder`.
const TYPE_ORDER: i16 = 1;

/// Whether the statistics of a row group prove that `predicate` is true for no row.
pub(super) fn excludes_group(predicate: &Expr, file: &ParquetFile, row_group: usize) -> bool {
    let Expr::BinaryExpr { left, op, right } = predicate else { return false };
    match op {
        Operator::And | Operator::LogicalAnd => {
            excludes_group(left, file, row_group) || excludes_group(right, file, row_group)
        }
        Operator::Or | Operator::LogicalOr => {
            excludes_group(left, file, row_group) && excludes_group(right, file, row_group)
        }
        op => match (&**left, &**right) {
            (Expr::Column(column), value) => comparison_excludes(column, *op, value, file, row_group),
            (value, Expr::Column(column)) => {
                let op = match op {
                    Operator::Lt => Operator::Gt,
                    Operator::LtEq => Operator::GtEq,
                    Operator::Gt => Operator::Lt,
                    Operator::GtEq => Operator::LtEq,
                    op => *op,
                };
                comparison_excludes(column, op, value, file, row_group)
            }
            _ => false,
        },
    }
}

/// Whether a comparison with `value` is true for no value of a column; polars compares the minimum and the maximum.
fn comparison_excludes(column: &str, op: Operator, value: &Expr, file: &ParquetFile, row_group: usize) -> bool {
    if value.into_iter().any(|node| !matches!(node, Expr::Literal(_) | Expr::Cast { .. })) {
        return false;
    }
    let Some([min, max]) = bounds(column, file, row_group) else { return false };
    // Statistics ignore NaN, which polars treats as greater than everything.
    let may_have_nan = min.data_type().is_floating();
    let compare = |bound: &ArrayRef, op| {
        let predicate = Expr::BinaryExpr { left: Arc::new(col(column)), op, right: Arc::new(value.clone()) };
        evaluate(column, bound, predicate)
    };
    match op {
        Operator::Lt | Operator::LtEq => compare(&min, op) == Some(false),
        Operator::Gt | Operator::GtEq if !may_have_nan => compare(&max, op) == Some(false),
        Operator::Eq if !may_have_nan => {
            compare(&min, Operator::Gt) == Some(true) || compare(&max, Operator::Lt) == Some(true)
        }
        _ => false,
    }
}

/// Evaluates a comparison for one value.
fn evaluate(column: &str, value: &ArrayRef, predicate: Expr) -> Option<bool> {
    let batch = RecordBatch::try_from_iter([(column, value.clone())]).ok()?;
    let result = frame(&batch).ok()?.lazy().select([predicate.alias("holds")]).collect().ok()?;
    result.column("holds").ok()?.bool().ok()?.get(0)
}

/// The minimum and maximum of a column, arrays of one value each, if they are reliable.
fn bounds(column: &str, file: &ParquetFile, row_group: usize) -> Option<[ArrayRef; 2]> {
    let schema = file.schema();
    let has_order = match schema.field_with_name(column).ok()?.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Date32 => true,
        DataType::Timestamp(..) | DataType::Float32 | DataType::Float64 => true,
        data_type => data_type.is_integer(),
    };
    let metadata = file.metadata();
    let descriptor = file.arrow().parquet_schema();
    let statistics = StatisticsConverter::try_new(column, schema, descriptor).ok()?;
    let leaf = statistics.parquet_column_index()?;
    let chunk = metadata.row_group(row_group).column(leaf);
    // Older writers ordered some types differently or not at all.
    let ordered = file.footer.column_orders.as_ref().is_some_and(|orders| orders.get(leaf) == Some(&TYPE_ORDER));
    let deprecated = chunk.statistics().is_none_or(|statistics| statistics.is_min_max_deprecated());
    if !has_order || !ordered || deprecated || chunk.column_type() == Type::INT96 {
        return None;
    }
    let group = || std::iter::once(metadata.row_group(row_group));
    let min = statistics.row_group_mins(group()).ok()?;
    let max = statistics.row_group_maxes(group()).ok()?;
    let is_known = |bound: &ArrayRef| {
        bound.len() == 1
            && bound.is_valid(0)
            && match bound.data_type() {
                DataType::Float32 => !bound.as_primitive::<Float32Type>().value(0).is_nan(),
                DataType::Float64 => !bound.as_primitive::<Float64Type>().value(0).is_nan(),
                _ => true,
            }
    };
    (is_known(&min) && is_known(&max)).then_some([min, max])
}
