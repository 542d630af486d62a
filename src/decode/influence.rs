//! Meaning of the latent dimensions: the columns that each one moves, and those that it correlates with.

#![forbid(unsafe_code)]

use serde::Serialize;

use crate::artifact::Model;

/// The influence of one latent dimension on one column, or on a part of it: a class, or a number of a vector.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Influence {
    /// The column, or the leaf of a struct column.
    pub column: String,
    /// The part of the column, in words; absent for the whole column.
    pub part: Option<String>,
    /// The rise of its expected value when the latent rises by 1, averaged over training rows; for a class or flag, of its
    /// probability.
    pub effect: f64,
    /// The unit of `effect`, if it is not the column's own.
    pub unit: Option<&'static str>,
    /// `effect` in standard deviations of the column, which makes columns comparable; 0 for a constant column.
    pub relative_effect: f64,
    /// Spearman's rank correlation of the latent and the column over training rows; 0 if either is constant.
    pub rank_correlation: f64,
}

impl Model {
    /// The influences of each latent dimension, `[latent_dim, columns and their parts]`, the largest first. The fit
    /// measures them on a sample of the training rows.
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
