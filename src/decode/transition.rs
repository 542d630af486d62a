//! How a row follows from its window: a regression of each number on its own means before and what is given, and the residuals of
//! training rows whose windows were alike (Prairie, Rajagopalan, Fulp & Zagona 2006, "Modified K-NN model for stochastic
//! streamflow simulation"). Everything but numbers is as in such a row (Lall & Sharma 1996, "A nearest neighbor bootstrap for
//! resampling hydrologic time series").

use crate::artifact::{Aggregate, RANKS};
use crate::feature::{Features, Layout};
use crate::numerics::{RandomStream, cholesky, invert_lower, pick};

/// Training rows with like windows, of which one is drawn: the nearest with weight 1, the second with 1/2, and so on.
const NEAREST: usize = 5;

/// The share of what the regression expects of a window beyond that of the training row's; the rest draws sequences towards windows
/// that the data had, or a wave would lose its rhythm and height.
const OWN_SHARE: f32 = 0.8;

/// The share of its variance that each predictor has more in the regression.
const RIDGE: f64 = 1e-3;

/// The rows that follow from windows.
pub(super) struct Transition {
    /// `[stored, inputs]`: training rows with their windows, standardised by group; NaN where missing.
    rows: Vec<f32>,
    inputs: usize,
    /// The elements of windows, and by what each is divided in distances.
    windows: Vec<(usize, f32)>,
    /// The weight of what is given in distances.
    given_weight: f32,
    /// `[stored, windows + given inputs]`: their places.
    places: Vec<f32>,
    numbers: Vec<Regression>,
}

/// How a number follows.
struct Regression {
    element: usize,
    /// The elements of its own means before.
    windows: Vec<usize>,
    /// Of these, of what is given, and of 1.
    weights: Vec<f64>,
    /// `[stored]`: NaN where missing.
    residuals: Vec<f32>,
    range: [f32; 2],
}

/// A number and its windows, as elements of the row vector.
pub(super) struct NumberElements {
    pub(super) element: usize,
    pub(super) windows: Vec<usize>,
}

impl Transition {
    /// That of a model's training rows; `given` are their given elements, `[stored, elements]`.
    pub(super) fn new(features: &Features, aggregate: &Aggregate, numbers: &[NumberElements], lags: usize) -> Self {
        let layout = features.layout();
        let (rows, given) = split(&aggregate.windows, layout);
        let inputs = layout.inputs();
        let given = layout.given().rows(given).inputs;
        let range = |element: usize| {
            let quantiles = &aggregate.quantiles[element * RANKS..][..RANKS];
            [quantiles[0], quantiles[RANKS - 1]]
        };
        let regression = |number: &NumberElements| {
            let NumberElements { element, windows } = number;
            Regression::new(*element, windows, range(*element), (&rows, inputs), (&given, layout.given().inputs()))
        };
        let numbers_of: Vec<Regression> = numbers.iter().map(regression).collect();
        let windows = numbers.iter().flat_map(|number| &number.windows);
        let windows = windows.map(|&element| (element, spread(rows.chunks_exact(inputs).map(|row| row[element]))));
        let (windows, given_weight) = (windows.collect(), (lags as f32).sqrt());
        let mut transition = Self { rows, inputs, windows, given_weight, places: Vec::new(), numbers: numbers_of };
        let width = layout.given().inputs();
        let stored = transition.rows.len() / inputs;
        transition.places = (0..stored)
            .flat_map(|n| transition.place(&transition.rows[n * inputs..][..inputs], &given[n * width..][..width]))
            .collect();
        transition
    }

    /// Where a row with its window is among the others.
    fn place(&self, row: &[f32], given: &[f32]) -> Vec<f32> {
        let of_window =
            |&(element, spread): &(usize, f32)| if row[element].is_nan() { 0.0 } else { row[element] / spread };
        self.windows.iter().map(of_window).chain(given.iter().map(|x| x * self.given_weight)).collect()
    }

    /// Draws the elements of a row that are not of its window, which it has, given this.
    pub(super) fn draw(
        &self,
        row: &mut [f32],
        given: &[f32],
        features: &Features,
        temperature: f32,
        noise: RandomStream,
    ) {
        let place = self.place(row, given);
        let near = self.nearest(&place, |_| true);
        let weights = (1..=near.len()).map(|rank| 1.0 / rank as f64);
        let total = weights.clone().sum::<f64>();
        let drawn = if temperature > 0.0 { pick(weights, noise.uniform(0) * total).unwrap_or(0) } else { 0 };
        // The drawn one first, then those whose windows are alike as well, then the nearest of all.
        let find = |is_wanted: &dyn Fn(usize) -> bool| {
            let mut near = near[drawn..].iter().chain(&near[..drawn]).copied();
            near.find(|&stored| is_wanted(stored)).or_else(|| self.nearest(&place, is_wanted).first().copied())
        };
        let is_of_window = |element: usize| self.windows.iter().any(|(window, _)| *window == element);
        for element in (0..self.inputs).filter(|&element| !is_of_window(element)) {
            let kind = features.of_element(element).feature();
            let value = |stored: usize| self.rows[stored * self.inputs + element];
            let draws = |x: f32| !x.is_nan() && (kind.shape().classes == 1 || kind.draws(x as usize));
            row[element] =
                find(&|stored| draws(value(stored))).map(value).map_or(f32::NAN, |x| match kind.shape().classes {
                    1 => x,
                    _ => kind.drawn(x, noise.uniform(1 + element as u64)),
                });
        }
        for number in &self.numbers {
            let expected = number.expect(row, given) as f32;
            let x = find(&|stored| !number.residuals[stored].is_nan()).map_or(expected, |stored| {
                let residual = number.residuals[stored];
                let of_stored = self.rows[stored * self.inputs + number.element] - residual;
                of_stored + OWN_SHARE * (expected - of_stored) + temperature * residual
            });
            row[number.element] = x.clamp(number.range[0], number.range[1]);
        }
    }

    /// The stored rows nearest to a place, of those that are wanted, the nearest first.
    fn nearest(&self, place: &[f32], is_wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut nearest: Vec<(f32, usize)> = Vec::with_capacity(NEAREST + 1);
        let places = self.places.chunks_exact(place.len().max(1)).enumerate();
        for (stored, other) in places.filter(|(stored, _)| is_wanted(*stored)) {
            let square: f32 = place.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
            if nearest.len() < NEAREST || square < nearest[NEAREST - 1].0 {
                let at = nearest.partition_point(|(other, _)| *other <= square);
                nearest.insert(at, (square, stored));
                nearest.truncate(NEAREST);
            }
        }
        nearest.into_iter().map(|(_, stored)| stored).collect()
    }
}

impl Regression {
    /// By least squares over the rows, `[stored, inputs]`, in which the number is known, with what is given, `[stored, given]`.
    fn new(
        element: usize,
        windows: &[usize],
        range: [f32; 2],
        (rows, inputs): (&[f32], usize),
        (given, width): (&[f32], usize),
    ) -> Self {
        let n = windows.len() + width + 1;
        let (weights, residuals) = (vec![0.0; n], Vec::new());
        let mut regression = Self { element, windows: windows.to_vec(), weights, residuals, range };
        let (mut gram, mut sums) = (vec![0.0; n * n], vec![0.0; n]);
        let each =
            || rows.chunks_exact(inputs).enumerate().map(|(stored, row)| (row, &given[stored * width..][..width]));
        for (row, given) in each().filter(|(row, _)| !row[element].is_nan()) {
            let x: Vec<f64> = regression.predictors(row, given).collect();
            for i in 0..n {
                sums[i] += x[i] * f64::from(row[element]);
                (0..=i).for_each(|j| gram[i * n + j] += x[i] * x[j]);
            }
        }
        (0..n).for_each(|i| gram[i * n + i] *= 1.0 + RIDGE);
        let smallest = f64::MIN_POSITIVE + (0..n).map(|i| gram[i * n + i]).sum::<f64>() * 1e-9;
        let inverse = invert_lower(&cholesky(gram, n, smallest), n);
        let half: Vec<f64> = (0..n).map(|i| (0..=i).map(|j| inverse[i * n + j] * sums[j]).sum()).collect();
        regression.weights = (0..n).map(|j| (j..n).map(|i| inverse[i * n + j] * half[i]).sum()).collect();
        regression.residuals =
            each().map(|(row, given)| (f64::from(row[element]) - regression.expect(row, given)) as f32).collect();
        regression
    }

    /// Its means before, what is given, and 1; 0 where missing.
    fn predictors<'a>(&'a self, row: &'a [f32], given: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        let known = |x: f32| if x.is_nan() { 0.0 } else { f64::from(x) };
        self.windows
            .iter()
            .map(move |&window| known(row[window]))
            .chain(given.iter().map(|&x| f64::from(x)))
            .chain([1.0])
    }

    fn expect(&self, row: &[f32], given: &[f32]) -> f64 {
        self.predictors(row, given).zip(&self.weights).map(|(x, weight)| x * weight).sum()
    }
}

/// Rows, `[rows, width]`, as row vectors and given elements.
pub(super) fn split(rows: &[f32], layout: &Layout) -> (Vec<f32>, Vec<f32>) {
    let parts = rows.chunks_exact(layout.width()).map(|row| row.split_at(layout.inputs()));
    let (mut vectors, mut given) = (Vec::new(), Vec::new());
    parts.for_each(|(x, elements)| {
        vectors.extend_from_slice(x);
        given.extend_from_slice(elements);
    });
    (vectors, given)
}

/// The standard deviation of numbers that are not NaN; 1 if they do not vary.
fn spread(numbers: impl Iterator<Item = f32> + Clone) -> f32 {
    let known = numbers.filter(|x| !x.is_nan()).map(f64::from);
    let n = known.clone().count().max(1) as f64;
    let mean = known.clone().sum::<f64>() / n;
    let variance = known.map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    if variance > 0.0 { variance.sqrt() as f32 } else { 1.0 }
}
