//! Eigenvalues and eigenvectors of symmetric matrices, and powers of such matrices.

#![forbid(unsafe_code)]

/// The power of a symmetric matrix, `[n, n]`, whose eigenvalues are at least 0 but for rounding: each eigenvalue plus `ridge`
/// to the power `exponent`. Symmetric.
pub(crate) fn symmetric_power(matrix: Vec<f64>, n: usize, ridge: f64, exponent: f64) -> Vec<f64> {
    let (values, vectors) = symmetric_eigen(matrix, n);
    let powers: Vec<f64> = values.iter().map(|value| (value.max(0.0) + ridge).powf(exponent)).collect();
    let element = |i: usize, j: usize| -> f64 {
        let products = powers.iter().zip(vectors[i * n..][..n].iter().zip(&vectors[j * n..][..n]));
        products.map(|(power, (a, b))| power * a * b).sum()
    };
    (0..n * n).map(|at| element(at / n, at % n)).collect()
}

/// Eigenvalues and eigenvectors, columns of `[n, n]`, of a small symmetric matrix by cyclic Jacobi rotations (Golub &
/// Van Loan 2013, algorithm 8.5.3).
pub(super) fn symmetric_eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    const SWEEPS: usize = 30;
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let all: f64 = a.iter().map(|a| a * a).sum();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n * n).filter(|at| at / n != at % n).map(|at| a[at] * a[at]).sum();
        if off <= 1e-28 * all {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for i in 0..n {
                    let (ip, iq) = (a[i * n + p], a[i * n + q]);
                    (a[i * n + p], a[i * n + q]) = (c * ip - s * iq, s * ip + c * iq);
                }
                for i in 0..n {
                    let (pi, qi) = (a[p * n + i], a[q * n + i]);
                    (a[p * n + i], a[q * n + i]) = (c * pi - s * qi, s * pi + c * qi);
                    let (vp, vq) = (vectors[i * n + p], vectors[i * n + q]);
                    (vectors[i * n + p], vectors[i * n + q]) = (c * vp - s * vq, s * vp + c * vq);
                }
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_a_matrix_multiplies_to_it() {
        let matrix = vec![2.0, 0.5, 0.5, 0.5, 1.0, -0.2, 0.5, -0.2, 3.0];
        let root = symmetric_power(matrix.clone(), 3, 0.0, 0.5);
        for (at, expected) in matrix.iter().enumerate() {
            let found: f64 = (0..3).map(|m| root[at / 3 * 3 + m] * root[m * 3 + at % 3]).sum();
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(symmetric_power(vec![0.0], 1, 16.0, -0.25), [0.5]);
    }
}
