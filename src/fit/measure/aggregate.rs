//! Aggregate measures: density of the latents, residuals, quantiles, and the effects of latents on outputs.

use super::FittedNetwork;
use crate::artifact::{Aggregate, RANKS};
use crate::error::Result;
use crate::feature::Features;
use crate::fit::rows::FitRows;
use crate::numerics::{Covariance, GaussianMixture, RandomStream};

/// Most rows, most values of them, and most products of latents with outputs.
const MOST_ROWS: usize = 4096;
const MOST_CELLS: usize = 1 << 24;
const MOST_PAIRS: usize = 1 << 29;

/// The widest latent space that gets a density, and most products of latents in a step of its fit.
const WIDEST: usize = 256;
const MOST_PRODUCTS: usize = 1 << 26;

/// Number of factors of the residuals, and the most values for them.
const FACTORS: usize = 16;
const WIDEST_SHARED: usize = 2048;

/// Most places decoded to measure the effects of the latents.
const MOST_PLACES: usize = 1 << 14;

/// A sample of training rows: their values, latents and reconstructions.
#[derive(Default)]
struct SampledTrainingRows {
    /// Posterior mean, and a draw: `[rows, latent_dim]`.
    mean: Vec<f32>,
    draw: Vec<f32>,
    /// The values, and their expectation given the draw: `[rows, outputs]`.
    spread: Vec<f32>,
    expected: Vec<f32>,
    /// `[rows, given elements]`.
    given: Vec<f32>,
}

/// Measures the model on a sample of training rows.
///
/// # Errors
/// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(in crate::fit) fn measure(
    look: &FittedNetwork<'_>,
    features: &Features,
    rows: &FitRows,
    seed: u64,
) -> Result<Aggregate> {
    let (k, outputs) = (look.latent_dim, look.layout.outputs());
    let most = MOST_ROWS.min(MOST_CELLS / outputs).min(MOST_PAIRS / (k * outputs)).max(256);
    let noise = RandomStream::new(seed, "aggregate");
    let mut some = SampledTrainingRows::default();
    for batch in look.batches(&rows.training, most) {
        let batch = batch?;
        let encoded = look.vae.encode(&batch)?;
        let draw = look.draw(&batch, &encoded, noise);
        some.expected.extend(look.expected(&look.decode(&draw, &batch.given.inputs)?));
        some.draw.extend(draw);
        some.mean.extend(encoded.mean);
        some.spread.extend(look.spread(&batch));
        some.given.extend(batch.given.elements);
    }
    let mut held_out = Vec::new();
    // A refit may have trained on the validation rows.
    for batch in look.batches(&rows.calibration, MOST_ROWS) {
        let batch = batch?;
        held_out.extend(look.draw(&batch, &look.vae.encode(&batch)?, noise));
    }
    let density = (k <= WIDEST && !held_out.is_empty()).then(|| {
        let rows = (MOST_PRODUCTS / (k * k)).min(some.draw.len() / k);
        GaussianMixture::choose(&some.draw[..rows * k], &held_out, k, RandomStream::new(seed, "density"))
    });
    look.stop.check()?;
    let in_unit = units(features, &look.layout.given().typical(&some.given));
    let gaussians = look.layout.gaussians();
    let (residual, quantiles): (Vec<f32>, _) = (0..gaussians).map(|output| values(&some, output, outputs)).unzip();
    let quantiles: Vec<[f32; RANKS]> = quantiles;
    let shared = shared(&some, &residual, outputs);
    let (deviation, correlations): (Vec<f32>, Vec<Vec<f32>>) = related(&some, k, outputs, &in_unit);
    look.stop.check()?;
    Ok(Aggregate {
        density: density.flatten(),
        residual,
        shared,
        quantiles: quantiles.into_iter().flatten().collect(),
        deviation,
        effect: effects(look, &some, &in_unit)?,
        given: some.given.clone(),
        rank_correlation: (0..k).flat_map(|i| correlations.iter().map(move |of_output| of_output[i])).collect(),
    })
}

/// Converts the expectation of each output to its unit; of a number that groups standardise, in a typical group.
type InUnit<'a> = Vec<Box<dyn Fn(f32) -> f64 + 'a>>;

fn units<'a>(features: &'a Features, typical: &[f32]) -> InUnit<'a> {
    // A straight line: standardised 0 and 1.
    let [zero, one] = [0.0, 1.0].map(|x| {
        let mut x = vec![x; features.layout().inputs()];
        features.layout().given().restore(&mut x, typical);
        x
    });
    let lines: Vec<(f32, f32)> = zero.iter().zip(&one).map(|(zero, one)| (*zero, one - zero)).collect();
    let of_kind = move |(n, kind): (usize, &'_ crate::feature::Kind)| {
        let lines = lines[features.elements(n)].to_vec();
        let kind = kind.clone();
        let shape = kind.feature().shape();
        let kind = std::rc::Rc::new(kind);
        (0..shape.elements * shape.classes).map(move |output| {
            let kind = kind.clone();
            let (level, spread) = if shape.classes == 1 { lines[output] } else { (0.0, 1.0) };
            Box::new(move |expected: f32| kind.feature().in_unit(output, (expected * spread + level).into()))
                as Box<dyn Fn(f32) -> f64>
        })
    };
    features.kinds().iter().enumerate().flat_map(of_kind).collect()
}

/// The standard deviation of a value's residual, and its quantiles at even ranks.
fn values(rows: &SampledTrainingRows, output: usize, outputs: usize) -> (f32, [f32; RANKS]) {
    let column = |all: &'_ Vec<f32>| all.iter().skip(output).step_by(outputs).copied().collect::<Vec<f32>>();
    let (x, expected) = (column(&rows.spread), column(&rows.expected));
    let pairs = x.iter().zip(&expected).filter(|(x, _)| !x.is_nan());
    let (sum, known) = pairs.fold((0.0, 0.0), |(sum, n), (x, y)| (sum + f64::from(x - y).powi(2), n + 1.0));
    let mut sorted: Vec<f32> = x.into_iter().filter(|x| !x.is_nan()).collect();
    sorted.sort_by(f32::total_cmp);
    let at = |rank: usize| match sorted.len() {
        0 => 0.0,
        n => {
            let place = rank as f64 / (RANKS - 1) as f64 * (n - 1) as f64;
            let (below, share) = (place as usize, place.fract() as f32);
            sorted[below] + share * (sorted[(below + 1).min(n - 1)] - sorted[below])
        }
    };
    ((sum / f64::max(known, 1.0)).sqrt() as f32, std::array::from_fn(at))
}

/// The shared factors of the residuals, `[factors, values]`: their first principal components, standardised by value, times
/// the standard deviation along each.
fn shared(rows: &SampledTrainingRows, residual: &[f32], outputs: usize) -> Vec<f32> {
    let values = residual.len();
    if values == 0 || values > WIDEST_SHARED {
        return Vec::new();
    }
    let off = rows.spread.chunks_exact(outputs).zip(rows.expected.chunks_exact(outputs)).flat_map(|(x, expected)| {
        x.iter().zip(expected).zip(residual).map(
            |((x, expected), std)| {
                if x.is_nan() || *std == 0.0 { 0.0 } else { (x - expected) / std }
            },
        )
    });
    let off: Vec<f32> = off.collect();
    let mut covariance = Covariance::new(vec![0.0; values]);
    covariance.add(off.clone());
    let components = covariance.components(FACTORS);
    let rows = (off.len() / values) as f64;
    let reach = |axis: &[f32]| {
        let along = |off: &[f32]| off.iter().zip(axis).map(|(off, axis)| f64::from(off * axis)).sum::<f64>();
        (off.chunks_exact(values).map(|off| along(off).powi(2)).sum::<f64>() / rows).sqrt() as f32
    };
    let factors = components.axes().chunks_exact(values).map(|axis| (axis, reach(axis)));
    factors.flat_map(|(axis, reach)| axis.iter().zip(residual).map(move |(part, std)| reach * part * std)).collect()
}

/// The standard deviation of each output's values in its unit, and their rank correlation with every latent.
fn related(rows: &SampledTrainingRows, k: usize, outputs: usize, in_unit: &InUnit<'_>) -> (Vec<f32>, Vec<Vec<f32>>) {
    let n = rows.mean.len() / k;
    let latents: Vec<RankedNumbers> =
        (0..k).map(|i| RankedNumbers::of(rows.mean.iter().skip(i).step_by(k).copied())).collect();
    let whole: Vec<Vec<f64>> = latents.iter().map(|latent| latent.ranks(None)).collect();
    let of_output = |output: usize| {
        let x: Vec<f32> = rows.spread.iter().skip(output).step_by(outputs).copied().collect();
        let known: Vec<bool> = x.iter().map(|x| !x.is_nan()).collect();
        let ranked = RankedNumbers::of(x.iter().copied());
        let deviation = deviation(x.iter().filter(|x| !x.is_nan()).map(|&x| in_unit[output](x)));
        let correlations = if known.iter().all(|known| *known) {
            let ranks = ranked.ranks(None);
            whole.iter().map(|latent| correlation(latent, &ranks)).collect()
        } else {
            let ranks = ranked.ranks(Some(&known));
            latents.iter().map(|latent| correlation(&latent.ranks(Some(&known)), &ranks)).collect()
        };
        (deviation as f32, correlations)
    };
    debug_assert!(n > 0);
    (0..outputs).map(of_output).unzip()
}

/// Numbers and their order.
struct RankedNumbers {
    values: Vec<f32>,
    order: Vec<u32>,
}

impl RankedNumbers {
    fn of(values: impl Iterator<Item = f32>) -> Self {
        let values: Vec<f32> = values.collect();
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]));
        Self { values, order }
    }

    /// The centred ranks of the numbers in `among`, by default all; ties share their mean rank. 0 for the others.
    fn ranks(&self, among: Option<&[bool]>) -> Vec<f64> {
        let mut ranks = vec![0.0; self.values.len()];
        let places = self.order.iter().map(|&place| place as usize);
        let places: Vec<usize> = places.filter(|&place| among.is_none_or(|among| among[place])).collect();
        let middle = (places.len() as f64 - 1.0) / 2.0;
        let mut from = 0;
        while from < places.len() {
            let value = self.values[places[from]];
            let equal = places[from..].iter().take_while(|&&place| self.values[place] == value).count().max(1);
            let rank = from as f64 + (equal as f64 - 1.0) / 2.0 - middle;
            places[from..from + equal].iter().for_each(|&place| ranks[place] = rank);
            from += equal;
        }
        ranks
    }
}

/// Pearson's correlation of centred numbers; 0 if either does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f32 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { (dot(a, b) / norm) as f32 } else { 0.0 }
}

fn deviation(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// The effect of each latent on each output: the mean, over some rows, of the difference between half a step up and half a
/// step down.
fn effects(look: &FittedNetwork<'_>, rows: &SampledTrainingRows, in_unit: &InUnit<'_>) -> Result<Vec<f32>> {
    let (k, outputs) = (look.latent_dim, in_unit.len());
    let all = rows.mean.len() / k;
    let some = (MOST_PLACES / (2 * k)).clamp(16, 1024).min(all);
    let places: Vec<&[f32]> = (0..some).map(|n| &rows.mean[n * all / some * k..][..k]).collect();
    let given = look.layout.given();
    let of_place = |n: usize| &rows.given[n * all / some * given.elements()..][..given.elements()];
    let given = given.rows((0..some).flat_map(of_place).copied().collect());
    let mut effects = Vec::with_capacity(k * outputs);
    for i in 0..k {
        look.stop.check()?;
        let mut sums = vec![0.0; outputs];
        for sign in [1.0, -1.0] {
            let moved = places.iter().flat_map(|z| {
                let mut z = z.to_vec();
                z[i] += 0.5 * sign as f32;
                z
            });
            let expected = look.expected(&look.decode(&moved.collect::<Vec<_>>(), &given.inputs)?);
            for row in expected.chunks_exact(outputs) {
                let values = row.iter().zip(in_unit).map(|(&expected, in_unit)| in_unit(expected));
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += sign * value);
            }
        }
        effects.extend(sums.into_iter().map(|sum| (sum / some as f64) as f32));
    }
    Ok(effects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        let ranked = RankedNumbers::of([3.0, 1.0, 3.0, 2.0, 9.0].into_iter());
        assert_eq!(ranked.ranks(None), [0.5, -2.0, 0.5, -1.0, 2.0]);
        assert_eq!(ranked.ranks(Some(&[true, true, false, true, false])), [1.0, -1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn rank_correlations_are_spearmans() {
        // scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]).statistic = 0.8207826816681233
        let ranks = |values: [f32; 5]| RankedNumbers::of(values.into_iter()).ranks(None);
        let found = correlation(&ranks([1.0, 2.0, 3.0, 4.0, 5.0]), &ranks([5.0, 6.0, 7.0, 8.0, 7.0]));
        assert!((f64::from(found) - 0.820_782_681_668_123_3).abs() < 1e-7);
        assert_eq!(correlation(&ranks([1.0; 5]), &ranks([1.0, 2.0, 3.0, 4.0, 5.0])), 0.0);
    }
}
