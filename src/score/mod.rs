//! Anomaly scores: one table defines them all.

#![forbid(unsafe_code)]

mod combined;
mod contamination;
mod decision;
mod direction;
mod equivalents;
mod explain;
mod feedback;
mod group_scores;
mod group_tails;
mod importance;
mod latents;
mod marginals;
mod neighbor_space;
mod neighbors;
mod preservation;
mod reference;
mod row_places;
mod scorer;
mod stored_rows;
mod tail;

pub use self::combined::ScoreComponents;
pub(crate) use self::combined::{EXPONENT, Ground, OF_MARGINALS};
pub use self::decision::Scoring;
pub(crate) use self::decision::{AnomalyRule, Rule};
pub(crate) use self::direction::{MOST_FACTOR, REFINEMENTS};
pub use self::equivalents::ScoreEquivalents;
#[cfg(feature = "analysis")]
pub(crate) use self::explain::rows_encoded_for_one;
pub use self::feedback::Verdict;
pub(crate) use self::feedback::{Feedback, LINEAR, NOT_COMBINED, ORDINARY, RAISE};
pub(crate) use self::group_scores::GroupScores;
pub(crate) use self::group_tails::{GroupTail, GroupTails};
pub(crate) use self::latents::{AggregatePosterior, LatentSums};
pub(crate) use self::marginals::Marginals;
pub(crate) use self::neighbor_space::{NeighborSpace, Residuals};
pub(crate) use self::neighbors::{Neighbors, Stored};
pub use self::preservation::NeighborPreservation;
pub(crate) use self::reference::Reference;
pub(crate) use self::row_places::{LEAST_DISTANCE, RowPlaces};
use self::scorer::MemberView;
pub(crate) use self::scorer::{EncodedBatch, Member, Scorer};
pub(crate) use self::stored_rows::{ITSELF, NEAREST};
pub use self::tail::Tail;
use crate::error::{Error, Result};

/// The column of the score by which a model ranks rows.
pub(crate) const ANOMALY_SCORE: &str = "anomaly_score";

/// An anomaly score; higher means more anomalous.
#[derive(Debug)]
#[non_exhaustive]
pub struct Score {
    /// Name of the score and of its output column.
    pub name: &'static str,
    /// Description in one line.
    pub about: &'static str,
    /// Its unit.
    pub unit: &'static str,
    of: Formula,
}

/// How a score is computed.
#[derive(Debug)]
enum Formula {
    /// By each network, of which the mean counts; and whether it is a negative log-likelihood, to which the surprise of the
    /// row is added.
    Network(fn(&MemberView<'_>) -> Result<Vec<f32>>, bool),
    /// By the distance from stored rows.
    Distance,
    /// By how common each value is by itself.
    Marginals,
    /// By `elbo`, that distance and `marginal_nll`.
    Combined,
}

/// The negative ELBO at the posterior mean.
fn negative_elbo(view: &MemberView<'_>) -> Result<Vec<f32>> {
    view.each(|rows, row| rows.nll[row] * (rows.features as f32 / rows.known[row]) + rows.kl[row])
}

/// The score that others build on.
pub(crate) const ELBO: Score = Score {
    name: "elbo",
    about: "negative ELBO at the posterior mean: recon_nll + kl",
    unit: "nats",
    of: Formula::Network(negative_elbo, true),
};

/// `elbo`, the distance from stored rows and `marginal_nll` in one.
pub(crate) const COMBINED: Score = Score {
    name: "combined",
    about: "√(a² + b²), where a is -ln of the power mean, of exponent -3, of the p-values of elbo and neighbor_distance among the training rows, or the row's surprises less ln of the number of its values if that is more, and b is half of -ln of the p-value of marginal_nll, or 0 where the model does not know it; only of a model that stores rows",
    unit: "nats",
    of: Formula::Combined,
};

/// All scores, in output order.
///
/// ```
/// assert!(vaepipe::SCORES.iter().any(|score| score.name == "elbo" && score.unit == "nats"));
/// ```
pub const SCORES: &[Score] = &[
    Score {
        name: "recon_error",
        about: "mean over the row's known values of the squared error of their reconstruction, on the model's scale",
        unit: "squared scaled units",
        of: Formula::Network(|view| view.each(|rows, row| rows.squared_error[row] / rows.known[row]), false),
    },
    Score {
        name: "recon_nll",
        about: "negative log-likelihood of the row's known values at the posterior mean, scaled by features / known features, plus the row's surprises",
        unit: "nats",
        of: Formula::Network(
            |view| view.each(|rows, row| rows.nll[row] * (rows.features as f32 / rows.known[row])),
            true,
        ),
    },
    Score {
        name: "kl",
        about: "KL divergence of the row's posterior from the prior",
        unit: "nats",
        of: Formula::Network(|view| view.each(|rows, row| rows.kl[row]), false),
    },
    ELBO,
    Score {
        name: "latent_distance",
        about: "Mahalanobis distance of the posterior mean from those of the training rows, under their aggregate posterior",
        unit: "standard deviations",
        of: Formula::Network(|view| Ok(view.latent_distances()), false),
    },
    Score {
        name: "elbo_iw",
        about: "negative importance-weighted bound of 64 draws from the row's posterior, a tighter elbo, plus the row's surprises; the draws depend on seed and row content alone",
        unit: "nats",
        of: Formula::Network(|view| view.importance_weighted(), true),
    },
    Score {
        name: "neighbor_distance",
        about: "mean distance from the 5 nearest training rows that the model stores, in the space of posterior mean and residuals; only of a model that stores rows",
        unit: "half-whitened standard deviations",
        of: Formula::Distance,
    },
    Score {
        name: "marginal_nll",
        about: "negative log-likelihood of the row's known values by histograms of the training rows, as if columns were independent, scaled by features / known features; only of a model that stores rows, of at most 64 elements unless it ranks by this",
        unit: "nats",
        of: Formula::Marginals,
    },
    COMBINED,
];

impl Score {
    /// Finds a score by name, among those that a model computes.
    ///
    /// # Errors
    /// [`Error::UnknownScore`].
    pub(crate) fn named(option: &'static str, name: &str, computes: impl Fn(&Self) -> bool) -> Result<&'static Self> {
        let known = || SCORES.iter().filter(|score| computes(score));
        known().find(|score| score.name == name).ok_or_else(|| Error::UnknownScore {
            option,
            name: name.to_owned(),
            known: known().map(|score| score.name).collect(),
        })
    }

    /// Whether it is that one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.name == other.name
    }

    /// How many scores it is of, in a model that stores so much, each of which groups standardise.
    pub(crate) fn parts(&self, stored: Stored) -> usize {
        match self.of {
            Formula::Combined => 2 + usize::from(stored == Stored::Marginals),
            _ => 1,
        }
    }

    /// What it takes of the training rows.
    pub(crate) fn needs(&self) -> Stored {
        match self.of {
            Formula::Network(..) => Stored::Nothing,
            Formula::Distance | Formula::Combined => Stored::Rows,
            Formula::Marginals => Stored::Marginals,
        }
    }

    /// Whether it takes training rows that the model stores.
    pub(crate) fn needs_neighbors(&self) -> bool {
        self.needs() > Stored::Nothing
    }
}

#[cfg(test)]
mod tests;
