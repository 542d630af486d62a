//! The memory check: rejects a network that is too large to train, since a system that runs out of memory kills the program
//! without a message.

use super::cgroup;
use crate::config::Training;
use crate::error::{Error, Result};
use crate::feature::Layout;
use crate::model::Network;

/// Most copies of the parameters, beside a gradient per shard: the current ones with two moments of the optimiser; the same
/// of the last good state, twice while it is replaced; and the best so far.
const COPIES: u64 = 3 + 2 * 3 + 1;

/// Values per row and unit of the network, forward and backward.
const VALUES_A_UNIT: u64 = 4;

/// Rejects a network that needs more memory to train on `rows` rows than is free.
///
/// # Errors
/// [`Error::TooLarge`].
pub(super) fn check(network: &Network, layout: &Layout, training: &Training, rows: usize) -> Result<()> {
    let parameters = network.parameters(layout);
    let needed = bytes(network, parameters, layout.encoder_inputs() + layout.outputs(), training, rows);
    let mut probe = Vec::<u8>::new();
    let allocated = usize::try_from(needed).is_ok_and(|needed| probe.try_reserve_exact(needed).is_ok());
    if !allocated {
        return Err(Error::TooLarge { parameters, needed, free: None });
    }
    match free() {
        Some(free) if free < needed => Err(Error::TooLarge { parameters, needed, free: Some(free) }),
        _ => Ok(()),
    }
}

/// Most bytes that training takes, beside the rows.
fn bytes(network: &Network, parameters: usize, cells: usize, training: &Training, rows: usize) -> u64 {
    let batch = training.step_rows(rows).max(training.shard_rows);
    let shards = batch.div_ceil(training.shard_rows) as u64;
    let units = network.hidden.iter().fold(cells + 3 * network.latent_dim, |sum, width| sum + 2 * width) as u64;
    let values = (parameters as u64).saturating_mul(COPIES + shards);
    let activations = (batch as u64).saturating_mul(units).saturating_mul(VALUES_A_UNIT);
    values.saturating_add(activations).saturating_mul(size_of::<f32>() as u64)
}

/// Bytes of free memory; `None` on systems that do not report them.
fn free() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    let machine = machine.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next());
    let machine = machine?.parse::<u64>().ok()?.saturating_mul(1 << 10);
    // A container may have less.
    Some(cgroup::free().map_or(machine, |own| machine.min(own)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FitConfig;
    use crate::feature::Likelihood::Gaussian;
    use crate::feature::Shape;
    use crate::fit::defaults;
    use crate::fit::missing_rates::MissingRates;

    #[test]
    fn what_cannot_be_is_refused_and_what_is_usual_is_not() {
        let layout = Layout::new([(Shape::of(Gaussian, 100), false)]).unwrap();
        let check = |config: FitConfig| {
            let network = defaults::network(&config, 100, 1_000_000, MissingRates::new(0, 1));
            check(&network, &layout, &defaults::training(&config, 100, 1_000_000, 1, false), 1_000_000)
        };
        check(FitConfig::new()).unwrap();
        let error = check(FitConfig::new().hidden([65_536; 16])).unwrap_err();
        assert!(matches!(error, Error::TooLarge { parameters, .. } if parameters > 30 * (1 << 32)), "{error}");
    }

    #[test]
    fn every_copy_counts() {
        let config = FitConfig::new().hidden([1000, 1000]).latent_dim(10).batch_size(256);
        let (network, training) = (
            defaults::network(&config, 10, 5000, MissingRates::new(0, 1)),
            defaults::training(&config, 10, 5000, 1, false),
        );
        assert_eq!(training.shard_rows, 64);
        // 4 gradients; 20 elements, 4000 hidden units, 30 values of the latents.
        assert_eq!(bytes(&network, 1_000_000, 20, &training, 5000), 4 * (14 * 1_000_000 + 256 * 4050 * 4));
    }
}
