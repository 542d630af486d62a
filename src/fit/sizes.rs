//! The sizes of a fit: how many rows take part, the network, and the training. Known before a row is encoded.

use super::column_choice::ColumnChoice;
use super::defaults;
use super::memory_budget::MemoryBudget;
use super::memory_check;
use super::row_order::{HeldOut, HoldOut, MOST_SHUFFLED};
use crate::config::{FitConfig, Training};
use crate::error::{Error, Result};
use crate::model::Network;

/// The numbers of rows of a fit, and the memory for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct SplitSizes {
    /// Rows that take part.
    pub(super) sample: u64,
    /// Those of the sample that are held out.
    pub(super) held_out: HeldOut,
    /// Rows shuffled together.
    pub(super) shuffled: u64,
    pub(super) memory: MemoryBudget,
    /// Whether the encoded rows are kept in memory.
    pub(super) in_memory: bool,
}

impl SplitSizes {
    /// Divides `rows` rows of `inputs` elements.
    ///
    /// # Errors
    /// [`Error::OptionRange`] if more rows were shuffled together than can be.
    pub(super) fn new(config: &FitConfig, rows: u64, inputs: usize) -> Result<Self> {
        let row_bytes = row_bytes(inputs);
        let sample = defaults::sample(config, rows);
        // Windows are cut from all rows; then the sample is taken.
        let shuffled = config.shuffle_rows.unwrap_or_else(|| defaults::shuffle_rows(rows, sample, row_bytes));
        if shuffled.min(sample) > MOST_SHUFFLED {
            let range = "at most 4294959104, unless the fit uses fewer rows";
            return Err(Error::OptionRange { option: "shuffle_rows", value: shuffled.to_string(), range });
        }
        let held_out = HoldOut::count(sample, defaults::val_fraction(config), row_bytes);
        let memory = MemoryBudget::new(config.memory);
        Ok(Self { sample, held_out, shuffled, memory, in_memory: memory.holds(sample, inputs) })
    }

    /// Training rows, if none of them is empty.
    pub(super) fn training(&self) -> u64 {
        self.sample - self.held_out.all()
    }
}

/// The sizes of a fit.
pub(super) struct Sizes {
    /// Elements of the row vector.
    pub(super) inputs: usize,
    pub(super) rows: SplitSizes,
    pub(super) network: Network,
    /// The training, if no row is empty.
    pub(super) training: Training,
}

impl Sizes {
    /// Decides the sizes for `rows` rows of the chosen columns; `network` is that of the base model.
    ///
    /// # Errors
    /// [`Error::OptionRange`] if more rows were shuffled together than can be.
    pub(super) fn decide(
        config: &FitConfig,
        columns: &ColumnChoice,
        rows: u64,
        network: Option<Network>,
    ) -> Result<Self> {
        let (inputs, width) = (columns.features.layout().inputs(), columns.features.layout().width());
        let rows = SplitSizes::new(config, rows, width)?;
        let training_rows = rows.training() as usize;
        let network = network.unwrap_or_else(|| defaults::network(config, inputs, training_rows, columns.missing));
        let training = defaults::training(config, inputs, training_rows, rows.shuffled, columns.missing.any);
        Ok(Self { inputs, rows, network, training })
    }

    /// Checks that there is memory to train the network.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(super) fn check_memory(&self, columns: &ColumnChoice) -> Result<()> {
        let layout = columns.features.layout();
        memory_check::check(&self.network, layout, &self.training, self.rows.training() as usize)
    }
}

/// Bytes of an encoded row of `inputs` elements.
pub(super) fn row_bytes(inputs: usize) -> u64 {
    (inputs * size_of::<f32>()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_window_of_too_many_rows_is_rejected() {
        assert_eq!(MOST_SHUFFLED, 4_294_959_104);
        let counts = |window: u64, rows| SplitSizes::new(&FitConfig::new().epochs(1).shuffle_rows(window), rows, 1);
        for (window, rows) in [(MOST_SHUFFLED + 1, 5_000_000_000), (u64::MAX, MOST_SHUFFLED + 1)] {
            let error = counts(window, rows).unwrap_err();
            assert!(matches!(error, Error::OptionRange { option: "shuffle_rows", .. }), "{error}");
        }
        // All of them, and a window of more.
        assert_eq!(counts(u64::MAX, MOST_SHUFFLED).unwrap().sample, MOST_SHUFFLED);
        assert_eq!(counts(MOST_SHUFFLED, 5_000_000_000).unwrap().shuffled, MOST_SHUFFLED);
        let few = FitConfig::new().epochs(1).shuffle_rows(u64::MAX).sample(1000);
        assert_eq!(SplitSizes::new(&few, 5_000_000_000, 1).unwrap().sample, 1000);
    }

    #[test]
    fn a_default_window_is_never_too_large() {
        for rows in [1 << 29, (1 << 29) + 1, 1 << 32, 1 << 40] {
            for config in [FitConfig::new(), FitConfig::new().epochs(1), FitConfig::new().epochs(1).sample(1 << 29)] {
                SplitSizes::new(&config, rows, 1).unwrap();
            }
        }
    }
}
