//! The Cholesky factor of a covariance matrix, and its inverse. Matrices are `[n, n]` in rows.

#![forbid(unsafe_code)]

/// L of A = L Lᵀ, given the lower triangle of A. Rounding may make a pivot of A too small: the square of each diagonal
/// element of L is at least `smallest_pivot`.
pub(crate) fn cholesky(mut a: Vec<f64>, n: usize, smallest_pivot: f64) -> Vec<f64> {
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|m| a[i * n + m] * a[j * n + m]).sum();
            let rest = a[i * n + j] - dot;
            a[i * n + j] = if i == j { rest.max(smallest_pivot).sqrt() } else { rest / a[j * n + j] };
        }
        a[i * n + i + 1..(i + 1) * n].fill(0.0);
    }
    a
}

/// The inverse of a lower triangular matrix, by forward substitution.
pub(crate) fn invert_lower(lower: &[f64], n: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            let dot: f64 = (j..i).map(|m| lower[i * n + m] * inverse[m * n + j]).sum();
            inverse[i * n + j] = (f64::from(u8::from(i == j)) - dot) / lower[i * n + i];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_times_its_transpose_is_the_matrix_and_its_inverse_inverts_it() {
        // The number above the diagonal is not read.
        let lower = cholesky(vec![4.0, 99.0, 2.0, 10.0], 2, 1e-12);
        assert_eq!(lower, [2.0, 0.0, 1.0, 3.0]);
        assert_eq!(invert_lower(&lower, 2), [0.5, 0.0, -1.0 / 6.0, 1.0 / 3.0]);
        assert_eq!(cholesky(vec![1.0, 0.0, 1.0, 1.0], 2, 1e-4), [1.0, 0.0, 1.0, 1e-2], "a singular matrix");
    }
}
