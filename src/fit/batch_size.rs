//! The default rows of a gradient step.

use crate::config::FitConfig;
use crate::model::TensorDevice;

/// Most rows of a step on a device, by default.
const MOST_ON_DEVICE: usize = 4096;

/// Most values of a step on a device, by default: 256 MiB, of which a step holds a few at once.
const MOST_VALUES: usize = 1 << 26;

/// Fewest steps of an epoch on a device, if fewer rows a step would allow more.
const FEWEST_STEPS: usize = 32;

/// Decides the most rows of a step for `rows` training rows.
pub(super) fn batch_size(rows: usize) -> usize {
    match rows {
        0..300 => 32,
        300..1000 => 64,
        1000..4000 => 128,
        _ => 256,
    }
}

/// The same on a device, which computes a few thousand rows in the time of a few hundred: a power of two. A fit aims for a
/// number of steps, so that it has more epochs instead of fewer steps.
fn batch_size_on_device(rows: usize, columns: usize) -> usize {
    let power_below = |number: usize| (number + 1).next_power_of_two() / 2;
    let most = MOST_ON_DEVICE.min(power_below(MOST_VALUES / columns.max(1)));
    power_below(rows / FEWEST_STEPS).min(most).max(batch_size(rows))
}

/// The options with the batch size that is the default on `device`, for a table of so many rows and columns.
pub(super) fn with_batch_size(mut config: FitConfig, device: &TensorDevice, rows: u64, columns: usize) -> FitConfig {
    if !device.is_cpu() {
        let rows = usize::try_from(config.sample.unwrap_or(rows).min(rows)).unwrap_or(usize::MAX - 1);
        config.batch_size.get_or_insert(batch_size_on_device(rows, columns));
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_larger_batches_of_large_tables_only() {
        let sizes = [100, 5_000, 20_000, 60_000, 200_000, 10_000_000].map(|rows| batch_size_on_device(rows, 784));
        assert_eq!(sizes, [32, 256, 512, 1024, 4096, 4096]);
        assert_eq!([50_000, 1_000_000].map(|columns| batch_size_on_device(200_000, columns)), [1024, 256]);
        assert_eq!(with_batch_size(FitConfig::new(), &TensorDevice::Cpu, 200_000, 784).batch_size, None);
    }
}
