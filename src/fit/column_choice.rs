//! The choice of columns: which a fit learns, and why it only carries the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::defaults;
use super::missing_rates::MissingRates;
use super::statistics;
use super::windows::WindowedRows;
use crate::config::{FitConfig, LogicalType};
use crate::error::Result;
use crate::feature::{
    Candidate, Candidates, Carried, Features, OrderedPair, Values, WindowCandidate, candidate_pairs, candidates,
    fit_features, not_given, window_candidates,
};
use crate::pipeline::Run;
use crate::sequence::Sequence;
use crate::source::ParquetSource;

/// The columns of some data: learned or only carried.
pub(super) struct ColumnChoice {
    pub(super) features: Arc<Features>,
    pub(super) carried: Vec<Carried>,
    /// The values of each column that the choice depends on.
    pub(super) values: BTreeMap<String, Values>,
    /// Columns of strings that are all of another type.
    pub(super) suggested_types: Vec<(String, LogicalType)>,
    /// Pairs of columns that a sample of the rows has in order.
    pub(super) ordered: Vec<OrderedPair>,
    /// How much the learned columns miss.
    pub(super) missing: MissingRates,
    /// The order of the rows and the windows that are learned, if there are some.
    pub(super) sequence: Option<Sequence>,
}

/// Chooses the columns of `source` by the options and by their statistics, which are those of the `windowed` rows if there
/// are some.
///
/// # Errors
/// [`Error::UnknownColumn`](crate::Error::UnknownColumn) and [`Error::NotLearnable`](crate::Error::NotLearnable) for a
/// selection, the source's, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(super) fn choose_columns(
    config: &FitConfig,
    source: &ParquetSource,
    windowed: Option<&WindowedRows>,
    run: &mut Run<'_>,
) -> Result<ColumnChoice> {
    let scale = defaults::scale(config);
    let keys = source.partition_columns();
    let Candidates { mut columns, fields, carried, date_key } =
        candidates(&source.schema(), &keys, source.types(), config, scale, source.rows())?;
    source.check_types(fields.iter())?;
    let learnable = columns.len();
    let (mut of, mut windows) = (Vec::new(), Vec::new());
    if let Some(WindowedRows { sequence, .. }) = windowed {
        for window in window_candidates(sequence.window_columns(), &source.schema(), config, scale, source.rows())? {
            of.push(window.of);
            windows.push(window.candidate);
        }
    }
    columns.extend(windows);
    columns.extend(date_key.filter(|key| source.can_read(key.column().top())));
    let mut columns = statistics::survey(windowed.map_or(source, |windowed| &windowed.source), columns, run)?;
    let date_key = columns.split_off(learnable + of.len()).pop();
    let windows = columns.split_off(learnable);
    let windows: Vec<_> =
        of.into_iter().zip(windows).map(|(of, candidate)| WindowCandidate { of, candidate }).collect();
    let values = |candidate: &Candidate| (candidate.column().to_string(), candidate.values());
    let values = columns.iter().map(values).collect();
    let suggested = |candidate: &Candidate| Some((candidate.column().to_string(), candidate.suggested_type()?));
    let suggested_types = columns.iter().filter_map(suggested).collect();
    for (column, fault) in columns.iter().filter_map(|candidate| Some((candidate.column(), candidate.text_fault()?))) {
        tracing::warn!("column {:?} is read as text: {fault}", column.to_string());
    }
    let (features, carried) =
        fit_features(&columns, date_key.as_ref(), carried, scale, defaults::missing_indicator(config), &windows);
    for Carried { column, reason, .. } in not_given(&source.schema(), config, &carried)? {
        tracing::warn!("column {column:?} is not given: it {reason}");
    }
    let missing = MissingRates::of(features.kinds(), source.rows());
    let ordered = candidate_pairs(&columns, &features, source.rows());
    let sequence = windowed.map(|windowed| windowed.sequence.clone().of_learned(&features));
    if sequence.as_ref().is_some_and(|sequence| sequence.columns.is_empty()) && !features.kinds().is_empty() {
        tracing::warn!("no number is learned, and windows are of numbers: each row is learned by itself");
    }
    Ok(ColumnChoice { features: Arc::new(features), carried, values, suggested_types, ordered, missing, sequence })
}
