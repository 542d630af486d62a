//! Row predicates (`--where`): an SQL condition that polars evaluates on each batch of the columns it names.
//!
//! A row group is skipped if its statistics prove that no row matches.

mod prune;

use std::path::Path;

use ::parquet::arrow::arrow_reader::RowSelection;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use polars::prelude::{Expr, IntoLazy, PolarsError, PolarsResult, col};

use super::{ParquetFile, ParquetSource, catch_decoder_panic, named_field};
use crate::error::{Error, Foreign, Place, Result};
use crate::frame::frame;
use crate::pipeline::Stop;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Most words and signs of a condition, list elements excluded. Nesting is at most half as deep.
const MAX_TOKENS: usize = 4000;

/// Stack for a condition of that depth: polars recurses into each level, and takes up to 64 KiB for it without
/// optimisation. Only what is used of it becomes memory.
const STACK_BYTES: usize = 256 << 20;

/// Name of the result column.
const RESULT: &str = "--where";

/// Functions that use one row at a time, besides those of strings and times.
const ROW_FUNCTIONS: [&str; 29] = [
    "abs",
    "cbrt",
    "ceil",
    "coalesce",
    "exp",
    "fill_null",
    "floor",
    "is_between",
    "is_close",
    "is_finite",
    "is_in",
    "is_infinite",
    "is_nan",
    "is_not_nan",
    "is_not_null",
    "is_null",
    "log",
    "log1p",
    "max_horizontal",
    "min_horizontal",
    "negate",
    "not",
    "pow",
    "replace",
    "round",
    "round_sig_figs",
    "sign",
    "sqrt",
    "truncate",
];

/// A condition on the columns of a row.
#[derive(Debug, Clone)]
pub(super) struct Predicate {
    text: String,
    expression: Expr,
    columns: Vec<String>,
}

impl Predicate {
    /// Parses an SQL condition.
    ///
    /// # Errors
    /// [`Error::Predicate`] if it is not valid SQL, names no column, or needs more than one row at a time.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = |source: Foreign| Error::Predicate { predicate: text.to_owned(), columns: Vec::new(), source };
        let tokens = count_tokens(text);
        if tokens > MAX_TOKENS {
            let what = format!(
                "it has {tokens} words and signs, more than {MAX_TOKENS}; write many values as a list: x IN (1, 2, 3)"
            );
            return Err(wrong(what.into()));
        }
        // polars would write its warnings to stderr, one for each batch.
        polars::error::set_warning_function(|warning, _| tracing::debug!("polars: {warning}"));
        let parsed = catch_decoder_panic(Place::default, || {
            on_deep_stack(|| polars::sql::sql_expr(text)).map_err(first_paragraph)
        });
        let expression = parsed.map_err(|error| wrong(cause(error)))?;
        let mut columns = Vec::<String>::new();
        for node in &expression {
            match node {
                Expr::Column(name) if !columns.iter().any(|column| column == name.as_str()) => {
                    columns.push(name.to_string());
                }
                Expr::Column(_) | Expr::Literal(_) | Expr::BinaryExpr { .. } | Expr::Cast { .. } => {}
                Expr::Ternary { .. } | Expr::Alias(..) | Expr::Field(_) => {}
                // A list of constants.
                Expr::Agg(_) if node.into_iter().all(|inner| !matches!(inner, Expr::Column(_))) => {}
                Expr::Function { function, .. } => {
                    let name = function.to_string();
                    let is_row_function = ["str.", "dt.", "struct."].iter().any(|kind| name.starts_with(kind));
                    if !(is_row_function || ROW_FUNCTIONS.contains(&name.as_str())) || name.contains("concat_vertical")
                    {
                        return Err(wrong(format!("{name} is not a function of one row").into()));
                    }
                }
                other => return Err(wrong(format!("{other:?} is not a function of one row").into())),
            }
        }
        if columns.is_empty() {
            return Err(wrong("it names no column".into()));
        }
        Ok(Self { text: text.to_owned(), expression, columns })
    }

    /// The columns it uses.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Checks that it can be evaluated on such columns.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`], and [`Error::Predicate`] if its result is not a Boolean.
    pub(super) fn check(&self, schema: &Schema, path: &Path) -> Result<()> {
        for column in &self.columns {
            named_field(schema, "where", column)?;
        }
        let fields = self.columns.iter().filter_map(|column| schema.field_with_name(column).ok().cloned());
        let empty = RecordBatch::new_empty(Schema::new(fields.collect::<Vec<_>>()).into());
        self.mask(&empty, path).map(drop)
    }

    /// Keeps the rows of `batch` that match; `used` has the columns that the predicate names.
    pub(super) fn filter(&self, used: &RecordBatch, batch: RecordBatch, path: &Path) -> Result<RecordBatch> {
        let mask = self.mask(used, path)?;
        if mask.true_count() == batch.num_rows() {
            return Ok(batch);
        }
        catch_decoder_panic(|| Place::file(path), || filter_record_batch(&batch, &mask))
    }

    /// Whether each row matches; null counts as false.
    fn mask(&self, batch: &RecordBatch, path: &Path) -> Result<BooleanArray> {
        let evaluate = || on_deep_stack(|| self.evaluate(batch)).map_err(first_paragraph);
        let mask = catch_decoder_panic(|| Place::file(path), evaluate);
        mask.map_err(|error| {
            let name_and_type = |column: &String| {
                let schema = batch.schema();
                let data_type = schema.field_with_name(column).map(|field| field.data_type().to_string());
                (column.clone(), data_type.unwrap_or_default())
            };
            let columns = self.columns.iter().map(name_and_type).collect();
            Error::Predicate { predicate: self.text.clone(), columns, source: cause(error) }
        })
    }

    fn evaluate(&self, batch: &RecordBatch) -> PolarsResult<BooleanArray> {
        let result = frame(batch)?.lazy().with_column(self.expression.clone().alias(RESULT)).select([col(RESULT)]);
        let result = result.collect()?;
        let result = result.column(RESULT)?;
        let result = result.bool().map_err(|_| {
            PolarsError::ComputeError(format!("it gives {} and not true or false", result.dtype()).into())
        })?;
        Ok(result.iter().map(|holds| Some(holds == Some(true))).collect())
    }

    /// The same file, restricted to the rows that match.
    ///
    /// # Errors
    /// Errors of the file, and [`Error::Predicate`].
    pub(super) fn select_rows(&self, file: &ParquetFile, stop: &Stop) -> Result<ParquetFile> {
        let source = ParquetSource::from_files(vec![file.clone()])?;
        let mut selections = Vec::new();
        for group in source.row_groups() {
            if group.rows == 0 || self.excludes_group(file, group.number) {
                selections.push((RowSelection::from(Vec::new()), 0));
                continue;
            }
            let mut masks = Vec::new();
            for batch in source.read(&self.columns, group, BATCH_ROWS)? {
                stop.check()?;
                masks.push(self.mask(&batch?, &file.path)?);
            }
            let rows = masks.iter().map(|mask| mask.true_count() as u64).sum();
            let matching = RowSelection::from_filters(&masks);
            let selection = file.selection(group.number).map(|selected| selected.and_then(&matching));
            selections.push((selection.unwrap_or(matching), rows));
        }
        Ok(file.clone().with_selections(selections))
    }

    /// Whether the statistics of a row group prove that no row matches.
    pub(super) fn excludes_group(&self, file: &ParquetFile, row_group: usize) -> bool {
        let excludes = || Ok::<_, Foreign>(on_deep_stack(|| prune::excludes_group(&self.expression, file, row_group)));
        catch_decoder_panic(|| Place::file(&file.path), excludes).unwrap_or(false)
    }
}

/// Runs `work` with room on the stack for a condition of the greatest depth.
fn on_deep_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_BYTES / 2, STACK_BYTES, work)
}

/// Counts words and signs. A list element with its comma does not count, since it does not nest; a quoted text is one word.
fn count_tokens(text: &str) -> usize {
    let (mut tokens, mut in_lists, mut before, mut quote) = (0_usize, 0, ' ', None);
    for sign in text.chars() {
        let in_word = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == '.';
        match quote {
            Some(open) if sign == open => quote = None,
            Some(_) => continue,
            None if matches!(sign, '\'' | '"') => quote = Some(sign),
            None => {}
        }
        in_lists += 2 * usize::from(sign == ',');
        tokens += usize::from(!(sign.is_whitespace() || in_word(sign) && in_word(before)));
        before = sign;
    }
    tokens.saturating_sub(in_lists)
}

/// An error without the context that polars adds after its message.
fn first_paragraph(error: PolarsError) -> Foreign {
    let text = error.to_string();
    text.split("\n\n").next().unwrap_or(&text).to_owned().into()
}

/// The decoder's own error.
fn cause(error: Error) -> Foreign {
    match error {
        Error::Read { source, .. } => source,
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::count_tokens;

    #[test]
    fn words_are_counted_and_lists_are_not() {
        assert_eq!(count_tokens("amount_2 >= 1.5 AND s = 'it, that'"), 9);
        assert_eq!(count_tokens("x IN (1, 2, 3)"), count_tokens("x IN (1)"));
        assert_eq!(count_tokens("a+a+a"), 5);
    }
}
