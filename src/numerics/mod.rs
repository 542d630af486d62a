//! Pure numerics: distributions, matrices, random numbers, and loops over vectors. Nothing here knows a model or a file.
//!
//! | file | holds |
//! |---|---|
//! | [`cholesky`](mod@cholesky) | Cholesky factor of a covariance matrix, inverse of a triangular matrix |
//! | [`eigen`] | eigenvalues, eigenvectors and powers of symmetric matrices |
//! | [`gamma`] | derivatives of the logarithm of the gamma function |
//! | [`gaussian_mixture`] | mixture of normal distributions with full covariances, fitted by expectation maximisation |
//! | [`generalized_pareto`] | the generalised Pareto distribution of excesses over a threshold |
//! | [`log_sum_exp`](mod@log_sum_exp) | logarithm of a sum or mean of exponentials, softmax |
//! | [`mixture`] | weighted mixture of answers: its quantiles, and the component a draw falls on |
//! | [`mixture_clusters`] | clusters of points: the peaks of a mixture's density |
//! | [`neighborhood`] | trustworthiness, continuity and overlap of neighbourhoods in two spaces; accuracy of neighbours and silhouette of a label |
//! | [`nearest`](mod@nearest) | the nearest of many rows |
//! | [`normal`] | the standard normal distribution: cumulative distribution function, density, quantiles |
//! | [`principal_components`] | principal components of rows by subspace iteration |
//! | [`product`] | matrix products |
//! | [`random`] | counter-based random streams, shuffles, weighted draws |
//! | [`rank_correlation`](mod@rank_correlation) | Spearman's rank correlation |
//! | [`vector`] | elementwise functions and sums of fixed order over slices, compiled for wide registers |

mod cholesky;
mod eigen;
mod gamma;
mod gaussian_mixture;
mod generalized_pareto;
mod log_sum_exp;
mod mixture;
mod mixture_clusters;
mod nearest;
mod neighborhood;
mod normal;
mod principal_components;
mod product;
mod random;
mod rank_correlation;
mod vector;

pub(crate) use self::cholesky::{cholesky, invert_lower};
pub(crate) use self::eigen::symmetric_power;
pub(crate) use self::gamma::{digamma, trigamma};
pub(crate) use self::gaussian_mixture::GaussianMixture;
pub(crate) use self::generalized_pareto::GeneralizedPareto;
pub(crate) use self::log_sum_exp::{log_mean_exp, log_sum_exp_f32, softmax};
pub(crate) use self::mixture::Mixture;
pub(crate) use self::mixture_clusters::MixtureClusters;
pub(crate) use self::nearest::{nearest, squared_length};
pub(crate) use self::neighborhood::{LabelSums, NeighborhoodSums, Points};
pub(crate) use self::normal::{normal_quantile, normal_rank, normal_upper_quantile};
pub(crate) use self::principal_components::{Components, Covariance};
pub(crate) use self::product::{times, times_rows, times_transposed, transposed_rows_times, transposed_times};
pub(crate) use self::random::{RandomStream, hash, pick};
pub(crate) use self::rank_correlation::rank_correlation;
pub(crate) use self::vector::{asinh, asinh_f64, dot, exp, greatest, ln_1p_exp_neg, sigmoid, sums, tanh, vectorized};
