//! Rows that stay on the device: copied once, and gathered there for each batch.

use candle_core::{Device, Tensor};

use super::placer::{Placed, Placer};
use crate::batch::Batch;
use crate::error::Result;
use crate::numerics::RandomStream;

/// Rows on a device, by their places in a store: what the encoder sees of each, if that is not its row vector; the row
/// vector; 1 where known, if any value is missing.
pub(crate) struct ResidentRows {
    seen: Option<Tensor>,
    x: Tensor,
    known: Option<Tensor>,
}

/// The share of the device's free memory that rows may take: batches, the network and other programs need the rest.
const SHARE_OF_FREE: usize = 2;

/// Bytes that are free on a device. The host counts its own memory before.
fn free_bytes(device: &Device) -> usize {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(cuda) => cuda.cuda_stream().context().mem_get_info().map_or(0, |(free, _)| free),
        _ => usize::MAX,
    }
}

impl Placer {
    /// Copies `rows` rows to the device, which come in `batches` in the order of their places, if they take at most half of
    /// the memory that is free there.
    pub(crate) fn keep(
        &self,
        rows: usize,
        batches: impl Iterator<Item = Result<Batch>>,
    ) -> Result<Option<ResidentRows>> {
        let bytes = rows.saturating_mul(self.row_values()).saturating_mul(size_of::<f32>());
        if rows == 0 || u32::try_from(rows).is_err() || bytes > free_bytes(self.device()) / SHARE_OF_FREE {
            return Ok(None);
        }
        let mut kept: Option<ResidentRows> = None;
        let mut from = 0;
        for batch in batches {
            let batch = batch?;
            let part = self.place_rows(&batch, 0..batch.rows(), batch.rows(), None)?;
            let room = |like: &Tensor, one| self.room(rows, like.dims()[1], one);
            let all = match &mut kept {
                Some(all) => all,
                None => kept.insert(ResidentRows {
                    seen: if self.sees_row_vectors() { None } else { Some(room(&part.seen, false)?) },
                    x: room(&part.x, false)?,
                    known: None,
                }),
            };
            if all.known.is_none() && part.known.is_some() {
                all.known = Some(room(&part.x, true)?);
            }
            all.x.slice_set(&part.x, 0, from)?;
            if let Some(seen) = &all.seen {
                seen.slice_set(&part.seen, 0, from)?;
            }
            if let (Some(all), Some(known)) = (&all.known, &part.known) {
                all.slice_set(known, 0, from)?;
            }
            from += batch.rows();
        }
        Ok(kept)
    }

    /// The rows at these places of a store as a batch. Of `batch`, which has their numbers, only what chance made of them is
    /// copied: their noise, and what the encoder sees if values are hidden or have noise.
    pub(crate) fn gather(
        &self,
        kept: &ResidentRows,
        places: &[u32],
        batch: &Batch,
        noise: RandomStream,
    ) -> Result<Placed> {
        let places = self.indices(places)?;
        let take = |all: &Tensor| all.index_select(&places, 0);
        let x = take(&kept.x)?;
        let (shown, noise) = self.place_drawn(batch, noise)?;
        let seen = match (shown, &kept.seen) {
            (Some(shown), _) => shown,
            (None, Some(seen)) => take(seen)?,
            (None, None) => x.clone(),
        };
        Ok(Placed { seen, x, known: kept.known.as_ref().map(take).transpose()?, noise: Some(noise) })
    }
}
