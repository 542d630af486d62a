//! Copies of rows to the device, and of results back, one copy each. A copy to a device is made on the thread that reads
//! rows, while the step before computes.
//!
//! **Invariant:** nothing else of the model makes tensors of numbers, or numbers of tensors. Each is made by a
//! [`Placer`], which knows one device, or computed from such: no operation meets tensors of two devices.

use std::ops::Range;

use candle_core::{DType, Device, Result, Tensor};

use crate::batch::Batch;
use crate::feature::Layout;
use crate::numerics::RandomStream;

/// Alignment of the parts of a copy, in values: 256 bytes, as an allocation would have.
const ALIGNED: usize = 64;

/// Copies rows to a device, from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Placer {
    layout: Layout,
    latent_dim: usize,
    device: Device,
}

/// Rows on a device: what the encoder sees, `[rows, encoder inputs]`; the row vectors, `[rows, inputs]`; the same of 1
/// where known; noise, `[rows, latent_dim]`.
pub(crate) struct Placed {
    pub(super) seen: Tensor,
    pub(super) x: Tensor,
    pub(super) known: Option<Tensor>,
    pub(in crate::model) noise: Option<Tensor>,
}

/// Numbers that are copied together, and the place of each part.
#[derive(Default)]
struct Transfer {
    values: Vec<f32>,
}

impl Transfer {
    /// Makes room for `len` values, all 0, which `fill` may change; where they are.
    fn add(&mut self, len: usize, fill: impl FnOnce(&mut [f32])) -> Range<usize> {
        let start = self.values.len().next_multiple_of(ALIGNED);
        self.values.resize(start + len, 0.0);
        fill(&mut self.values[start..]);
        start..start + len
    }
}

impl Placer {
    /// For rows as `layout` has them and `latent_dim` numbers of noise each.
    pub(super) fn new(layout: &Layout, latent_dim: usize, device: &Device) -> Self {
        Self { layout: layout.clone(), latent_dim, device: device.clone() }
    }

    /// Numbers as a tensor.
    pub(in crate::model) fn tensor(&self, values: &[f32], shape: &[usize]) -> Result<Tensor> {
        Tensor::from_slice(values, shape, &self.device)
    }

    /// Places as a tensor.
    pub(super) fn indices(&self, places: &[u32]) -> Result<Tensor> {
        Tensor::from_slice(places, places.len(), &self.device)
    }

    /// Room for rows of this width, which are 0 at first, or 1.
    pub(super) fn room(&self, rows: usize, width: usize, one: bool) -> Result<Tensor> {
        let make = if one { Tensor::ones } else { Tensor::zeros };
        make((rows, width), DType::F32, &self.device)
    }

    /// Where rows are placed.
    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// Whether the encoder sees rows of which nothing is hidden as their row vectors.
    pub(super) fn sees_row_vectors(&self) -> bool {
        self.layout.values() == self.layout.encoder_inputs()
    }

    /// Values of a row in all parts: what the encoder sees, the row vector, and what is known of it.
    pub(super) fn row_values(&self) -> usize {
        let seen = if self.sees_row_vectors() { 0 } else { self.layout.encoder_inputs() };
        2 * self.layout.inputs() + seen
    }

    /// The noise of rows with these numbers, and what the encoder sees of a batch, if values are hidden or have noise.
    pub(super) fn place_drawn(&self, batch: &Batch, noise: RandomStream) -> Result<(Option<Tensor>, Tensor)> {
        let (rows, mut load) = (batch.rows(), Transfer::default());
        let (width, latent_dim) = (self.layout.encoder_inputs(), self.latent_dim);
        let seen = batch.shown.as_ref().map(|_| load.add(rows * width, |into| self.see(batch, 0..rows, into)));
        let noise = load.add(rows * latent_dim, |into| draw(&batch.ids, noise, into, latent_dim));
        let all = self.tensor(&load.values, &[load.values.len()])?;
        let part = |at: Range<usize>, width: usize| all.narrow(0, at.start, at.len())?.reshape((rows, width));
        Ok((seen.map(|seen| part(seen, width)).transpose()?, part(noise, latent_dim)?))
    }

    /// A batch with the noise its rows draw: a row draws from the child of its number.
    pub(crate) fn place(&self, batch: &Batch, noise: RandomStream) -> Result<Placed> {
        self.place_rows(batch, 0..batch.rows(), batch.rows(), Some(noise))
    }

    /// Rows `range` of a batch, filled up with zeros to `height` rows.
    pub(super) fn place_rows(
        &self,
        batch: &Batch,
        range: Range<usize>,
        height: usize,
        noise: Option<RandomStream>,
    ) -> Result<Placed> {
        let (inputs, width, latent_dim) = (self.layout.inputs(), self.layout.encoder_inputs(), self.latent_dim);
        let of_rows = |all: &[f32], into: &mut [f32]| {
            let rows = &all[range.start * inputs..range.end * inputs];
            into[..rows.len()].copy_from_slice(rows);
        };
        let mut load = Transfer::default();
        let x = load.add(height * inputs, |into| of_rows(&batch.x, into));
        let known = batch.known.as_ref().map(|known| load.add(height * inputs, |into| of_rows(known, into)));
        // Numbers alone, of which none is hidden, go over once.
        let seen = if batch.shown.is_none() && self.sees_row_vectors() {
            x.clone()
        } else {
            load.add(height * width, |into| self.see(batch, range.clone(), into))
        };
        let noise = noise.map(|noise| {
            load.add(height * latent_dim, |into| draw(&batch.ids[range.clone()], noise, into, latent_dim))
        });
        let all = self.tensor(&load.values, &[load.values.len()])?;
        let part = |at: Range<usize>, width: usize| all.narrow(0, at.start, at.len())?.reshape((height, width));
        Ok(Placed {
            seen: part(seen, width)?,
            x: part(x, inputs)?,
            known: known.map(|known| part(known, inputs)).transpose()?,
            noise: noise.map(|noise| part(noise, latent_dim)).transpose()?,
        })
    }

    /// Writes what the encoder sees of rows: values, a one a class and indicator, and the given inputs.
    fn see(&self, batch: &Batch, range: Range<usize>, into: &mut [f32]) {
        let (inputs, values) = (self.layout.inputs(), self.layout.values());
        let (x, known) = match &batch.shown {
            Some(shown) => (&shown.x, Some(&shown.known)),
            None => (&batch.x, batch.known.as_ref()),
        };
        for (row, seen) in range.zip(into.chunks_exact_mut(self.layout.encoder_inputs())) {
            let x = &x[row * inputs..][..inputs];
            seen[..values].copy_from_slice(&x[..values]);
            self.layout.ones(x, known.map(|known| &known[row * inputs..][..inputs])).for_each(|one| seen[one] = 1.0);
            let given = self.layout.given().inputs();
            seen[self.layout.own_inputs()..].copy_from_slice(&batch.given.inputs[row * given..][..given]);
        }
    }
}

/// Draws the noise of rows: each from the child of its number.
fn draw(ids: &[u64], noise: RandomStream, into: &mut [f32], latent_dim: usize) {
    ids.iter().zip(into.chunks_exact_mut(latent_dim)).for_each(|(&id, draw)| noise.child(id).normals(draw));
}

/// The numbers of some tensors of one device, row-major.
pub(super) fn numbers<const N: usize>(tensors: [&Tensor; N]) -> Result<[Vec<f32>; N]> {
    let lens = tensors.map(Tensor::elem_count);
    let mut all = all_numbers(&tensors)?;
    Ok(lens.map(|len| {
        let rest = all.split_off(len);
        std::mem::replace(&mut all, rest)
    }))
}

/// The same, one after the other.
pub(super) fn all_numbers(tensors: &[&Tensor]) -> Result<Vec<f32>> {
    let flat = tensors.iter().map(|tensor| tensor.flatten_all()).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&flat, 0)?.to_vec1()
}
