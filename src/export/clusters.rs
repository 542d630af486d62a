//! The cluster of each row: the mixture of normal distributions over the latents.

#![forbid(unsafe_code)]

use super::graph::{Attribute, GraphBuilder, Tensor};
use super::schema::ElementType;
use crate::numerics::{MixtureClusters, invert_lower};

/// The cluster of latents, `[rows, latent_dim]`, and its probability: i32 and f32 `[rows, 1]`.
pub(super) fn assigned(graph: &mut GraphBuilder, clusters: &MixtureClusters, z: &Tensor) -> [Tensor; 2] {
    graph.section("clusters");
    let (mixture, components) = (&clusters.mixture, clusters.of_component.len());
    let k = mixture.mean.len() / components;
    // x L⁻ᵀ of every component side by side, `[latent_dim, components, latent_dim]`, less the same of its mean.
    let mut whitening = vec![0.0_f32; k * components * k];
    let (mut centers, mut constants) = (Vec::new(), Vec::new());
    for (n, factor) in mixture.factor.chunks_exact(k * k).enumerate() {
        let factor: Vec<f64> = factor.iter().copied().map(f64::from).collect();
        let inverse = invert_lower(&factor, k);
        let mean = &mixture.mean[n * k..][..k];
        for (i, row) in inverse.chunks_exact(k).enumerate() {
            row.iter().enumerate().for_each(|(j, &value)| whitening[(j * components + n) * k + i] = value as f32);
            centers.push(row.iter().zip(mean).map(|(a, b)| a * f64::from(*b)).sum::<f64>() as f32);
        }
        let log_size: f64 = (0..k).map(|i| factor[i * k + i].ln()).sum();
        constants.push((f64::from(mixture.weight[n]).ln() - log_size) as f32);
    }
    let whitening = graph.float_table(&whitening, &[k, components * k]);
    let (centers, constants, half) = (graph.floats(&centers), graph.floats(&constants), graph.floats(&[0.5]));
    let white = graph.op("MatMul", &[z, &whitening]);
    let white = graph.op("Sub", &[&white, &centers]);
    let shape = graph.ints(&[-1, components as i64, k as i64]);
    let white = graph.op("Reshape", &[&white, &shape]);
    let squares = graph.op("Mul", &[&white, &white]);
    let square = graph.sum(&squares, false);
    let halves = graph.op("Mul", &[&square, &half]);
    let logs = graph.op("Sub", &[&constants, &halves]);
    let shares = graph.op_with("Softmax", &[&logs], vec![("axis", Attribute::Int(-1))]);
    let number = clusters.number();
    let mut membership = vec![0.0; components * number];
    clusters.of_component.iter().enumerate().for_each(|(n, cluster)| membership[n * number + cluster] = 1.0);
    let membership = graph.float_table(&membership, &[components, number]);
    let shares = graph.op("MatMul", &[&shares, &membership]);
    let one = graph.ints(&[1]);
    let [share, cluster] = graph.op_of_two("TopK", &[&shares, &one], vec![("axis", Attribute::Int(-1))]);
    [graph.cast(&cluster, ElementType::Int32), share]
}
