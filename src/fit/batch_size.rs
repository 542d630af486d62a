//! The default rows of a gradient step.

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

/// The same on a device, if it is larger there, for rows of `width` values: a device computes a few thousand rows in the time
/// of a few hundred. A power of two. A fit aims for a number of steps, so that it has more epochs instead of fewer steps.
pub(super) fn larger_batch_size(rows: usize, width: usize) -> Option<usize> {
    let power_below = |number: usize| (number + 1).next_power_of_two() / 2;
    let most = MOST_ON_DEVICE.min(power_below(MOST_VALUES / width.max(1)));
    Some(power_below(rows / FEWEST_STEPS).min(most)).filter(|size| *size > batch_size(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_larger_batches_of_large_tables_only() {
        let sizes = [100, 3_999, 9_000, 20_000, 60_000, 200_000, 10_000_000].map(|rows| larger_batch_size(rows, 784));
        assert_eq!(sizes, [None, None, None, Some(512), Some(1024), Some(4096), Some(4096)]);
        assert_eq!([50_000, 1_000_000].map(|width| larger_batch_size(200_000, width)), [Some(1024), None]);
    }
}
