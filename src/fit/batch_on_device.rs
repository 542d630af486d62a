//! The batch size of a fit that takes place on a device.

use super::batch_size::larger_batch_size;
use super::defaults;
use super::row_order::HoldOut;
use super::sizes::row_bytes;
use crate::config::FitConfig;
use crate::feature::Layout;

/// The options with the batch size that is the default on a device, for so many rows as `layout` has them; unchanged where that
/// of the CPU is the default, as with neighbours: their loss compares each pair of a step with every other, on the CPU.
pub(super) fn with_batch_size(mut config: FitConfig, rows: u64, layout: &Layout) -> FitConfig {
    if config.batch_size.is_none() && defaults::neighbors(&config) == 0 {
        let width = layout.encoder_inputs().max(layout.outputs());
        config.batch_size = larger_batch_size(training_rows(&config, rows, layout), width);
    }
    config
}

/// The training rows of `rows` rows, if none is empty and the steps reach all.
fn training_rows(config: &FitConfig, rows: u64, layout: &Layout) -> usize {
    let rows = config.sample.unwrap_or(rows).min(rows);
    let held_out = HoldOut::count(rows, defaults::val_fraction(config), row_bytes(layout.width()));
    usize::try_from(rows - held_out.all()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;
    use crate::feature::Likelihood::Gaussian;
    use crate::feature::Shape;

    fn layout() -> Layout {
        Layout::new([(Shape::of(Gaussian, 784), false)]).unwrap()
    }

    #[test]
    fn rows_that_are_held_out_or_not_in_the_sample_fill_no_batch() {
        let rows = |config: FitConfig| training_rows(&config.val_fraction(0.1), 200_000, &layout());
        assert_eq!((rows(FitConfig::new()), rows(FitConfig::new().sample(5_000))), (180_000, 4_250));
    }

    #[test]
    fn a_batch_that_is_set_stays_and_neighbours_have_that_of_the_cpu() {
        let size = |config: FitConfig| with_batch_size(config, 200_000, &layout()).batch_size;
        assert_eq!((size(FitConfig::new()), size(FitConfig::new().batch_size(100))), (Some(4096), Some(100)));
        assert_eq!([FitConfig::new().preset(Preset::Map), FitConfig::new().neighbors(5)].map(size), [None, None]);
        assert_eq!(size(FitConfig::new().preset(Preset::Map).neighbors(0)), Some(4096));
    }
}
