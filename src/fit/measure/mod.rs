//! After the epochs: what held-out and training rows say of the model, and what is kept of them.

pub(in crate::fit) mod aggregate;
pub(in crate::fit) mod calibration;
mod fitted_network;
pub(in crate::fit) mod health;
pub(in crate::fit) mod sketch;

pub(in crate::fit) use self::fitted_network::FittedNetwork;
