//! Clusters of points: the peaks of a mixture's density.
//!
//! A mixture of normal distributions needs several components for a cluster of another shape. Components without a valley of the
//! density between them are one cluster: pairs are joined from the shallowest valley on, as in persistence-based clustering
//! (Chazal, Guibas, Oudot & Skraba 2013). Valleys are measured in the mean of several mixtures, so that the chance of one fit
//! makes none.

#![forbid(unsafe_code)]

use super::gaussian_mixture::GaussianMixture;
use super::log_sum_exp::log_mean_exp;
use super::random::RandomStream;
use crate::error::Result;
use crate::pipeline::{Pool, Stop};

/// A density below this share of the lower of two peaks, somewhere between them, is a valley. Between two equal round normal
/// distributions it is one from a distance of 3.3 standard deviations on, where a twentieth of each is nearer to the other.
const VALLEY: f64 = 0.5;

/// A cluster of a lower share of the points, or of fewer, is noise, and joined with another, if the number of clusters is not
/// given.
const LEAST_SHARE: f32 = 0.02;
const LEAST_POINTS: f32 = 10.0;

/// Most components for clusters whose number is not given. Their number doubles, until it did so in vain as often as this: four
/// may be likelier where two are not.
const MOST_COMPONENTS: usize = 32;
const IN_VAIN: usize = 2;

/// Points that a component needs for each dimension, on average.
const POINTS_A_DIMENSION: usize = 5;

/// Folds of the points for cross-validation.
const FOLDS: usize = 4;

/// Points between two centres at which the density is looked at.
const STEPS: usize = 24;

/// Fits from different first centres, of which the likeliest is taken.
const STARTS: usize = 4;

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
        let steps = of_component.windows(2).all(|pair| pair[1] == pair[0] || Some(pair[1]) == pair[0].checked_add(1));
        let sound = of_component.len() == mixture.weight.len() && of_component.first() == Some(&0) && steps;
        sound.then_some(Self { mixture, of_component })
    }

    /// The clusters of `points`, `[n, width]`: as many as are wanted, or as many peaks of the density as valleys separate, 1 at
    /// least. Clusters without a point are left out, so that there may be fewer than are wanted. Returns the number of points in
    /// each as well.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    pub(crate) fn fit(
        points: &[f32],
        width: usize,
        wanted: Option<usize>,
        noise: RandomStream,
        (pool, stop): (&Pool, &Stop),
    ) -> Result<(Self, Vec<u64>)> {
        let mut mixtures = cross_validated(points, width, noise.child(0), (pool, stop))?;
        let chosen = mixtures.first().map_or(1, |mixture| mixture.weight.len());
        let components = chosen.max(wanted.unwrap_or(1)).min(points.len() / width);
        let starts = if components > 1 { STARTS } else { 1 };
        let of_start = |start| {
            stop.check()?;
            let mixture = GaussianMixture::fit(points, width, components, noise.child(1 + start as u64));
            Ok((mixture.log_densities(points).iter().sum::<f64>(), mixture))
        };
        let fitted = pool.map(0..starts, of_start)?;
        let best = fitted.into_iter().reduce(|best, other| if other.0 > best.0 { other } else { best });
        let mixture = best.map_or_else(|| GaussianMixture::prior(width), |best| best.1);
        mixtures.push(mixture.clone());
        let least_share = LEAST_SHARE.max(LEAST_POINTS / (points.len() / width) as f32);
        let of_component = Peaks::of(&mixture, &mixtures).join(wanted, least_share);
        Ok(by_size(&mixture, &of_component, points))
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

/// Mixtures fitted to all points but those of each fold, of as many components, 1, 2, 4, …, as make the points of the folds
/// likeliest; none if there are too few points.
fn cross_validated(
    points: &[f32],
    width: usize,
    noise: RandomStream,
    (pool, stop): (&Pool, &Stop),
) -> Result<Vec<GaussianMixture>> {
    let n = points.len() / width;
    let of_fold = |fold: usize, inside: bool| -> Vec<f32> {
        let some = points.chunks_exact(width).enumerate().filter(|(at, _)| (at % FOLDS == fold) == inside);
        some.flat_map(|(_, point)| point.iter().copied()).collect()
    };
    let mut best = (f64::NEG_INFINITY, Vec::new());
    let (mut components, mut in_vain) = (1, 0);
    while components <= MOST_COMPONENTS
        && components * width * POINTS_A_DIMENSION * FOLDS <= n * (FOLDS - 1)
        && in_vain < IN_VAIN
    {
        let fitted = pool.map(0..FOLDS, |fold| {
            stop.check()?;
            let noise = noise.child(components as u64).child(fold as u64);
            let mixture = GaussianMixture::fit(&of_fold(fold, false), width, components, noise);
            Ok((mixture.log_densities(&of_fold(fold, true)).iter().sum::<f64>(), mixture))
        })?;
        let likelihood = fitted.iter().map(|(likelihood, _)| likelihood).sum::<f64>();
        if likelihood > best.0 {
            best = (likelihood, fitted.into_iter().map(|(_, mixture)| mixture).collect());
            in_vain = 0;
        } else {
            in_vain += 1;
        }
        components *= 2;
    }
    Ok(best.1)
}

/// The centres of components as peaks of a density, and the valleys between them.
struct Peaks {
    /// `[components]`: the logarithm of the density at each centre.
    heights: Vec<f64>,
    /// `[components, components]`: the lowest logarithm of the density on the line between two centres.
    saddles: Vec<Vec<f64>>,
    /// `[components]`: the share of the points.
    shares: Vec<f32>,
}

impl Peaks {
    /// Those of a mixture, in the mean of the densities of mixtures.
    fn of(mixture: &GaussianMixture, mixtures: &[GaussianMixture]) -> Self {
        let heights = mean_log_densities(mixtures, &mixture.mean);
        let centres: Vec<&[f32]> = mixture.mean.chunks_exact(mixture.width()).collect();
        let mut saddles = vec![vec![f64::INFINITY; centres.len()]; centres.len()];
        for (a, from) in centres.iter().enumerate() {
            let between = centres[a + 1..].iter().flat_map(|to| {
                (1..STEPS).flat_map(move |step| {
                    let share = step as f32 / STEPS as f32;
                    from.iter().zip(*to).map(move |(x, y)| x + share * (y - x))
                })
            });
            let logs = mean_log_densities(mixtures, &between.collect::<Vec<_>>());
            for (b, logs) in (a + 1..).zip(logs.chunks_exact(STEPS - 1)) {
                let saddle = logs.iter().copied().fold(heights[a].min(heights[b]), f64::min);
                (saddles[a][b], saddles[b][a]) = (saddle, saddle);
            }
        }
        Self { heights, saddles, shares: mixture.weight.clone() }
    }

    /// Joins peaks into clusters, from the shallowest valley on, until as many are left as are wanted, or only those that
    /// valleys separate and that have at least a share of the points. Returns the cluster of each peak.
    fn join(mut self, wanted: Option<usize>, least_share: f32) -> Vec<usize> {
        let mut of_peak: Vec<usize> = (0..self.heights.len()).collect();
        let mut left = of_peak.clone();
        while left.len() > wanted.unwrap_or(1) {
            let pairs = || left.iter().flat_map(|&a| left.iter().filter(move |&&b| b > a).map(move |&b| (a, b)));
            let by_depth =
                |x: &(usize, usize), y: &(usize, usize)| self.depth(*x).total_cmp(&self.depth(*y)).then(y.cmp(x));
            let is_small = |(a, b): &(usize, usize)| self.shares[*a].min(self.shares[*b]) < least_share;
            let shallow = pairs().max_by(by_depth).filter(|pair| wanted.is_some() || self.depth(*pair) >= VALLEY.ln());
            let Some((a, b)) = shallow.or_else(|| pairs().filter(is_small).max_by(by_depth)) else { break };
            of_peak.iter_mut().filter(|cluster| **cluster == b).for_each(|cluster| *cluster = a);
            left.retain(|cluster| *cluster != b);
            self.heights[a] = self.heights[a].max(self.heights[b]);
            self.shares[a] += self.shares[b];
            for &other in &left {
                let saddle = self.saddles[a][other].max(self.saddles[b][other]);
                (self.saddles[a][other], self.saddles[other][a]) = (saddle, saddle);
            }
        }
        of_peak
    }

    /// The logarithm of the valley between two peaks as a share of the lower one.
    fn depth(&self, (a, b): (usize, usize)) -> f64 {
        self.saddles[a][b] - self.heights[a].min(self.heights[b])
    }
}

/// The logarithm of the mean of the densities at each point.
fn mean_log_densities(mixtures: &[GaussianMixture], points: &[f32]) -> Vec<f64> {
    let logs: Vec<Vec<f64>> = mixtures.iter().map(|mixture| mixture.log_densities(points)).collect();
    let count = logs.first().map_or(0, Vec::len);
    (0..count).map(|point| log_mean_exp(&logs.iter().map(|logs| logs[point]).collect::<Vec<_>>())).collect()
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
        let pool = Pool::new(1).unwrap();
        MixtureClusters::fit(points, 2, wanted, RandomStream::new(1, "clusters"), (&pool, &Stop::new())).unwrap()
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
                let radius = 2.0 + 0.3 * (length - 1.0);
                [point[0] * radius / length, point[1] * radius / length]
            })
            .collect();
        assert_eq!(fit(&ring, None).0.number(), 1);
    }

    #[test]
    fn noise_is_no_cluster() {
        let noise = RandomStream::new(5, "noise");
        for outliers in [0, 60, 120] {
            let mut points = about(&[[-3.0, 0.0], [3.0, 0.0], [0.0, 5.0]], 600, 0.6, 5);
            points.extend((0..2 * outliers).map(|n| (noise.uniform(n) * 24.0 - 12.0) as f32));
            let (clusters, sizes) = fit(&points, None);
            assert_eq!(clusters.number(), 3, "{outliers}: {sizes:?}");
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
