//! A linear VAE against the closed form of probabilistic PCA.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use vaepipe::{Device, FitConfig, ParquetSource, Run, Scale};

use crate::tables::{Uniform, write};
use crate::workdir::Workdir;

const FEATURES: usize = 5;
const ROWS: usize = 4000;

/// Makes the columns' sample means 0 and their sample covariance the identity (Gram-Schmidt).
fn whiten(columns: &mut [Vec<f64>]) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for i in 0..columns.len() {
        let (done, rest) = columns.split_at_mut(i);
        let column = &mut rest[0];
        let mean = column.iter().sum::<f64>() / ROWS as f64;
        column.iter_mut().for_each(|x| *x -= mean);
        for other in done {
            let along = dot(column, other) / dot(other, other);
            column.iter_mut().zip(&*other).for_each(|(x, other)| *x -= along * other);
        }
        let scale = (ROWS as f64 / dot(column, column)).sqrt();
        column.iter_mut().for_each(|x| *x *= scale);
    }
}

/// Tipping & Bishop 1999, "Probabilistic principal component analysis", eq. 4: with the sample covariance equal to
/// C = W Wᵀ + σ²I, which the data below is made to have exactly, the mean log-likelihood of a row at the maximum is
/// -(d ln 2π + ln |C| + d) / 2. A linear VAE's ELBO reaches it (Lucas et al. 2019, "Don't blame the ELBO!",
/// section 4.1). A variance a feature instead of one for all adds nothing here: the data's noise is equal.
#[test]
fn a_linear_vae_reaches_the_likelihood_of_probabilistic_pca() {
    let mut uniform = Uniform::new(3);
    // The sum of six uniforms is as good as normal here; the closed form asks for the second moments alone.
    let mut normal = || (0..6).map(|_| uniform.next()).sum::<f64>() / 2_f64.sqrt();
    let mut white: Vec<Vec<f64>> = (0..FEATURES + 2).map(|_| (0..ROWS).map(|_| normal()).collect()).collect();
    whiten(&mut white);
    let w = [[1.5, 0.3], [-1.2, 0.9], [0.8, 1.4], [0.1, -1.1], [0.6, 0.2]];
    // Above the noise floor of e^-0.5, below which the model does not go.
    const NOISE: f64 = 0.8;
    let column = |j: usize| {
        let value =
            |row: usize| w[j][0] * white[0][row] + w[j][1] * white[1][row] + NOISE.sqrt() * white[2 + j][row] + 3.0;
        Arc::new(Float64Array::from_iter_values((0..ROWS).map(value))) as ArrayRef
    };
    let names = ["a", "b", "c", "d", "e"];
    let dir = Workdir::new();
    write(
        &dir.path("in.parquet"),
        &RecordBatch::try_from_iter((0..FEATURES).map(|j| (names[j], column(j)))).unwrap(),
        ROWS,
    );

    // |W Wᵀ + σ²I| = σ^(2(d - k)) |WᵀW + σ²I|, with k = 2.
    let gram = |a: usize, b: usize| w.iter().map(|row| row[a] * row[b]).sum::<f64>() + if a == b { NOISE } else { 0.0 };
    let determinant = NOISE.powi(FEATURES as i32 - 2) * (gram(0, 0) * gram(1, 1) - gram(0, 1) * gram(1, 0));
    let d = FEATURES as f64;
    let closed_form = (d * std::f64::consts::TAU.ln() + determinant.ln() + d) / 2.0;

    let mut config = FitConfig::new().scale(Scale::None).hidden([]).latent_dim(2).epochs(250).batch_size(200).lr(0.02);
    config = config.kl_warmup(0.0).patience(0).val_fraction(0.0).free_bits(0.0).beta(1.0).clip_norm(0.0);
    let source = ParquetSource::open([dir.path("in.parquet")]).unwrap();
    let model = config.fit(&source, Device::Cpu, &mut Run::new()).unwrap().model;
    let reached =
        model.metadata().history.epochs.iter().rev().take(20).map(|epoch| epoch.train_loss).sum::<f64>() / 20.0;
    assert!((reached - closed_form).abs() < 0.01, "{reached} for {closed_form}");
}
