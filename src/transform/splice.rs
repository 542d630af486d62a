//! From one Parquet file to another: carried columns are copied byte for byte, and new ones are encoded beside them.

use arrow::array::RecordBatch;

use super::job::{CountedRows, TransformJob};
use super::new_columns::{NewColumnMaker, RowCounts};
use super::read_columns::project;
use crate::batch::{Batch, RowGroupTransposer, RowSlice, TransposeConfig, batch_rows};
use crate::error::Result;
use crate::feature::Features;
use crate::pipeline::Route;
use crate::score::ANOMALY_SCORE;
use crate::sink::{NewColumns, OutputColumn, Splice, SpliceSink};
use crate::source::ParquetSource;
use crate::storage::Target;

/// Bytes of row vectors up to which a row group is transposed in memory: a usual one of 64 Ki rows and 1,000 columns.
const ROW_GROUP_BYTES: u64 = 256 << 20;

/// Rows to be scored.
enum ScoreInput {
    /// As row vectors.
    Slice(RowSlice),
    /// As the learned columns, which an explanation needs, and with their windows, for rows in order.
    Rows { first_row: u64, row_group: usize, rows: RecordBatch },
}

impl TransformJob<'_, '_> {
    /// Writes a Parquet file with the columns of `source` numbered `kept` and the new columns.
    pub(super) fn splice(&mut self, source: &ParquetSource, target: Target, kept: Vec<usize>) -> Result<()> {
        let features = self.model.watching(&self.model.with_windows(&source.schema()));
        let mut maker = NewColumnMaker::new(self.model, &features, self.config)?;
        let new = maker.schema().clone();
        let metadata = self.model.keys(Some(&format!("{}{ANOMALY_SCORE}", self.config.prefix)));
        let carried = kept.into_iter().map(OutputColumn::Carried);
        let columns = carried.chain((0..new.fields().len()).map(OutputColumn::New)).collect();
        let splice = Splice { columns, new: new.clone(), metadata: &metadata };
        let stop = self.run.stopper().clone();
        let slice_rows = batch_rows(features.layout());
        let (threads, folder) = (self.run.workers(), target.folder().to_owned());
        let transpose = TransposeConfig { threads, bytes: ROW_GROUP_BYTES, folder, slice_rows };
        let in_order = self.windows.is_some();
        let slices = |route: &Route| RowGroupTransposer::new(source, &features, transpose.clone(), &route.read, &stop);
        let inputs = |route: &Route, explains: bool| -> Result<Box<dyn Iterator<Item = Result<ScoreInput>> + Send>> {
            match explains || in_order {
                true => self.scan(source, &features, slice_rows),
                false => Ok(Box::new(slices(route).map(|slice| slice.map(ScoreInput::Slice)))),
            }
        };
        let route = || Route::sliced(slice_rows * new.fields().len() * size_of::<f32>());

        let (ranking, learned) = (route(), features.clone());
        let batch = move |input: ScoreInput| match input {
            ScoreInput::Slice(slice) => Ok(slice.batch(learned.layout())?.0),
            ScoreInput::Rows { rows, .. } => Ok(Batch::encode(&learned, &rows)?.0),
        };
        self.decide(&mut maker, &ranking, || inputs(&ranking, false), batch)?;

        let sink = SpliceSink::create(source, &splice, target, stop.clone())?;
        let route = route();
        let inputs = inputs(&route, maker.explains())?;
        let inputs = (0..).zip(inputs).map(|(seq, input)| Ok((seq, input?)));
        let rows_before = self.totals.rows();
        let score = move |(seq, input)| {
            let (row_group, batch, counts) = score(&features, &maker, input, rows_before)?;
            Ok(CountedRows { rows: NewColumns { seq, row_group, batch }, counts })
        };
        self.carry(&route, inputs, score, |_| Ok(()), |columns| sink.write(columns))
    }

    /// Reads the columns of the features, in row order, with their windows.
    fn scan(
        &self,
        source: &ParquetSource,
        features: &Features,
        slice_rows: usize,
    ) -> Result<Box<dyn Iterator<Item = Result<ScoreInput>> + Send>> {
        let (read, mut next_row) = (self.model.read_columns(features), 0);
        let (places, source) = (self.model.places(features, &read), source.with_string_views());
        let mut windower = self.windows.as_ref().map(|windows| windows.for_file(source.path()));
        let scan = source.scan(&read, slice_rows);
        Ok(Box::new(scan.map(move |batch| {
            let (row_group, rows) = batch?;
            let first_row = next_row;
            next_row += rows.num_rows() as u64;
            let rows = windower.as_mut().map_or(Ok(rows.clone()), |windower| windower.add(&rows))?;
            Ok(ScoreInput::Rows { first_row, row_group, rows: project(&rows, &places)? })
        })))
    }
}

/// Scores rows that come after so many others: their row group and new columns.
fn score(
    features: &Features,
    maker: &NewColumnMaker,
    input: ScoreInput,
    rows_before: u64,
) -> Result<(usize, RecordBatch, RowCounts)> {
    let (row_group, (columns, mut counts), issues) = match input {
        ScoreInput::Slice(slice) => {
            let (batch, issues) = slice.batch(features.layout())?;
            (slice.row_group(), maker.columns(&batch, None, Some(rows_before + slice.first_row()))?, issues)
        }
        ScoreInput::Rows { first_row, row_group, rows } => {
            let (batch, issues) = Batch::encode(features, &rows)?;
            (row_group, maker.columns(&batch, Some(&rows), Some(rows_before + first_row))?, issues)
        }
    };
    counts.issues = issues;
    Ok((row_group, columns, counts))
}
