//! Drawing sequences from a model of rows in order: each row follows from those drawn before it.

#![forbid(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::failed;
use super::fixed_given::FixedGiven;
use super::row_reader::RowReader;
use super::transition::{NumberElements, Transition, split};
use crate::artifact::Model;
use crate::error::{Error, Result};
use crate::feature::{Column, ColumnRebuilder, Features, InputColumn};
use crate::sequence::{LagSums, RowClock, Sequence, Window};

/// The column that numbers the sequences, unless a column tells them apart that is not learned; with a number if it is taken.
const NUMBERED: &str = "sequence";

/// Windows of rows that are drawn before a sequence.
const WARM_UP: usize = 4;

/// Most sequences drawn at once.
const MOST_AT_ONCE: u64 = 64;

/// Draws sequences.
pub(super) struct SequenceGenerator {
    features: Arc<Features>,
    transition: Transition,
    numbers: Vec<DrawnNumber>,
    /// The columns of the windows, lag by lag, by their features: `None` for one that is not learned.
    windows: Vec<Option<WindowFeature>>,
    clock: Option<RowClock>,
    /// The column that orders rows.
    order_by: Column,
    /// The feature of the column that orders rows, if it is given, it alone, and the type that it is read as.
    order: Option<(usize, Features, DataType)>,
    /// `[stored, inputs]` and `[stored, given elements]`: the training rows with whose windows sequences may begin.
    starts: (Vec<f32>, Vec<f32>),
    /// Rows of a sequence, and those drawn before it: means alone do not make a window.
    steps: u64,
    warm_up: usize,
    temperature: f32,
    schema: SchemaRef,
    columns: Vec<DrawnColumn>,
}

/// A learned number whose windows are known.
struct DrawnNumber {
    feature: usize,
    data_type: DataType,
}

/// A column of a window.
struct WindowFeature {
    feature: usize,
    name: String,
    /// The feature alone.
    part: Features,
}

/// Where a column of drawn rows comes from.
enum DrawnColumn {
    /// The rebuilt column of this number.
    Rebuilt(usize),
    /// The order of the rows.
    Clock(DataType),
    /// The number of the sequence.
    Number(DataType),
}

/// Rows of sequences.
pub(super) struct DrawnSequences {
    /// `[rows, width]`, as features write them.
    pub(super) cells: Vec<f32>,
    /// The number of the sequence of each row, and its step on the clock.
    numbers: Vec<i64>,
    steps: Vec<i64>,
}

impl SequenceGenerator {
    /// Of sequences of so many rows.
    ///
    /// # Errors
    /// [`Error::OptionRange`] for a model that learned no rows in order or has no windows of training rows.
    pub(super) fn new(
        model: &Model,
        steps: u64,
        temperature: f64,
        fixed: &FixedGiven,
        rebuilder: &ColumnRebuilder,
    ) -> Result<Self> {
        let sequence = ordered(model, steps)?;
        let (features, aggregate) = (model.features().clone(), model.aggregate());
        let place = |column: &Column| features.kinds().iter().position(|kind| kind.column() == column);
        let window = |(_, name): (&Column, String)| {
            let feature = place(&Column::root(&name))?;
            Some(WindowFeature { feature, name, part: features.subset(feature..feature + 1) })
        };
        let windows: Vec<_> = sequence.window_columns().map(window).collect();
        let (mut numbers, mut elements) = (Vec::new(), Vec::new());
        for (n, column) in sequence.columns.iter().enumerate() {
            let feature =
                place(column).ok_or_else(|| refused(steps, "left out, since a number in order is not learned"))?;
            let data_type = InputColumn::type_of(&model.metadata().columns, column).unwrap_or(DataType::Float64);
            let own = windows.iter().skip(n).step_by(sequence.columns.len()).flatten();
            let own = own.map(|window| features.elements(window.feature).start).collect();
            elements.push(NumberElements { element: features.elements(feature).start, windows: own });
            numbers.push(DrawnNumber { feature, data_type });
        }
        let transition = Transition::new(&features, aggregate, &elements, sequence.lags());
        let order = features.given().iter().position(|kind| *kind.column() == sequence.order_by);
        let order = order.filter(|_| sequence.clock.is_some()).and_then(|given| {
            let feature = features.kinds().len() + given;
            let stored = InputColumn::type_of(&model.metadata().columns, &sequence.order_by)?;
            let data_type = sequence.order_by.read_type(&stored)?;
            Some((feature, features.subset(feature..feature + 1), data_type))
        });
        let (schema, columns) = drawn_columns(model, sequence, rebuilder)?;
        let (rows, given) = split(&aggregate.windows, features.layout());
        let starts = fixed.starts(&rows, &given)?;
        let (clock, temperature) = (sequence.clock, temperature as f32);
        let warm_up = WARM_UP * sequence.window;
        Ok(Self {
            features,
            transition,
            numbers,
            windows,
            clock,
            order_by: sequence.order_by.clone(),
            order,
            starts,
            steps,
            warm_up,
            temperature,
            schema,
            columns,
        })
    }

    /// The columns of the rows.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows to draw at once: whole sequences, of so many cells at most unless one has more.
    pub(super) fn batch_rows(&self, most_cells: u64) -> u64 {
        (most_cells / (self.steps * self.features.layout().width() as u64)).clamp(1, MOST_AT_ONCE) * self.steps
    }

    /// Draws the rows with these numbers, which begin with a sequence; row n is of sequence n / steps.
    pub(super) fn draw(&self, range: Range<u64>, reader: &RowReader) -> Result<DrawnSequences> {
        let (layout, columns) = (self.features.layout(), self.numbers.len());
        let (inputs, width, elements) = (layout.inputs(), layout.width(), layout.given().elements());
        let rows = (range.end - range.start) as usize;
        let first = range.start / self.steps;
        let sequences = rows.div_ceil(self.steps as usize);
        let noise = |sequence: usize| reader.noise.child(first + sequence as u64).child(5);
        let start: Vec<usize> = (0..sequences)
            .map(|sequence| (noise(sequence).uniform(0) * (self.starts.0.len() / inputs) as f64) as usize)
            .collect();
        let part = |all: &[f32], width: usize| -> Vec<f32> {
            start.iter().flat_map(|&start| &all[start * width..][..width]).copied().collect()
        };
        let (x, mut given) = (part(&self.starts.0, inputs), part(&self.starts.1, elements));
        let stored = layout.stored_rows(x, &given);
        let mut windows = self.windows_of(&stored, sequences)?;
        let begin = match (&self.order, self.clock) {
            (Some((feature, _, data_type)), Some(clock)) => self
                .features
                .read(*feature, &stored, data_type)
                .and_then(|times| clock.steps_to(&times))
                .map_err(failed)?,
            _ => vec![0; sequences],
        };
        let mut drawn = DrawnSequences { cells: vec![0.0; rows * width], numbers: vec![0; rows], steps: vec![0; rows] };
        let (mut means, mut value) = (vec![0.0; self.windows.len()], vec![0.0; columns]);
        let mut sums = LagSums::default();
        for turn in 0..self.warm_up + self.steps.min(rows as u64) as usize {
            // None while the windows fill.
            let step = turn.checked_sub(self.warm_up);
            let row_of = |sequence: usize| sequence * self.steps as usize + step.unwrap_or_default();
            let live = (0..sequences).take_while(|&sequence| row_of(sequence) < rows).count();
            let at: Vec<i64> =
                begin[..live].iter().map(|begin| begin.saturating_add(turn as i64 - self.warm_up as i64)).collect();
            self.set_order(&at, &mut given)?;
            let mut block = vec![f32::NAN; live * width];
            for (sequence, row) in block.chunks_exact_mut(width).enumerate() {
                row[inputs..].copy_from_slice(&given[sequence * elements..][..elements]);
            }
            let mut before = vec![Vec::with_capacity(live); self.windows.len()];
            for window in &windows[..live] {
                window.means(columns, &mut means);
                before.iter_mut().zip(&means).for_each(|(before, mean)| before.push(*mean));
            }
            self.write_windows(&before, &mut block)?;
            let inputs_given = layout.given().rows(given[..live * elements].to_vec()).inputs;
            let seen = layout.given().inputs();
            let mut x = Vec::with_capacity(live * inputs);
            for (sequence, row) in block.chunks_exact_mut(width).enumerate() {
                let (row, elements) = row.split_at_mut(inputs);
                layout.given().standardise(row, elements);
                let given = &inputs_given[sequence * seen..][..seen];
                let noise = noise(sequence).child(1 + turn as u64);
                self.transition.draw(row, given, &self.features, self.temperature, noise);
                x.extend_from_slice(row);
            }
            let mut cells = layout.stored_rows(x, &given[..live * elements]);
            for (sequence, cells) in cells.chunks_exact_mut(width).enumerate().filter(|_| step.is_some()) {
                reader.leave_out(range.start + row_of(sequence) as u64, cells);
            }
            let values = self.values(reader, &cells)?;
            for (sequence, window) in windows[..live].iter_mut().enumerate() {
                value.iter_mut().zip(&values).for_each(|(value, values)| *value = values[sequence]);
                window.step(&value, &mut sums, &mut means);
                if step.is_none() {
                    continue;
                }
                let row = row_of(sequence);
                drawn.cells[row * width..][..width].copy_from_slice(&cells[sequence * width..][..width]);
                (drawn.numbers[row], drawn.steps[row]) = ((first + sequence as u64) as i64, at[sequence]);
            }
        }
        Ok(drawn)
    }

    /// The columns of drawn rows, from those that were rebuilt of them.
    pub(super) fn columns(&self, drawn: &DrawnSequences, rebuilt: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let column = |column: &DrawnColumn| match column {
            DrawnColumn::Rebuilt(place) => Ok(rebuilt[*place].clone()),
            DrawnColumn::Clock(data_type) => match (self.clock, self.order_by.read_type(data_type)) {
                (Some(clock), Some(read_type)) => {
                    self.order_by.restored(&clock.values(&drawn.steps, &read_type)?, data_type)
                }
                _ => Ok(arrow::array::new_null_array(data_type, drawn.steps.len())),
            },
            DrawnColumn::Number(data_type) => cast(&Int64Array::from(drawn.numbers.clone()), data_type),
        };
        self.columns.iter().map(column).collect::<Result<_, ArrowError>>().map_err(failed)
    }

    /// The windows that rows have, as features write them.
    fn windows_of(&self, stored: &[f32], rows: usize) -> Result<Vec<Window>> {
        let unknown = || Ok(vec![f64::NAN; rows]);
        let read = |window: &Option<WindowFeature>| match window {
            Some(WindowFeature { feature, .. }) => {
                numbers(&self.features.read(*feature, stored, &DataType::Float64).map_err(failed)?)
            }
            None => unknown(),
        };
        let means = self.windows.iter().map(read).collect::<Result<Vec<_>>>()?;
        let row = |row: usize| means.iter().map(|means| means[row]).collect::<Vec<f64>>();
        Ok((0..rows).map(|n| Window::after(&row(n), self.numbers.len())).collect())
    }

    /// Sets the given elements of the column that orders rows.
    fn set_order(&self, steps: &[i64], given: &mut [f32]) -> Result<()> {
        let (Some((feature, part, data_type)), Some(clock)) = (&self.order, self.clock) else { return Ok(()) };
        let inputs = self.features.layout().inputs();
        let range = self.features.elements(*feature);
        let (range, width) = (range.start - inputs..range.end - inputs, self.features.layout().given().elements());
        let times = clock.values(steps, data_type).map_err(failed)?;
        let column = part.given()[0].column();
        let batch = RecordBatch::try_from_iter_with_nullable([(column.top(), column.nested(times), true)]);
        let mut elements = vec![0.0; steps.len() * range.len()];
        part.write(&batch.map_err(failed)?, &mut elements, &mut [])?;
        for (row, elements) in given.chunks_exact_mut(width).zip(elements.chunks_exact(range.len())) {
            row[range.clone()].copy_from_slice(elements);
        }
        Ok(())
    }

    /// Writes the elements of windows.
    fn write_windows(&self, means: &[Vec<f64>], block: &mut [f32]) -> Result<()> {
        let width = self.features.layout().width();
        for (window, means) in self.windows.iter().zip(means) {
            let Some(WindowFeature { feature, name, part }) = window else { continue };
            let known = |mean: &f64| (!mean.is_nan()).then_some(*mean);
            let array: ArrayRef = Arc::new(means.iter().map(known).collect::<Float64Array>());
            let batch = RecordBatch::try_from_iter_with_nullable([(name, array, true)]).map_err(failed)?;
            let mut elements = vec![0.0; means.len()];
            part.write(&batch, &mut elements, &mut [])?;
            let at = self.features.elements(*feature).start;
            block.chunks_exact_mut(width).zip(elements).for_each(|(row, element)| row[at] = element);
        }
        Ok(())
    }

    /// The numbers of rows as they are written, which go into their windows.
    fn values(&self, reader: &RowReader, cells: &[f32]) -> Result<Vec<Vec<f64>>> {
        let ordered = reader.ordered.of(cells);
        let read = |number: &DrawnNumber| {
            numbers(&reader.read(number.feature, cells, &ordered, &number.data_type).map_err(failed)?)
        };
        self.numbers.iter().map(read).collect()
    }
}

/// Numbers, NaN where missing.
fn numbers(array: &ArrayRef) -> Result<Vec<f64>> {
    let array = cast(array, &DataType::Float64).map_err(failed)?;
    Ok(array.as_primitive::<Float64Type>().iter().map(|number| number.unwrap_or(f64::NAN)).collect())
}

/// The sequence of a model that can draw some.
fn ordered(model: &Model, steps: u64) -> Result<&Sequence> {
    let sequence = model.metadata().sequence.as_ref();
    let sequence = sequence.ok_or_else(|| refused(steps, "left out, since the model learned no rows in order"))?;
    if model.aggregate().windows.is_empty() {
        return Err(refused(steps, "left out, since the model stores no windows; fit it again"));
    }
    Ok(sequence)
}

fn refused(steps: u64, range: &'static str) -> Error {
    Error::OptionRange { option: "steps", value: steps.to_string(), range }
}

/// The columns of drawn sequences of so many rows.
///
/// # Errors
/// As [`SequenceGenerator::new`].
pub(super) fn sequence_columns(model: &Model, steps: u64, rebuilder: &ColumnRebuilder) -> Result<SchemaRef> {
    Ok(drawn_columns(model, ordered(model, steps)?, rebuilder)?.0)
}

/// The columns of drawn sequences: those of the fit's input that can be rebuilt, with the order, and the number of the
/// sequence in the place of the first column that tells sequences apart; or before them all, if that is learned or there is none.
fn drawn_columns(
    model: &Model,
    sequence: &Sequence,
    rebuilder: &ColumnRebuilder,
) -> Result<(SchemaRef, Vec<DrawnColumn>)> {
    let is_rebuilt = |name: &str| rebuilder.schema().index_of(name).is_ok();
    let takes_number = |data_type: &DataType| {
        data_type.is_integer() || matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
    };
    let type_of = |column: &Column| InputColumn::type_of(&model.metadata().columns, column);
    let numbered = sequence.by.first().filter(|column| {
        let is_top = column.name() == column.top() && type_of(column).is_some_and(|it| takes_number(&it));
        is_top && sequence.by.iter().all(|column| !is_rebuilt(column.top()))
    });
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for InputColumn { column, .. } in &model.metadata().columns {
        let order = Some(&sequence.order_by).filter(|order| order.name() == order.top() && order.name() == column);
        let numbered = numbered.filter(|numbered| numbered.name() == column);
        if let Some(data_type) = order.and_then(type_of) {
            fields.push(Arc::new(Field::new(column, data_type.clone(), true)));
            columns.push(DrawnColumn::Clock(data_type));
        } else if let Some(data_type) = numbered.and_then(type_of) {
            fields.push(Arc::new(Field::new(column, data_type.clone(), true)));
            columns.push(DrawnColumn::Number(data_type));
        } else if let Ok(place) = rebuilder.schema().index_of(column) {
            fields.push(rebuilder.schema().fields()[place].clone());
            columns.push(DrawnColumn::Rebuilt(place));
        }
    }
    if numbered.is_none() {
        let is_taken = |name: &String| fields.iter().any(|field| field.name() == name);
        let mut names = std::iter::once(NUMBERED.to_owned()).chain((2..).map(|n: u64| format!("{NUMBERED}_{n}")));
        if let Some(name) = names.find(|name| !is_taken(name)) {
            fields.insert(0, Arc::new(Field::new(name, DataType::Int64, true)));
            columns.insert(0, DrawnColumn::Number(DataType::Int64));
        }
    }
    Ok((Arc::new(Schema::new(fields)), columns))
}
