//! What follows of a row's numbers and latents from what is given, by a linear regression: drift is of the rest, so that one
//! night is compared with other nights.

use crate::numerics::{cholesky, invert_lower};

/// Most given inputs whose products are regressors as well: with these the regression follows two harmonics of the day.
const MOST_WITH_PRODUCTS: usize = 16;

/// Most given inputs for a regression; without one, numbers are compared as they are.
const MOST: usize = 256;

/// Added to the variance of each regressor: rows are few for many of them.
const RIDGE: f64 = 1e-3;

/// The coefficients of a regression of each quantity on the given inputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GivenEffects {
    /// Given inputs of a row.
    inputs: usize,
    /// `[quantities, regressors]`.
    pub(super) coefficients: Vec<f32>,
}

/// The number of regressors made of so many given inputs.
pub(super) fn regressors(inputs: usize) -> usize {
    inputs + if inputs <= MOST_WITH_PRODUCTS { inputs * (inputs + 1) / 2 } else { 0 }
}

/// The regressors of a row: its given inputs, and the products of few of them.
fn expand(given: &[f32]) -> Vec<f32> {
    let mut row = given.to_vec();
    if given.len() <= MOST_WITH_PRODUCTS {
        row.extend((0..given.len()).flat_map(|i| given[i..].iter().map(move |other| given[i] * other)));
    }
    row
}

impl GivenEffects {
    /// Those of a file.
    pub(super) fn new(inputs: usize, coefficients: Vec<f32>) -> Self {
        Self { inputs, coefficients }
    }

    /// Regresses quantities, `[rows, quantities]` with NaN where missing, on given inputs, `[rows, inputs]`; `None` if nothing is
    /// given, or too much. A missing value counts as the mean.
    pub(crate) fn fit(quantities: &[f32], given: &[f32], rows: usize) -> Option<Self> {
        let (inputs, count) = (given.len().checked_div(rows)?, quantities.len() / rows);
        if inputs == 0 || inputs > MOST {
            return None;
        }
        let width = regressors(inputs);
        let regressors: Vec<Vec<f32>> = given.chunks_exact(inputs).map(expand).collect();
        let mean = |values: &mut dyn Iterator<Item = f32>| {
            let (sum, n) = values.filter(|x| !x.is_nan()).fold((0.0, 0.0), |(sum, n), x| (sum + f64::from(x), n + 1.0));
            sum / f64::max(n, 1.0)
        };
        let of_regressors: Vec<f64> = (0..width).map(|n| mean(&mut regressors.iter().map(|row| row[n]))).collect();
        let of_quantities: Vec<f64> =
            (0..count).map(|n| mean(&mut quantities.iter().skip(n).step_by(count).copied())).collect();
        let (mut covariance, mut products) = (vec![0.0; width * width], vec![0.0; count * width]);
        for (row, values) in regressors.iter().zip(quantities.chunks_exact(count)) {
            let row: Vec<f64> = row.iter().zip(&of_regressors).map(|(x, mean)| f64::from(*x) - mean).collect();
            for (i, x) in row.iter().enumerate() {
                covariance[i * width..].iter_mut().zip(&row[..=i]).for_each(|(sum, y)| *sum += x * y);
            }
            for (n, value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                let off = f64::from(*value) - of_quantities[n];
                products[n * width..].iter_mut().zip(&row).for_each(|(sum, x)| *sum += off * x);
            }
        }
        (0..width).for_each(|n| covariance[n * (width + 1)] += RIDGE * rows as f64);
        let inverse = invert_lower(&cholesky(covariance, width, f64::MIN_POSITIVE), width);
        let coefficients = products.chunks_exact(width).flat_map(|products| {
            // A⁻¹ p = L⁻ᵀ L⁻¹ p.
            let half: Vec<f64> =
                inverse.chunks_exact(width).map(|row| row.iter().zip(products).map(|(a, p)| a * p).sum()).collect();
            let inverse = &inverse;
            (0..width).map(move |n| (n..width).map(|m| inverse[m * width + n] * half[m]).sum::<f64>() as f32)
        });
        Some(Self { inputs, coefficients: coefficients.collect() })
    }

    /// Takes what follows from the given inputs of a row from its quantities, in the order of the fit.
    pub(crate) fn take_from<'a>(&self, quantities: impl Iterator<Item = &'a mut f32>, given: &[f32]) {
        let row = expand(given);
        for (quantity, coefficients) in quantities.zip(self.coefficients.chunks_exact(row.len())) {
            *quantity -= coefficients.iter().zip(&row).map(|(a, x)| a * x).sum::<f32>();
        }
    }

    /// Given inputs of a row.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::RandomStream;

    #[test]
    fn what_follows_from_the_hour_is_taken_away_and_the_rest_stays() {
        let (rows, mut noise) = (2000, vec![0.0; 4000]);
        RandomStream::new(1, "noise").normals(&mut noise);
        let angle = |row: usize| (row * 37 % 24) as f32 / 24.0 * std::f32::consts::TAU;
        let given: Vec<f32> = (0..rows).flat_map(|row| [angle(row).sin(), angle(row).cos()]).collect();
        let follows = |row: usize| [5.0 + 2.0 * angle(row).sin(), (2.0 * angle(row)).cos()];
        let mut quantities: Vec<f32> =
            (0..rows).flat_map(follows).zip(&noise).map(|(follows, noise)| follows + 0.1 * noise).collect();
        quantities[6] = f32::NAN;
        let effects = GivenEffects::fit(&quantities, &given, rows).unwrap();
        assert_eq!((effects.inputs(), effects.coefficients.len()), (2, 2 * regressors(2)));
        for (values, given) in quantities.chunks_exact_mut(2).zip(given.chunks_exact(2)) {
            effects.take_from(values.iter_mut(), given);
        }
        let rest = |n: usize, middle: f32| {
            let off = quantities.iter().skip(n).step_by(2).filter(|x| !x.is_nan()).map(|x| (x - middle).powi(2));
            (off.sum::<f32>() / rows as f32).sqrt()
        };
        assert!(rest(0, 5.0) < 0.12 && rest(1, 0.0) < 0.12, "{} {}", rest(0, 5.0), rest(1, 0.0));
        assert!(GivenEffects::fit(&quantities, &[], rows).is_none());
    }
}
