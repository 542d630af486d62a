//! What a missing number is expected to be, from the rows before it and after it: the best linear unbiased predictor by their
//! variogram (ordinary kriging; Matheron 1963). The rows of a side count as the nearest, and means over the next 2, 4 and 8.

use super::recent::RecentRows;
use super::variogram::Variogram;

/// Groups of rows on each side, and the rows that they have together.
const GROUPS: usize = 4;
pub(super) const REACH: usize = (1 << GROUPS) - 1;

/// A predictor whose weights are larger than this together is not trusted.
const MOST_WEIGHT: f64 = 4.0;

/// The shares of the variogram of rows side by side that each group has more as its own variance (a nugget): the first by which a
/// predictor is trusted. Without them weights follow the errors of a variogram, above all where a number is nearly regular.
const NUGGETS: [f64; 3] = [0.1, 1.0, 10.0];

/// A number and its standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bridged {
    pub(super) value: f64,
    pub(super) deviation: f64,
}

/// Rows that count together: where they are, and the mean of their values.
struct JointRows {
    rows: Vec<usize>,
    mean: f64,
}

/// What column `column` of row `row` is expected to be, where the nearest rows that are known are `before`, if there is one, and
/// `after`.
pub(super) fn bridge(
    recent: &RecentRows,
    column: usize,
    variogram: &Variogram,
    row: usize,
    (before, after): (Option<usize>, usize),
) -> Option<Bridged> {
    let of_group = |places: &mut dyn Iterator<Item = Option<usize>>| {
        let known = places.flatten().filter_map(|row| Some((row, recent.get(row, column)?)));
        let (rows, values): (Vec<usize>, Vec<f64>) = known.unzip();
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        (!rows.is_empty()).then_some(JointRows { rows, mean })
    };
    let offsets = |group: usize| (1 << group) - 1..(2 << group) - 1;
    let earlier = (0..GROUPS).map(|group| of_group(&mut offsets(group).map(|offset| before?.checked_sub(offset))));
    let later = (0..GROUPS).map(|group| of_group(&mut offsets(group).map(|offset| Some(after + offset))));
    let groups: Vec<JointRows> = earlier.chain(later).flatten().collect();
    let trusted = NUGGETS.iter().find_map(|nugget| predict(&groups, variogram, *nugget, row));
    let nearest =
        || [before, Some(after)].iter().filter_map(|row| of_group(&mut [*row].into_iter())).collect::<Vec<_>>();
    trusted.or_else(|| predict(&nearest(), variogram, NUGGETS[0], row)).or_else(|| {
        // The number did not vary in the fit: a straight line.
        let right = recent.get(after, column)?;
        let slope =
            before.map_or(Some(0.0), |before| Some((right - recent.get(before, column)?) / (after - before) as f64))?;
        Some(Bridged { value: right - slope * (after - row) as f64, deviation: 0.0 })
    })
}

/// The predictor of a row from groups; `None` if its weights cannot be found or trusted.
fn predict(groups: &[JointRows], variogram: &Variogram, nugget: f64, row: usize) -> Option<Bridged> {
    let n = groups.len();
    let mean = |a: &[usize], b: &[usize]| {
        let sum: f64 = a.iter().flat_map(|&a| b.iter().map(move |&b| variogram.at(a.abs_diff(b)))).sum();
        sum / (a.len() * b.len()) as f64
    };
    // Equations of the weights and of the multiplier that makes them sum to 1, `[n + 1, n + 2]`.
    let mut rows = vec![vec![1.0; n + 2]; n + 1];
    for (i, group) in groups.iter().enumerate() {
        for (j, other) in groups.iter().enumerate() {
            rows[i][j] = mean(&group.rows, &other.rows);
        }
        rows[i][i] -= nugget * variogram.at(1);
        rows[i][n + 1] = mean(&group.rows, &[row]);
    }
    rows[n][n] = 0.0;
    let right: Vec<f64> = rows.iter().map(|row| row[n + 1]).collect();
    let weights = solve(rows)?;
    let size: f64 = weights[..n].iter().map(|weight| weight.abs()).sum();
    let value = weights.iter().zip(groups).map(|(weight, group)| weight * group.mean).sum();
    let variance: f64 = weights.iter().zip(&right).map(|(weight, right)| weight * right).sum();
    (size <= MOST_WEIGHT).then(|| Bridged { value, deviation: variance.max(0.0).sqrt() })
}

/// The solution of linear equations, each with its right side last, by elimination with pivots; `None` if there is not one.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let n = rows.len();
    for at in 0..n {
        let pivot = (at..n).max_by(|&a, &b| rows[a][at].abs().total_cmp(&rows[b][at].abs()))?;
        rows.swap(at, pivot);
        let (above, below) = rows.split_at_mut(at + 1);
        let pivot = &above[at];
        if pivot[at] == 0.0 || !pivot[at].is_finite() {
            return None;
        }
        for row in below {
            let factor = row[at] / pivot[at];
            row[at..].iter_mut().zip(&pivot[at..]).for_each(|(x, y)| *x -= factor * y);
        }
    }
    let mut solution = vec![0.0; n];
    for at in (0..n).rev() {
        let rest: f64 = (at + 1..n).map(|other| rows[at][other] * solution[other]).sum();
        solution[at] = (rows[at][n] - rest) / rows[at][at];
    }
    solution.iter().all(|x| x.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::variogram::Differences;

    /// The recent rows and the variogram of many rows.
    fn of(values: impl Iterator<Item = f64>) -> (RecentRows, Variogram) {
        let (mut recent, differences) = (RecentRows::default(), Differences::new(1));
        for (number, value) in (0..).zip(values) {
            let row = recent.push(&[value]);
            differences.add(number, &recent, row, 1);
        }
        (recent, differences.variogram(0))
    }

    #[test]
    fn between_rows_of_a_random_walk_the_bridge_is_brownian() {
        let (_, walk) = of((0..2000).map(f64::from));
        assert_eq!(walk.at(3), 4.5, "half of the square");
        let walk: Variogram =
            serde_json::from_value(serde_json::json!((1..96).map(|n| f64::from(n) / 2.0).collect::<Vec<_>>())).unwrap();
        let mut recent = RecentRows::default();
        for row in 0..60 {
            let missing = (21..30).contains(&row);
            recent.push(&[if missing { f64::NAN } else { f64::from(row % 7) }]);
        }
        for row in 21..30 {
            let found = bridge(&recent, 0, &walk, row, (Some(20), 30)).unwrap();
            let (left, right, share) = (6.0, 2.0, (row - 20) as f64 / 10.0);
            assert!((found.value - (left + (right - left) * share)).abs() < 0.2, "row {row}: {found:?}");
            let variance = (row - 20) as f64 * (30 - row) as f64 / 10.0;
            assert!((found.deviation - variance.sqrt()).abs() < 0.05 * variance, "row {row}: {found:?}");
        }
    }

    #[test]
    fn a_gap_without_rows_before_it_is_that_of_the_rows_after_it() {
        let walk: Variogram =
            serde_json::from_value(serde_json::json!((1..96).map(|n| f64::from(n) / 2.0).collect::<Vec<_>>())).unwrap();
        let mut recent = RecentRows::default();
        (0..40).for_each(|row| {
            recent.push(&[if row < 10 { f64::NAN } else { 5.0 }]);
        });
        for row in 0..10 {
            let found = bridge(&recent, 0, &walk, row, (None, 10)).unwrap();
            let variance = (10 - row) as f64;
            assert!((found.value - 5.0).abs() < 1e-9, "row {row}: {found:?}");
            assert!((found.deviation - variance.sqrt()).abs() < 0.1 * variance.sqrt(), "row {row}: {found:?}");
        }
    }

    #[test]
    fn a_wave_goes_on_through_a_gap_and_a_still_number_stays() {
        let wave = |row: usize| (row as f64 / 24.0 * std::f64::consts::TAU).sin();
        let reading = |row: usize| wave(row) + ((row * 7919 % 101) as f64 - 50.0) / 250.0;
        let (_, variogram) = of((0..5000).map(reading));
        let mut recent = RecentRows::default();
        (0..96).for_each(|row| {
            recent.push(&[if (40..60).contains(&row) { f64::NAN } else { reading(row) }]);
        });
        let error = |of: &dyn Fn(usize) -> f64| (40..60).map(|row| (of(row) - wave(row)).abs()).sum::<f64>();
        let ours = error(&|row| bridge(&recent, 0, &variogram, row, (Some(39), 60)).unwrap().value);
        let straight = error(&|row| reading(39) + (reading(60) - reading(39)) * (row - 39) as f64 / 21.0);
        assert!(ours < 0.1 * straight, "an error of {ours}, and {straight} of a straight line");
        let (still, variogram) = of((0..90).map(|_| 3.0));
        for before in [Some(49), None] {
            let bridged = bridge(&still, 0, &variogram, 50, (before, 51));
            assert_eq!(bridged, Some(Bridged { value: 3.0, deviation: 0.0 }));
        }
    }
}
