//! The rows of a fit with the rows before each: a scratch file, which the fit reads in any order.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::defaults;
use crate::batch::Table;
use crate::config::FitConfig;
use crate::error::{Error, Result};
use crate::feature::{Candidates, Column, Features, Kind, candidates};
use crate::sequence::{
    Differences, Filled, RestartedRows, Restarts, RowSteps, Sequence, Sorter, WindowFill, WindowSample, Windower,
    windowed,
};
use crate::source::{ParquetSource, Source, near_names};

/// Rows read at once.
const BATCH_ROWS: usize = 8192;

/// The rows of a fit with their windows.
pub(super) struct WindowedRows {
    /// Windows of all numbers that may be learned.
    pub(super) sequence: Sequence,
    pub(super) source: ParquetSource,
    /// Some of them.
    pub(super) sample: WindowSample,
    /// The steps between them, and the differences of their numbers.
    pub(super) steps: RowSteps,
    pub(super) differences: Differences,
    /// How full the windows are, and some that begin again.
    pub(super) fill: WindowFill,
    pub(super) restarts: Restarts,
}

impl WindowedRows {
    /// Reads the `needed` columns of the rows of `source` in order and writes them with their windows to a scratch file in
    /// `folder`; `None` if there is no order.
    ///
    /// # Errors
    /// [`Error::Order`], [`Error::WrongType`] and [`Error::NameClash`] for columns that do not fit, the source's, and
    /// [`Error::Io`] if the disk is full.
    pub(super) fn of(
        order: Option<(Sequence, Vec<String>)>,
        config: &FitConfig,
        source: &ParquetSource,
        folder: &Path,
    ) -> Result<Option<Self>> {
        let Some((sequence, needed)) = order else { return Ok(None) };
        let sample = WindowSample::new(&sequence, source.rows());
        let (steps, differences) = (RowSteps::default(), Differences::new(sample.every()));
        // No row is encoded yet: those that are sorted may take all the memory.
        let sorter = config.sort.then(|| Sorter::new(folder.to_owned(), config.memory));
        let start = Windower::new(&Arc::new(sequence.clone()), sorter);
        let restarts = Restarts::new(sample.every(), config.seed);
        let start = start.counting(steps.clone(), differences.clone()).restarting(restarts.clone());
        let fill = start.fill().clone();
        let rows = windowed(start, &Source::from(source.clone()), &needed, BATCH_ROWS)?;
        let rows = sample.of(&sequence, rows);
        let source = Source::of_stream(source.path(), rows, source.types()).table(folder)?;
        warn_of(&fill.so_far(), config);
        Ok(Some(Self { sequence, source, sample, steps, differences, fill, restarts }))
    }
}

/// Warns of windows that are seldom full, with the option that is likely at fault, and of sequences that are likely mixed.
fn warn_of(filled: &Filled, config: &FitConfig) {
    let Filled { rows, partial, sequences, gaps, ties, .. } = *filled;
    let percent = |count: u64| (100.0 * count as f64 / rows as f64).round();
    if 2 * partial > rows {
        let why = match config.max_gap {
            Some(gap) if gaps > sequences => {
                format!("{gaps} steps are longer than max_gap, {gap}; a larger one joins them")
            }
            _ if sequences > 1 => {
                format!("{sequences} sequences are short; a smaller window, or fewer columns in \"by\", fills more")
            }
            _ => "a smaller window fills more".to_owned(),
        };
        tracing::warn!("{} % of the rows have fewer rows before them than a window holds: {why}", percent(partial));
    }
    // With two sequences side by side, half of the rows are at the place of the row before.
    if 5 * ties > 2 * rows && config.by.is_empty() {
        tracing::warn!(
            "{} % of the rows have the same place in the order as the row before: if they are of several sequences, \"by\" takes \
             the columns that tell these apart",
            percent(ties)
        );
    }
}

/// The order that the options name, with windows of all numbers that may be learned, and the columns to read.
///
/// # Errors
/// [`Error::UnknownColumn`], and those of selections.
pub(super) fn chosen_order(config: &FitConfig, source: &ParquetSource) -> Result<Option<(Sequence, Vec<String>)>> {
    let Some(order_by) = &config.order_by else { return Ok(None) };
    let (schema, types) = (source.schema(), source.types());
    let leaves = Column::leaves(&schema);
    let named = |selection: &'static str, name: &str| {
        let found = leaves.iter().map(|(column, _)| column).find(|column| column.name() == name);
        found.map(|column| column.clone().typed(types)).ok_or_else(|| Error::UnknownColumn {
            selection,
            name: name.to_owned(),
            near: near_names(name, leaves.iter().map(|(column, _)| column.name())),
        })
    };
    let Candidates { columns, fields, date_key, .. } =
        candidates(&schema, &source.partition_columns(), types, config, defaults::scale(config), source.rows())?;
    source.check_types(fields.iter())?;
    let numbers = columns.iter().filter(|candidate| candidate.has_windows());
    let sequence = Sequence {
        order_by: named("order_by", order_by)?,
        by: config.by.iter().map(|name| named("by", name)).collect::<Result<_>>()?,
        window: config.window.unwrap_or(Sequence::WINDOW),
        max_gap: config.max_gap,
        max_groups: config.max_groups.unwrap_or(Sequence::MAX_GROUPS),
        columns: numbers.map(|candidate| candidate.column().clone()).collect(),
        forecasts: Vec::new(),
        clock: None,
        variograms: Vec::new(),
    };
    let mut needed = sequence.read_columns();
    let mut known: HashSet<String> = needed.iter().cloned().collect();
    let of_candidates = fields.iter().map(|field| field.name().clone());
    let date_key = date_key.iter().map(|key| key.column().top().to_owned()).filter(|key| source.can_read(key));
    needed.extend(of_candidates.chain(date_key).filter(|name| known.insert(name.clone())));
    Ok(Some((sequence, needed)))
}

impl WindowedRows {
    /// Sets what the rows tell of a sequence of some of its numbers.
    ///
    /// # Errors
    /// [`Error::Read`] if a column cannot be read.
    pub(super) fn tell(&self, sequence: &mut Sequence) -> Result<()> {
        sequence.forecasts = self.sample.forecasts(sequence)?;
        sequence.clock = self.steps.clock();
        let place = |column: &Column| self.sequence.columns.iter().position(|other| other == column);
        let variogram = |column| place(column).map(|place| self.differences.variogram(place)).unwrap_or_default();
        sequence.variograms = sequence.columns.iter().map(variogram).collect();
        Ok(())
    }
}

/// The rows of windows that have begun again, encoded; those without a known value are left out.
///
/// # Errors
/// [`Error::Read`] if a column cannot be read.
pub(super) fn encoded(restarted: &[RestartedRows], features: &Features) -> Result<Table> {
    let (names, layout) = (features.columns(), features.layout());
    let mut table = Table::default();
    for RestartedRows { ids, rows } in restarted {
        let places: Vec<usize> = names.iter().filter_map(|name| rows.schema().index_of(name).ok()).collect();
        let mut x = vec![0.0; ids.len() * layout.width()];
        let columns = rows.project(&places).expect("columns that it has");
        features.write(&columns, &mut x, &mut [])?;
        let rows = ids.iter().zip(x.chunks_exact(layout.width()));
        let known = rows.filter(|(_, x)| !x[..layout.inputs()].iter().all(|x| x.is_nan()));
        known.for_each(|(&id, x)| table.push(id, x));
    }
    Ok(table)
}

impl Sequence {
    /// The same windows, of the numbers alone that these features learn.
    pub(super) fn of_learned(self, features: &Features) -> Self {
        let is_learned = |column: &Column| {
            features.kinds().iter().any(|kind| matches!(kind, Kind::Number(_)) && kind.column() == column)
        };
        let columns = self.columns.iter().filter(|column| is_learned(column)).cloned().collect();
        Self { columns, ..self }
    }
}
