//! Row groups in which a predicate cannot hold, by their statistics; where these leave a doubt, it may.

use std::sync::Arc;

use ::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use ::parquet::basic::Type;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use polars::prelude::{Expr, IntoLazy, Operator, col};

use crate::frame::frame;
use crate::source::ParquetFile;

/// The order in which a type's own values are compared, by its number in the format's union.
const TYPE_ORDER: i16 = 1;

/// Whether `predicate` holds for no row of a row group.
pub(super) fn never(predicate: &Expr, file: &ParquetFile, row_group: usize) -> bool {
    let Expr::BinaryExpr { left, op, right } = predicate else { return false };
    match op {
        Operator::And | Operator::LogicalAnd => never(left, file, row_group) || never(right, file, row_group),
        Operator::Or | Operator::LogicalOr => never(left, file, row_group) && never(right, file, row_group),
        op => match (&**left, &**right) {
            (Expr::Column(column), value) => compared(column, *op, value, file, row_group),
            (value, Expr::Column(column)) => {
                let op = match op {
                    Operator::Lt => Operator::Gt,
                    Operator::LtEq => Operator::GtEq,
                    Operator::Gt => Operator::Lt,
                    Operator::GtEq => Operator::LtEq,
                    op => *op,
                };
                compared(column, op, value, file, row_group)
            }
            _ => false,
        },
    }
}

/// Whether no value of a column compares so with `value`, which polars decides by the least and the greatest of them.
fn compared(column: &str, op: Operator, value: &Expr, file: &ParquetFile, row_group: usize) -> bool {
    if value.into_iter().any(|node| !matches!(node, Expr::Literal(_) | Expr::Cast { .. })) {
        return false;
    }
    let Some([least, greatest]) = bounds(column, file, row_group) else { return false };
    // NaN is no part of the statistics, and greater than everything to polars.
    let has_nan = least.data_type().is_floating();
    let of = |bound: &ArrayRef, op| {
        let predicate = Expr::BinaryExpr { left: Arc::new(col(column)), op, right: Arc::new(value.clone()) };
        holds(column, bound, predicate)
    };
    match op {
        Operator::Lt | Operator::LtEq => of(&least, op) == Some(false),
        Operator::Gt | Operator::GtEq if !has_nan => of(&greatest, op) == Some(false),
        Operator::Eq if !has_nan => of(&least, Operator::Gt) == Some(true) || of(&greatest, Operator::Lt) == Some(true),
        _ => false,
    }
}

/// What a comparison gives for one value.
fn holds(column: &str, value: &ArrayRef, predicate: Expr) -> Option<bool> {
    let batch = RecordBatch::try_from_iter([(column, value.clone())]).ok()?;
    let outcome = frame(&batch).ok()?.lazy().select([predicate.alias("holds")]).collect().ok()?;
    outcome.column("holds").ok()?.bool().ok()?.get(0)
}

/// The least and greatest value of a column, one element each, if they are sure.
fn bounds(column: &str, file: &ParquetFile, row_group: usize) -> Option<[ArrayRef; 2]> {
    let schema = file.schema();
    let sure = match schema.field_with_name(column).ok()?.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Date32 => true,
        DataType::Timestamp(..) | DataType::Float32 | DataType::Float64 => true,
        data_type => data_type.is_integer(),
    };
    let metadata = file.metadata();
    let descriptor = file.arrow().parquet_schema();
    let statistics = StatisticsConverter::try_new(column, schema, descriptor).ok()?;
    let leaf = statistics.parquet_column_index()?;
    let chunk = metadata.row_group(row_group).column(leaf);
    // Older writers ordered some types otherwise, or by no rule.
    let ordered = file.footer.column_orders.as_ref().is_some_and(|orders| orders.get(leaf) == Some(&TYPE_ORDER));
    let deprecated = chunk.statistics().is_none_or(|statistics| statistics.is_min_max_deprecated());
    if !sure || !ordered || deprecated || chunk.column_type() == Type::INT96 {
        return None;
    }
    let group = || std::iter::once(metadata.row_group(row_group));
    let least = statistics.row_group_mins(group()).ok()?;
    let greatest = statistics.row_group_maxes(group()).ok()?;
    let known = |bound: &ArrayRef| {
        bound.len() == 1
            && bound.is_valid(0)
            && match bound.data_type() {
                DataType::Float32 => !bound.as_primitive::<Float32Type>().value(0).is_nan(),
                DataType::Float64 => !bound.as_primitive::<Float64Type>().value(0).is_nan(),
                _ => true,
            }
    };
    (known(&least) && known(&greatest)).then_some([least, greatest])
}
