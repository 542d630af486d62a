//! Matrix products of row-major slices, each on one thread.

/// `into = a · bᵀ`, where `a` is `[m, k]`, `b` is `[n, k]` and `into` is `[m, n]`: a layer's output from its input and
/// weight.
pub(crate) fn times_transposed(a: &[f32], b: &[f32], into: &mut [f32], [m, n, k]: [usize; 3]) {
    product((a, [k, 1]), (b, [1, k]), into, [m, n, k]);
}

/// `into = a · b`, where `a` is `[m, k]`, `b` is `[k, n]`: the gradient of a layer's input from that of its output.
pub(crate) fn times(a: &[f32], b: &[f32], into: &mut [f32], [m, n, k]: [usize; 3]) {
    product((a, [k, 1]), (b, [n, 1]), into, [m, n, k]);
}

/// `into = aᵀ · b`, where `a` is `[k, m]`, `b` is `[k, n]`: the gradient of a layer's weight.
pub(crate) fn transposed_times(a: &[f32], b: &[f32], into: &mut [f32], [m, n, k]: [usize; 3]) {
    product((a, [1, m]), (b, [n, 1]), into, [m, n, k]);
}

/// `into = aᵀ · a` up to its diagonal, where `a` is `[k, n]`; what is above the diagonal is not all computed.
pub(crate) fn transposed_times_itself(a: &[f32], into: &mut [f32], [n, k]: [usize; 2]) {
    /// Rows of `into` that are computed together.
    const PANEL: usize = 256;
    for (panel, into) in into.chunks_mut(PANEL * n).enumerate() {
        let (from, rows) = (panel * PANEL, into.len() / n);
        let mut products = vec![0.0; rows * (from + rows)];
        product((&a[from..], [1, n]), (a, [n, 1]), &mut products, [rows, from + rows, k]);
        let rows = into.chunks_exact_mut(n).zip(products.chunks_exact(from + rows));
        rows.for_each(|(into, products)| into[..products.len()].copy_from_slice(products));
    }
}

/// `into = a · b`, where `a` is the first `k` columns of rows of the given width, `b` is `[k, n]`.
pub(crate) fn times_rows((a, width): (&[f32], usize), b: &[f32], into: &mut [f32], [m, n, k]: [usize; 3]) {
    product((a, [width, 1]), (b, [n, 1]), into, [m, n, k]);
}

/// `into = aᵀ · b`, where `a` is the first `m` columns of rows of the given width, `b` is `[k, n]`.
pub(crate) fn transposed_rows_times((a, width): (&[f32], usize), b: &[f32], into: &mut [f32], [m, n, k]: [usize; 3]) {
    product((a, [1, width]), (b, [n, 1]), into, [m, n, k]);
}

/// `into[m, n] = a[m, k] · b[k, n]`, each operand with its strides from row to row and from column to column.
#[expect(unsafe_code, reason = "the library of the product has no safe form")]
fn product(a: (&[f32], [usize; 2]), b: (&[f32], [usize; 2]), into: &mut [f32], [m, n, k]: [usize; 3]) {
    if m == 0 || n == 0 || k == 0 {
        return into.fill(0.0);
    }
    let needed =
        |[rows, columns]: [usize; 2], strides: [usize; 2]| (rows - 1) * strides[0] + (columns - 1) * strides[1];
    let within = needed([m, k], a.1) < a.0.len() && needed([k, n], b.1) < b.0.len();
    assert!(within && into.len() == m * n, "a product of other sizes than said");
    let stride = |stride: usize| isize::try_from(stride).expect("a stride is less than a slice's length");
    // SAFETY: none of the sizes is 0, and the last element each operand's strides lead to lies within its slice, as
    // just checked; those of `into` are a row-major matrix's of its very size. `into` is borrowed mutably, so nothing else reads or writes it; it is not
    // read, as `read_dst` is false. Measured: training spends nine tenths of its time here, and the library has no
    // safe form.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            into.as_mut_ptr(),
            1,
            stride(n),
            false,
            a.0.as_ptr(),
            stride(a.1[1]),
            stride(a.1[0]),
            b.0.as_ptr(),
            stride(b.1[1]),
            stride(b.1[0]),
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition.
    fn naive(
        m: usize,
        n: usize,
        k: usize,
        a: impl Fn(usize, usize) -> f32,
        b: impl Fn(usize, usize) -> f32,
    ) -> Vec<f32> {
        let element = |i: usize, j: usize| (0..k).map(|l| f64::from(a(i, l)) * f64::from(b(l, j))).sum::<f64>() as f32;
        (0..m * n).map(|at| element(at / n, at % n)).collect()
    }

    #[test]
    fn products_follow_their_definition_at_every_width() {
        let values = |n: usize| (0..n).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>();
        for (m, n, k) in [(1, 1, 1), (3, 5, 2), (17, 16, 15), (64, 33, 7), (5, 100, 129)] {
            let (a, b) = (values(m * k), values(k * n));
            let mut into = vec![f32::NAN; m * n];
            let check = |expected: Vec<f32>, into: &[f32]| {
                for (found, expected) in into.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-4, "{m} {n} {k}: {found} {expected}");
                }
            };
            times(&a, &b, &mut into, [m, n, k]);
            check(naive(m, n, k, |i, l| a[i * k + l], |l, j| b[l * n + j]), &into);
            times_transposed(&a, &b, &mut into, [m, n, k]);
            check(naive(m, n, k, |i, l| a[i * k + l], |l, j| b[j * k + l]), &into);
            transposed_times(&a, &b, &mut into, [m, n, k]);
            check(naive(m, n, k, |i, l| a[l * m + i], |l, j| b[l * n + j]), &into);
        }
    }

    #[test]
    fn a_product_with_itself_is_right_up_to_the_diagonal() {
        for (n, k) in [(1, 1), (3, 5), (300, 7), (600, 2)] {
            let a: Vec<f32> = (0..n * k).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect();
            let (mut into, mut whole) = (vec![0.0; n * n], vec![0.0; n * n]);
            transposed_times_itself(&a, &mut into, [n, k]);
            transposed_times(&a, &a, &mut whole, [n, n, k]);
            let below = |i: usize| (0..=i).all(|j| (into[i * n + j] - whole[i * n + j]).abs() < 1e-5);
            assert!((0..n).all(below), "{n} {k}");
        }
    }

    #[test]
    fn nan_reaches_every_product_it_is_part_of() {
        let mut into = vec![0.0; 4];
        times(&[f32::NAN, 0.0, 1.0, 1.0], &[0.0; 4], &mut into, [2, 2, 2]);
        assert!(into[0].is_nan() && into[1].is_nan() && into[2] == 0.0);
    }
}
