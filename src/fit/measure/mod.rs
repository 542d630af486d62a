//! Measures of a fitted model on calibration and training rows.

pub(in crate::fit) mod aggregate;
mod calibration;
pub(in crate::fit) mod clusters;
mod fitted_network;
mod full_windows;
mod group_scores;
pub(in crate::fit) mod health;
mod neighbors;
pub(in crate::fit) mod ordered;
mod reference;
mod sampled_batches;
pub(in crate::fit) mod sketch;

pub(in crate::fit) use self::calibration::{Calibrated, Calibration};
pub(in crate::fit) use self::fitted_network::FittedNetwork;
pub(in crate::fit) use self::sampled_batches::{most_rows, sample};
