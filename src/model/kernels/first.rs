//! The encoder's first layer: `y = f(x Wᵀ + b)`, where most of a wide x are zeros and ones that are never stored.
//!
//! Its weight is stored transposed, `[encoder inputs, outputs]`: an input of 1 adds one row of it, an input of 0 costs
//! nothing. Only the values, which come first, need a matrix product.

#![forbid(unsafe_code)]

use super::dense::{Activations, Dense};
use super::rows::KernelRows;
use crate::feature::Layout;
use crate::numerics::{times_rows, transposed_rows_times};

/// The first layer.
pub(super) struct First {
    pub(super) dense: Dense,
    layout: Layout,
    /// Inputs that are values.
    values: usize,
}

impl First {
    /// A layer whose weight is stored transposed.
    pub(super) fn new(dense: Dense, layout: &Layout) -> Self {
        Self { dense, values: layout.values(), layout: layout.clone() }
    }

    /// Rows of the row vector to `[rows, outputs]`.
    pub(super) fn forward(&self, parameters: &[f32], rows: KernelRows<'_>, kept: &mut Activations) {
        let (inputs, outputs) = (self.layout.inputs(), self.dense.outputs);
        let weight = &parameters[self.dense.weight.clone()];
        let y = &mut kept.y[..rows.rows * outputs];
        let of_values = &weight[..self.values * outputs];
        times_rows((rows.shown_x, inputs), of_values, y, [rows.rows, outputs, self.values]);
        for (row, y) in y.chunks_exact_mut(outputs).enumerate() {
            for one in self.ones(rows, row) {
                let weight = &weight[one * outputs..][..outputs];
                y.iter_mut().zip(weight).for_each(|(y, weight)| *y += weight);
            }
            for (input, given) in self.given(rows, row) {
                let weight = &weight[input * outputs..][..outputs];
                y.iter_mut().zip(weight).for_each(|(y, weight)| *y += given * weight);
            }
        }
        self.dense.finish(parameters, rows.rows, kept);
    }

    /// Turns `g`, `[rows, outputs]`, the loss's derivative by the layer's output, into that by the linear part, and
    /// writes the parameters' gradients.
    pub(super) fn backward(&self, rows: KernelRows<'_>, kept: &Activations, g: &mut [f32], gradients: &mut [f32]) {
        let (inputs, outputs) = (self.layout.inputs(), self.dense.outputs);
        self.dense.start_back(kept, g, gradients);
        let (of_values, of_ones) = gradients[self.dense.weight.clone()].split_at_mut(self.values * outputs);
        transposed_rows_times((rows.shown_x, inputs), g, of_values, [self.values, outputs, rows.rows]);
        of_ones.fill(0.0);
        for (row, g) in g.chunks_exact(outputs).enumerate() {
            for one in self.ones(rows, row) {
                let sum = &mut of_ones[(one - self.values) * outputs..][..outputs];
                sum.iter_mut().zip(g).for_each(|(sum, g)| *sum += g);
            }
            for (input, given) in self.given(rows, row) {
                let sum = &mut of_ones[(input - self.values) * outputs..][..outputs];
                sum.iter_mut().zip(g).for_each(|(sum, g)| *sum += given * g);
            }
        }
    }

    /// The given inputs of a row that are not 0.
    fn given<'a>(&self, rows: KernelRows<'a>, row: usize) -> impl Iterator<Item = (usize, f32)> + use<'a> {
        let width = self.layout.given().inputs();
        let given = rows.given[row * width..(row + 1) * width].iter().copied();
        (self.layout.own_inputs()..).zip(given).filter(|(_, given)| *given != 0.0)
    }

    fn ones<'a>(&'a self, rows: KernelRows<'a>, row: usize) -> impl Iterator<Item = usize> + 'a {
        let of_row = move |all: &'a [f32]| &all[row * self.layout.inputs()..][..self.layout.inputs()];
        self.layout.ones(of_row(rows.shown_x), rows.shown_known.map(of_row))
    }
}
