//! The loss that keeps neighbours together: contrastive, on the posterior means of pairs of rows.

#![forbid(unsafe_code)]

use crate::numerics::{sums, vectorized};

/// The distance in the latent space, in units of the prior's deviation, at which two rows are half as similar as equal ones.
const SCALE: f32 = 0.1;

/// The loss of pairs, and its gradient.
pub(super) struct NeighborLoss {
    /// Nats a pair.
    pub(super) value: f64,
    /// `[2 pairs, latent_dim]`: the derivative by each mean of the value times a weight.
    pub(super) by_mean: Vec<f32>,
}

/// The loss of pairs whose rows have these means, `[2 pairs, latent_dim]`: first one row of every pair, then their neighbours
/// in the same order.
///
/// InfoNCE with the Cauchy kernel of t-SNE (Damrich, Böhm, Hamprecht & Kobak 2023, "From t-SNE to UMAP with contrastive
/// learning"), in both directions as in CLIP (Radford et al. 2021): half the mean over the pairs of
/// -ln(q(i, i) / Σⱼ q(i, j)) - ln(q(i, i) / Σⱼ q(j, i)), where q(i, j) = 1 / (1 + d²/s²), d is the distance of the row of pair i
/// from the neighbour of pair j, and s is [`SCALE`]. The two of a pair shall be closer to each other than to those of others.
pub(super) fn neighbor_loss(mean: &[f32], latent_dim: usize, weight: f64) -> NeighborLoss {
    let (rows, neighbors) = mean.split_at(mean.len() / 2);
    let mut loss = one_way(mean, latent_dim, weight / 2.0);
    let back = one_way(&[neighbors, rows].concat(), latent_dim, weight / 2.0);
    let (of_neighbors, of_rows) = back.by_mean.split_at(neighbors.len());
    loss.value = (loss.value + back.value) / 2.0;
    loss.by_mean.iter_mut().zip(of_rows.iter().chain(of_neighbors)).for_each(|(by, back)| *by += back);
    loss
}

/// The same in one direction: of each row of a pair among all neighbours.
fn one_way(mean: &[f32], latent_dim: usize, weight: f64) -> NeighborLoss {
    let pairs = mean.len() / latent_dim / 2;
    let (rows, neighbors) = mean.split_at(pairs * latent_dim);
    // Of each dimension, the coordinates of all neighbours, and the derivatives by them.
    let across: Vec<f32> =
        (0..latent_dim).flat_map(|d| neighbors.iter().skip(d).step_by(latent_dim).copied()).collect();
    let mut by_across = vec![0.0; across.len()];
    let mut by_mean = vec![0.0; mean.len()];
    let mut similar = vec![0.0; pairs];
    let (precision, share) = (1.0 / (SCALE * SCALE), (weight / pairs.max(1) as f64) as f32);
    let mut value = 0.0;
    for (i, (row, by_row)) in rows.chunks_exact(latent_dim).zip(by_mean.chunks_exact_mut(latent_dim)).enumerate() {
        vectorized(
            #[inline(always)]
            || {
                similar.fill(0.0);
                for (x, across) in row.iter().zip(across.chunks_exact(pairs)) {
                    similar.iter_mut().zip(across).for_each(|(square, y)| *square += (x - y) * (x - y));
                }
                similar.iter_mut().for_each(|it| *it = 1.0 / (1.0 + precision * *it));
                let [total] = sums([&similar], |[similar]| [similar]);
                let own = similar[i];
                value -= f64::from((own / total).ln()) / pairs as f64;
                // By the squared distance: -q/s² times the share of q in the sum, less 1 for the neighbour of the row.
                let factor = -2.0 * precision * share;
                similar.iter_mut().for_each(|q| *q *= factor * *q / total);
                similar[i] -= factor * own;
                let each =
                    row.iter().zip(by_row).zip(across.chunks_exact(pairs).zip(by_across.chunks_exact_mut(pairs)));
                for ((x, by_x), (across, by_across)) in each {
                    let [by] = sums([&similar, across], |[by, y]| [by * (x - y)]);
                    *by_x = by;
                    by_across.iter_mut().zip(&similar).zip(across).for_each(|((by_y, by), y)| *by_y -= by * (x - y));
                }
            },
        );
    }
    let by_neighbors = by_mean[pairs * latent_dim..].chunks_exact_mut(latent_dim);
    for (neighbor, by) in by_neighbors.enumerate() {
        by.iter_mut().enumerate().for_each(|(d, by)| *by = by_across[d * pairs + neighbor]);
    }
    NeighborLoss { value, by_mean }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RandomStream;

    /// ```python
    /// import torch
    /// m = torch.tensor([[0.0, 0.1], [0.3, -0.2], [0.05, 0.2], [0.25, 0.0]], requires_grad=True)
    /// q = 1 / (1 + torch.cdist(m[:2], m[2:]) ** 2 / 0.01)
    /// loss = -(q.diagonal() ** 2 / (q.sum(0) * q.sum(1))).log().mean() / 2; loss.backward(); print(loss.item(), m.grad)
    /// ```
    #[test]
    fn the_loss_and_its_gradient_match_pytorch() {
        let mean = [0.0, 0.1, 0.3, -0.2, 0.05, 0.2, 0.25, 0.0];
        let NeighborLoss { value, by_mean } = neighbor_loss(&mean, 2, 1.0);
        assert!((value - 0.257_402_66).abs() < 1e-6, "{value}");
        let gradient = [
            0.577_766_8,
            -1.037_828_8,
            0.126_428_22,
            -0.857_255_6,
            0.482_610_43,
            0.437_906_38,
            -1.186_805_5,
            1.457_178,
        ];
        for (found, expected) in by_mean.iter().zip(gradient) {
            assert!((found - expected).abs() < 1e-5, "{by_mean:?}");
        }
    }

    #[test]
    fn the_gradient_matches_finite_differences() {
        let mut mean = vec![0.0; 2 * 37 * 3];
        RandomStream::new(1, "mean").normals(&mut mean);
        mean.iter_mut().for_each(|mean| *mean *= 0.2);
        let by_mean = neighbor_loss(&mean, 3, 1.0).by_mean;
        const H: f32 = 1e-3;
        for place in 0..mean.len() {
            let at = |h: f32| {
                let mut moved = mean.clone();
                moved[place] += h;
                neighbor_loss(&moved, 3, 1.0).value
            };
            let slope = (at(H) - at(-H)) / f64::from(2.0 * H);
            assert!(
                (slope - f64::from(by_mean[place])).abs() < 2e-3 * slope.abs() + 1e-3,
                "{slope} {}",
                by_mean[place]
            );
        }
    }

    #[test]
    fn a_weight_multiplies_the_gradient_and_no_pair_has_none() {
        let mean = [0.0, 0.3, 0.1, 0.2];
        let [one, two] = [1.0, 2.0].map(|weight| neighbor_loss(&mean, 1, weight).by_mean);
        assert!(one.iter().zip(&two).all(|(one, two)| (2.0 * one - two).abs() < 1e-6 && *one != 0.0));
        assert!(neighbor_loss(&[], 2, 1.0).by_mean.is_empty());
    }
}
