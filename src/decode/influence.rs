//! What a dimension of the latent space means: what of a row it moves, and what of rows goes with it.

#![forbid(unsafe_code)]

use serde::Serialize;

use crate::artifact::Model;

/// What one dimension of the latent space has to do with one column, or with a part of it: a class, or a number of a
/// vector.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Influence {
    /// The column, or the leaf of a struct column.
    pub column: String,
    /// Which part of it, in words; absent if it is the column itself.
    pub part: Option<String>,
    /// By how much what the decoder expects of it rises when the latent rises by 1, on average about where training rows
    /// are; of a class or flag, its probability.
    pub effect: f64,
    /// The unit of `effect`, where it is not the column's own.
    pub unit: Option<&'static str>,
    /// The same in standard deviations of the column, which makes columns comparable; 0 for one that did not vary.
    pub relative_effect: f64,
    /// Spearman's rank correlation of the latent with it, over training rows; 0 if one of them did not vary.
    pub rank_correlation: f64,
}

impl Model {
    /// What each dimension of the latent space moves, `[latent_dim, columns and their parts]`: what it moves most first.
    /// Measured at the end of the fit on some of the training rows.
    pub fn influences(&self) -> Vec<Vec<Influence>> {
        let (features, aggregate) = (self.features(), self.aggregate());
        let outputs = features.kinds().iter().flat_map(|kind| {
            let shape = kind.feature().shape();
            (0..shape.elements * shape.classes).map(move |output| (kind, output))
        });
        let outputs: Vec<_> = outputs.collect();
        let of_dimension = |(effect, correlation): (&[f32], &[f32])| {
            let measured = effect.iter().zip(correlation).zip(&aggregate.deviation);
            let influence =
                |((kind, output), ((&effect, &correlation), &deviation)): (&(&crate::feature::Kind, usize), _)| {
                    let (effect, deviation): (f64, f64) = (f64::from(effect), f64::from(deviation));
                    Influence {
                        column: kind.column().to_string(),
                        part: kind.feature().part(*output),
                        effect,
                        unit: kind.feature().unit(*output),
                        relative_effect: if deviation > 0.0 { effect / deviation } else { 0.0 },
                        rank_correlation: f64::from(correlation),
                    }
                };
            let mut influences: Vec<Influence> = outputs.iter().zip(measured).map(influence).collect();
            influences.sort_by(|a, b| b.relative_effect.abs().total_cmp(&a.relative_effect.abs()));
            influences
        };
        let width = outputs.len();
        aggregate
            .effect
            .chunks_exact(width)
            .zip(aggregate.rank_correlation.chunks_exact(width))
            .map(of_dimension)
            .collect()
    }
}
