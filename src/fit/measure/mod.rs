//! Measures of a fitted model on calibration and training rows.

pub(in crate::fit) mod aggregate;
mod calibration;
mod fitted_network;
pub(in crate::fit) mod health;
mod neighbors;
pub(in crate::fit) mod sketch;

pub(in crate::fit) use self::calibration::Calibration;
pub(in crate::fit) use self::fitted_network::FittedNetwork;
