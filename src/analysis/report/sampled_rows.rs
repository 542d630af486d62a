//! A sample of a file's rows.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::ScoredColumns;
use crate::analysis::label::{LabelColumn, LabelValues};
use crate::artifact::Model;
use crate::config::OrderConfig;
use crate::error::{Error, Place, Result};
use crate::feature::is_string_type;
use crate::numerics::RandomStream;
use crate::pipeline::Stop;
use crate::source::{ParquetSource, Source};

/// Approximate number of sampled rows.
const SAMPLE: u64 = 4_000;

/// Largest number of values in the row vectors of a sample.
const MAX_VALUES: usize = 8 << 20;

/// Row numbers in ascending order, and columns of these rows.
pub(super) struct SampledRows {
    pub(super) rows: Vec<u64>,
    pub(super) batch: RecordBatch,
}

/// Samples rows by independent draws on their numbers, the same ones each time; a small file's rows are all taken.
/// Reads the columns for the figures and the learned columns that the file has.
pub(super) fn sample(
    source: &ParquetSource,
    columns: &ScoredColumns,
    model: Option<&Model>,
    stop: &Stop,
) -> Result<SampledRows> {
    let all = source.rows();
    let width = model.map_or(1, |model| model.features().layout().width());
    let most = SAMPLE.min((MAX_VALUES / width.max(1)) as u64).max(100);
    let (draws, share) = (RandomStream::new(0, "report"), most as f64 / all.max(1) as f64);
    let rows: Vec<u64> = (0..all).filter(|&row| all <= most || draws.uniform(row) < share).collect();
    let learned = model.map(|model| model.features().columns()).unwrap_or_default();
    let in_order = match model.filter(|model| model.metadata().sequence.is_some()) {
        Some(model) => rows_in_order(source, columns, model, &rows, stop)?,
        None => None,
    };
    let learned = learned.into_iter().filter(|name| columns.has(name) && in_order.is_none());
    let own = [columns.is_anomaly.as_ref(), columns.label(), columns.color.as_ref(), columns.cluster.as_ref()];
    let own = own.into_iter().flatten().cloned();
    let names = columns.latents.iter().cloned().chain([columns.score.clone()]).chain(own).chain(learned);
    let mut sample = read_rows(source, names, rows, stop)?;
    if let Some(learned) = in_order {
        let of = |batch: &RecordBatch| -> Vec<(String, ArrayRef)> {
            batch.schema().fields().iter().map(|field| field.name().clone()).zip(batch.columns().to_vec()).collect()
        };
        let columns = of(&sample.batch).into_iter().chain(of(&learned)).map(|(name, array)| (name, array, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns);
        sample.batch = batch.map_err(|error| failed(source.path(), "", error))?;
    }
    Ok(sample)
}

/// The learned columns of rows in order, with their windows; `None` if the file lacks a column that it takes, or is not in order.
fn rows_in_order(
    source: &ParquetSource,
    columns: &ScoredColumns,
    model: &Model,
    rows: &[u64],
    stop: &Stop,
) -> Result<Option<RecordBatch>> {
    let (features, source) = (model.features(), model.typed(&Source::from(source.clone())));
    if !model.read_columns(features).iter().all(|name| columns.has(name)) {
        return Ok(None);
    }
    let failed = |error: ArrowError| failed(source.path(), "", error);
    let windows = model.windower(&OrderConfig::default(), source.config(), stop)?;
    let (mut first, mut taken, mut rest) = (0, Vec::new(), rows);
    for batch in model.stream_features(&source, windows.as_ref(), features, 8192)? {
        stop.check()?;
        let batch = match batch {
            Err(Error::Order(_)) => return Ok(None),
            batch => batch?,
        };
        let end = first + batch.num_rows() as u64;
        let (here, after) = rest.split_at(rest.partition_point(|row| *row < end));
        let places = UInt64Array::from_iter_values(here.iter().map(|row| row - first));
        if !here.is_empty() {
            taken.push(take_record_batch(&batch, &places).map_err(failed)?);
        }
        (first, rest) = (end, after);
    }
    let Some(batch) = taken.first() else { return Ok(None) };
    concat_batches(&batch.schema(), &taken).map(Some).map_err(failed)
}

/// Columns that are read at once, so that a stop is soon seen in wide tables.
const COLUMNS_AT_ONCE: usize = 256;

/// Reads columns, each once, of rows in ascending order; skips row groups without such rows.
pub(super) fn read_rows(
    source: &ParquetSource,
    columns: impl Iterator<Item = String>,
    rows: Vec<u64>,
    stop: &Stop,
) -> Result<SampledRows> {
    let mut seen = HashSet::new();
    let names: Vec<String> = columns.filter(|name| seen.insert(name.clone())).collect();
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for names in names.chunks(COLUMNS_AT_ONCE) {
        let batch = read_block(source, names, &rows, stop)?;
        fields.extend(batch.schema().fields().iter().cloned());
        arrays.extend(batch.columns().iter().cloned());
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    Ok(SampledRows { batch: batch.map_err(|error| failed(source.path(), "", error))?, rows })
}

/// Reads a few columns of rows in ascending order.
fn read_block(source: &ParquetSource, names: &[String], rows: &[u64], stop: &Stop) -> Result<RecordBatch> {
    let failed = |error: ArrowError| failed(source.path(), "", error);
    let mut batches = Vec::new();
    for group in source.row_groups() {
        let mut first = group.first_row;
        let of =
            |from: u64, to: u64| &rows[rows.partition_point(|row| *row < from)..rows.partition_point(|row| *row < to)];
        if of(first, first + group.rows).is_empty() {
            continue;
        }
        for batch in source.read(names, group, 8192)? {
            stop.check()?;
            let batch = batch?;
            let end = first + batch.num_rows() as u64;
            let places = UInt64Array::from_iter_values(of(first, end).iter().map(|row| row - first));
            if !places.is_empty() {
                batches.push(take_record_batch(&batch, &places).map_err(failed)?);
            }
            first = end;
        }
    }
    let schema = match batches.first() {
        Some(batch) => batch.schema(),
        None => {
            let all = source.schema();
            let fields = names.iter().filter_map(|name| all.field_with_name(name).ok().cloned());
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        }
    };
    concat_batches(&schema, &batches).map_err(failed)
}

impl SampledRows {
    /// A column, if it was read.
    pub(super) fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.batch.column_by_name(name)
    }

    /// The columns of these names that were read, in this order.
    pub(super) fn project(&self, names: &[String]) -> Result<RecordBatch> {
        let schema = self.batch.schema();
        let places: HashMap<&str, usize> =
            schema.fields().iter().enumerate().map(|(n, field)| (field.name().as_str(), n)).collect();
        let places: Vec<usize> = names.iter().filter_map(|name| places.get(name.as_str()).copied()).collect();
        self.batch.project(&places).map_err(|source| failed("".as_ref(), "", source))
    }
}

/// The values of a column as numbers; `None` where null or NaN.
///
/// # Errors
/// [`Error::WrongType`] unless the column holds numbers or Booleans.
pub(super) fn numbers(path: &Path, name: &str, array: &ArrayRef) -> Result<Vec<Option<f64>>> {
    if !are_numbers(array.data_type()) {
        return Err(Error::WrongType {
            place: Place::column(path, name),
            found: array.data_type().to_string().into(),
            expected: "a number or a Boolean".into(),
        });
    }
    let numbers = cast(array, &DataType::Float64).map_err(|source| failed(path, name, source))?;
    let numbers = numbers.as_any().downcast_ref::<Float64Array>();
    let numbers = numbers.map(|numbers| numbers.iter().map(|value| value.filter(|value| !value.is_nan())).collect());
    Ok(numbers.unwrap_or_default())
}

/// Whether the type holds numbers or Booleans.
pub(super) fn are_numbers(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => are_numbers(values),
        data_type => data_type.is_numeric() || *data_type == DataType::Boolean,
    }
}

/// The label of each row; `None` where it is missing.
///
/// # Errors
/// Those of [`LabelColumn::of`].
pub(super) fn labels(path: &Path, label: &LabelColumn, array: &ArrayRef) -> Result<Vec<Option<bool>>> {
    let values = match is_string_type(array.data_type()) {
        true => LabelValues::Words(texts(path, &label.name, array)?),
        false => LabelValues::Numbers(numbers(path, &label.name, array)?),
    };
    label.of(path, &values)
}

/// The values of a column as text.
///
/// # Errors
/// If a type has no text form.
pub(super) fn texts(path: &Path, name: &str, array: &ArrayRef) -> Result<Vec<Option<String>>> {
    let formats = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &formats).map_err(|source| failed(path, name, source))?;
    let text = |row: usize| {
        let text = || formatter.value(row).try_to_string().map_err(|source| failed(path, name, source));
        array.is_valid(row).then(text).transpose()
    };
    (0..array.len()).map(text).collect()
}

/// A read error of a column, or of the file if `column` is empty.
pub(super) fn failed(path: &Path, column: &str, source: ArrowError) -> Error {
    let place = if column.is_empty() { Place::file(path) } else { Place::column(path, column) };
    Error::Read { place, source: Box::new(source) }
}
