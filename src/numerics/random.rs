//! Counter-based random numbers: the n-th number of a stream is a function of (seed, stream, n) alone, so that no
//! number depends on what was drawn before it or on which thread draws it.
//!
//! The generator is SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", section
//! 5), whose state is a counter.

#![forbid(unsafe_code)]

/// The increment of SplitMix64: 2^64 divided by the golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finalizer: a bijection of 64 bits, so distinct inputs never collide.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A hash of numbers in their order.
pub(crate) fn hash(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, |key, bits| mix(key.rotate_left(7) ^ bits))
}

/// The index that `drawn`, uniform between 0 and the sum of the weights, falls on; `None` if rounding puts it past the
/// last one.
pub(crate) fn pick(weights: impl IntoIterator<Item = f64>, drawn: f64) -> Option<usize> {
    let mut left = drawn;
    weights.into_iter().position(|weight| {
        left -= weight;
        left < 0.0
    })
}

/// One stream of random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RandomStream {
    key: u64,
}

impl RandomStream {
    /// The stream called `name` of a seed. The names in use: "weights/" and a parameter, "hold-out", "chunks", "rows",
    /// "noise", "hide", "validation", "impute", "members", "aggregate", "density", "clusters", "latent quality", "neighbors", "graph",
    /// "pairs", "blur", "restarts" and "generate"; and at seed 0
    /// "principal", "ranks", "row sample" and words of categories.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let key = name
            .bytes()
            .fold(mix(seed.wrapping_add(GOLDEN)), |key, byte| mix(key ^ u64::from(byte)).wrapping_add(GOLDEN));
        Self { key }
    }

    /// The stream's `n`-th child, independent of the stream and of its other children in practice.
    pub(crate) fn child(self, n: u64) -> Self {
        Self { key: mix(mix(self.key).wrapping_add(n.wrapping_mul(GOLDEN))) }
    }

    /// The `n`-th number, uniform over 64 bits. Distinct `n` give distinct numbers.
    pub(crate) fn bits(self, n: u64) -> u64 {
        mix(self.key.wrapping_add(n.wrapping_mul(GOLDEN)))
    }

    /// The `n`-th number, uniform in [0, 1).
    pub(crate) fn uniform(self, n: u64) -> f64 {
        (self.bits(n) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Fills `out` with standard normal numbers (Box & Muller 1958), the stream's first ones.
    pub(crate) fn normals(self, out: &mut [f32]) {
        for (n, pair) in out.chunks_mut(2).enumerate() {
            let bits = self.bits(n as u64);
            let u = ((bits >> 32) as f32 + 1.0) / 4_294_967_296.0;
            let angle = std::f32::consts::TAU * (((bits & 0xffff_ffff) as f32) / 4_294_967_296.0);
            let radius = (-2.0 * u.min(1.0).ln()).sqrt();
            pair[0] = radius * angle.cos();
            if let Some(second) = pair.get_mut(1) {
                *second = radius * angle.sin();
            }
        }
    }

    /// Shuffles `items` (Fisher & Yates; Durstenfeld 1964).
    pub(crate) fn shuffle<T>(self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            // Multiply-shift: uniform to within 2^-64 times the length.
            let pick = ((u128::from(self.bits(last as u64)) * (last as u128 + 1)) >> 64) as usize;
            items.swap(last, pick);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finalizer_is_the_published_one() {
        // The first outputs of SplitMix64 from state 1234567, as in the reference implementation's test.
        let state = |n: u64| 1_234_567_u64.wrapping_add(GOLDEN.wrapping_mul(n));
        assert_eq!([mix(state(1)), mix(state(2))], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn normals_have_the_moments_of_a_normal() {
        let mut x = vec![0.0; 400_000];
        RandomStream::new(3, "noise").normals(&mut x);
        let moment = |p: i32| x.iter().map(|&x| f64::from(x).powi(p)).sum::<f64>() / x.len() as f64;
        // Five standard errors each: sqrt(1, 2, 15, 96 / n).
        for (p, expected, error) in [(1, 0.0, 0.008), (2, 1.0, 0.012), (3, 0.0, 0.031), (4, 3.0, 0.08)] {
            assert!((moment(p) - expected).abs() < error, "moment {p} is {}", moment(p));
        }
        assert!(x.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn streams_of_other_names_seeds_and_children_differ() {
        let base = RandomStream::new(1, "rows");
        let others = [RandomStream::new(2, "rows"), RandomStream::new(1, "noise"), base.child(0), base.child(1)];
        for other in others {
            assert!((0..100).all(|n| other.bits(n) != base.bits(n)));
        }
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_every_place_is_equally_likely() {
        let mut seen = [[0_u32; 4]; 4];
        for n in 0..40_000 {
            let mut items = [0, 1, 2, 3];
            RandomStream::new(n, "rows").shuffle(&mut items);
            for (place, &item) in items.iter().enumerate() {
                seen[place][item] += 1;
            }
        }
        assert!(seen.as_flattened().iter().all(|&count| (9_500..10_500).contains(&count)), "{seen:?}");
    }
}
