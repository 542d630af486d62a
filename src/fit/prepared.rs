//! Phase 1 of a fit: the options are checked, the columns chosen and the sizes decided.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use super::base_model::BaseModel;
use super::batch_on_device::with_batch_size;
use super::column_choice::{ColumnChoice, choose_columns};
use super::defaults;
use super::memory_budget::MemoryBudget;
use super::sizes::Sizes;
use super::windows::{WindowedRows, chosen_order};
use crate::artifact::MODEL_KEY;
use crate::config::{Direction, FitConfig};
use crate::error::{Error, Result};
use crate::feature::{Kind, directions};
use crate::model::{Device, TensorDevice};
use crate::pipeline::{Progress, Run};
use crate::score::Score;
use crate::sequence::{Filled, RestartedRows, Sequence};
use crate::source::ParquetSource;

/// Columns that a transform adds, behind any prefix.
const NEW_COLUMNS: [&str; 3] = ["z_0", "recon_error", "anomaly_score"];

/// A fit whose columns and sizes are known.
pub(super) struct Prepared {
    /// The options, filled from the base model.
    pub(super) config: FitConfig,
    /// The base model, if the fit starts from one.
    pub(super) base: Option<BaseModel>,
    /// The rows as they are given.
    pub(super) input: ParquetSource,
    /// The rows to learn from: with their windows, if they are in order.
    pub(super) source: ParquetSource,
    /// How full the windows of its rows are, and rows of some that have begun again.
    pub(super) filled: Filled,
    pub(super) restarted: Vec<RestartedRows>,
    pub(super) device: TensorDevice,
    pub(super) score: &'static Score,
    /// The columns of which only one side of what is expected is odd.
    pub(super) directions: BTreeMap<String, Direction>,
    /// Directory of scratch files.
    pub(super) folder: PathBuf,
    pub(super) columns: ColumnChoice,
    pub(super) sizes: Sizes,
    /// When the fit began to read.
    pub(super) start: Instant,
}

impl Prepared {
    /// Whether the levels and spreads of groups are those of the base model.
    pub(super) fn keeps_norms(&self) -> bool {
        !self.columns.features.layout().given().norms().is_empty()
    }

    /// Checks the options against each other, the base model and the data; reads the statistics of the columns.
    ///
    /// # Errors
    /// Those of [`FitConfig::fit`] about options, columns and memory, the source's, and [`Error::Interrupted`].
    pub(super) fn new(config: &FitConfig, source: &ParquetSource, device: Device, run: &mut Run<'_>) -> Result<Self> {
        config.check()?;
        run.check()?;
        let base = BaseModel::load(config)?;
        let config = base.as_ref().map_or_else(|| Ok(config.clone()), |base| base.fill(config, source))?;
        let score = Score::named("anomaly_score", defaults::anomaly_score(&config), |_| true)?;
        let folder = config.spool_dir.clone().unwrap_or_else(std::env::temp_dir);
        if !folder.is_dir() {
            let value = folder.display().to_string();
            return Err(Error::OptionRange { option: "spool_dir", value, range: "an existing directory" });
        }
        if source.rows() < 2 {
            return Err(Error::TooFewRows { path: source.path().to_owned(), rows: source.rows() });
        }
        let device = device.resolve()?;
        let start = Instant::now();
        let input = source.with_max_page_bytes(config.memory);

        tracing::info!("{} rows of {} columns: reading statistics", input.rows(), input.schema().fields().len());
        // What is read for the statistics and again to be encoded.
        let kept = MemoryBudget::new(config.memory).columns;
        let order = match &base {
            Some(base) => base.order(),
            None => chosen_order(&config, &input)?,
        };
        let windowed = WindowedRows::of(order, &config, &input, &folder)?;
        let windowed = windowed.map(|rows| WindowedRows { source: rows.source.keeping(kept), ..rows });
        let source = if windowed.is_some() { input.clone() } else { input.keeping(kept) };
        let mut columns = match &base {
            Some(base) => base.choose_columns(&config, &source, windowed.as_ref(), run)?,
            None => choose_columns(&config, &source, windowed.as_ref(), run)?,
        };
        let is_new = |kind: &Kind| NEW_COLUMNS.iter().any(|name| kind.column().name().ends_with(name));
        if source.metadata_value(MODEL_KEY).is_some() && columns.features.kinds().iter().any(is_new) {
            tracing::warn!(
                "a transform wrote these rows, and the fit learns its latents and scores like other columns"
            );
        }
        if columns.features.kinds().is_empty() {
            let reasons = columns.carried.into_iter().map(|carried| (carried.column, carried.reason)).collect();
            return Err(Error::NoFeatures { path: source.path().to_owned(), reasons });
        }
        let directions = match &base {
            Some(base) if config.direction.is_empty() => base.directions().clone(),
            _ => directions(&columns.features, &source.schema(), &config, windows_of(&columns))?,
        };
        if let (Some(windowed), Some(sequence)) = (&windowed, &mut columns.sequence) {
            windowed.tell(sequence)?;
        }
        let windows = windowed.as_ref().map(|windowed| (windowed.fill.so_far(), windowed.restarts.take()));
        let (filled, mut restarted) = windows.unwrap_or_default();
        if filled.partial > filled.rows / 2 {
            // Rows without a full window are what rows are like.
            restarted.clear();
        }
        let source = windowed.map_or(source, |windowed| windowed.source);
        source.read_again(&columns.features.columns());
        let config = defaults::with_given(config, &columns.features);
        let config =
            if device.is_cpu() { config } else { with_batch_size(config, source.rows(), columns.features.layout()) };
        let sizes = Sizes::decide(&config, &columns, source.rows(), base.as_ref().map(BaseModel::network))?;
        tracing::info!("{}", sizes.rows.memory.describe(sizes.rows.sample, sizes.inputs, &folder));
        sizes.check_memory(&columns)?;
        let names = columns.features.learned_columns();
        run.report(Progress::Chosen { columns: &names, latent_dim: sizes.network.latent_dim });
        Ok(Self {
            config,
            base,
            input,
            source,
            filled,
            restarted,
            device,
            score,
            directions,
            folder,
            columns,
            sizes,
            start,
        })
    }
}

/// The columns of means over rows before, each behind the column that it is of.
fn windows_of(columns: &ColumnChoice) -> impl Iterator<Item = (String, String)> {
    let windows = columns.sequence.iter().flat_map(Sequence::window_columns);
    windows.map(|(column, name)| (column.name().to_owned(), name))
}
