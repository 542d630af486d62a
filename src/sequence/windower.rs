//! Adds the columns of the rows before to batches of rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Schema};
use arrow::error::ArrowError;

use super::Sequence;
use super::order_key::{OrderKey, check_type, order_keys};
use super::sequences::{SequenceState, Sequences};
use super::window::{LagSums, Window};
use crate::error::{Error, OrderFault, Place, Result};
use crate::feature::{Column, StringValues};
use crate::source::Source;

/// Rows of a history read at once.
const HISTORY_ROWS: usize = 8192;

/// Adds the columns of the rows before to batches, one batch after another.
pub(crate) struct Windower {
    sequence: Arc<Sequence>,
    sequences: Sequences,
    /// Rows so far, of all files and of the last one.
    row: u64,
    row_of_file: u64,
    /// The files so far, for messages.
    files: Vec<PathBuf>,
}

impl Windower {
    /// Without earlier rows.
    pub(crate) fn new(sequence: &Arc<Sequence>) -> Self {
        let sequences = Sequences::new(sequence.max_groups);
        Self { sequence: sequence.clone(), sequences, row: 0, row_of_file: 0, files: Vec::new() }
    }

    /// After the rows of `history`, whose windows go on from one file into the next.
    ///
    /// # Errors
    /// Those of [`Sequence::check`], of the source and of [`add`](Self::add).
    pub(crate) fn after(sequence: &Arc<Sequence>, history: &Source) -> Result<Self> {
        sequence.check(&history.schema(), history.path())?;
        let (mut windower, columns) = (Self::new(sequence), sequence.read_columns());
        for (file, _) in history.files_with_output_paths() {
            windower.begin_file(file.path());
            for batch in file.stream(&columns, HISTORY_ROWS)?.batches {
                windower.add(&batch?)?;
            }
        }
        Ok(windower)
    }

    /// The order and the windows.
    pub(crate) fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// The same, for the rows of a file that come next.
    pub(crate) fn for_file(&self, path: &Path) -> Self {
        let (sequence, sequences) = (self.sequence.clone(), self.sequences.continued());
        let mut next = Self { sequence, sequences, files: self.files.clone(), ..*self };
        next.begin_file(path);
        next
    }

    fn begin_file(&mut self, path: &Path) {
        self.row_of_file = 0;
        self.files.push(path.to_owned());
    }

    fn path(&self) -> &Path {
        self.files.last().map_or(Path::new("rows"), PathBuf::as_path)
    }

    /// The rows of a batch with their windows.
    ///
    /// # Errors
    /// [`Error::Order`] if rows are not in order, and [`Error::Read`] if a column cannot be read.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let sequence = self.sequence.clone();
        let keys = self.read(&sequence.order_by, batch, |array| order_keys(&array))?;
        let by = sequence.by.iter().map(|column| self.read(column, batch, Ok)).collect::<Result<Vec<_>>>()?;
        let names = by
            .iter()
            .zip(&sequence.by)
            .map(|(array, column)| StringValues::of(array).map_err(|source| self.unreadable(column, source)));
        let names = names.collect::<Result<Vec<_>>>()?;
        let values =
            sequence.columns.iter().map(|column| self.read(column, batch, numbers)).collect::<Result<Vec<_>>>()?;
        let (lags, columns, rows) = (sequence.lags(), sequence.columns.len(), batch.num_rows());
        let mut windows = vec![Vec::with_capacity(rows); lags * columns];
        let (mut value, mut means, mut sums) = (vec![0.0; columns], vec![0.0; lags * columns], LagSums::default());
        let mut name = String::new();
        for row in 0..rows {
            value.iter_mut().zip(&values).for_each(|(value, values)| *value = values[row]);
            name_of(&names, row, &mut name);
            let key = keys[row].ok_or_else(|| self.missing_key())?;
            let state = self.advance(&name, key, &value)?;
            state.window.step(&value, &mut sums, &mut means);
            windows.iter_mut().zip(&means).for_each(|(window, mean)| window.push(*mean));
            self.row += 1;
            self.row_of_file += 1;
        }
        let arrays = batch.columns().iter().cloned().chain(windows.into_iter().map(column));
        Ok(RecordBatch::try_new(sequence.with_windows(&batch.schema()), arrays.collect())
            .expect("columns made for this very schema"))
    }

    /// The sequence of the next row, with the window before it.
    fn advance(&mut self, name: &str, key: OrderKey, value: &[f64]) -> Result<&mut SequenceState> {
        let lags = self.sequence.lags();
        let (row, place) = (self.row, (self.row_of_file, self.files.len()));
        match self.sequences.get(name) {
            Some(state) if key < state.last => {
                let (before, file) = state.place;
                let values = [state.last.to_string(), key.to_string()];
                return Err(OrderFault::Descending {
                    path: self.path().to_owned(),
                    column: self.sequence.order_by.to_string(),
                    rows: [before, self.row_of_file],
                    values,
                    earlier: (file != self.files.len()).then(|| self.files[file - 1].clone()),
                }
                .into());
            }
            Some(state) => {
                if key.is_beyond(self.sequence.max_gap, state.last) {
                    state.window.restart(value, lags);
                }
                (state.last, state.last_row, state.place) = (key, row, place);
            }
            None => {
                let window = Window::begin(value, lags);
                self.sequences.add(name, SequenceState { window, last: key, last_row: row, place });
            }
        }
        Ok(self.sequences.get(name).expect("it is there, or was added"))
    }

    fn missing_key(&self) -> Error {
        let column = self.sequence.order_by.to_string();
        OrderFault::Missing { path: self.path().to_owned(), column, row: self.row_of_file }.into()
    }

    /// Reads a column of a batch.
    fn read<T>(
        &self,
        column: &Column,
        batch: &RecordBatch,
        of: impl FnOnce(ArrayRef) -> Result<T, ArrowError>,
    ) -> Result<T> {
        let top = batch.column_by_name(column.top());
        let missing = || ArrowError::SchemaError(format!("rows without the column {:?}", column.top()));
        let values = top.ok_or_else(missing).and_then(|top| of(column.read(top)?));
        values.map_err(|source| self.unreadable(column, source))
    }

    fn unreadable(&self, column: &Column, source: ArrowError) -> Error {
        Error::Read { place: Place::column(self.path(), column.name()), source: source.into() }
    }
}

impl Sequence {
    /// Checks that rows of `path` have the columns that windows are made from.
    ///
    /// # Errors
    /// [`Error::MissingFeature`], [`Error::WrongType`] and [`Error::NameClash`] for columns that do not fit.
    pub(crate) fn check(&self, schema: &Schema, path: &Path) -> Result<()> {
        self.check_names(schema, path)?;
        let typed = |column: &Column| {
            let stored = column.data_type(schema).ok_or_else(|| Error::MissingFeature {
                path: path.to_owned(),
                column: column.to_string(),
                near: Vec::new(),
            })?;
            Ok(column.read_type(stored).unwrap_or_else(|| stored.clone()))
        };
        check_type(&typed(&self.order_by)?, self.max_gap, path, self.order_by.name())?;
        self.by.iter().chain(&self.columns).try_for_each(|column| typed(column).map(drop))
    }
}

/// The name of the sequence of a row; a missing value is a name of its own.
fn name_of(names: &[StringValues<'_>], row: usize, name: &mut String) {
    name.clear();
    for values in names {
        match values.get(row) {
            Some(value) => {
                name.push_str(value);
                name.push('\u{1f}');
            }
            None => name.push('\u{0}'),
        }
    }
}

/// Numbers, NaN where missing or not finite.
fn numbers(array: ArrayRef) -> Result<Vec<f64>, ArrowError> {
    let array = cast(&array, &DataType::Float64)?;
    let finite = |number: Option<f64>| number.filter(|number| number.is_finite()).unwrap_or(f64::NAN);
    Ok(array.as_primitive::<Float64Type>().iter().map(finite).collect())
}

/// Means, null where NaN.
fn column(means: Vec<f64>) -> ArrayRef {
    if means.iter().any(|mean| mean.is_nan()) {
        return Arc::new(means.into_iter().map(|mean| (!mean.is_nan()).then_some(mean)).collect::<Float64Array>());
    }
    Arc::new(Float64Array::from(means))
}
