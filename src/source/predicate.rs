//! `--where`: which rows take part, said in SQL and decided by polars, batch by batch, on the columns it names.
//!
//! A row group is not read where its statistics leave no doubt that none of its rows is wanted.

mod prune;

use std::path::Path;

use ::parquet::arrow::arrow_reader::RowSelection;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use polars::prelude::{Expr, IntoLazy, PolarsError, PolarsResult, col};

use super::{ParquetFile, ParquetSource, guarded, near_names};
use crate::error::{Error, Foreign, Place, Result};
use crate::frame::frame;
use crate::pipeline::Stop;

/// Rows looked at at once.
const BATCH_ROWS: usize = 8192;

/// Words and signs of a condition, list elements left out: its parts may be nested half as deeply, and each level of them
/// takes about a kilobyte of the stack to look at.
const MOST_WORDS: usize = 4000;

/// What the outcome is called among the columns.
const OUTCOME: &str = "--where";

/// Functions that look at one row at a time, beside those of strings and times.
const OF_A_ROW: [&str; 29] = [
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
    /// Parses SQL.
    ///
    /// # Errors
    /// [`Error::Predicate`] if it is none, names no column, or looks at more than one row at a time.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = |source: Foreign| Error::Predicate { predicate: text.to_owned(), columns: Vec::new(), source };
        let words = words(text);
        if words > MOST_WORDS {
            let what = format!(
                "it has {words} words and signs, more than {MOST_WORDS}; of many values make a list: x IN (1, 2, 3)"
            );
            return Err(wrong(what.into()));
        }
        let parsed = guarded(Place::default, || polars::sql::sql_expr(text).map_err(plain));
        let expression = parsed.map_err(|error| wrong(cause(error)))?;
        let mut columns = Vec::<String>::new();
        for node in &expression {
            match node {
                Expr::Column(name) if !columns.iter().any(|column| column == name.as_str()) => {
                    columns.push(name.to_string());
                }
                Expr::Column(_) | Expr::Literal(_) | Expr::BinaryExpr { .. } | Expr::Cast { .. } => {}
                Expr::Ternary { .. } | Expr::Alias(..) | Expr::Field(_) => {}
                // A list of constants is one.
                Expr::Agg(_) if node.into_iter().all(|inner| !matches!(inner, Expr::Column(_))) => {}
                Expr::Function { function, .. } => {
                    let name = function.to_string();
                    let of_a_row = ["str.", "dt.", "struct."].iter().any(|kind| name.starts_with(kind));
                    if !(of_a_row || OF_A_ROW.contains(&name.as_str())) || name.contains("concat_vertical") {
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

    /// The columns it looks at.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Checks that it can be asked of rows with such columns.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`], and [`Error::Predicate`] if it is no yes or no there.
    pub(super) fn check(&self, schema: &Schema, path: &Path) -> Result<()> {
        for column in &self.columns {
            if schema.field_with_name(column).is_err() {
                let near = near_names(column, schema.fields().iter().map(|field| field.name().as_str()));
                return Err(Error::UnknownColumn { selection: "where", name: column.clone(), near });
            }
        }
        let fields = self.columns.iter().filter_map(|column| schema.field_with_name(column).ok().cloned());
        let empty = RecordBatch::new_empty(Schema::new(fields.collect::<Vec<_>>()).into());
        self.mask(&empty, path).map(drop)
    }

    /// The rows of `batch` for which it holds, as `looked_at`, the columns it names, say.
    pub(super) fn filter(&self, looked_at: &RecordBatch, batch: RecordBatch, path: &Path) -> Result<RecordBatch> {
        let mask = self.mask(looked_at, path)?;
        if mask.true_count() == batch.num_rows() {
            return Ok(batch);
        }
        guarded(|| Place::file(path), || filter_record_batch(&batch, &mask))
    }

    /// For which rows it holds; it does not where the outcome is null.
    fn mask(&self, batch: &RecordBatch, path: &Path) -> Result<BooleanArray> {
        let asked = guarded(|| Place::file(path), || self.ask(batch).map_err(plain));
        asked.map_err(|error| {
            let of = |column: &String| {
                let schema = batch.schema();
                let data_type = schema.field_with_name(column).map(|field| field.data_type().to_string());
                (column.clone(), data_type.unwrap_or_default())
            };
            let columns = self.columns.iter().map(of).collect();
            Error::Predicate { predicate: self.text.clone(), columns, source: cause(error) }
        })
    }

    fn ask(&self, batch: &RecordBatch) -> PolarsResult<BooleanArray> {
        let outcome = frame(batch)?.lazy().with_column(self.expression.clone().alias(OUTCOME)).select([col(OUTCOME)]);
        let outcome = outcome.collect()?;
        let outcome = outcome.column(OUTCOME)?;
        let outcome = outcome.bool().map_err(|_| {
            PolarsError::ComputeError(format!("it gives {} and not true or false", outcome.dtype()).into())
        })?;
        Ok(outcome.iter().map(|holds| Some(holds == Some(true))).collect())
    }

    /// The same file of which only the rows are read for which it holds.
    ///
    /// # Errors
    /// Those of the file, and [`Error::Predicate`].
    pub(super) fn keep(&self, file: &ParquetFile, stop: &Stop) -> Result<ParquetFile> {
        let source = ParquetSource::of(vec![file.clone()])?;
        let mut kept = Vec::new();
        for group in source.row_groups() {
            if group.rows == 0 || self.never(file, group.number) {
                kept.push((RowSelection::from(Vec::new()), 0));
                continue;
            }
            let mut masks = Vec::new();
            for batch in source.read(&self.columns, group, BATCH_ROWS)? {
                stop.check()?;
                masks.push(self.mask(&batch?, &file.path)?);
            }
            let rows = masks.iter().map(|mask| mask.true_count() as u64).sum();
            kept.push((RowSelection::from_filters(&masks), rows));
        }
        Ok(file.clone().with_kept(kept))
    }

    /// Whether the statistics of a row group say that it holds for none of its rows.
    pub(super) fn never(&self, file: &ParquetFile, row_group: usize) -> bool {
        guarded(|| Place::file(&file.path), || Ok::<_, Foreign>(prune::never(&self.expression, file, row_group)))
            .unwrap_or(false)
    }
}

/// Words and signs without those of lists, whose elements are beside each other and not within: a comma and an element
/// each. What stands in quotes is a word.
fn words(text: &str) -> usize {
    let (mut words, mut lists, mut before, mut quote) = (0_usize, 0, ' ', None);
    for sign in text.chars() {
        let of_word = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == '.';
        match quote {
            Some(open) if sign == open => quote = None,
            Some(_) => continue,
            None if matches!(sign, '\'' | '"') => quote = Some(sign),
            None => {}
        }
        lists += 2 * usize::from(sign == ',');
        words += usize::from(!(sign.is_whitespace() || of_word(sign) && of_word(before)));
        before = sign;
    }
    words.saturating_sub(lists)
}

/// An error without what polars adds for its own users.
fn plain(error: PolarsError) -> Foreign {
    let text = error.to_string();
    text.split("\n\n").next().unwrap_or(&text).to_owned().into()
}

/// What a fenced call said.
fn cause(error: Error) -> Foreign {
    match error {
        Error::Read { source, .. } => source,
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_counted_and_lists_are_not() {
        assert_eq!(words("amount_2 >= 1.5 AND s = 'it, that'"), 9);
        assert_eq!(words("x IN (1, 2, 3)"), words("x IN (1)"));
        assert_eq!(words("a+a+a"), 5);
    }
}
