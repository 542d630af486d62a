use std::sync::Arc;

use super::*;
use crate::batch::Batch;
use crate::config::{Activation, Decision};
use crate::feature::Likelihood::Gaussian;
use crate::feature::{Layout, Shape};
use crate::model::{Network, Vae, Weight, Weights};

/// A model x = 2 z + 1 + noise of variance 1 with the exact posterior: mean 2 (x - 1) / 5, variance 1 / 5.
fn exact() -> (Layout, Scorer) {
    let layout = Layout::new([(Shape::of(Gaussian, 1), false)]).unwrap();
    let network = Network { hidden: Vec::new(), latent_dim: 1, activation: Activation::Relu, noise_floor: -6.0 };
    let weights: Weights = [
        ("posterior.mean.weight", vec![1, 1], 0.4),
        ("posterior.mean.bias", vec![1], -0.4),
        ("posterior.log_variance.weight", vec![1, 1], 0.0),
        ("posterior.log_variance.bias", vec![1], 0.2_f32.ln()),
        ("output.weight", vec![1, 1], 2.0),
        ("output.bias", vec![1], 1.0),
        ("likelihood.gaussian.log_variance", vec![1], 0.0),
    ]
    .into_iter()
    .map(|(name, shape, value)| (name.to_owned(), Weight { shape, values: vec![value] }))
    .collect();
    let vae = Arc::new(Vae::new(&layout, &network, &weights, &candle_core::Device::Cpu).unwrap());
    let latents = AggregatePosterior { mean: vec![0.0], whitening: vec![1.0] };
    let member = Member::new(vae, &layout, &network, &weights, latents, 7);
    let scorer = Scorer::new(vec![member]);
    (layout, scorer)
}

fn scores(name: &str, x: &[f32]) -> Vec<Option<f32>> {
    let (layout, scorer) = exact();
    let batch = Batch::new(vec![0; x.len()], x.to_vec(), &layout);
    scorer.rows(&batch).unwrap().score(Score::named("score", name, |_| true).unwrap()).unwrap()
}

#[test]
fn scores_follow_their_definitions() {
    let close = |name: &str, expected: [f64; 3]| {
        let found = scores(name, &[1.0, 3.5, -2.0, f32::NAN]);
        assert_eq!(found[3], None, "{name}");
        for (found, expected) in found.iter().flatten().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-4, "{name}: {found} {expected}");
        }
    };
    // Posterior means 0, 1, -1.2; reconstructions 1, 3, -1.4.
    let (off, mean) = ([0.0, 0.5, -0.6], [0.0, 1.0, -1.2]);
    let half_ln_tau = 0.5 * std::f64::consts::TAU.ln();
    let nll = off.map(|off| half_ln_tau + 0.5 * off * off);
    let kl = mean.map(|mean| 0.5 * (mean * mean + 0.2 - 0.2_f64.ln() - 1.0));
    close("recon_error", off.map(|off| off * off));
    close("recon_nll", nll);
    close("kl", kl);
    close("elbo", [nll[0] + kl[0], nll[1] + kl[1], nll[2] + kl[2]]);
    close("latent_distance", mean.map(f64::abs));
    // Under the exact posterior every draw weighs the same: the bound is -ln p(x), with x ~ N(1, 5).
    close("elbo_iw", [1.0, 3.5, -2.0].map(|x: f64| half_ln_tau + 0.5 * 5_f64.ln() + (x - 1.0).powi(2) / 10.0));
}

#[test]
fn an_unknown_score_is_reported_with_the_known_ones() {
    let error = Score::named("score", "mse", |score| !score.needs_neighbors()).unwrap_err();
    assert!(error.to_string().starts_with("no score \"mse\"; the scores are recon_error, recon_nll, kl"), "{error}");
}

#[test]
fn shares_are_of_the_score_above_its_minimum() {
    let (layout, scorer) = exact();
    let batch = Batch::new(vec![0; 3], vec![3.5, 1.0, f32::NAN], &layout);
    let rows = scorer.rows(&batch).unwrap();
    let (shares, _) = rows.contributions(std::slice::from_ref(&(0..1)), &[], &ELBO, 5).unwrap();
    // At a posterior mean of 1: half of 0.5² above the likeliest value, plus the KL divergence. The hidden value is 0,
    // with a posterior mean of -0.4 and only the KL divergence.
    let kl = |mean: f32| 0.5 * (mean * mean + 0.2 - 0.2_f32.ln() - 1.0);
    let all = 0.125 + kl(1.0);
    assert!((shares[0][0].share - (all - kl(-0.4)) / all).abs() < 1e-5);
    // Hiding a likely value does not reduce the score.
    assert!(shares[1].is_empty() && shares[2].is_empty());
}

#[test]
fn the_discoveries_are_those_of_benjamini_and_hochberg() {
    let calibration = Tail::of((0..99).map(|n| n as f32).collect());
    let scoring = Scoring {
        anomaly_score: "elbo".to_owned(),
        components: None,
        training: calibration.clone(),
        calibration: Some(calibration),
        decision: crate::config::Decision::Fdr(0.1),
        ignore_above_p: None,
        directions: Default::default(),
        partial_windows: None,
    };
    let mut rule = AnomalyRule::new(&scoring, None, None).unwrap();
    // scipy.stats.false_discovery_control([.01, .02, .05, .06, .5, 1]) is [.06, .06, .09, .09, .6, 1.]
    let rows = [98.001, 98.0, 95.0, 94.0, 50.0, -1.0];
    let mut levels = vec![0; rule.ranks_all().unwrap().levels()];
    for score in rows {
        levels[rule.ranks_all().unwrap().level(score)] += 1;
    }
    assert_eq!(rows.map(|score| (rule.p_value(score).unwrap() * 100.0).round()), [1.0, 2.0, 5.0, 6.0, 50.0, 100.0]);
    rule.discover(&levels);
    assert_eq!(rows.map(|score| rule.is_anomaly(score).unwrap()), [true, true, true, true, false, false]);
}

#[test]
fn the_threshold_is_the_least_score_of_an_anomaly() {
    let calibration = Tail::of((0..500).map(|n| n as f32 / 10.0 - 20.0).collect());
    let scoring = |calibration: Option<Tail>, decision| Scoring {
        anomaly_score: "elbo".to_owned(),
        components: None,
        calibration,
        training: Tail::of((0..1000).map(|n| n as f32).collect()),
        decision,
        ignore_above_p: None,
        directions: Default::default(),
        partial_windows: None,
    };
    for decision in
        [Decision::Alpha(0.01), Decision::Alpha(0.3), Decision::Contamination(0.1), Decision::Threshold(-3.5)]
    {
        let scoring = scoring(Some(calibration.clone()), decision);
        let threshold = scoring.threshold(None).unwrap();
        let rule = AnomalyRule::new(&scoring, None, None).unwrap();
        assert_eq!(rule.is_anomaly(threshold), Some(true), "{decision:?} {threshold}");
        assert_eq!(rule.is_anomaly(threshold.next_down()), Some(false), "{decision:?} {threshold}");
        assert_eq!(scoring.threshold(Some(Decision::Threshold(7.0))), Some(7.0));
    }
    assert_eq!(scoring(None, Decision::Alpha(0.01)).threshold(None), None);
    // No single score decides for a false discovery rate.
    assert_eq!(scoring(Some(calibration), Decision::Fdr(0.1)).threshold(None), None);
}
