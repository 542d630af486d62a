//! Aggregate measures: density of the latents, residuals, quantiles, and the effects of latents on outputs.

use std::ops::Range;
use std::sync::Arc;

use super::FittedNetwork;
use super::sampled_batches::BATCH_ROWS;
use crate::artifact::{Aggregate, RANKS};
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::{COLUMNS_PER_BLOCK, Features};
use crate::fit::rows::FitRows;
use crate::numerics::{Covariance, GaussianMixture, RandomStream, dot, times_transposed};

/// Most rows, most values of them, and most products of latents with outputs.
const MOST_ROWS: usize = 4096;
const MOST_CELLS: usize = 1 << 21;
const MOST_PAIRS: usize = 1 << 29;

/// The widest latent space that gets a density, its most components, and most products of latents in a step of its fit.
const WIDEST: usize = 256;
const MOST_COMPONENTS: usize = 16;
const MOST_PRODUCTS: usize = 1 << 26;

/// Number of factors of the residuals, the most values for them, and the most products.
const FACTORS: usize = 16;
const WIDEST_SHARED: usize = 2048;
const MOST_RESIDUAL_PRODUCTS: usize = 1 << 32;

/// Most numbers of stored windows, and the fewest and most rows whatever their width.
const MOST_WINDOW_CELLS: usize = 1 << 17;
const WINDOWS: (usize, usize) = (256, 2048);

/// Most places decoded to measure the effects of the latents.
const MOST_PLACES: usize = 1 << 12;

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

impl SampledTrainingRows {
    fn extend(&mut self, more: Self) {
        self.mean.extend(more.mean);
        self.draw.extend(more.draw);
        self.spread.extend(more.spread);
        self.expected.extend(more.expected);
        self.given.extend(more.given);
    }
}

/// Measures the model on a sample of training rows; with windows of some if they are in order.
///
/// # Errors
/// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(in crate::fit) fn measure(
    look: &FittedNetwork<'_>,
    features: &Features,
    rows: &FitRows,
    (seed, in_order): (u64, bool),
) -> Result<Aggregate> {
    let (k, outputs) = (look.latent_dim, look.layout.outputs());
    let most = MOST_ROWS.min(look.most_rows).min((MOST_CELLS / outputs).max(1024));
    let most = most.min(MOST_PAIRS / (k * outputs)).max(256);
    let noise = RandomStream::new(seed, "aggregate");
    let mut some = SampledTrainingRows::default();
    let of_batch = |batch: Batch| {
        let posterior = look.vae.posterior(&batch)?;
        let draw = look.draw(&batch, &posterior, noise);
        let expected = look.expected(&look.decode(&draw, &batch.given.inputs)?);
        let [mean, _] = posterior;
        Ok(SampledTrainingRows { mean, draw, expected, spread: look.spread(&batch), given: batch.given.elements })
    };
    look.each(&rows.training, most, of_batch, |of_batch| some.extend(of_batch))?;
    let mut held_out = Vec::new();
    // A refit may have trained on the validation rows.
    let draw = |batch: Batch| Ok(look.draw(&batch, &look.vae.posterior(&batch)?, noise));
    look.each(&rows.calibration, MOST_ROWS, draw, |draw| held_out.extend(draw))?;
    let density = || {
        let rows = (MOST_PRODUCTS / (k * k)).min(some.draw.len() / k);
        let noise = RandomStream::new(seed, "density");
        GaussianMixture::choose(&some.draw[..rows * k], &held_out, k, MOST_COMPONENTS, noise)
    };
    let (density, aggregate) = look
        .pool
        .join(|| (k <= WIDEST && !held_out.is_empty()).then(density).flatten(), || of_rows(look, features, &some));
    let windows = if in_order { windows(look, rows)? } else { Vec::new() };
    Ok(Aggregate { density, windows, ..aggregate? })
}

/// Some training rows with their windows, `[rows, inputs + given elements]`, NaN where missing.
fn windows(look: &FittedNetwork<'_>, rows: &FitRows) -> Result<Vec<f32>> {
    let most = (MOST_WINDOW_CELLS / look.layout.width()).clamp(WINDOWS.0, WINDOWS.1);
    let mut windows = Vec::new();
    look.each(&rows.training, most, |batch| Ok(batch.into_rows(look.layout)), |rows| windows.extend(rows))?;
    Ok(windows)
}

/// Measures the rows; all but the density.
fn of_rows(look: &FittedNetwork<'_>, features: &Features, rows: &SampledTrainingRows) -> Result<Aggregate> {
    let (k, outputs) = (look.latent_dim, look.layout.outputs());
    let in_unit = units(features, &look.layout.given().typical(&rows.given));
    let gaussians = look.layout.gaussians();
    let latents = Latents::of(&rows.mean, k);
    let measured = look.pool.answers(0..outputs.div_ceil(COLUMNS_PER_BLOCK), |block| {
        let block = block * COLUMNS_PER_BLOCK..outputs.min((block + 1) * COLUMNS_PER_BLOCK);
        let [x, expected] = [&rows.spread, &rows.expected].map(|all| columns(all, outputs, block.clone()));
        let each = block.zip(x.into_iter().zip(expected));
        each.map(|(output, pair)| OutputMeasures::of(pair, &latents, &in_unit[output])).collect::<Vec<_>>()
    });
    let measured: Vec<OutputMeasures> = measured.into_iter().flatten().collect();
    let residual: Vec<f32> = measured[..gaussians].iter().map(|output| output.residual).collect();
    look.stop.check()?;
    let shared = shared(look, rows, &residual)?;
    look.stop.check()?;
    Ok(Aggregate {
        density: None,
        residual,
        shared,
        quantiles: measured[..gaussians].iter().flat_map(|output| output.quantiles).collect(),
        deviation: measured.iter().map(|output| output.deviation).collect(),
        effect: effects(look, rows, &in_unit)?,
        given: rows.given.clone(),
        windows: Vec::new(),
        rank_correlation: (0..k).flat_map(|i| measured.iter().map(move |output| output.correlations[i])).collect(),
    })
}

/// Converts the expectation of each output to its unit; of a number that groups standardise, in a typical group.
type InUnit<'a> = Vec<Box<dyn Fn(f32) -> f64 + Send + Sync + 'a>>;

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
        let kind = Arc::new(kind);
        (0..shape.elements * shape.classes).map(move |output| {
            let kind = kind.clone();
            let (level, spread) = if shape.classes == 1 { lines[output] } else { (0.0, 1.0) };
            Box::new(move |expected: f32| kind.feature().in_unit(output, (expected * spread + level).into()))
                as Box<dyn Fn(f32) -> f64 + Send + Sync>
        })
    };
    features.kinds().iter().enumerate().flat_map(of_kind).collect()
}

/// What is measured of an output.
struct OutputMeasures {
    /// The standard deviation of the residual.
    residual: f32,
    /// The quantiles at even ranks.
    quantiles: [f32; RANKS],
    /// The standard deviation in its unit.
    deviation: f32,
    /// The rank correlation with every latent.
    correlations: Vec<f32>,
}

impl OutputMeasures {
    /// Measures an output from its values and their expectations.
    fn of((x, expected): (Vec<f32>, Vec<f32>), latents: &Latents, in_unit: &dyn Fn(f32) -> f64) -> Self {
        let pairs = x.iter().zip(&expected).filter(|(x, _)| !x.is_nan());
        let (sum, known) = pairs.fold((0.0, 0.0), |(sum, n), (x, y)| (sum + f64::from(x - y).powi(2), n + 1.0));
        let deviation = deviation(x.iter().filter(|x| !x.is_nan()).map(|&x| in_unit(x))) as f32;
        let known_rows: Option<Vec<bool>> =
            x.iter().any(|x| x.is_nan()).then(|| x.iter().map(|x| !x.is_nan()).collect());
        let ranked = RankedNumbers::of(x);
        let quantiles = ranked.quantiles();
        let correlations = latents.correlations(&ranked, known_rows.as_deref());
        Self { residual: (sum / f64::max(known, 1.0)).sqrt() as f32, quantiles, deviation, correlations }
    }
}

/// Some columns of rows, `[rows, width]`.
fn columns(rows: &[f32], width: usize, columns: Range<usize>) -> Vec<Vec<f32>> {
    let mut taken = vec![Vec::with_capacity(rows.len() / width); columns.len()];
    for row in rows.chunks_exact(width) {
        taken.iter_mut().zip(&row[columns.clone()]).for_each(|(column, x)| column.push(*x));
    }
    taken
}

/// The latents of rows, in order.
struct Latents {
    all: Vec<RankedNumbers>,
    /// The centred ranks of each, and their squared norm.
    ranks: Vec<(Vec<f64>, f64)>,
}

impl Latents {
    /// Those of rows, `[rows, latent_dim]`.
    fn of(mean: &[f32], latent_dim: usize) -> Self {
        let all: Vec<RankedNumbers> =
            columns(mean, latent_dim, 0..latent_dim).into_iter().map(RankedNumbers::of).collect();
        let ranks = all.iter().map(|latent| with_norm(latent.ranks(None))).collect();
        Self { all, ranks }
    }

    /// The rank correlation of each with other numbers, among the rows that are known.
    fn correlations(&self, numbers: &RankedNumbers, known: Option<&[bool]>) -> Vec<f32> {
        let numbers = with_norm(numbers.ranks(known));
        match known {
            None => self.ranks.iter().map(|latent| correlation(latent, &numbers)).collect(),
            Some(_) => self.all.iter().map(|latent| correlation(&with_norm(latent.ranks(known)), &numbers)).collect(),
        }
    }
}

/// The shared factors of the residuals, `[factors, values]`: their first principal components, standardised by value, times
/// the standard deviation along each.
fn shared(look: &FittedNetwork<'_>, rows: &SampledTrainingRows, residual: &[f32]) -> Result<Vec<f32>> {
    let (values, outputs) = (residual.len(), look.layout.outputs());
    if values == 0 || values > WIDEST_SHARED {
        return Ok(Vec::new());
    }
    let count = (rows.spread.len() / outputs).min(MOST_RESIDUAL_PRODUCTS / (values * values));
    let some = rows.spread.chunks_exact(outputs).zip(rows.expected.chunks_exact(outputs)).take(count);
    let off = some.flat_map(|(x, expected)| {
        x.iter().zip(expected).zip(residual).map(
            |((x, expected), std)| {
                if x.is_nan() || *std == 0.0 { 0.0 } else { (x - expected) / std }
            },
        )
    });
    let off: Vec<f32> = off.collect();
    let center = vec![0.0; values];
    let blocks: Vec<&[f32]> = off.chunks(BATCH_ROWS * values).collect();
    let products = |block: usize| Ok(Covariance::products(&center, blocks[block].to_vec()));
    let mut covariance = Covariance::new(center.clone());
    look.pool.each(blocks.len(), products, |products| covariance.add_products(products))?;
    let components = covariance.components(FACTORS);
    let factors = components.axes().len() / values;
    let mut along = vec![0.0; count * factors];
    times_transposed(&off, components.axes(), &mut along, [count, factors, values]);
    let squares = |factor: usize| along.iter().skip(factor).step_by(factors).map(|x| f64::from(x * x)).sum::<f64>();
    let reach = |factor: usize| (squares(factor) / count as f64).sqrt() as f32;
    let axes = components.axes().chunks_exact(values).enumerate().map(|(factor, axis)| (axis, reach(factor)));
    Ok(axes.flat_map(|(axis, reach)| axis.iter().zip(residual).map(move |(part, std)| reach * part * std)).collect())
}

/// Numbers and their order.
struct RankedNumbers {
    values: Vec<f32>,
    order: Vec<u32>,
}

impl RankedNumbers {
    fn of(values: Vec<f32>) -> Self {
        // Value and place in one integer, which sorts as `total_cmp` does.
        let rank = |(place, value): (i64, &f32)| {
            let bits = value.to_bits() as i32;
            i64::from(bits ^ ((bits >> 31) as u32 >> 1) as i32) << 32 | place
        };
        let mut ranks: Vec<i64> = (0..).zip(&values).map(rank).collect();
        ranks.sort_unstable();
        Self { order: ranks.into_iter().map(|rank| rank as u32).collect(), values }
    }

    /// The quantiles of those that are not NaN at even ranks; 0 without any.
    fn quantiles(&self) -> [f32; RANKS] {
        let sorted: Vec<f32> =
            self.order.iter().map(|&place| self.values[place as usize]).filter(|x| !x.is_nan()).collect();
        let at = |rank: usize| match sorted.len() {
            0 => 0.0,
            n => {
                let place = rank as f64 / (RANKS - 1) as f64 * (n - 1) as f64;
                let (below, share) = (place as usize, place.fract() as f32);
                sorted[below] + share * (sorted[(below + 1).min(n - 1)] - sorted[below])
            }
        };
        std::array::from_fn(at)
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

/// Numbers and their squared norm.
fn with_norm(numbers: Vec<f64>) -> (Vec<f64>, f64) {
    let norm = dot(&numbers, &numbers);
    (numbers, norm)
}

/// Pearson's correlation of centred numbers; 0 if either does not vary.
fn correlation((a, of_a): &(Vec<f64>, f64), (b, of_b): &(Vec<f64>, f64)) -> f32 {
    let norm = (of_a * of_b).sqrt();
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
    let of_latent = |i: usize| {
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
        Ok(sums.into_iter().map(|sum| (sum / some as f64) as f32).collect())
    };
    let effects: Vec<Vec<f32>> = look.pool.map(0..k, of_latent)?;
    Ok(effects.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        let ranked = RankedNumbers::of(vec![3.0, 1.0, 3.0, 2.0, 9.0]);
        assert_eq!(ranked.ranks(None), [0.5, -2.0, 0.5, -1.0, 2.0]);
        assert_eq!(ranked.ranks(Some(&[true, true, false, true, false])), [1.0, -1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn rank_correlations_are_spearmans() {
        // scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]).statistic = 0.8207826816681233
        let ranks = |values: [f32; 5]| with_norm(RankedNumbers::of(values.to_vec()).ranks(None));
        let found = correlation(&ranks([1.0, 2.0, 3.0, 4.0, 5.0]), &ranks([5.0, 6.0, 7.0, 8.0, 7.0]));
        assert!((f64::from(found) - 0.820_782_681_668_123_3).abs() < 1e-7);
        assert_eq!(correlation(&ranks([1.0; 5]), &ranks([1.0, 2.0, 3.0, 4.0, 5.0])), 0.0);
    }
}
