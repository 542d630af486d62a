//! Elementwise functions and sums over slices, written so that the compiler vectorizes them.
//!
//! A sum has [`LANES`] interleaved parts on every machine, so that the order of additions, and the result, is always
//! the same. NaN in gives NaN out.

#![forbid(unsafe_code)]

/// Parts of a sum.
const LANES: usize = 16;

/// Runs `work` compiled for the widest vectors this machine has.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// Sums of `terms` over the elements of slices of one length.
#[inline(always)]
pub(crate) fn sums<const SLICES: usize, const SUMS: usize>(
    slices: [&[f32]; SLICES],
    terms: impl Fn([f32; SLICES]) -> [f32; SUMS],
) -> [f32; SUMS] {
    let mut parts = [[0.0_f32; LANES]; SUMS];
    let mut add = |lane: usize, values: [f32; SLICES]| {
        for (part, term) in parts.iter_mut().zip(terms(values)) {
            part[lane] += term;
        }
    };
    let whole = slices.map(|slice| slice.as_chunks::<LANES>());
    for n in 0..whole[0].0.len() {
        let chunks = whole.map(|(chunks, _)| &chunks[n]);
        for lane in 0..LANES {
            add(lane, chunks.map(|chunk| chunk[lane]));
        }
    }
    for lane in 0..whole[0].1.len() {
        add(lane, whole.map(|(_, rest)| rest[lane]));
    }
    parts.map(|parts| parts.iter().sum())
}

/// The sum of the products of two slices of one length, in double precision.
pub(crate) fn dot<T: Copy + Into<f64>>(a: &[T], b: &[T]) -> f64 {
    vectorized(
        #[inline(always)]
        || {
            let mut parts = [0.0; LANES];
            for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
                for (part, (&a, &b)) in parts.iter_mut().zip(a.iter().zip(b)) {
                    *part += a.into() * b.into();
                }
            }
            parts.iter().sum()
        },
    )
}

/// The greatest element of a slice; minus infinity if it is empty. NaN is skipped: sums find it.
#[inline(always)]
pub(crate) fn greatest(slice: &[f32]) -> f32 {
    let mut parts = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = slice.as_chunks::<LANES>();
    for chunk in chunks {
        for (part, &x) in parts.iter_mut().zip(chunk) {
            *part = if x > *part { x } else { *part };
        }
    }
    parts.iter().chain(rest).fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most })
}

/// e^x within 2 units in the last place; flushed to e^-87.3 below that and limited to e^88 above.
///
/// The scheme of Cephes' expf (Moshier 1989): e^x = 2^n e^r, with r within half a ln 2 and a polynomial for e^r.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// 1.5 · 2^23: adding it rounds to an integer, which its low bits then hold.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with zeros at the end so that n times it is exact.
    const LN2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let x = x.clamp(-87.3, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN2.0 - n * LN2.1;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        p = p * r + coefficient;
    }
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    (p * r * r + r + 1.0) * power
}

/// ln(1 + e^-x) for x of 0 or more.
///
/// ln(1 + t) = 2 artanh(t / (2 + t)), whose series is short as the argument is a third at most.
#[inline(always)]
pub(crate) fn ln_1p_exp_neg(x: f32) -> f32 {
    let t = exp(-x);
    let s = t / (2.0 + t);
    let z = s * s;
    let mut p = 1.0 / 17.0;
    for denominator in [15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        p = p * z + 1.0 / denominator;
    }
    2.0 * (s + s * z * p)
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tanh x: a polynomial near 0, where the other form cancels (Cephes' tanhf).
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let z = x * x;
    let mut p = -5.704_988_7e-3;
    for coefficient in [2.063_909e-2, -5.373_971_6e-2, 0.133_314_42, -0.333_332_8] {
        p = p * z + coefficient;
    }
    let near = p * z * x + x;
    let far = 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
    if x.abs() < 0.625 { near } else { far }
}

/// asinh x = ln(|x| + √(x² + 1)) with the sign of x, within 3e-7 or a millionth of it; limited to ±42.1.
///
/// With y = 2^n m and m within a factor √2 of 1, ln y = n ln 2 + 2 artanh((m - 1) / (m + 1)), a short series.
#[inline(always)]
pub(crate) fn asinh(x: f32) -> f32 {
    let size = x.abs().min(1e18);
    let y = size + (size * size + 1.0).sqrt();
    // Adding the bits of 1 / √2 to those of y moves the borders between powers of 2 to √2 times a power of 2.
    const HALF_ROOT: u32 = 0x3f35_04f3;
    let shifted = y.to_bits().wrapping_sub(HALF_ROOT);
    let n = (shifted >> 23) as f32;
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(HALF_ROOT));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut p = 1.0 / 9.0;
    for denominator in [7.0, 5.0, 3.0] {
        p = p * z + 1.0 / denominator;
    }
    let log = n * std::f32::consts::LN_2 + 2.0 * (s + s * z * p);
    if x.is_nan() { x } else { log.copysign(x) }
}

/// asinh x, within 1e-10 of it; limited to ±231. As [`asinh`], with more terms.
#[inline(always)]
pub(crate) fn asinh_f64(x: f64) -> f64 {
    let size = x.abs().min(1e100);
    let y = size + (size * size + 1.0).sqrt();
    const HALF_ROOT: u64 = 0x3fe6_a09e_667f_3bcd;
    let shifted = y.to_bits().wrapping_sub(HALF_ROOT);
    let n = (shifted >> 52) as f64;
    let m = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff).wrapping_add(HALF_ROOT));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut p = 1.0 / 15.0;
    for denominator in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        p = p * z + 1.0 / denominator;
    }
    let log = n * std::f64::consts::LN_2 + 2.0 * (s + s * z * p);
    if x.is_nan() { x } else { log.copysign(x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(range: std::ops::Range<i32>, step: f32, ours: fn(f32) -> f32, exact: fn(f64) -> f64) -> f64 {
        let error = |i| {
            let x = i as f32 * step;
            let exact = exact(f64::from(x));
            ((f64::from(ours(x)) - exact) / exact).abs()
        };
        range.map(error).fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_within_a_few_units_in_the_last_place() {
        let units = |n: f64| n * f64::from(f32::EPSILON);
        assert!(worst(-87_000..88_000, 1e-3, exp, f64::exp) < units(2.0));
        assert!(worst(-80_000..80_000, 1e-3, sigmoid, |x| 1.0 / (1.0 + (-x).exp())) < units(4.0));
        assert!(worst(1..20_000, 1e-3, tanh, f64::tanh) < units(4.0));
        assert!(worst(-1000..0, 1e-5, tanh, f64::tanh) < units(4.0));
        assert!(worst(0..80_000, 1e-3, ln_1p_exp_neg, |x| (-x).exp().ln_1p()) < units(4.0));
    }

    #[test]
    fn asinh_is_close_at_every_size() {
        for i in -2000..2000 {
            let x = (i as f32 * 0.02).exp() * if i % 2 == 0 { 1.0 } else { -1.0 };
            let exact = f64::from(x).asinh();
            assert!((f64::from(asinh(x)) - exact).abs() < 3e-7 + 1e-6 * exact.abs(), "{x}: {} {exact}", asinh(x));
            let near = asinh_f64(x.into());
            assert!((near - exact).abs() < 1e-10, "{x}: {near} {exact}");
        }
        assert_eq!(asinh(0.0), 0.0);
        assert!(asinh(f32::NAN).is_nan() && asinh(f32::INFINITY) > 42.0 && asinh(f32::MIN) < -42.0);
    }

    #[test]
    fn extremes_stay_finite_and_nan_stays_nan() {
        assert!(exp(1e30).is_finite() && exp(-1e30) > 0.0 && exp(f32::NEG_INFINITY) < 1e-37);
        assert_eq!((exp(0.0), tanh(0.0), sigmoid(0.0)), (1.0, 0.0, 0.5));
        assert_eq!((tanh(1e9), tanh(-1e9), sigmoid(1e9)), (1.0, -1.0, 1.0));
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
    }

    #[test]
    fn a_dot_product_takes_every_element_once() {
        for n in [0_u32, 1, 15, 16, 17, 100] {
            let values: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let squares = (0..n).map(|i| f64::from(i * i)).sum::<f64>();
            assert_eq!(dot(&values, &values), squares);
        }
    }

    #[test]
    fn sums_take_every_element_once() {
        for n in [0_usize, 1, 15, 16, 17, 100] {
            let values: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let sum = (n * n.saturating_sub(1) / 2) as f32;
            assert_eq!(sums([&values, &values], |[a, b]| [a, a + b]), [sum, 2.0 * sum]);
        }
        let mut values = [0.0; 40];
        values[37] = f32::NAN;
        assert!(sums([&values], |[value]| [value])[0].is_nan());
    }
}
