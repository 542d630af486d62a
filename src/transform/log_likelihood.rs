//! How likely a model makes rows.

#![forbid(unsafe_code)]

use serde::Serialize;

use crate::artifact::{Dimension, Model};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::source::ParquetSource;

/// Rows encoded at once.
const BATCH_ROWS: usize = 256;

/// Bounds of the mean log-likelihood of rows, in nats a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LogLikelihood {
    /// Rows, those without a known value left out.
    pub rows: u64,
    /// Draws a row.
    pub samples: usize,
    /// The importance-weighted bound (Burda, Grosse & Salakhutdinov 2016, "Importance weighted autoencoders", eq. 8).
    pub importance_weighted: f64,
    /// Its standard error over the rows.
    pub standard_error: f64,
    /// The ELBO, a looser bound, by the same draws.
    pub elbo: f64,
    /// Dimensions of the latent space, and those whose posterior mean varies by more than 0.01 over the rows.
    pub dimensions: usize,
    /// See `dimensions`.
    pub active: usize,
}

impl Model {
    /// Bounds the log-likelihood of rows by `samples` draws from each row's posterior, which depend on the model's seed and
    /// the row alone. Of a row with missing values, that of its known ones is scaled by features / known features. A number
    /// has a density, on the model's scale; only of Booleans and categories are these probabilities. Of several networks it
    /// is the first that is measured.
    ///
    /// # Errors
    /// [`Error::MissingFeature`] and [`Error::WrongType`] if the source is not what the model learned from;
    /// [`Error::OptionRange`] for `samples` outside 1 to 100,000; the source's.
    pub fn log_likelihood(&self, source: &ParquetSource, samples: usize, stop: &Stop) -> Result<LogLikelihood> {
        if !(1..=100_000).contains(&samples) {
            return Err(Error::OptionRange { option: "samples", value: samples.to_string(), range: "1 to 100000" });
        }
        let features = self.features();
        features.check(&source.schema(), source.path())?;
        let (inputs, k) = (features.layout().inputs(), self.metadata().network.latent_dim);
        let (mut sums, mut square, mut rows) = ([0.0; 2], 0.0, 0_u64);
        let mut means = vec![[0.0; 2]; k];
        for batch in source.scan(&features.columns(), BATCH_ROWS) {
            stop.check()?;
            let (_, batch) = batch?;
            let mut x = vec![0.0; batch.num_rows() * inputs];
            features.write(&batch, &mut x)?;
            let batch = Batch::new(0, (0..batch.num_rows() as u64).collect(), x, features.layout());
            let rows_of = self.scorer().rows(&batch)?;
            let seen = rows_of.first();
            let means_of = seen.encoded.mean.chunks_exact(k);
            for ((bounds, mean), known) in seen.bounds(samples)?.into_iter().zip(means_of).zip(&seen.encoded.known) {
                if *known == 0.0 {
                    continue;
                }
                rows += 1;
                (sums[0], sums[1]) = (sums[0] + bounds.weighted, sums[1] + bounds.elbo);
                square += bounds.weighted * bounds.weighted;
                for (sums, &mean) in means.iter_mut().zip(mean) {
                    let mean = f64::from(mean);
                    *sums = [sums[0] + mean, sums[1] + mean * mean];
                }
            }
        }
        // Of no row, not a number.
        let mean = |sum: f64| sum / rows as f64;
        let variance = |[sum, square]: [f64; 2]| (mean(square) - mean(sum).powi(2)).max(0.0);
        let of = |sums: &[f64; 2]| Dimension { kl: 0.0, variance: variance(*sums) };
        Ok(LogLikelihood {
            rows,
            samples,
            importance_weighted: mean(sums[0]),
            standard_error: (variance([sums[0], square]) / rows as f64).sqrt(),
            elbo: mean(sums[1]),
            dimensions: k,
            active: means.iter().filter(|sums| of(sums).is_active()).count(),
        })
    }
}
