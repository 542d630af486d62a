//! Decoded rows in which the values of ordered pairs are in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::precision::Rounding;
use super::{Column, Features, OrderedPair};

/// Puts the values of ordered pairs in order, row by row.
pub(crate) struct OrderedValues {
    features: Arc<Features>,
    /// The features of the pairs, and how firmly each value stays.
    columns: Vec<(usize, Firmness)>,
    /// Sorted so that every pair into a column comes before those out of it.
    pairs: Vec<PlacedPair>,
}

/// Which of two values moves: the less firm one, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Firmness {
    Drawn,
    /// A value of a training row.
    Given,
    /// A value that the user gives.
    Fixed,
}

/// A pair, as places in the columns.
#[derive(Debug, Clone, Copy)]
struct PlacedPair {
    low: usize,
    high: usize,
    gap: f64,
}

/// The features of pairs, and the pairs as places among them, sorted so that every pair into a feature comes before those out of
/// it. `None` if they cannot be compared or go in a circle.
fn placed(features: &Features, pairs: &[OrderedPair]) -> Option<(Vec<usize>, Vec<PlacedPair>)> {
    let place = |pair: &OrderedPair| {
        let is_sound = pair.gap.is_finite() && pair.gap >= 0.0;
        pair.places(features).filter(|_| is_sound).map(|places| (places, pair.gap))
    };
    let mut left: Vec<([usize; 2], f64)> = pairs.iter().map(place).collect::<Option<_>>()?;
    let mut open: BTreeSet<usize> = left.iter().flat_map(|(places, _)| *places).collect();
    let (mut columns, mut sorted) = (Vec::new(), Vec::new());
    while !open.is_empty() {
        // A feature that is the larger one in no pair that is left.
        let is_lowest = |place: &usize| left.iter().all(|([_, high], _)| high != place);
        let lowest = open.iter().copied().find(is_lowest)?;
        open.remove(&lowest);
        columns.push(lowest);
        sorted.extend(left.extract_if(.., |([low, _], _)| *low == lowest));
    }
    let at = |place: usize| columns.iter().position(|column| *column == place);
    let placed = |([low, high], gap): ([usize; 2], f64)| Some(PlacedPair { low: at(low)?, high: at(high)?, gap });
    let pairs = sorted.into_iter().map(placed).collect::<Option<_>>()?;
    Some((columns, pairs))
}

impl OrderedValues {
    /// Whether these pairs of a model file can be put in order.
    pub(crate) fn accepts(features: &Features, pairs: &[OrderedPair]) -> bool {
        placed(features, pairs).is_some()
    }

    /// For these pairs; the columns that `is_fixed` accepts do not change. `None` if [`accepts`](Self::accepts) does not.
    pub(crate) fn new(
        features: &Arc<Features>,
        pairs: &[OrderedPair],
        is_fixed: impl Fn(&Column) -> bool,
    ) -> Option<Self> {
        let (columns, pairs) = placed(features, pairs)?;
        let learned = features.kinds().len();
        let firmness = |place: usize| match features.all().nth(place) {
            Some(kind) if is_fixed(kind.column()) => Firmness::Fixed,
            _ if place >= learned => Firmness::Given,
            _ => Firmness::Drawn,
        };
        let columns = columns.into_iter().map(|place| (place, firmness(place))).collect();
        Some(Self { features: features.clone(), columns, pairs })
    }

    /// The values in rows, `[rows, width]`, of each feature of a pair that moves, in order.
    pub(crate) fn of(&self, rows: &[f32]) -> BTreeMap<usize, Vec<f64>> {
        let of_feature = |(feature, _): &(usize, Firmness)| self.features.values(*feature, rows);
        let mut columns: Vec<Vec<f64>> = self.columns.iter().map(of_feature).collect();
        let (mut values, mut moved) = (vec![0.0; columns.len()], vec![false; columns.len()]);
        for row in 0..columns.first().map_or(0, Vec::len) {
            values.iter_mut().zip(&columns).for_each(|(value, column)| *value = column[row]);
            if self.pairs.iter().any(|pair| pair.is_broken(&values)) {
                self.put_in_order(&mut values);
                for ((column, value), moved) in columns.iter_mut().zip(&values).zip(&mut moved) {
                    *moved |= column[row] != *value && !value.is_nan();
                    column[row] = *value;
                }
            }
        }
        let moved = self.columns.iter().zip(columns).zip(moved).filter(|(_, moved)| *moved);
        moved.map(|(((feature, _), column), _)| (*feature, column)).collect()
    }

    fn put_in_order(&self, values: &mut [f64]) {
        // A difference that is too small by some is made too large by as much: its distribution is folded at the gap.
        for pair in self.pairs.iter().copied() {
            if pair.is_broken(values) {
                let PlacedPair { low, high, gap } = pair;
                let missing = gap - (values[high] - values[low]);
                let [low_moves, high_moves] = self.movable(pair);
                let by = if low_moves && high_moves { missing } else { 2.0 * missing };
                if low_moves {
                    values[low] = self.rounded(low, values[low] - by, Rounding::Nearest);
                }
                if high_moves {
                    values[high] = self.rounded(high, values[high] + by, Rounding::Nearest);
                }
            }
        }
        // Rounding, the ranges and other pairs may break it again: raise values from the lowest column up, then lower those that
        // the range of a higher one holds back.
        for pair in self.pairs.iter().copied().filter(|pair| self.movable(*pair)[1]) {
            if pair.is_broken(values) {
                values[pair.high] = self.rounded(pair.high, values[pair.low] + pair.gap, Rounding::Up);
            }
        }
        for pair in self.pairs.iter().rev().copied().filter(|pair| self.movable(*pair)[0]) {
            if pair.is_broken(values) {
                values[pair.low] = self.rounded(pair.low, values[pair.high] - pair.gap, Rounding::Down);
            }
        }
    }

    /// Whether the lower and the higher value of a pair may move.
    fn movable(&self, PlacedPair { low, high, .. }: PlacedPair) -> [bool; 2] {
        let [low, high] = [low, high].map(|column| self.columns[column].1);
        [(low, high), (high, low)].map(|(own, other)| own <= other && own < Firmness::Fixed)
    }

    fn rounded(&self, column: usize, value: f64, rounding: Rounding) -> f64 {
        self.features.scalar(self.columns[column].0).rounded(value, rounding)
    }
}

impl PlacedPair {
    /// Whether both values are known and their difference is too small, by more than a rounding error.
    fn is_broken(&self, values: &[f64]) -> bool {
        let [low, high] = [values[self.low], values[self.high]];
        let error = 4.0 * f64::EPSILON * (low.abs() + high.abs());
        // Equal values are no error where they are allowed, and an order broken by little still is.
        high - low < self.gap - if self.gap > 0.0 { error } else { 0.0 }
    }
}
