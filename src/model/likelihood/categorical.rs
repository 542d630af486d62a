//! The distribution of a category.

use super::{GroupCells, Head, RowLoss};
use crate::numerics::{RandomStream, exp, greatest, log_sum_exp_f32, pick, sums, vectorized};

/// x ~ Categorical(softmax(output)), where x is the number of the class and every element has classes of its own.
pub(super) struct Categorical {
    classes: Vec<usize>,
}

impl Categorical {
    pub(super) fn new(classes: &[usize]) -> Self {
        Self { classes: classes.to_vec() }
    }

    /// The elements of a row: class, whether it is known, and the place of the logits.
    #[inline(always)]
    fn of_row<'a>(&'a self, x: &'a [f32], known: &'a [f32]) -> impl Iterator<Item = CategoricalElement> + 'a {
        let mut end = 0;
        let elements = x.iter().zip(known).zip(&self.classes);
        elements.map(move |((&x, &known), &classes)| {
            let start = end;
            end += classes;
            CategoricalElement { class: (x as usize).min(classes - 1), known, start, end }
        })
    }
}

struct CategoricalElement {
    class: usize,
    known: f32,
    start: usize,
    end: usize,
}

/// The classes that `reads` accepts, with their probabilities.
fn readable(p: &[f32], reads: &dyn Fn(usize) -> bool) -> impl Iterator<Item = (usize, f32)> {
    p.iter().copied().enumerate().filter(move |(class, _)| reads(*class))
}

impl Head for Categorical {
    fn parameter(&self) -> Option<&'static str> {
        None
    }

    /// ln Σ e^o - o of the class; half the squared distance between probabilities and the class:
    /// (1 - 2 p of the class + Σ p²) / 2.
    fn add_losses(&self, cells: &GroupCells<'_>, _: &[f32], _: &mut Vec<f32>, losses: &mut [RowLoss]) {
        vectorized(
            #[inline(always)]
            || {
                for (row, loss) in losses.iter_mut().enumerate() {
                    let (x, output, known) = cells.row(row);
                    for CategoricalElement { class, known, start, end } in self.of_row(x, known) {
                        let logits = &output[start..end];
                        let all = log_sum_exp_f32(logits);
                        let [squares] = sums([logits], |[o]| {
                            let p = exp(o - all);
                            [p * p]
                        });
                        let p = exp(logits[class] - all);
                        loss.nll += (all - logits[class]) * known;
                        loss.squared_error += (0.5 + 0.5 * squares - p) * known;
                    }
                }
            },
        );
    }

    fn gradient(
        &self,
        cells: &GroupCells<'_>,
        weights: &[f32],
        _: &[f32],
        _: &mut Vec<f32>,
        by_output: &mut [f32],
        _: &mut [f32],
    ) {
        vectorized(
            #[inline(always)]
            || {
                for (row, gradient, weight) in cells.gradient_rows(by_output, weights) {
                    let (x, output, known) = cells.row(row);
                    for CategoricalElement { class, known, start, end } in self.of_row(x, known) {
                        let (logits, gradient) = (&output[start..end], &mut gradient[start..end]);
                        let (all, weight) = (log_sum_exp_f32(logits), weight * known);
                        gradient.iter_mut().zip(logits).for_each(|(g, o)| *g = exp(o - all) * weight);
                        gradient[class] -= weight;
                    }
                }
            },
        );
    }

    fn expected(&self, outputs: &[f32], into: &mut [f32]) {
        let all = log_sum_exp_f32(outputs);
        into.iter_mut().zip(outputs).for_each(|(p, o)| *p = exp(o - all));
    }

    fn residuals(&self, x: &[f32], outputs: &[f32], into: &mut [f32]) {
        for (residual, CategoricalElement { class, start, end, .. }) in into.iter_mut().zip(self.of_row(x, x)) {
            let logits = &outputs[start..end];
            *residual = 1.0 - exp(logits[class] - log_sum_exp_f32(logits));
        }
    }

    /// How far the class's logit is below the greatest.
    fn excess(&self, x: f32, outputs: &[f32], _: f32) -> f32 {
        greatest(outputs) - outputs[(x as usize).min(outputs.len() - 1)]
    }

    fn fill(&self, expected: &[f32], reads: &dyn Fn(usize) -> bool) -> f32 {
        let read = readable(expected, reads);
        let best = read.reduce(|best, one| if one.1 > best.1 { one } else { best });
        best.map_or(0.0, |(class, _)| class as f32)
    }

    fn draw(&self, expected: &[f32], _: f32, reads: &dyn Fn(usize) -> bool, noise: RandomStream) -> f32 {
        let sum: f64 = readable(expected, reads).map(|(_, p)| f64::from(p)).sum();
        let drawn = pick(readable(expected, reads).map(|(_, p)| f64::from(p)), noise.uniform(0) * sum);
        let class = drawn.and_then(|n| readable(expected, reads).nth(n));
        class.map_or_else(|| self.fill(expected, reads), |(class, _)| class as f32)
    }
}

#[cfg(test)]
mod tests {
    use crate::feature::Shape;
    use crate::model::likelihood::loss_of_row;

    #[test]
    fn it_sums_to_one_and_stays_finite_at_large_logits() {
        let shapes = [2, 3].map(Shape::category);
        for logits in [[0.5_f32, -1.0, 0.0, 2.0, -3.0], [120.0, -120.0, 300.0, 300.0, -300.0]] {
            let rows = (0..6).map(|n| [(n % 2) as f32, (n / 2) as f32]);
            let losses: Vec<_> = rows.map(|x| loss_of_row(&shapes, &x, &logits, &[])).collect();
            let sum: f64 = losses.iter().map(|loss| f64::from(-loss.nll).exp()).sum();
            // A difference of two numbers of 300 has this error.
            assert!((sum - 1.0).abs() < 1e-4, "{logits:?} {sum}");
            assert!(losses.iter().all(|loss| (0.0..=2.0).contains(&loss.squared_error)), "{losses:?}");
        }
    }

    #[test]
    fn a_sure_answer_has_no_error_when_right_and_one_when_wrong() {
        for (class, expected) in [(0.0_f32, 0.0), (2.0, 1.0)] {
            let loss = loss_of_row(&[Shape::category(3)], &[class], &[50.0, 0.0, 0.0], &[]);
            assert!((loss.squared_error - expected).abs() < 1e-6, "{loss:?}");
        }
    }
}
