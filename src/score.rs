//! The scores of a row: one table defines them all.

use crate::model::Encoded;

/// A number that says how odd a row is; higher is odder.
#[derive(Debug)]
#[non_exhaustive]
pub struct Score {
    /// The output column.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its unit.
    pub unit: &'static str,
    of: fn(&Encoded, usize) -> f32,
}

/// Every score there is, in output order.
pub const SCORES: &[Score] = &[
    Score {
        name: "recon_error",
        about: "mean over the row's known values of the squared error of their reconstruction, on the model's scale",
        unit: "squared scaled units",
        of: |rows, row| rows.squared_error[row] / rows.known[row],
    },
    Score {
        name: "anomaly_score",
        about: "negative log-likelihood of the row at the posterior mean, scaled by features / known features, plus KL",
        unit: "nats",
        of: |rows, row| rows.nll[row] * (rows.features as f32 / rows.known[row]) + rows.kl[row],
    },
];

impl Score {
    /// The score of every row; `None` where no feature is known.
    pub fn of<'a>(&'a self, rows: &'a Encoded) -> impl Iterator<Item = Option<f32>> + 'a {
        (0..rows.known.len()).map(move |row| (rows.known[row] > 0.0).then(|| (self.of)(rows, row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_their_definitions() {
        let rows = Encoded {
            features: 4,
            squared_error: vec![6.0, 0.0],
            nll: vec![3.0, 0.0],
            kl: vec![0.5, 0.25],
            known: vec![2.0, 0.0],
            ..Encoded::default()
        };
        let of = |name| SCORES.iter().find(|score| score.name == name).unwrap().of(&rows).collect::<Vec<_>>();
        assert_eq!(of("recon_error"), [Some(3.0), None]);
        assert_eq!(of("anomaly_score"), [Some(6.5), None]);
    }
}
