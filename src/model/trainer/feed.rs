//! Batches as inputs of steps, on the device if the network is there.

#![forbid(unsafe_code)]

use super::StepInput;
use crate::batch::Batch;
use crate::error::Result;
use crate::model::tensors::{Placer, ResidentRows};
use crate::numerics::RandomStream;

/// Makes inputs of batches, on any thread, so that no step waits for the copy to a device.
pub(crate) struct Feed {
    placer: Option<Placer>,
}

impl Feed {
    /// For a device, or for the CPU.
    pub(super) fn new(placer: Option<Placer>) -> Self {
        Self { placer }
    }

    /// Whether rows go to a device.
    pub(crate) fn is_to_device(&self) -> bool {
        self.placer.is_some()
    }

    /// The input of a batch, with pairs of neighbours at its end, and the noise of its rows.
    pub(crate) fn input(&self, batch: Batch, pairs: usize, noise: RandomStream) -> Result<StepInput> {
        let placed = self.placer.as_ref().map(|placer| placer.place(&batch, noise)).transpose()?;
        Ok(StepInput { batch, pairs, noise, placed })
    }

    /// Copies `rows` rows to the device, to stay there; `None` if there is no device, or too little free memory on it.
    pub(crate) fn keep(
        &self,
        rows: usize,
        batches: impl Iterator<Item = Result<Batch>>,
    ) -> Result<Option<ResidentRows>> {
        self.placer.as_ref().map_or(Ok(None), |placer| placer.keep(rows, batches))
    }

    /// The input of rows that stay on the device, given their places there; `batch` has their numbers, and their values only if
    /// chance changes what the encoder sees.
    pub(crate) fn gather(
        &self,
        kept: &ResidentRows,
        places: &[u32],
        batch: Batch,
        pairs: usize,
        noise: RandomStream,
    ) -> Result<StepInput> {
        let placed = self.placer.as_ref().map(|placer| placer.gather(kept, places, &batch, noise)).transpose()?;
        Ok(StepInput { batch, pairs, noise, placed })
    }
}
