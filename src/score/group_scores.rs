//! How anomaly scores are compared with those of the row's own group.

use super::group_tails::GroupTails;
use crate::feature::GroupNorms;

/// What is known of the anomaly score in the groups of a given column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupScores {
    /// The levels and spreads of the score, or of each score that it combines.
    pub(crate) norms: GroupNorms,
    /// How the highest scores compare with those of all groups, if scores have a tail.
    pub(crate) tails: Option<GroupTails>,
}
