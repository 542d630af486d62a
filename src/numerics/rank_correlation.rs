//! Spearman's rank correlation.

#![forbid(unsafe_code)]

/// Spearman's rank correlation of pairs: the correlation of their ranks, where equal values share the mean of their ranks.
/// `None` of fewer than two pairs, or if all values of one side are equal.
pub(crate) fn rank_correlation(pairs: &[(f32, f32)]) -> Option<f64> {
    let ranks = [pairs.iter().map(|pair| pair.0).collect(), pairs.iter().map(|pair| pair.1).collect()].map(mean_ranks);
    let middle = (pairs.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum::<f64>();
    let [a, b] = &ranks;
    let scale = (product(a, a) * product(b, b)).sqrt();
    (scale > 0.0).then(|| product(a, b) / scale)
}

/// The rank of each value, from 0.
fn mean_ranks(values: Vec<f32>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let (mut ranks, mut first) = (vec![0.0; values.len()], 0);
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = first as f64 + (equal.len() as f64 - 1.0) / 2.0;
        equal.iter().for_each(|&row| ranks[row] = rank);
        first += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_scipys() {
        // scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]).statistic = 0.8207826816681233
        let tied = [(1.0, 5.0), (2.0, 6.0), (3.0, 7.0), (4.0, 8.0), (5.0, 7.0)];
        assert!((rank_correlation(&tied).unwrap() - 0.820_782_681_668_123_3).abs() < 1e-12);
        assert_eq!(rank_correlation(&[(1.0, -3.0), (2.0, -4.0), (9.0, -5.0)]), Some(-1.0));
        assert_eq!(rank_correlation(&[(1.0, 2.0)]), None);
        assert_eq!(rank_correlation(&[(1.0, 2.0), (2.0, 2.0)]), None);
    }
}
