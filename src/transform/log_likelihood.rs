//! The log-likelihood of rows under a model.

#![forbid(unsafe_code)]

use serde::Serialize;

use super::general::learned_route;
use crate::artifact::{Dimension, Model};
use crate::batch::{Batch, BatchSlicer};
use crate::config::OrderConfig;
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::source::Source;

/// Rows encoded at once.
const BATCH_ROWS: usize = 256;

/// Lower bounds of the mean log-likelihood of rows, in nats per row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LogLikelihood {
    /// Rows with a known value.
    pub rows: u64,
    /// Draws per row.
    pub samples: usize,
    /// The importance-weighted bound (Burda, Grosse & Salakhutdinov 2016, "Importance weighted autoencoders", eq. 8).
    pub importance_weighted: f64,
    /// Its standard error over the rows.
    pub standard_error: f64,
    /// The ELBO, a looser bound, from the same draws.
    pub elbo: f64,
    /// Dimensions of the latent space.
    pub dimensions: usize,
    /// Dimensions whose posterior mean has a variance above 0.01 over the rows.
    pub active: usize,
}

impl Model {
    /// Bounds the log-likelihood of rows by `samples` draws from each row's posterior. The draws depend only on the model's
    /// seed and the row. For a row with missing values, the log-likelihood of the known ones is scaled by features / known
    /// features. Numbers have a density on the model's scale, Booleans and categories a probability. A model with several
    /// networks is measured by its first.
    ///
    /// # Errors
    /// [`Error::MissingFeature`] and [`Error::WrongType`] if the source does not have the learned columns;
    /// [`Error::OptionRange`] for `samples` outside 1 to 100,000; those of the source.
    pub fn log_likelihood(&self, source: &Source, samples: usize, stop: &Stop) -> Result<LogLikelihood> {
        if !(1..=100_000).contains(&samples) {
            return Err(Error::OptionRange { option: "samples", value: samples.to_string(), range: "1 to 100000" });
        }
        let model = &*self.reading(source.types());
        let (source, features) = (&model.typed(source), model.features());
        self.check_order(&source.schema(), source.path())?;
        features
            .check(&self.with_windows(&source.schema()), source.path())
            .map_err(|error| source.with_mismatch(error))?;
        let (width, k) = (features.layout().width(), self.metadata().network.latent_dim);
        let (mut sums, mut square, mut rows) = ([0.0; 2], 0.0, 0_u64);
        let mut means = vec![[0.0; 2]; k];
        let route = learned_route(features);
        let windows = model.windower(&OrderConfig::default(), source.config(), stop)?;
        let batches = model.stream_features(source, windows.as_ref(), features, BATCH_ROWS)?;
        for slice in BatchSlicer::new(batches, BATCH_ROWS, route.budget()) {
            let batch = slice?.rows;
            let mut x = vec![0.0; batch.num_rows() * width];
            features.write(&batch, &mut x, &mut [])?;
            let batch = Batch::new((0..batch.num_rows() as u64).collect(), x, features.layout());
            let rows_of = self.scorer().rows(&batch)?;
            let seen = rows_of.first();
            let means_of = seen.encoded.mean.chunks_exact(k);
            for ((bounds, mean), known) in
                seen.bounds(samples, stop)?.into_iter().zip(means_of).zip(&seen.encoded.known)
            {
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
        // Without a row, NaN.
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
