//! Numbers without a meaning of their own: distributions, matrices, random streams, loops over vectors.

mod gaussian_mixture;
mod normal;
mod principal_components;
mod product;
mod random;
mod vector;

pub(crate) use self::gaussian_mixture::GaussianMixture;
pub(crate) use self::normal::{normal_quantile, normal_rank};
pub(crate) use self::principal_components::{Components, Covariance};
pub(crate) use self::product::{times, times_rows, times_transposed, transposed_rows_times, transposed_times};
pub(crate) use self::random::{RandomStream, mix};
pub(crate) use self::vector::{exp, greatest, ln_1p_exp_neg, normal, sigmoid, sums, tanh, vectorized};
