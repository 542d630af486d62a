//! Adds the columns of the rows before to batches of rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::Sequence;
use super::clock::RowSteps;
use super::forecast::numbers;
use super::gaps::{ClosedCell, Gaps};
use super::history_use::HistoryUse;
use super::order_key::{OrderKey, check_type, order_keys_of, read};
use super::recent::RecentRows;
use super::restarts::Restarts;
use super::sequences::{SequenceState, Sequences};
use super::sorter::Sorter;
use super::variogram::{Differences, Variogram};
use super::window::{LagSums, Window, column};
use super::window_fill::{RowStep, WindowFill};
use crate::error::{Error, OrderFault, Place, Result};
use crate::feature::{Column, StringValues};
use crate::sink::Destination;
use crate::source::{Batches, ColumnStream, Source};

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
    /// Sorts rows first, if they are to be.
    sorter: Option<Sorter>,
    /// Takes the steps between rows and the differences of their numbers, if they are wanted.
    counts: Option<(RowSteps, Differences)>,
    /// Lets some windows begin again, if that is wanted.
    restarts: Option<Restarts>,
    /// Counts how full the windows are, of all files.
    fill: WindowFill,
    /// Counts the sequences that go on from a history, after one.
    history: Option<Arc<HistoryUse>>,
    /// The numbers whose gaps are bridged, with their variograms, and the gaps of the file that was begun.
    bridged: Arc<Vec<(usize, Variogram)>>,
    gaps: Option<Gaps>,
}

impl Windower {
    /// Without earlier rows.
    pub(crate) fn new(sequence: &Arc<Sequence>, sorter: Option<Sorter>) -> Self {
        let sequences = Sequences::new(sequence.max_groups);
        Self {
            sequence: sequence.clone(),
            sequences,
            row: 0,
            row_of_file: 0,
            files: Vec::new(),
            sorter,
            counts: None,
            restarts: None,
            fill: WindowFill::default(),
            history: None,
            bridged: Arc::default(),
            gaps: None,
        }
    }

    /// Adds the steps between rows and the differences of their numbers to these, and keeps how full the window of each row is.
    pub(crate) fn counting(self, steps: RowSteps, differences: Differences) -> Self {
        Self { counts: Some((steps, differences)), fill: WindowFill::of_each_row(), ..self }
    }

    /// Lets some windows begin again, beside those of the rows.
    pub(crate) fn restarting(self, restarts: Restarts) -> Self {
        Self { restarts: Some(restarts), ..self }
    }

    /// The files so far, those of the history first.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// Counts how full the windows are.
    pub(crate) fn fill(&self) -> &WindowFill {
        &self.fill
    }

    /// Tells of missing numbers in these columns of the sequence what the rows on both sides lead to expect, in further columns.
    pub(crate) fn bridging(self, columns: &[usize]) -> Self {
        let of = |&column: &usize| (column, self.sequence.variograms[column].clone());
        Self { bridged: Arc::new(columns.iter().map(of).collect()), ..self }
    }

    /// After the rows of `history`, whose windows go on from one file into the next.
    ///
    /// # Errors
    /// Those of [`Sequence::check`], of the source and of [`add`](Self::add).
    pub(crate) fn after(mut self, history: &Source) -> Result<Self> {
        self.sequence.check(&history.schema(), history.path())?;
        let columns = self.sequence.read_columns();
        for (file, _) in history.files_with_output_paths() {
            self.begin_file(file.path());
            for batch in self.in_order(file.stream(&columns, HISTORY_ROWS)?)? {
                self.add(&batch?)?;
            }
        }
        self.history = Some(HistoryUse::of(self.sequences.names()).into());
        Ok(self)
    }

    /// The columns of rows with their windows and what bridges their gaps.
    pub(super) fn schema(&self, schema: &Schema) -> SchemaRef {
        self.with_bridged(&self.sequence.with_windows(schema))
    }

    /// The columns of rows with windows, and for each number whose gaps are bridged its value and standard deviation.
    pub(super) fn with_bridged(&self, schema: &SchemaRef) -> SchemaRef {
        let names = self.bridged.iter().flat_map(|(column, _)| {
            let column = &self.sequence.columns[*column];
            [format!("{column}, from both sides"), format!("{column}, deviation from both sides")]
        });
        let fields = names.map(|name| Arc::new(Field::new(name, DataType::Float64, true)));
        let fields: Vec<_> = schema.fields().iter().cloned().chain(fields).collect();
        Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
    }

    /// How many numbers have their gaps bridged.
    pub(crate) fn bridged(&self) -> usize {
        self.bridged.len()
    }

    /// Takes the number of missing numbers since the last call, and what became of some.
    pub(super) fn take_gaps(&mut self) -> (usize, Vec<ClosedCell>) {
        self.gaps.as_mut().map(Gaps::take).unwrap_or_default()
    }

    /// Ends the gaps at the end of the file.
    pub(super) fn end_gaps(&mut self) {
        let Some(gaps) = &mut self.gaps else { return };
        self.sequences.all().for_each(|state| gaps.end(&state.recent, &mut state.open, u64::MAX));
    }

    /// The same rows as they are to be added.
    pub(super) fn in_order(&self, rows: ColumnStream) -> Result<Batches> {
        match &self.sorter {
            Some(sorter) => sorter.sorted(rows, &self.sequence.order_by, self.path()),
            None => Ok(rows.batches),
        }
    }

    /// Whether rows are sorted first.
    pub(crate) fn sorts(&self) -> bool {
        self.sorter.is_some()
    }

    /// The same for rows that go to `destination`: those that are sorted wait beside it.
    pub(crate) fn sorts_beside(&mut self, destination: &Destination) -> bool {
        if let (Some(sorter), Destination::File(target)) = (&mut self.sorter, destination) {
            target.folder().clone_into(&mut sorter.folder);
        }
        self.sorts()
    }

    /// The order and the windows.
    pub(crate) fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// The same, for the rows of a file that come next.
    pub(crate) fn for_file(&self, path: &Path) -> Self {
        let (sequence, sequences) = (self.sequence.clone(), self.sequences.continued());
        let (files, sorter) = (self.files.clone(), self.sorter.clone());
        let (counts, fill, history) = (self.counts.clone(), self.fill.clone(), self.history.clone());
        let (bridged, restarts) = (self.bridged.clone(), self.restarts.clone());
        let gaps = (!bridged.is_empty()).then(|| Gaps::new(bridged.clone()));
        let mut next =
            Self { sequence, sequences, files, sorter, counts, restarts, fill, history, bridged, gaps, ..*self };
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
        let place = (self.path(), self.row_of_file);
        let keys = order_keys_of(&sequence.order_by, batch, place.0, place.1)?;
        let by = sequence.by.iter().map(|column| read(column, batch, place, Ok)).collect::<Result<Vec<_>>>()?;
        let words = |(array, column): (_, &Column)| {
            let unreadable = |source| Error::Read { place: Place::column(place.0, column.name()), source };
            StringValues::of(array).map_err(|source| unreadable(source.into()))
        };
        let names = by.iter().zip(&sequence.by).map(words).collect::<Result<Vec<_>>>()?;
        let numbers = |column| read(column, batch, place, |array| numbers(&array));
        let values = sequence.columns.iter().map(numbers).collect::<Result<Vec<_>>>()?;
        let (lags, columns, rows) = (sequence.lags(), sequence.columns.len(), batch.num_rows());
        let mut windows = vec![Vec::with_capacity(rows); lags * columns];
        let (mut value, mut means, mut sums) = (vec![0.0; columns], vec![0.0; lags * columns], LagSums::default());
        let mut restarted = self.restarts.as_ref().map(|restarts| restarts.batch(self.row, &sequence));
        let mut partial = Vec::with_capacity(rows);
        let mut name = String::new();
        for row in 0..rows {
            value.iter_mut().zip(&values).for_each(|(value, values)| *value = values[row]);
            name_of(&names, row, &mut name);
            let state = self.advance(&name, keys[row])?;
            partial.push(!state.window.is_full(lags));
            restarted.iter_mut().for_each(|restarted| restarted.add(row, state, &value));
            state.window.step(&value, &mut sums, &mut means);
            windows.iter_mut().zip(&means).for_each(|(window, mean)| window.push(*mean));
            if self.counts.is_some() || !self.bridged.is_empty() {
                self.keep(&name, &value);
            }
            self.row += 1;
            self.row_of_file += 1;
        }
        restarted.into_iter().for_each(|restarted| restarted.finish(&sequence, batch));
        let partial: ArrayRef = Arc::new(BooleanArray::from(partial));
        let arrays = batch.columns().iter().cloned().chain(windows.into_iter().map(column)).chain([partial]);
        Ok(RecordBatch::try_new(sequence.with_windows(&batch.schema()), arrays.collect())
            .expect("columns made for this very schema"))
    }

    /// Keeps the numbers of the next row, which has its window, and looks at what it is for rows before.
    fn keep(&mut self, name: &str, value: &[f64]) {
        let state = self.sequences.get(name).expect("the row has its window");
        let row = state.recent.push(value);
        if let Some((_, differences)) = &self.counts {
            differences.add(self.row, &state.recent, row, value.len());
        }
        let Some(gaps) = &mut self.gaps else { return };
        gaps.add((name, self.row_of_file), (&state.recent, row), &mut state.open);
        while let Some((last, name)) = gaps.overdue(self.row_of_file) {
            if let Some(state) = self.sequences.get(&name) {
                gaps.end(&state.recent, &mut state.open, last);
            }
        }
    }

    /// The sequence of the next row, with the window before it.
    fn advance(&mut self, name: &str, key: OrderKey) -> Result<&mut SequenceState> {
        let (lags, columns) = (self.sequence.lags(), self.sequence.columns.len());
        let (row, place) = (self.row, (self.row_of_file, self.files.len()));
        let begins = |step: RowStep| self.history.iter().for_each(|history| history.add(name, step));
        match self.sequences.get(name) {
            Some(state) if key < state.last => {
                begins(RowStep::Next);
                let (before, file) = state.place;
                let values = [state.last.to_string(), key.to_string()];
                return Err(OrderFault::Descending {
                    path: self.path().to_owned(),
                    column: self.sequence.order_by.to_string(),
                    rows: [before, self.row_of_file],
                    values,
                    by: !self.sequence.by.is_empty(),
                    earlier: (file != self.files.len()).then(|| self.files[file - 1].clone()),
                }
                .into());
            }
            Some(state) => {
                let is_beyond = key.is_beyond(self.sequence.max_gap, state.last);
                if is_beyond {
                    if let Some(gaps) = &mut self.gaps {
                        gaps.end(&state.recent, &mut state.open, u64::MAX);
                    }
                    state.window.restart();
                    state.recent.restart();
                }
                if let Some((steps, _)) = &self.counts {
                    steps.add(key, (!is_beyond).then_some(state.last));
                }
                let step = match key == state.last {
                    _ if is_beyond => RowStep::Gap,
                    true => RowStep::Tie,
                    false => RowStep::Next,
                };
                if state.place.1 != place.1 {
                    begins(step);
                }
                self.fill.add(step, state.window.is_full(lags));
                (state.last, state.last_row, state.place) = (key, row, place);
            }
            None => {
                if let Some((steps, _)) = &self.counts {
                    steps.add(key, None);
                }
                begins(RowStep::First);
                let window = Window::begin(columns, lags);
                self.fill.add(RowStep::First, window.is_full(lags));
                let (recent, open) = (RecentRows::default(), Vec::new());
                let begun = SequenceState { window, restarted: None, last: key, last_row: row, place, recent, open };
                let gaps = &mut self.gaps;
                self.sequences.add(name, begun, |state| {
                    if let Some(gaps) = gaps {
                        gaps.end(&state.recent, &mut state.open, u64::MAX);
                    }
                });
            }
        }
        Ok(self.sequences.get(name).expect("it is there, or was added"))
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
