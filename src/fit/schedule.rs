//! The schedules of a training: learning rate and KL weight by step.

use std::f64::consts::PI;

use crate::config::Training;

/// The share of the learning rate at the end of the cosine (Loshchilov & Hutter 2017, eq. 5).
const LR_FLOOR: f64 = 0.02;

/// Learning rate and KL weight as functions of the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Schedule {
    budget: f64,
    warmup: f64,
    lr: f64,
    beta: f64,
}

impl Schedule {
    /// The schedule of a training.
    pub(super) fn new(training: &Training) -> Self {
        let budget = training.steps as f64;
        Self { budget, warmup: budget * training.kl_warmup, lr: training.lr, beta: training.beta }
    }

    /// The learning rate: a cosine from the highest rate at the first step to the floor at the last.
    pub(super) fn lr(&self, step: usize) -> f64 {
        let cosine = (1.0 + (PI * step as f64 / self.budget).cos()) / 2.0;
        self.lr * (LR_FLOOR + (1.0 - LR_FLOOR) * cosine)
    }

    /// The KL weight: linear from 0 (Bowman et al. 2016, section 3.1; Sønderby et al. 2016, section 2.3).
    pub(super) fn beta(&self, step: usize) -> f64 {
        if self.warmed_up(step) { self.beta } else { self.beta * step as f64 / self.warmup }
    }

    /// Whether the KL weight has reached its final value.
    pub(super) fn warmed_up(&self, step: usize) -> bool {
        step as f64 >= self.warmup
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_follow_their_formulas() {
        let schedule = Schedule { budget: 100.0, warmup: 30.0, lr: 0.5, beta: 2.0 };
        assert_eq!((schedule.lr(0), schedule.beta(0)), (0.5, 0.0));
        assert!((schedule.lr(50) - 0.5 * 0.51).abs() < 1e-12);
        assert!((schedule.lr(100) - 0.5 * LR_FLOOR).abs() < 1e-12);
        assert_eq!((schedule.beta(15), schedule.beta(30), schedule.beta(99)), (1.0, 2.0, 2.0));
        assert!(!schedule.warmed_up(29) && schedule.warmed_up(30));
        assert_eq!(Schedule { warmup: 0.0, ..schedule }.beta(0), 2.0);
    }
}
