//! Which columns raise a row's score.

use std::ops::Range;

use super::scorer::{EncodedBatch, MemberView};
use crate::batch::Batch;
use crate::error::Result;

/// How many more sources than are asked for are hidden in each row, those that look most like it first: what a wild value
/// does to the reconstruction of others can make these look odder than itself, but not many of them.
const SPARE: usize = 16;

/// Rows with something hidden that are encoded at once: a multiple of the block a network encodes.
const ROWS: usize = 1024;

/// What one source column has to do with a row's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contribution {
    /// Which of the sources that were asked about.
    pub(crate) source: usize,
    /// The share of the score, above the least a row can have, that goes with the source: more than 0; of all columns at
    /// most 1.
    pub(crate) share: f32,
}

impl EncodedBatch<'_> {
    /// The sources, elements of the row vector each, that raise the score of each row most: `most` of them at most, the
    /// one with the largest share first, of equals the first one. Beside them, the decoder outputs of the first member.
    ///
    /// The score is taken as `elbo` is: by how much each value is less likely, given the row's reconstruction, than the
    /// likeliest value (nats, scaled by features / known features), and the KL divergence; summed over all members. A
    /// source raises it by its own part; or, if that is more, by as much as it falls when the source is hidden, since a wild
    /// value spoils the reconstruction of others. Where that is more than the score, shares are of the sum of all.
    pub(crate) fn contributions(
        &self,
        sources: &[Range<usize>],
        most: usize,
    ) -> Result<(Vec<Vec<Contribution>>, Vec<f32>)> {
        let (rows, inputs) = (self.first().batch.rows(), self.first().encoded.features);
        let scales: Vec<f32> = self.first().encoded.known.iter().map(|known| inputs as f32 / known).collect();
        let (mut raised, mut all) = (vec![0.0; rows * sources.len()], vec![0.0; rows]);
        let mut first = None;
        for seen in &self.seen {
            let output = seen.add_raised(sources, &scales, &mut raised, &mut all)?;
            first.get_or_insert(output);
        }
        let likely = |row: usize| {
            let raised = &raised[row * sources.len()..][..sources.len()];
            let mut likely: Vec<usize> = (0..sources.len()).filter(|&source| raised[source] > 0.0).collect();
            likely.sort_by(|&a, &b| raised[b].total_cmp(&raised[a]));
            likely.truncate(most.saturating_add(SPARE));
            likely.into_iter().map(move |source| (row, source))
        };
        let hidden: Vec<(usize, usize)> = (0..rows).filter(|&row| all[row].is_finite()).flat_map(likely).collect();
        let mut contributions = vec![Vec::new(); rows];
        for hidden in hidden.chunks(ROWS) {
            let left = self.without(hidden, sources, &scales)?;
            for (&(row, source), left) in hidden.iter().zip(left) {
                let own = raised[row * sources.len() + source];
                contributions[row].push(Contribution { source, share: own.max(all[row] - left) });
            }
        }
        for (of_row, all) in contributions.iter_mut().zip(&all) {
            let sum: f32 = of_row.iter().map(|contribution| contribution.share).sum();
            of_row.iter_mut().for_each(|contribution| contribution.share /= all.max(sum));
            of_row.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.source.cmp(&b.source)));
            of_row.truncate(most);
        }
        Ok((contributions, first.unwrap_or_default()))
    }

    /// What is left of the scores of rows, each with one of the sources hidden.
    fn without(&self, hidden: &[(usize, usize)], sources: &[Range<usize>], scales: &[f32]) -> Result<Vec<f32>> {
        let (seen, inputs) = (self.first(), self.first().encoded.features);
        let ones = vec![1.0; inputs];
        let (mut x, mut ids) = (Vec::with_capacity(hidden.len() * inputs), Vec::with_capacity(hidden.len()));
        for &(row, source) in hidden {
            let of_row = seen.row(row, &ones);
            let there = |element: usize| of_row.known[element] > 0.0 && !sources[source].contains(&element);
            x.extend((0..inputs).map(|element| if there(element) { of_row.x[element] } else { f32::NAN }));
            ids.push(seen.batch.ids[row]);
        }
        let batch = Batch::new(0, ids, x, seen.member.heads.layout());
        let scales: Vec<f32> = hidden.iter().map(|&(row, _)| scales[row]).collect();
        let mut left = vec![0.0; hidden.len()];
        for MemberView { member, .. } in &self.seen {
            let seen = MemberView { member, batch: &batch, encoded: member.vae.encode(&batch)? };
            seen.add_raised(std::slice::from_ref(&(0..inputs)), &scales, &mut vec![0.0; hidden.len()], &mut left)?;
        }
        Ok(left)
    }
}

impl MemberView<'_> {
    /// Adds by how much each source raises the score of each row, `[rows, sources]`, were its reconstruction right, and
    /// what all of them and the KL divergence do; returns the decoder's outputs, `[rows, outputs]`. The likelihood of each
    /// row's known values is scaled by one of `scales`.
    fn add_raised(
        &self,
        sources: &[Range<usize>],
        scales: &[f32],
        raised: &mut [f32],
        all: &mut [f32],
    ) -> Result<Vec<f32>> {
        let mut output = Vec::new();
        self.member.vae.decode(&self.encoded.mean, &mut output)?;
        let (inputs, outputs) = (self.encoded.features, self.member.heads.layout().outputs());
        let ones = vec![1.0; inputs];
        for (row, ((output, all), scale)) in output.chunks_exact(outputs).zip(all).zip(scales).enumerate() {
            let of_row = self.row(row, &ones);
            let excess = |element: usize| match of_row.known[element] > 0.0 {
                true => self.member.heads.excess(element, of_row.x[element], output),
                false => 0.0,
            };
            *all += self.encoded.kl[row].max(0.0);
            for (raised, source) in raised[row * sources.len()..].iter_mut().zip(sources) {
                let by_source = scale * source.clone().map(excess).sum::<f32>();
                *raised += by_source;
                *all += by_source;
            }
        }
        Ok(output)
    }
}
