//! Clusters of points: the peaks of a mixture's density.
//!
//! A mixture of normal distributions needs several components for a cluster of another shape. Components without a valley of the
//! density between them are one cluster: pairs are joined from the shallowest valley on, as in persistence-based clustering
//! (Chazal, Guibas, Oudot & Skraba 2013).

#![forbid(unsafe_code)]

use super::gaussian_mixture::GaussianMixture;
use super::random::RandomStream;

/// A density below this share of the lower of two peaks, somewhere between them, is a valley. Between two equal round normal
/// distributions it is one from a distance of 3.3 standard deviations on, where a twentieth of each is nearer to the other.
const VALLEY: f64 = 0.5;

/// Most components for clusters whose number is not given.
const MOST_COMPONENTS: usize = 64;

/// One point of so many is held out to choose the number of components.
const HELD_OUT: usize = 4;

/// Points between two centres at which the density is looked at.
const STEPS: usize = 24;

/// Points whose clusters are told together. The number is fixed and the last block padded, so that the bits of none depend on
/// others.
const BLOCK_ROWS: usize = 128;

/// Clusters, numbered by size.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MixtureClusters {
    pub(crate) mixture: GaussianMixture,
    /// `[components]`: the cluster of each, ascending from 0.
    pub(crate) of_component: Vec<usize>,
}

impl MixtureClusters {
    /// Clusters of these parts; `None` unless the components of each cluster stand together, in the order of the clusters.
    pub(crate) fn new(mixture: GaussianMixture, of_component: Vec<usize>) -> Option<Self> {
        let steps = of_component.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1);
        let sound = of_component.len() == mixture.weight.len() && of_component.first() == Some(&0) && steps;
        sound.then_some(Self { mixture, of_component })
    }

    /// The clusters of `points`, `[n, width]`: as many as are wanted, or as many peaks of the density as valleys separate, 1 at
    /// least. Clusters without a point are left out, so that there may be fewer than are wanted. The number of components is
    /// chosen by the likelihood of points held out. Returns the number of points in each cluster as well.
    pub(crate) fn fit(points: &[f32], width: usize, wanted: Option<usize>, noise: RandomStream) -> (Self, Vec<u64>) {
        let (mut fitted, mut held_out) = (Vec::new(), Vec::new());
        for (n, point) in points.chunks_exact(width).enumerate() {
            let into = if n % HELD_OUT == HELD_OUT - 1 { &mut held_out } else { &mut fitted };
            into.extend_from_slice(point);
        }
        let chosen = GaussianMixture::choose(&fitted, &held_out, width, MOST_COMPONENTS, noise.child(0));
        let components = chosen.map_or(1, |chosen| chosen.weight.len()).max(wanted.unwrap_or(1));
        let mixture = GaussianMixture::fit_best(points, width, components.min(points.len() / width), noise.child(1));
        let of_component = join(&mixture, wanted);
        by_size(&mixture, &of_component, points)
    }

    /// Number of clusters.
    pub(crate) fn number(&self) -> usize {
        self.of_component.last().map_or(0, |last| last + 1)
    }

    /// The cluster of each point, `[n, width]`, and the probability that it is of this cluster.
    pub(crate) fn assign(&self, points: &[f32]) -> Vec<(usize, f32)> {
        assign(&self.mixture, &self.of_component, points)
    }
}

/// The cluster of each point, and its probability, if `of_component` is the cluster of each component.
fn assign(mixture: &GaussianMixture, of_component: &[usize], points: &[f32]) -> Vec<(usize, f32)> {
    let (width, components) = (mixture.width(), of_component.len());
    let mut assigned = Vec::with_capacity(points.len() / width);
    let (mut padded, mut white) = (vec![0.0; BLOCK_ROWS * width], Vec::new());
    let mut logs = vec![0.0; BLOCK_ROWS * components];
    let mut shares = vec![0.0; of_component.iter().max().map_or(0, |last| last + 1)];
    for block in points.chunks(BLOCK_ROWS * width) {
        padded[..block.len()].copy_from_slice(block);
        padded[block.len()..].fill(0.0);
        mixture.weighted_logs(&padded, &mut white, &mut logs);
        for logs in logs.chunks_exact(components).take(block.len() / width) {
            let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            shares.fill(0.0);
            for (log, cluster) in logs.iter().zip(of_component) {
                // A point that overflows is as far from all.
                shares[*cluster] += if most.is_finite() { (log - most).exp() } else { 1.0 };
            }
            let best = (1..shares.len()).fold(0, |best, other| if shares[other] > shares[best] { other } else { best });
            assigned.push((best, (shares[best] / shares.iter().sum::<f64>()) as f32));
        }
    }
    assigned
}

/// Numbers clusters by how many of the points are in each, the largest first.
fn by_size(mixture: &GaussianMixture, of_component: &[usize], points: &[f32]) -> (MixtureClusters, Vec<u64>) {
    let mut sizes = vec![0_u64; of_component.len()];
    assign(mixture, of_component, points).into_iter().for_each(|(cluster, _)| sizes[cluster] += 1);
    let mut order: Vec<usize> = (0..sizes.len()).filter(|&cluster| sizes[cluster] > 0).collect();
    order.sort_by_key(|&cluster| std::cmp::Reverse(sizes[cluster]));
    let components = |old: usize| (0..of_component.len()).filter(move |&it| of_component[it] == old);
    let taken: Vec<(usize, usize)> =
        (0..).zip(&order).flat_map(|(new, &old)| components(old).map(move |component| (component, new))).collect();
    let (taken, of_component): (Vec<usize>, Vec<usize>) = taken.into_iter().unzip();
    let clusters = MixtureClusters { mixture: mixture.of_components(&taken), of_component };
    (clusters, order.into_iter().map(|cluster| sizes[cluster]).collect())
}

/// Joins components into clusters, from the shallowest valley on, until as many are left as are wanted, or only valleys.
/// Returns the cluster of each, from 0.
fn join(mixture: &GaussianMixture, wanted: Option<usize>) -> Vec<usize> {
    let mut peaks = mixture.log_densities(&mixture.mean);
    let components = peaks.len();
    let mut saddles = saddles(mixture, &peaks);
    let mut of_component: Vec<usize> = (0..components).collect();
    for left in (1..components).rev() {
        let mut alive = of_component.clone();
        alive.sort_unstable();
        alive.dedup();
        let pairs = alive.iter().flat_map(|&a| alive.iter().filter(move |&&b| b > a).map(move |&b| (a, b)));
        let depth = |(a, b): (usize, usize)| saddles[a][b] - peaks[a].min(peaks[b]);
        let Some((a, b)) = pairs.max_by(|x, y| depth(*x).total_cmp(&depth(*y)).then(y.cmp(x))) else { break };
        if wanted.map_or(depth((a, b)) < VALLEY.ln(), |wanted| left < wanted) {
            break;
        }
        of_component.iter_mut().filter(|cluster| **cluster == b).for_each(|cluster| *cluster = a);
        peaks[a] = peaks[a].max(peaks[b]);
        for other in 0..components {
            let saddle = saddles[a][other].max(saddles[b][other]);
            (saddles[a][other], saddles[other][a]) = (saddle, saddle);
        }
    }
    of_component
}

/// The lowest logarithm of the density on the line between the centres of each two components, `[components, components]`.
fn saddles(mixture: &GaussianMixture, peaks: &[f64]) -> Vec<Vec<f64>> {
    let centres: Vec<&[f32]> = mixture.mean.chunks_exact(mixture.width()).collect();
    let mut saddles = vec![vec![f64::INFINITY; centres.len()]; centres.len()];
    for (a, from) in centres.iter().enumerate() {
        let others = &centres[a + 1..];
        let between = others.iter().flat_map(|to| {
            (1..STEPS).flat_map(move |step| {
                let share = step as f32 / STEPS as f32;
                from.iter().zip(*to).map(move |(x, y)| x + share * (y - x))
            })
        });
        let logs = mixture.log_densities(&between.collect::<Vec<_>>());
        for (b, logs) in (a + 1..).zip(logs.chunks_exact(STEPS - 1)) {
            let saddle = logs.iter().copied().fold(peaks[a].min(peaks[b]), f64::min);
            (saddles[a][b], saddles[b][a]) = (saddle, saddle);
        }
    }
    saddles
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` points about each centre, one after the other.
    fn about(centres: &[[f32; 2]], n: usize, spread: f32, seed: u64) -> Vec<f32> {
        let mut points = vec![0.0; 2 * n * centres.len()];
        RandomStream::new(seed, "points").normals(&mut points);
        for (at, point) in points.chunks_exact_mut(2).enumerate() {
            let centre = centres[at % centres.len()];
            (point[0], point[1]) = (centre[0] + spread * point[0], centre[1] + spread * point[1]);
        }
        points
    }

    fn fit(points: &[f32], wanted: Option<usize>) -> (MixtureClusters, Vec<u64>) {
        MixtureClusters::fit(points, 2, wanted, RandomStream::new(1, "clusters"))
    }

    #[test]
    fn separate_groups_are_clusters_by_size() {
        let centres = [[-4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [-4.0, 0.0], [4.0, 0.0], [-4.0, 0.0]];
        let (clusters, sizes) = fit(&about(&centres, 300, 0.7, 1), None);
        assert_eq!(clusters.number(), 3);
        assert!(sizes.iter().zip([900, 600, 300]).all(|(found, all)| found.abs_diff(all) < 10), "{sizes:?}");
        let told = clusters.assign(&[-4.0, 0.0, 4.0, 0.0, 0.0, 4.0, 0.0, 0.0]);
        assert_eq!(told[..3].iter().map(|told| told.0).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(told[..3].iter().all(|told| told.1 > 0.99) && told[3].1 < 0.99, "{told:?}");
        // No point's answer depends on others.
        assert_eq!(clusters.assign(&[0.0, 4.0]), told[2..3]);
    }

    #[test]
    fn one_group_of_any_shape_is_one_cluster() {
        assert_eq!(fit(&about(&[[0.0; 2]], 4000, 1.0, 2), None).0.number(), 1);
        let noise = RandomStream::new(3, "even");
        let even: Vec<f32> = (0..8000).map(|n| noise.uniform(n) as f32).collect();
        assert_eq!(fit(&even, None).0.number(), 1);
        let ring = about(&[[0.0; 2]], 4000, 1.0, 4);
        let ring: Vec<f32> = ring
            .chunks_exact(2)
            .flat_map(|point| {
                let length = point[0].hypot(point[1]);
                [point[0] * (2.0 / length + 0.1), point[1] * (2.0 / length + 0.1)]
            })
            .collect();
        assert_eq!(fit(&ring, None).0.number(), 1);
    }

    #[test]
    fn noise_is_no_cluster() {
        let noise = RandomStream::new(5, "noise");
        for outliers in [0, 60, 200] {
            let mut points = about(&[[-3.0, 0.0], [3.0, 0.0], [0.0, 5.0]], 600, 0.6, 5);
            points.extend((0..2 * outliers).map(|n| (noise.uniform(n) * 24.0 - 12.0) as f32));
            assert_eq!(fit(&points, None).0.number(), 3, "{outliers}");
        }
    }

    #[test]
    fn as_many_as_are_wanted_unless_too_few_points_differ() {
        let points = about(&[[-4.0, 0.0], [4.0, 0.0], [0.0, 4.0]], 300, 0.7, 6);
        for wanted in [1, 2, 3, 5] {
            assert_eq!(fit(&points, Some(wanted)).0.number(), wanted);
        }
        assert_eq!(fit(&[0.5; 40], Some(3)).0.number(), 1);
        assert_eq!(fit(&[0.5, 1.0], Some(3)).0.number(), 1);
    }

    #[test]
    fn parts_that_contradict_each_other_are_no_clusters() {
        let (clusters, _) = fit(&about(&[[-4.0, 0.0], [4.0, 0.0]], 300, 0.7, 7), Some(2));
        let new = |of: &[usize]| MixtureClusters::new(clusters.mixture.clone(), of.to_vec());
        assert_eq!(new(&clusters.of_component), Some(clusters.clone()));
        let components = clusters.of_component.len();
        assert_eq!(new(&vec![1; components]), None);
        assert_eq!(new(&vec![0; components + 1]), None);
    }
}
