//! The importance-weighted bound of a row (Burda, Grosse & Salakhutdinov 2016, "Importance weighted autoencoders", eq.
//! 8).

use super::scorer::MemberView;
use crate::error::Result;
use crate::model::{Losses, Row};
use crate::numerics::log_mean_exp;
use crate::pipeline::Stop;

/// Draws per row. A power of two that divides the rows a decoder takes at once.
const DRAWS: usize = 64;

/// Draws decoded at once, unless a single row has more.
const DRAWS_PER_BATCH: usize = 4096;

/// Lower bounds of a row's log-likelihood, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    /// ln (1/K Σ w), over K draws of w = p(x | z)^c p(z) / q(z | x).
    pub(crate) weighted: f64,
    /// 1/K Σ ln w: the ELBO.
    pub(crate) elbo: f64,
}

impl MemberView<'_> {
    /// The score of each row: its negative importance-weighted bound.
    pub(super) fn importance_weighted(&self) -> Result<Vec<f32>> {
        Ok(self.bounds(DRAWS, &Stop::new())?.into_iter().map(|bounds| -bounds.weighted as f32).collect())
    }

    /// The bounds of each row by `draws` draws z from its posterior q. c = features / known features scales the
    /// likelihood of a row with missing values, as in the other scores.
    ///
    /// # Errors
    /// Those of the decoder, and [`Error::Interrupted`](crate::Error::Interrupted).
    pub(crate) fn bounds(&self, draws: usize, stop: &Stop) -> Result<Vec<Bounds>> {
        let (inputs, k) = (self.encoded.features, self.encoded.latent_dim);
        let ones = vec![1.0; inputs];
        let (mut z, mut output, mut losses) = (Vec::new(), Vec::new(), Losses::default());
        let mut drawn = vec![0.0; draws * k];
        let mut bounds = Vec::with_capacity(self.batch.rows());
        let rows_per_batch = (DRAWS_PER_BATCH / draws).max(1);
        for from in (0..self.batch.rows()).step_by(rows_per_batch) {
            stop.check()?;
            let range = from..self.batch.rows().min(from + rows_per_batch);
            let mut ratios = Vec::with_capacity(range.len() * draws);
            z.clear();
            output.clear();
            for row in range.clone() {
                let of_row = self.row(row, &ones);
                self.member.noise.child(of_row.key()).normals(&mut drawn);
                for drawn in drawn.chunks_exact(k) {
                    let mut ratio = 0.0;
                    for ((&mean, &s), &noise) in of_row.mean.iter().zip(of_row.log_variance).zip(drawn) {
                        let at = mean + noise * (s / 2.0).exp();
                        ratio += 0.5 * (f64::from(noise).powi(2) - f64::from(at).powi(2) + f64::from(s));
                        z.push(at);
                    }
                    ratios.push(ratio);
                }
            }
            let given = self.batch.given.repeat(range.clone(), self.batch.rows(), draws);
            self.member.vae.decode(&z, &given, &mut output)?;
            let outputs = output.len() / (range.len() * draws);
            for (row, (output, ratios)) in
                range.zip(output.chunks_exact(draws * outputs).zip(ratios.chunks_exact(draws)))
            {
                let Row { x, known, .. } = self.row(row, &ones);
                self.member.heads.losses(x, known, output, &mut losses);
                let scale = f64::from(inputs as f32 / self.encoded.known[row]);
                let logs = ratios.iter().zip(losses.nll()).map(|(ratio, nll)| ratio - scale * f64::from(nll));
                let logs: Vec<f64> = logs.collect();
                let elbo = logs.iter().sum::<f64>() / logs.len() as f64;
                bounds.push(Bounds { weighted: log_mean_exp(&logs), elbo });
            }
        }
        Ok(bounds)
    }
}
