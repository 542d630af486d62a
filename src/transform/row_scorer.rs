//! Rows with what a transform would write of them, read and not written.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::Float32Type;
use serde::Serialize;

use super::columns::IS_ANOMALY;
use super::file_rows::FileRows;
use super::general::learned_route;
use super::new_columns::NewColumnMaker;
use super::read_columns::unreadable;
use crate::artifact::Model;
use crate::batch::{Batch, BatchSlice, BatchSlicer, batch_rows};
use crate::config::{ExplainRows, OrderConfig, TransformConfig};
use crate::error::Result;
use crate::feature::Features;
use crate::pipeline::{Prefetch, Reservation, Run};
use crate::score::ANOMALY_SCORE;
use crate::source::Source;

/// A model that scores the rows of a source.
pub(crate) struct RowScorer {
    model: Model,
    source: Source,
    features: Arc<Features>,
    maker: NewColumnMaker,
    order: OrderConfig,
}

/// Some rows in order.
pub(crate) struct ScoredBatch {
    scores: Float32Array,
    p_values: Option<Float64Array>,
    anomalies: Option<BooleanArray>,
    /// The learned columns.
    learned: RecordBatch,
    /// Held until they are dropped.
    _reservation: Arc<Reservation>,
}

/// What a model says of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RowScore {
    pub(crate) score: f32,
    pub(crate) p_value: Option<f64>,
    pub(crate) is_anomaly: Option<bool>,
}

/// A column that raises the score of a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RowReason {
    /// The column, or one of the numbers of a vector.
    pub feature: String,
    /// The part of the score that it makes.
    pub contribution: f32,
    /// Its value in the row; `None` where missing.
    pub value: Option<String>,
    /// The value that the model expects there.
    pub expected: Option<String>,
}

impl fmt::Display for RowReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [value, expected] = [&self.value, &self.expected].map(|text| text.as_deref().unwrap_or("missing"));
        write!(f, "{} {value} (expected {expected})", self.feature)
    }
}

impl RowScorer {
    /// A scorer of the rows of `source`, which has the columns of `model`. Rows in order are read as `order` says.
    ///
    /// # Errors
    /// [`MissingFeature`](crate::Error::MissingFeature), [`WrongType`](crate::Error::WrongType) and others of a transform
    /// about columns.
    pub(crate) fn new(model: &Model, source: &Source, order: OrderConfig) -> Result<Self> {
        let model = model.reading(source.types()).into_owned();
        let source = model.typed(source);
        model.check_columns(&source)?;
        let features = model.watching(&model.with_windows(&source.schema()));
        let maker = NewColumnMaker::new(&model, &features, &TransformConfig::new())?;
        Ok(Self { model, source, features, maker, order })
    }

    /// Whether it decides which rows are anomalies. A decision that depends on all rows is not taken.
    pub(crate) fn decides(&self) -> bool {
        self.maker.decides() && self.maker.levels().is_none()
    }

    /// Whether it tells p-values.
    pub(crate) fn has_p_values(&self) -> bool {
        self.maker.schema().field_with_name("p_value").is_ok()
    }

    /// The rows in order, scored ahead on threads.
    ///
    /// # Errors
    /// Those of the source; an error is the last item.
    pub(crate) fn score(&self, run: &Run<'_>) -> Result<Prefetch<ScoredBatch>> {
        let (route, slice_rows) = (learned_route(&self.features), batch_rows(self.features.layout()));
        let windows = self.model.windower(&self.order, self.source.config(), run.stopper())?;
        let batches = self.model.stream_features(&self.source, windows.as_ref(), &self.features, slice_rows)?;
        let (features, maker, decides) = (self.features.clone(), self.maker.clone(), self.decides());
        let work = move |slice: BatchSlice| {
            let BatchSlice { rows: learned, reservation, .. } = slice;
            let (new, _) = maker.columns(&Batch::encode(&features, &learned)?.0, None, None)?;
            let column = |name: &str| new.column_by_name(name);
            let scores = column(ANOMALY_SCORE).expect("a transform writes it").as_primitive().clone();
            let p_values = column("p_value").map(|values| values.as_primitive().clone());
            let anomalies = column(IS_ANOMALY).filter(|_| decides).map(|values| values.as_boolean().clone());
            Ok(ScoredBatch { scores, p_values, anomalies, learned, _reservation: reservation })
        };
        run.spread(&route, BatchSlicer::new(batches, slice_rows, route.budget()), work)
    }

    /// An error with the file and row of the value that it is about.
    pub(crate) fn located(&self, error: crate::error::Error) -> crate::error::Error {
        self.model.located(&self.source, error)
    }

    /// The columns that raise the score of each of these rows most, the first one most. The rows are those that
    /// [`ScoredBatch::learned`] gives.
    ///
    /// # Errors
    /// [`Read`](crate::Error::Read) if a value cannot be read.
    pub(crate) fn reasons(&self, rows: &[RecordBatch], most: usize) -> Result<Vec<Vec<RowReason>>> {
        let Some(first) = rows.first().filter(|_| most > 0) else { return Ok(vec![Vec::new(); rows.len()]) };
        let learned = concat_batches(&first.schema(), rows).map_err(unreadable)?;
        let config = TransformConfig { explain: most, explain_rows: ExplainRows::All, ..TransformConfig::new() };
        let maker = NewColumnMaker::new(&self.model, &self.features, &config)?;
        let (new, _) = maker.columns(&Batch::encode(&self.features, &learned)?.0, Some(&learned), None)?;
        Ok(reasons(new.column_by_name("top_features").expect("it explains")))
    }

    /// The files of the source.
    ///
    /// # Errors
    /// Those of the source, which is read again if it does not know its number of rows.
    pub(crate) fn files(&self) -> Result<FileRows> {
        let column = self.model.read_columns(&self.features).into_iter().take(1).collect::<Vec<_>>();
        FileRows::of(&self.source, &column)
    }
}

impl ScoredBatch {
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    /// What the model says of a row; `None` without a known value.
    pub(crate) fn get(&self, row: usize) -> Option<RowScore> {
        self.scores.is_valid(row).then(|| RowScore {
            score: self.scores.value(row),
            p_value: self.p_values.as_ref().map(|values| values.value(row)),
            is_anomaly: self.anomalies.as_ref().map(|anomalies| anomalies.value(row)),
        })
    }

    /// The learned columns of a row, a copy.
    ///
    /// # Errors
    /// [`Read`](crate::Error::Read).
    pub(crate) fn learned(&self, row: usize) -> Result<RecordBatch> {
        let row = arrow::array::UInt64Array::from(vec![row as u64]);
        take_record_batch(&self.learned, &row).map_err(unreadable)
    }
}

/// The reasons of rows, from the column that a transform writes; none where it is null.
pub(super) fn reasons(column: &ArrayRef) -> Vec<Vec<RowReason>> {
    let lists = column.as_list::<i32>();
    let parts = lists.values().as_struct();
    let part = |name: &str| parts.column_by_name(name).expect("a part of a reason");
    let text = |name: &str| part(name).as_string::<i32>().clone();
    let [feature, value, expected] = ["feature", "value", "expected"].map(text);
    let contribution = part("contribution").as_primitive::<Float32Type>();
    let known = |texts: &StringArray, n: usize| texts.is_valid(n).then(|| texts.value(n).to_owned());
    let reason = |n: usize| RowReason {
        feature: feature.value(n).to_owned(),
        contribution: contribution.value(n),
        value: known(&value, n),
        expected: known(&expected, n),
    };
    lists.value_offsets().windows(2).map(|ends| (ends[0] as usize..ends[1] as usize).map(reason).collect()).collect()
}
