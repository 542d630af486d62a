//! Pairs of columns with one order in all rows, such as the start and the end of something.
//!
//! They are found in two steps. A sample of the rows, of all columns together, gives the pairs whose order no row of it breaks;
//! all rows then confirm them. A pair is left out if chance explains it: were the columns independent, hardly any row would
//! break the order.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::precision::Rounding;
use super::scalar::Quantity;
use super::{Candidate, Column, Features};

/// Most columns that are compared with each other, and most pairs that are kept.
const MOST_COLUMNS: usize = 1024;
const MOST_PAIRS: usize = 256;

/// Rows that are compared first.
const FIRST: usize = 8;

/// Fewest rows of the sample that know both values.
const FEWEST_ROWS: usize = 64;

/// Fewest rows that would break the order if the columns were independent: one in e^20 such pairs has none.
const FEWEST_BREAKS: f64 = 20.0;

/// The error of a value in the row vector, as a share of its column's range: f32, four times over.
const ERROR: f64 = 2.0 * f32::EPSILON as f64;

/// Two columns of one quantity: `low` is at most `high` in all rows of the fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OrderedPair {
    /// The column with the smaller values.
    pub low: Column,
    /// The column with the larger values.
    pub high: Column,
    /// The smallest difference at fit, 0 or more; of times and durations in seconds.
    pub gap: f64,
}

impl OrderedPair {
    /// Its columns as features; `None` if they cannot be compared.
    pub(super) fn places(&self, features: &Features) -> Option<[usize; 2]> {
        let place = |column: &Column| features.all().position(|kind| kind.column() == column);
        let places = [place(&self.low)?, place(&self.high)?];
        let quantity = |place: usize| Some(features.all().nth(place)?.feature().scalar()?.quantity());
        (quantity(places[0])? == quantity(places[1])? && places[0] != places[1]).then_some(places)
    }
}

/// A column's values in a sample of rows, rounded.
struct SampledColumn<'a> {
    column: &'a Column,
    quantity: Quantity,
    /// The first of its values, which tell most pairs apart.
    first: [f64; FIRST],
    values: Vec<f64>,
    sorted: Vec<f64>,
}

impl SampledColumn<'_> {
    /// The share of pairs of a row with any other in which `self` is larger than `high`, if it is in no row itself.
    fn breaks(&self, high: &Self) -> Option<f64> {
        if self.first.iter().zip(&high.first).any(|(a, b)| a > b) {
            return None;
        }
        let (mut known, mut differ) = (0, false);
        for (a, b) in self.values.iter().zip(&high.values) {
            if a > b {
                return None;
            }
            known += usize::from(a <= b);
            differ |= a < b;
        }
        if known < FEWEST_ROWS || !differ {
            return None;
        }
        let mut below = 0;
        let mut pairs = 0;
        for a in &self.sorted {
            below += high.sorted[below..].iter().take_while(|b| *b < a).count();
            pairs += below;
        }
        Some(pairs as f64 / (self.sorted.len() * high.sorted.len()) as f64)
    }
}

/// The pairs that the sample of `rows` rows has, the surest first.
pub(crate) fn candidate_pairs(surveyed: &[Candidate], features: &Features, rows: u64) -> Vec<OrderedPair> {
    let scalars = features.all().filter_map(|kind| Some((kind.column(), kind.feature().scalar()?)));
    let scalars: Vec<_> = scalars.collect();
    if scalars.len() > MOST_COLUMNS {
        return Vec::new();
    }
    let samples: HashMap<&str, &[f64]> = surveyed
        .iter()
        .filter_map(|candidate| Some((candidate.column().name(), candidate.survey().sampled_values()?)))
        .collect();
    let columns = scalars.into_iter().filter_map(|(column, scalar)| {
        let values = samples.get(column.name())?.iter().map(|&value| scalar.rounded(value, Rounding::Nearest));
        let values: Vec<f64> = values.collect();
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let first = std::array::from_fn(|row| values.get(row).copied().unwrap_or(f64::NAN));
        Some(SampledColumn { column, quantity: scalar.quantity(), first, values, sorted })
    });
    let columns: Vec<SampledColumn<'_>> = columns.collect();
    let mut pairs = Vec::new();
    for low in &columns {
        for high in columns.iter().filter(|high| high.quantity == low.quantity) {
            let breaks = low.breaks(high).filter(|share| share * rows as f64 >= FEWEST_BREAKS);
            pairs.extend(breaks.map(|share| (share, low.column, high.column)));
        }
    }
    // A stable sort: equal ones in the order of the columns.
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
    pairs.truncate(MOST_PAIRS);
    pairs.into_iter().map(|(_, low, high)| OrderedPair { low: low.clone(), high: high.clone(), gap: 0.0 }).collect()
}

/// Confirms pairs with all rows of a fit.
pub(crate) struct OrderCheck<'a> {
    features: &'a Features,
    pairs: Vec<CheckedPair>,
}

struct CheckedPair {
    pair: OrderedPair,
    places: [usize; 2],
    /// By how much a difference may be too small, since the rows are encoded.
    slack: f64,
    least: f64,
}

impl<'a> OrderCheck<'a> {
    pub(crate) fn new(features: &'a Features, pairs: Vec<OrderedPair>) -> Self {
        let checked = |pair: OrderedPair| {
            let places = pair.places(features)?;
            let [low, high] = places.map(|place| features.scalar(place));
            let ranges = [low, high].map(|scalar| scalar.range()).map(|[min, max]| max - min);
            let error = ERROR * (ranges[0] + ranges[1]);
            // Rounding takes the error away.
            let step = low.smallest_difference().min(high.smallest_difference());
            let slack = if step > 4.0 * error { 0.0 } else { error };
            Some(CheckedPair { pair, places, slack, least: f64::INFINITY })
        };
        Self { features, pairs: pairs.into_iter().filter_map(checked).collect() }
    }

    /// Whether no pair is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Adds rows, `[rows, width]`.
    pub(crate) fn add(&mut self, rows: &[f32]) {
        let mut values = HashMap::new();
        for place in self.pairs.iter().flat_map(|checked| checked.places) {
            let of_feature = || self.features.scalar(place).values(&self.features.part(place, rows));
            values.entry(place).or_insert_with(of_feature);
        }
        self.pairs.retain_mut(|CheckedPair { places: [low, high], slack, least, .. }| {
            let differences = values[low].iter().zip(&values[high]).map(|(low, high)| high - low);
            // A difference of a missing value is NaN, which the minimum ignores.
            *least = differences.fold(*least, f64::min);
            *least >= -*slack
        });
    }

    /// The pairs that all rows confirm, each with its gap; none that follows from others.
    pub(crate) fn finish(self) -> Vec<OrderedPair> {
        let (mut edges, mut pairs) = (Vec::new(), Vec::new());
        for CheckedPair { pair, places: [low, high], slack, least } in self.pairs {
            // Where values are missing, pairs may go in a circle.
            if least.is_finite() && !reaches(&edges, high, low) {
                edges.push([low, high]);
                pairs.push(OrderedPair { gap: (least - slack).max(0.0), ..pair });
            }
        }
        let is_needed = |n: usize| {
            let others: Vec<[usize; 2]> = edges[..n].iter().chain(&edges[n + 1..]).copied().collect();
            !reaches(&others, edges[n][0], edges[n][1])
        };
        let needed = pairs.into_iter().enumerate().filter(|(n, _)| is_needed(*n));
        needed.map(|(_, pair)| pair).collect()
    }
}

/// Whether edges lead from a place to another.
fn reaches(edges: &[[usize; 2]], from: usize, to: usize) -> bool {
    let (mut seen, mut open) = (vec![from], vec![from]);
    while let Some(place) = open.pop() {
        for [_, next] in edges.iter().filter(|[low, _]| *low == place) {
            if next == &to {
                return true;
            }
            if !seen.contains(next) {
                seen.push(*next);
                open.push(*next);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_lead_over_others() {
        let edges = [[0, 1], [1, 2], [4, 2]];
        assert!(reaches(&edges, 0, 2) && !reaches(&edges, 2, 0) && !reaches(&edges, 0, 4));
    }
}
