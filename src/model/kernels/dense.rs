//! A linear layer with its nonlinearity: `y = f(x Wᵀ + b)`, forward and backward.

#![forbid(unsafe_code)]

use std::ops::Range;

use crate::config::Activation;
use crate::numerics::{sigmoid, tanh, times, times_transposed, transposed_times, vectorized};

/// A layer: the place of its parameters among all, and its nonlinearity.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// `[outputs, inputs]`.
    pub(super) weight: Range<usize>,
    /// `[outputs]`.
    pub(super) bias: Range<usize>,
    /// `None` is the identity.
    pub(super) activation: Option<Activation>,
}

/// The output of a layer, and what the backward pass needs.
#[derive(Debug, Clone)]
pub(super) struct Activations {
    /// `[rows, outputs]`: the layer's output.
    pub(super) y: Vec<f32>,
    /// `[rows, outputs]`: the nonlinearity's derivative; empty if the output gives it.
    slope: Vec<f32>,
}

impl Activations {
    /// Buffers for `rows` rows; `learns` if there is a backward pass.
    pub(super) fn new(layer: &Dense, rows: usize, learns: bool) -> Self {
        let room = rows * layer.outputs;
        let slope = if learns && layer.activation == Some(Activation::Silu) { room } else { 0 };
        Self { y: vec![0.0; room], slope: vec![0.0; slope] }
    }
}

impl Dense {
    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(super) fn forward(&self, parameters: &[f32], x: &[f32], rows: usize, kept: &mut Activations) {
        let y = &mut kept.y[..rows * self.outputs];
        times_transposed(x, &parameters[self.weight.clone()], y, [rows, self.outputs, self.inputs]);
        self.finish(parameters, rows, kept);
    }

    /// Adds the bias to the linear part in `kept`, and applies the nonlinearity.
    pub(super) fn finish(&self, parameters: &[f32], rows: usize, kept: &mut Activations) {
        let y = &mut kept.y[..rows * self.outputs];
        let bias = &parameters[self.bias.clone()];
        let slope = &mut kept.slope;
        vectorized(
            #[inline(always)]
            || match self.activation {
                None => each(y, bias, |y| y),
                // NaN stays.
                Some(Activation::Relu) => each(y, bias, |y| if y < 0.0 { 0.0 } else { y }),
                Some(Activation::Tanh) => each(y, bias, tanh),
                Some(Activation::Silu) if slope.is_empty() => each(y, bias, |y| y * sigmoid(y)),
                Some(Activation::Silu) => {
                    for (y, slope) in y.chunks_exact_mut(bias.len()).zip(slope.chunks_exact_mut(bias.len())) {
                        for ((y, slope), bias) in y.iter_mut().zip(slope).zip(bias) {
                            let x = *y + bias;
                            let s = sigmoid(x);
                            *y = x * s;
                            *slope = s * (1.0 + x * (1.0 - s));
                        }
                    }
                }
            },
        );
    }

    /// Turns `g`, `[rows, outputs]`, the loss's derivative by the layer's output, into that by the linear part, writes
    /// the parameters' gradients, and into `back`, `[rows, inputs]`, the derivative by the input.
    pub(super) fn backward(
        &self,
        parameters: &[f32],
        (x, kept): (&[f32], &Activations),
        rows: usize,
        g: &mut [f32],
        gradients: &mut [f32],
        back: &mut [f32],
    ) {
        self.start_back(kept, g, gradients);
        transposed_times(g, x, &mut gradients[self.weight.clone()], [self.outputs, self.inputs, rows]);
        times(g, &parameters[self.weight.clone()], back, [rows, self.inputs, self.outputs]);
    }

    /// Takes `g` backward through the nonlinearity, and writes the bias's gradient.
    pub(super) fn start_back(&self, kept: &Activations, g: &mut [f32], gradients: &mut [f32]) {
        let bias = &mut gradients[self.bias.clone()];
        let y = &kept.y[..g.len()];
        vectorized(
            #[inline(always)]
            || match self.activation {
                None => each_back(g, y, bias, |_| 1.0),
                Some(Activation::Relu) => each_back(g, y, bias, |y| if y > 0.0 { 1.0 } else { 0.0 }),
                Some(Activation::Tanh) => each_back(g, y, bias, |y| 1.0 - y * y),
                Some(Activation::Silu) => each_back(g, &kept.slope, bias, |slope| slope),
            },
        );
    }
}

#[inline(always)]
fn each(y: &mut [f32], bias: &[f32], f: impl Fn(f32) -> f32) {
    for row in y.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(y, bias)| *y = f(*y + bias));
    }
}

/// Multiplies `g` by the slope at what was kept, and sums it over the rows.
#[inline(always)]
fn each_back(g: &mut [f32], kept: &[f32], bias: &mut [f32], slope: impl Fn(f32) -> f32) {
    bias.fill(0.0);
    for (g, kept) in g.chunks_exact_mut(bias.len()).zip(kept.chunks_exact(bias.len())) {
        for ((g, kept), sum) in g.iter_mut().zip(kept).zip(&mut *bias) {
            *g *= slope(*kept);
            *sum += *g;
        }
    }
}
