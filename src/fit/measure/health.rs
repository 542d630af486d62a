//! The health of the model, measured on the calibration rows.

use super::FittedNetwork;
use crate::artifact::{ColumnHealth, Dimension, Health, Measure};
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::{Features, Likelihood};
use crate::fit::rows::FitRows;
use crate::model::Losses;
use crate::numerics::{Components, Covariance, Points, RandomStream};
use crate::score::NeighborPreservation;

/// The widest rows, and the most dimensions, for a comparison with PCA.
const WIDEST: usize = 2048;
const MOST_DIMENSIONS: usize = 256;

/// Most products for a covariance, at 784 columns those of 7,000 rows, and fewest rows.
const MOST_PRODUCTS: usize = 1 << 32;
const FEWEST_ROWS: usize = 2048;

/// Most rows whose neighbours are compared, fewest of them however wide, and most products for their distances.
const MOST_COMPARED: usize = 2048;
const FEWEST_COMPARED: usize = 256;
const MOST_DISTANCE_PRODUCTS: usize = 1 << 31;

/// Sums over rows for a numeric output.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    known: f64,
    x: f64,
    squares: f64,
    squared_error: f64,
}

/// Counts over rows for a category or flag.
#[derive(Debug, Clone, Default)]
struct Guesses {
    right: f64,
    counts: Vec<f64>,
}

/// Sums over rows.
#[derive(Debug, Clone)]
struct RowSums {
    nll: f64,
    /// Of each latent: the KL divergence, the mean and its square.
    moments: Vec<[f64; 3]>,
    squared_error: f64,
    /// The same of principal components.
    principal: f64,
    known: f64,
    /// Of each output.
    sums: Vec<Sums>,
    /// Of each element.
    guesses: Vec<Guesses>,
}

impl RowSums {
    fn new(look: &FittedNetwork<'_>) -> Self {
        Self {
            nll: 0.0,
            moments: vec![[0.0; 3]; look.latent_dim],
            squared_error: 0.0,
            principal: 0.0,
            known: 0.0,
            sums: vec![Sums::default(); look.layout.outputs()],
            guesses: vec![Guesses::default(); look.layout.inputs()],
        }
    }

    fn add(&mut self, other: &Self) {
        self.nll += other.nll;
        self.squared_error += other.squared_error;
        self.principal += other.principal;
        self.known += other.known;
        for (moments, other) in self.moments.iter_mut().zip(&other.moments) {
            moments.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        }
        for (sums, other) in self.sums.iter_mut().zip(&other.sums) {
            sums.known += other.known;
            sums.x += other.x;
            sums.squares += other.squares;
            sums.squared_error += other.squared_error;
        }
        for (guesses, other) in self.guesses.iter_mut().zip(&other.guesses) {
            guesses.right += other.right;
            guesses.counts.resize(guesses.counts.len().max(other.counts.len()), 0.0);
            guesses.counts.iter_mut().zip(&other.counts).for_each(|(sum, other)| *sum += other);
        }
    }
}

/// Measures the model on the calibration rows; `None` without such rows.
///
/// # Errors
/// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(in crate::fit) fn measure(
    look: &FittedNetwork<'_>,
    features: &Features,
    rows: &FitRows,
    seed: u64,
) -> Result<Option<Health>> {
    if rows.calibration.len() == 0 {
        return Ok(None);
    }
    let baseline = LinearBaseline::of(look, rows)?;
    // The noise of the calibration loss, so that both agree.
    let noise = RandomStream::new(seed, "validation");
    let mut all = RowSums::new(look);
    look.each(
        &rows.calibration,
        usize::MAX,
        |batch| sums_of(look, &batch, noise, baseline.as_ref()),
        |sums| all.add(&sums),
    )?;
    let RowSums { nll, moments, squared_error, principal, known, sums, guesses } = all;
    let n = rows.calibration.len() as f64;
    let dimension = |[kl, mean, squares]: [f64; 3]| {
        let variance = (squares / n - (mean / n) * (mean / n)).max(0.0);
        Dimension { kl: kl / n, variance }
    };
    let dimensions: Vec<Dimension> = moments.into_iter().map(dimension).collect();
    Ok(Some(Health {
        rows: rows.calibration.len() as u64,
        log_likelihood: -nll / n,
        kl: dimensions.iter().map(|dimension| dimension.kl).sum(),
        dimensions,
        error: squared_error / known,
        principal_error: baseline.map(|_| principal / known),
        neighbors: preserved_neighbors(look, rows)?,
        columns: columns(look, features, &sums, &guesses),
    }))
}

/// Compares the neighbours of calibration rows among the learned columns with those in the latents.
fn preserved_neighbors(look: &FittedNetwork<'_>, rows: &FitRows) -> Result<Vec<NeighborPreservation>> {
    let most = (MOST_DISTANCE_PRODUCTS / look.layout.outputs()).isqrt().clamp(FEWEST_COMPARED, MOST_COMPARED);
    let (mut places, mut latents) = (Vec::new(), Vec::new());
    let of_batch = |batch: Batch| {
        let [mean, _] = look.vae.posterior(&batch)?;
        Ok((batch.places(look.layout), mean))
    };
    look.each(&rows.calibration, most, of_batch, |(of_columns, of_latents)| {
        places.extend(of_columns);
        latents.extend(of_latents);
    })?;
    let [places, latents] =
        [(places, look.layout.outputs()), (latents, look.latent_dim)].map(|(rows, width)| Points::new(rows, width));
    NeighborPreservation::measure(&places, &latents, &look.pool, look.stop)
}

/// The sums of a batch.
fn sums_of(
    look: &FittedNetwork<'_>,
    batch: &Batch,
    noise: RandomStream,
    baseline: Option<&LinearBaseline>,
) -> Result<RowSums> {
    let (layout, k) = (look.layout, look.latent_dim);
    let (mut all, mut losses) = (RowSums::new(look), Losses::default());
    let (encoded, at_mean) = look.vae.encode_and_decode(batch)?;
    let posterior = [encoded.mean, encoded.log_variance];
    let ones = vec![1.0; batch.x.len()];
    let at_draw = look.decode(&look.draw(batch, &posterior, noise), &batch.given.inputs)?;
    let known_x = batch.known.as_deref().unwrap_or(&ones);
    let rows = batch.x.chunks_exact(layout.inputs()).zip(known_x.chunks_exact(layout.inputs()));
    for ((x, known), output) in rows.zip(at_draw.chunks_exact(layout.outputs())) {
        look.heads.losses(x, known, output, &mut losses);
        all.nll += losses.nll().map(f64::from).sum::<f64>();
    }
    let [mean, log_variance] = &posterior;
    for (mean, log_variance) in mean.chunks_exact(k).zip(log_variance.chunks_exact(k)) {
        for (moments, (&mean, &s)) in all.moments.iter_mut().zip(mean.iter().zip(log_variance)) {
            let (mean, s) = (f64::from(mean), f64::from(s));
            let of_row = [0.5 * (mean * mean + s.exp() - 1.0 - s), mean, mean * mean];
            moments.iter_mut().zip(of_row).for_each(|(sum, of_row)| *sum += of_row);
        }
    }
    all.squared_error = encoded.squared_error.iter().copied().map(f64::from).sum();
    all.known = encoded.known.iter().copied().map(f64::from).sum();
    let (spread, expected) = (look.spread(batch), look.expected(&at_mean));
    for (x, expected) in spread.chunks_exact(layout.outputs()).zip(expected.chunks_exact(layout.outputs())) {
        compare(look, x, expected, &mut all.sums, &mut all.guesses);
    }
    if let Some(baseline) = baseline {
        all.principal = baseline.squared_error(&spread);
    }
    Ok(all)
}

/// Adds a row, `[outputs]`, and its expectation to the sums.
fn compare(look: &FittedNetwork<'_>, x: &[f32], expected: &[f32], sums: &mut [Sums], guesses: &mut [Guesses]) {
    for (sums, (&x, &expected)) in sums.iter_mut().zip(x.iter().zip(expected)).filter(|(_, (x, _))| !x.is_nan()) {
        let (x, off) = (f64::from(x), f64::from(x - expected));
        sums.known += 1.0;
        sums.x += x;
        sums.squares += x * x;
        sums.squared_error += off * off;
    }
    for (span, guesses) in look.layout.spans().iter().zip(guesses) {
        let (x, expected) = (&x[span.output.clone()], &expected[span.output.clone()]);
        let (of_x, guess) = match span.likelihood {
            Likelihood::Gaussian => continue,
            Likelihood::Bernoulli => (usize::from(x[0] >= 0.5), usize::from(expected[0] >= 0.5)),
            Likelihood::Categorical => (greatest(x), greatest(expected)),
        };
        if x[0].is_nan() {
            continue;
        }
        guesses.counts.resize(span.output.len().max(2), 0.0);
        guesses.counts[of_x] += 1.0;
        guesses.right += f64::from(u8::from(of_x == guess));
    }
}

/// The place of the greatest value, the first of ties.
fn greatest(values: &[f32]) -> usize {
    let best = values.iter().enumerate().reduce(|best, one| if one.1 > best.1 { one } else { best });
    best.map_or(0, |(place, _)| place)
}

/// Measures how well each column is reconstructed.
fn columns(look: &FittedNetwork<'_>, features: &Features, sums: &[Sums], guesses: &[Guesses]) -> Vec<ColumnHealth> {
    let column = |(feature, kind): (usize, &crate::feature::Kind)| {
        let elements = features.elements(feature);
        let column = kind.column().to_string();
        if kind.feature().shape().likelihood == Likelihood::Gaussian {
            let outputs = elements.map(|element| sums[look.layout.spans()[element].output.start]);
            let (error, deviation) = outputs.filter(|sums| sums.known > 0.0).fold((0.0, 0.0), |(error, all), sums| {
                (error + sums.squared_error, all + (sums.squares - sums.x * sums.x / sums.known).max(0.0))
            });
            let value = (deviation > 1e-9).then(|| 1.0 - error / deviation);
            return ColumnHealth { column, measure: Measure::R2, value, baseline: value.map(|_| 0.0) };
        }
        let Guesses { right, counts } = &guesses[elements.start];
        let known: f64 = counts.iter().sum();
        let share = |count: f64| (known > 0.0).then(|| count / known);
        let most = counts.iter().copied().fold(0.0, f64::max);
        ColumnHealth { column, measure: Measure::Accuracy, value: share(*right), baseline: share(most) }
    };
    features.kinds().iter().enumerate().map(column).collect()
}

/// The best linear model of so many dimensions, of the training rows: their principal components.
struct LinearBaseline {
    /// The mean of each output, which fills missing values.
    mean: Vec<f32>,
    /// The weight of each output's error: for a category, the squared distance of its probabilities counts half.
    weights: Vec<f32>,
    components: Components,
}

impl LinearBaseline {
    /// Of a sample of the training rows; `None` if they are too wide.
    fn of(look: &FittedNetwork<'_>, rows: &FitRows) -> Result<Option<Self>> {
        let width = look.layout.outputs();
        if width > WIDEST || look.latent_dim > MOST_DIMENSIONS {
            return Ok(None);
        }
        let most = (MOST_PRODUCTS / (width * width)).max(FEWEST_ROWS).min(look.most_rows);
        let mut sums = vec![(0.0, 0.0); width];
        let of_batch = |batch: Batch| {
            let mut sums = vec![(0.0, 0.0); width];
            for row in look.spread(&batch).chunks_exact(width) {
                let known = sums.iter_mut().zip(row).filter(|(_, x)| !x.is_nan());
                known.for_each(|((sum, count), x)| (*sum, *count) = (*sum + f64::from(*x), *count + 1.0));
            }
            Ok(sums)
        };
        look.each(&rows.training, most, of_batch, |of_batch| {
            let each = sums.iter_mut().zip(of_batch);
            each.for_each(|((sum, count), (x, known))| (*sum, *count) = (*sum + x, *count + known));
        })?;
        let mean: Vec<f32> = sums.into_iter().map(|(sum, count)| (sum / f64::max(count, 1.0)) as f32).collect();
        let weights = look.layout.distance_weights();
        let center: Vec<f32> = mean.iter().zip(&weights).map(|(mean, weight)| mean * weight).collect();
        let mut covariance = Covariance::new(center.clone());
        let products =
            |batch: Batch| Ok(Covariance::products(&center, weighted(&look.spread(&batch), &mean, &weights)));
        look.each(&rows.training, most, products, |products| covariance.add_products(products))?;
        Ok(Some(Self { mean, weights, components: covariance.components(look.latent_dim) }))
    }

    /// The squared error of rows, `[rows, outputs]`, over their known values.
    fn squared_error(&self, rows: &[f32]) -> f64 {
        let width = self.mean.len();
        let weighted = weighted(rows, &self.mean, &self.weights);
        let rebuilt = self.components.rebuild(&weighted);
        let errors = rows.chunks_exact(width).zip(weighted.chunks_exact(width).zip(rebuilt.chunks_exact(width)));
        errors.fold(0.0, |sum, (row, (weighted, rebuilt))| {
            let known = row.iter().zip(weighted.iter().zip(rebuilt)).filter(|(x, _)| !x.is_nan());
            sum + known.map(|(_, (x, y))| f64::from(x - y).powi(2)).sum::<f64>()
        })
    }
}

/// Rows, `[rows, outputs]`, with the mean for missing values, times the weight of each output.
fn weighted(rows: &[f32], mean: &[f32], weights: &[f32]) -> Vec<f32> {
    let mut weighted = Vec::with_capacity(rows.len());
    for row in rows.chunks_exact(mean.len()) {
        let each = row.iter().zip(mean.iter().zip(weights));
        weighted.extend(each.map(|(x, (mean, weight))| weight * if x.is_nan() { *mean } else { *x }));
    }
    weighted
}
