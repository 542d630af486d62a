//! The decoder of a model: expected values of rows, and draws around them.

#![forbid(unsafe_code)]

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::failed;
use super::fixed_given::FixedGiven;
use crate::artifact::{Aggregate, Model, RANKS};
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::{Features, GivenRows, Likelihood};
use crate::model::{Heads, Vae};
use crate::numerics::{GaussianMixture, RandomStream};

/// Draws that measure the distribution of each element.
const DRAWS: u64 = 8192;

/// A decoder with the features and likelihoods of its outputs.
pub(crate) struct Decoder {
    pub(crate) features: Arc<Features>,
    vae: Arc<Vae>,
    heads: Heads,
}

/// Draws rows.
pub(crate) struct Generator {
    decoder: Arc<Decoder>,
    density: GaussianMixture,
    /// `[values]`: the standard deviation of each value's own residual.
    own: Vec<f32>,
    /// `[factors, values]`: the loadings of the residuals on shared factors.
    shared: Vec<f32>,
    temperature: f32,
    /// Quantiles of each Gaussian element at the same even ranks: of its draws, and of the training rows.
    ranks: Vec<[[f32; RANKS]; 2]>,
    /// `[rows, given elements]`: those of training rows, with what is fixed.
    given: Vec<f32>,
}

impl Decoder {
    pub(crate) fn new(model: &Model) -> Self {
        let features = model.features().clone();
        let heads = Heads::new(features.layout(), &model.metadata().network, model.weights());
        Self { vae: model.vae().clone(), heads, features }
    }

    /// The expected rows, `[rows, width]`, of latents, `[rows, latent_dim]`, and what is given of each; a category as its most
    /// likely class among those that have a word.
    pub(crate) fn expected(&self, z: &[f32], given: &GivenRows) -> Result<Vec<f32>> {
        let x = self.each(z, given, |element, output, _| {
            let reads = |class: usize| self.features.of_element(element).feature().reads(class);
            self.heads.expected(element, output, &reads)
        })?;
        Ok(self.features.layout().stored_rows(x, &given.elements))
    }

    /// What is given of rows that have the given columns, among others.
    ///
    /// # Errors
    /// [`Error::Read`](crate::Error::Read) if one cannot be read as it was at fit.
    pub(crate) fn given(&self, rows: &RecordBatch) -> Result<GivenRows> {
        if self.features.given().is_empty() {
            return Ok(GivenRows::default());
        }
        let given = self.features.given_part();
        let places = given.columns().iter().map(|name| rows.schema().index_of(name)).collect::<Result<Vec<_>, _>>();
        let columns = places.and_then(|places| rows.project(&places)).map_err(failed)?;
        Ok(Batch::encode(&given, &columns)?.0.given)
    }

    /// A number for each element, from the element, the outputs of its row, and the index of the row.
    fn each(&self, z: &[f32], given: &GivenRows, of: impl Fn(usize, &[f32], usize) -> f32) -> Result<Vec<f32>> {
        let (layout, mut outputs) = (self.features.layout(), Vec::new());
        self.vae.decode(z, &given.inputs, &mut outputs)?;
        let mut cells = Vec::with_capacity(z.len());
        for (row, output) in outputs.chunks_exact(layout.outputs()).enumerate() {
            cells.extend((0..layout.inputs()).map(|element| of(element, output, row)));
        }
        Ok(cells)
    }
}

impl Generator {
    /// A generator that draws latents from the fitted density, or from the prior.
    ///
    /// # Errors
    /// Those of the device.
    pub(crate) fn new(model: &Model, prior: bool, temperature: f64, fixed: &FixedGiven) -> Result<Self> {
        let Aggregate { density, residual, shared, quantiles, given, .. } = model.aggregate();
        let density = density.clone().filter(|_| !prior);
        let density = density.unwrap_or_else(|| GaussianMixture::prior(model.metadata().network.latent_dim));
        let decoder = Arc::new(Decoder::new(model));
        let of_factors =
            |value: usize| shared.iter().skip(value).step_by(residual.len()).map(|part| part * part).sum::<f32>();
        let own = |(value, all): (usize, &f32)| (all * all - of_factors(value)).max(0.0).sqrt();
        let own = residual.iter().enumerate().map(own).collect();
        let mut generator = Self {
            decoder,
            density,
            own,
            shared: shared.clone(),
            temperature: 1.0,
            ranks: Vec::new(),
            given: given.clone(),
        };
        generator.ranks = generator.ranks(quantiles)?;
        (generator.temperature, generator.given) = (temperature as f32, fixed.matching(given)?);
        Ok(generator)
    }

    /// Draws rows, `[rows, width]`, each from the child of `noise` of its number.
    pub(crate) fn draw(&self, rows: std::ops::Range<u64>, noise: RandomStream) -> Result<Vec<f32>> {
        let given = self.given(rows.clone(), noise);
        let x = self.draw_vectors(rows, &given, noise)?;
        Ok(self.decoder.features.layout().stored_rows(x, &given.elements))
    }

    /// What is given of rows: that of training rows drawn with replacement.
    fn given(&self, rows: std::ops::Range<u64>, noise: RandomStream) -> GivenRows {
        let layout = self.decoder.features.layout().given();
        let stored = self.given.len() / layout.elements().max(1);
        let mut elements = Vec::new();
        for row in rows.filter(|_| stored > 0) {
            let place = (noise.child(row).child(4).uniform(0) * stored as f64) as usize;
            elements.extend_from_slice(&self.given[place * layout.elements()..][..layout.elements()]);
        }
        layout.rows(elements)
    }

    /// Draws row vectors, `[rows, inputs]`, standardised by group.
    fn draw_vectors(&self, rows: std::ops::Range<u64>, given: &GivenRows, noise: RandomStream) -> Result<Vec<f32>> {
        let mut z = Vec::new();
        rows.clone().for_each(|row| self.density.draw(self.temperature, noise.child(row).child(0), &mut z));
        let (layout, values) = (self.decoder.features.layout(), self.own.len());
        // The shared part of each value's residual, `[rows, values]`.
        let mut common = vec![0.0; (rows.end - rows.start) as usize * values];
        let mut factors = vec![0.0; self.shared.len() / values.max(1)];
        for (row, common) in rows.clone().zip(common.chunks_exact_mut(values.max(1))) {
            noise.child(row).child(3).normals(&mut factors);
            for (factor, parts) in factors.iter().zip(self.shared.chunks_exact(values)) {
                common.iter_mut().zip(parts).for_each(|(sum, part)| *sum += factor * part);
            }
        }
        self.decoder.each(&z, given, |element, output, row| {
            let noise = noise.child(rows.start + row as u64).child(1).child(element as u64);
            match layout.spans()[element].likelihood {
                Likelihood::Gaussian => {
                    let mut normal = [0.0];
                    noise.normals(&mut normal);
                    let residual = common[row * values + element] + self.own[element] * normal[0];
                    let drawn = output[element] + self.temperature * residual;
                    self.ranks.get(element).map_or(drawn, |ranks| map_rank(drawn, ranks))
                }
                _ => self.class(element, output, noise),
            }
        })
    }

    /// Draws a class or flag, its probabilities raised to 1 / temperature.
    fn class(&self, element: usize, output: &[f32], noise: RandomStream) -> f32 {
        let feature = self.decoder.features.of_element(element).feature();
        let heads = &self.decoder.heads;
        if self.temperature == 0.0 {
            let likely = heads.expected(element, output, &|class| feature.reads(class));
            // Of a flag, this is the probability of a 1.
            return if feature.shape().classes > 1 { likely } else { likely.round() };
        }
        let mut p = Vec::new();
        heads.probabilities(element, output, &mut p);
        if self.temperature != 1.0 {
            let sharp = |p: f32| p.powf(1.0 / self.temperature);
            let flag = (p.len() == 1).then(|| sharp(1.0 - p[0]));
            p.iter_mut().for_each(|p| *p = sharp(*p));
            let sum = p.iter().sum::<f32>() + flag.unwrap_or_default();
            p.iter_mut().for_each(|p| *p /= sum.max(f32::MIN_POSITIVE));
        }
        let class = heads.draw(element, &p, &|class| feature.draws(class), noise);
        feature.drawn(class, noise.child(0).uniform(0))
    }

    /// The quantiles of some draws, paired with those of the training rows.
    fn ranks(&self, quantiles: &[f32]) -> Result<Vec<[[f32; RANKS]; 2]>> {
        let (inputs, noise) = (self.decoder.features.layout().inputs(), RandomStream::new(0, "ranks"));
        // Few rows of wide data at a time.
        let step = (1 << 22) / inputs as u64 + 1;
        let mut columns = vec![Vec::with_capacity(DRAWS as usize); self.own.len()];
        for from in (0..DRAWS).step_by(step as usize) {
            let rows = from..DRAWS.min(from + step);
            let given = self.given(rows.clone(), noise);
            for row in self.draw_vectors(rows, &given, noise)?.chunks_exact(inputs) {
                columns.iter_mut().zip(row).for_each(|(column, x)| column.push(*x));
            }
        }
        let of_element = |(mut column, quantiles): (Vec<f32>, &[f32])| {
            column.sort_by(f32::total_cmp);
            let at = |rank: usize| column[rank * (column.len() - 1) / (RANKS - 1)];
            [std::array::from_fn(at), std::array::from_fn(|rank| quantiles[rank])]
        };
        Ok(columns.into_iter().zip(quantiles.chunks_exact(RANKS)).map(of_element).collect())
    }
}

/// Maps `x` from its rank in the first quantiles to the value at that rank in the second.
fn map_rank(x: f32, [from, to]: &[[f32; RANKS]; 2]) -> f32 {
    let above = from.partition_point(|&value| value <= x);
    if above == 0 || above == RANKS {
        return if above == 0 { to[0] } else { to[RANKS - 1] };
    }
    let (low, high) = (from[above - 1], from[above]);
    to[above - 1] + (x - low) / (high - low) * (to[above] - to[above - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_goes_to_its_rank() {
        let from = std::array::from_fn(|rank| rank as f32);
        let to = std::array::from_fn(|rank| if rank < 32 { 0.0 } else { 10.0 * (rank as f32 - 32.0) });
        let ranks = [from, to];
        assert_eq!([-5.0, 3.3, 32.5, 33.0, 99.0].map(|x| map_rank(x, &ranks)), [0.0, 0.0, 5.0, 10.0, 320.0]);
    }
}
