//! Explanation of scores: the contribution of each column to a row's score.

use std::borrow::Cow;
use std::ops::Range;

use super::scorer::{EncodedBatch, MemberView};
use super::{Ground, Score};
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::Surprise;

/// Extra sources to hide in each row beyond the requested number, largest excess first. An outlier can spoil the
/// reconstruction of other columns, so that a few of them have a larger excess than its own.
const EXTRA_CANDIDATES: usize = 16;

/// Rows that are encoded at most to find the `most` largest contributions to one row's score: the row, and one for each source
/// that is hidden.
#[cfg(feature = "analysis")]
pub(crate) const fn rows_encoded_for_one(most: usize) -> usize {
    1 + most + EXTRA_CANDIDATES
}

/// Rows with a hidden source that are encoded at once: a multiple of the block that a network encodes.
const ROWS_PER_BATCH: usize = 1024;

/// The contribution of one source column to a row's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contribution {
    /// Index of the source among those requested.
    pub(crate) source: usize,
    /// The source's share of the score above its minimum: more than 0; the shares of all columns sum to at most 1.
    pub(crate) share: f32,
}

impl EncodedBatch<'_> {
    /// The sources, ranges of elements of the row vector, that contribute most to each row's score: at most `most`, the
    /// largest share first, ties in their order. Also returns the decoder outputs of the first member.
    ///
    /// The score is `elbo` above its minimum: the excess of each value's negative log-likelihood over that of the
    /// likeliest value (nats, scaled by features / known features), plus the KL divergence, summed over all members. A
    /// source's contribution is the larger of its own excess and the decrease of the score when the source is hidden,
    /// since an outlier spoils the reconstruction of other columns; and its surprise, `surprises` by source, which the score
    /// includes. If the contributions exceed the score, shares are of their sum.
    ///
    /// Where the distance from the stored rows determines `score`, the squared distance takes the place of all this. A
    /// source's own part is that of its dimensions; surprises do not count. Where single values do, it is their -ln p above that of
    /// the commonest value.
    pub(crate) fn contributions(
        &self,
        sources: &[Range<usize>],
        surprises: &[Surprise],
        score: &Score,
        most: usize,
    ) -> Result<(Vec<Vec<Contribution>>, Vec<f32>)> {
        let (rows, inputs) = (self.first().batch.rows(), self.first().encoded.features);
        let scales: Vec<f32> = self.first().encoded.known.iter().map(|known| inputs as f32 / known).collect();
        let (mut excesses, mut all) = (vec![0.0; rows * sources.len()], vec![0.0; rows]);
        let mut first = None;
        for view in &self.views {
            let output = view.add_excess(sources, &scales, &mut excesses, &mut all)?;
            first.get_or_insert(output);
        }
        let grounds = self.grounds(score)?;
        self.set_by_ground(sources, score, &grounds, &mut excesses, &mut all)?;
        let members = self.views.len() as f64;
        let surprise_of = |surprise: &Surprise, row: usize| match grounds[row] {
            Ground::Networks => (members * surprise.nats(row)) as f32,
            _ => 0.0,
        };
        let surprise = |row: usize, source: usize| surprises.get(source).map_or(0.0, |it| surprise_of(it, row));
        let candidates = |row: usize| {
            let excess = |source: usize| match self.is_replaced(row, &sources[source]) {
                true => 0.0,
                false => excesses[row * sources.len() + source] + surprise(row, source),
            };
            let excesses: Vec<f32> = (0..sources.len()).map(excess).collect();
            let mut candidates: Vec<usize> = (0..sources.len()).filter(|&source| excesses[source] > 0.0).collect();
            candidates.sort_by(|&a, &b| excesses[b].total_cmp(&excesses[a]));
            candidates.truncate(most.saturating_add(EXTRA_CANDIDATES));
            candidates.into_iter().map(move |source| (row, source))
        };
        let candidates = (0..rows).filter(|&row| all[row].is_finite()).flat_map(candidates);
        // A single value changes no others.
        let (alone, hidden): (Vec<_>, Vec<_>) = candidates.partition(|&(row, _)| grounds[row] == Ground::Marginals);
        let mut contributions = vec![Vec::new(); rows];
        for (row, source) in alone {
            contributions[row].push(Contribution { source, share: excesses[row * sources.len() + source] });
        }
        for hidden in hidden.chunks(ROWS_PER_BATCH) {
            let remaining = self.scores_without(hidden, sources, &scales, (score, &grounds))?;
            for (&(row, source), remaining) in hidden.iter().zip(remaining) {
                let own = excesses[row * sources.len() + source];
                // A source without elements has nothing to hide.
                let decrease = if sources[source].is_empty() { 0.0 } else { all[row] - remaining };
                contributions[row].push(Contribution { source, share: own.max(decrease) + surprise(row, source) });
            }
        }
        for (row, (of_row, all)) in contributions.iter_mut().zip(&all).enumerate() {
            let all = all + surprise_of(&self.first().batch.surprise, row);
            let sum: f32 = of_row.iter().map(|contribution| contribution.share).sum();
            of_row.iter_mut().for_each(|contribution| contribution.share /= all.max(sum));
            of_row.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.source.cmp(&b.source)));
            of_row.truncate(most);
        }
        Ok((contributions, first.unwrap_or_default().into_owned()))
    }

    /// Whether all values of a source are expected ones in a row, so that they are no reason.
    fn is_replaced(&self, row: usize, source: &Range<usize>) -> bool {
        let (batch, inputs) = (self.first().batch, self.first().encoded.features);
        let Some(replaced) = &batch.replaced else { return false };
        !source.is_empty() && replaced[row * inputs..][source.clone()].iter().all(|replaced| *replaced)
    }

    /// Replaces the excess of each source and the total of rows whose ground the networks are not: by the squared distance from
    /// the stored rows, or by how common single values are.
    fn set_by_ground(
        &self,
        sources: &[Range<usize>],
        score: &Score,
        grounds: &[Ground],
        excesses: &mut [f32],
        all: &mut [f32],
    ) -> Result<()> {
        if grounds.iter().all(|ground| *ground == Ground::Networks) {
            return Ok(());
        }
        let (neighbors, latent_dim) = (&self.neighbors(score)?.0, self.first().encoded.latent_dim);
        let squares = match grounds.contains(&Ground::Distance) {
            true => neighbors.squares(&self.first().residuals()?),
            false => Vec::new(),
        };
        let ones = vec![1.0; self.first().encoded.features];
        for row in 0..grounds.len() {
            let (total, of_elements) = match (grounds[row], &neighbors.marginals) {
                (Ground::Distance, _) => (squares[row].iter().sum(), squares[row][latent_dim..].to_vec()),
                (Ground::Marginals, Some(marginals)) => {
                    let of_row = self.first().row(row, &ones);
                    let excess = marginals.excesses(of_row.x, of_row.known);
                    (excess.iter().sum(), excess)
                }
                _ => continue,
            };
            all[row] = total;
            for (excess, source) in excesses[row * sources.len()..].iter_mut().zip(sources) {
                *excess = of_elements[source.clone()].iter().sum();
            }
        }
        Ok(())
    }

    /// The scores of rows, each with one of the sources hidden; the squared distance where that determines `score`.
    fn scores_without(
        &self,
        hidden: &[(usize, usize)],
        sources: &[Range<usize>],
        scales: &[f32],
        (score, grounds): (&Score, &[Ground]),
    ) -> Result<Vec<f32>> {
        let (view, inputs) = (self.first(), self.first().encoded.features);
        let ones = vec![1.0; inputs];
        let (mut x, mut ids) = (Vec::with_capacity(hidden.len() * inputs), Vec::with_capacity(hidden.len()));
        for &(row, source) in hidden {
            let of_row = view.row(row, &ones);
            let is_shown = |element: usize| of_row.known[element] > 0.0 && !sources[source].contains(&element);
            x.extend((0..inputs).map(|element| if is_shown(element) { of_row.x[element] } else { f32::NAN }));
            ids.push(view.batch.ids[row]);
        }
        let rows: Vec<u32> = hidden.iter().map(|&(row, _)| row as u32).collect();
        let partial_windows = view.batch.partial_windows_of(&rows);
        let given = view.batch.given.take(&rows, view.batch.rows());
        let batch = Batch { partial_windows, ..Batch::of_row_vectors(ids, x, given) };
        let scales: Vec<f32> = hidden.iter().map(|&(row, _)| scales[row]).collect();
        let (mut remaining, mut squares) = (vec![0.0; hidden.len()], Vec::new());
        for (n, MemberView { member, .. }) in self.views.iter().enumerate() {
            let view = MemberView::new(member, &batch, true)?;
            view.add_excess(std::slice::from_ref(&(0..inputs)), &scales, &mut vec![0.0; hidden.len()], &mut remaining)?;
            if n == 0 && hidden.iter().any(|&(row, _)| grounds[row] == Ground::Distance) {
                squares = self.neighbors(score)?.0.squares(&view.residuals()?);
            }
        }
        let places = remaining.iter_mut().zip(squares).zip(hidden);
        for ((remaining, squares), _) in places.filter(|(_, (row, _))| grounds[*row] == Ground::Distance) {
            *remaining = squares.iter().sum();
        }
        Ok(remaining)
    }
}

impl MemberView<'_> {
    /// Adds the excess of each source to `excesses`, `[rows, sources]`, and the total with the KL divergence to `all`;
    /// returns the decoder's outputs, `[rows, outputs]`. `scales` scale the likelihood of each row's known values.
    fn add_excess(
        &self,
        sources: &[Range<usize>],
        scales: &[f32],
        excesses: &mut [f32],
        all: &mut [f32],
    ) -> Result<Cow<'_, [f32]>> {
        let output = self.decoded()?;
        let (inputs, outputs) = (self.encoded.features, self.member.heads.layout().outputs());
        let ones = vec![1.0; inputs];
        for (row, ((output, all), scale)) in output.chunks_exact(outputs).zip(all).zip(scales).enumerate() {
            let of_row = self.row(row, &ones);
            let excess = |element: usize| match of_row.known[element] > 0.0 {
                true => self.member.heads.excess(element, of_row.x[element], output),
                false => 0.0,
            };
            *all += self.encoded.kl[row].max(0.0);
            for (excesses, source) in excesses[row * sources.len()..].iter_mut().zip(sources) {
                let source_excess = scale * source.clone().map(excess).sum::<f32>();
                *excesses += source_excess;
                *all += source_excess;
            }
        }
        Ok(output)
    }
}
