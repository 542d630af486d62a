//! Which columns raise a row's score.

use std::ops::Range;

use super::scorer::Rows;

/// What one source column has to do with a row's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contribution {
    /// Which of the sources that were asked about.
    pub(crate) source: usize,
    /// Its share of the score, above the least a row can have: more than 0; of all columns at most 1.
    pub(crate) share: f32,
}

impl Rows<'_> {
    /// The sources, elements of the row vector each, that raise the score of each row most: `most` of them at most, the
    /// one with the largest share first, of equals the first one.
    ///
    /// The score is taken apart as `elbo` is: by how much each value is less likely, given the row's reconstruction, than
    /// the likeliest value (nats, scaled by features / known features), and the KL divergence. Shares are of the sum of
    /// these; the KL divergence has the rest.
    pub(crate) fn contributions(
        &self,
        sources: &[Range<usize>],
        most: usize,
    ) -> crate::error::Result<(Vec<Vec<Contribution>>, Vec<f32>)> {
        let mut output = Vec::new();
        self.scorer.vae.decode(&self.encoded.mean, &mut output)?;
        let (inputs, outputs) = (self.encoded.features, self.scorer.heads.layout().outputs());
        let ones = vec![1.0; inputs];
        let of_row = |(row, output): (usize, &[f32])| {
            let of_row = self.row(row, &ones);
            let scale = inputs as f32 / self.encoded.known[row];
            let excess = |element: usize| match of_row.known[element] > 0.0 {
                true => self.scorer.heads.excess(element, of_row.x[element], output),
                false => 0.0,
            };
            let raised: Vec<f32> =
                sources.iter().map(|source| scale * source.clone().map(excess).sum::<f32>()).collect();
            let all = raised.iter().sum::<f32>() + self.encoded.kl[row].max(0.0);
            let mut shares: Vec<Contribution> = raised
                .iter()
                .enumerate()
                .filter(|(_, raised)| **raised > 0.0 && all.is_finite())
                .map(|(source, raised)| Contribution { source, share: raised / all })
                .collect();
            shares.sort_by(|a, b| b.share.total_cmp(&a.share));
            shares.truncate(most);
            shares
        };
        let rows = output.chunks_exact(outputs).enumerate().map(of_row).collect();
        Ok((rows, output))
    }
}
