use candle_core::{Device, Tensor, Var};

use super::network::{KlWeight, TensorNetwork, Weighting};
use super::placer::Placed;
use crate::batch::Batch;
use crate::config::Activation;
use crate::feature::Likelihood::{Bernoulli, Categorical, Gaussian};
use crate::feature::{GivenLayout, Layout, Shape};
use crate::model::network::Network;
use crate::model::parameters::initial;
use crate::numerics::RandomStream;

const ROWS: usize = 23;

/// Every kind of element, some of which may be missing; given are numbers.
fn mixed() -> Layout {
    let of =
        [Shape::of(Gaussian, 3), Shape::of(Bernoulli, 2), Shape::category(2), Shape::category(5), Shape::category(3)];
    let given = GivenLayout::new([(Shape::of(Gaussian, 2), true, 0..2)]);
    Layout::new(of.into_iter().zip([true, false, false, true, false])).unwrap().with_given(given)
}

/// Numbers alone.
fn numbers() -> Layout {
    Layout::new([(Shape::of(Gaussian, 7), false)]).unwrap()
}

/// Rows of which every seventh value is missing, if `missing`.
fn rows(layout: &Layout, missing: bool) -> Batch {
    let stream = RandomStream::new(3, "rows");
    let mut x = vec![0.0; ROWS * layout.width()];
    stream.normals(&mut x);
    for (n, x) in x.iter_mut().enumerate() {
        let bits = stream.bits(n as u64);
        *x = match layout.spans().get(n % layout.width()) {
            _ if missing && bits.is_multiple_of(7) => f32::NAN,
            Some(span) if span.likelihood == Categorical => (bits % span.encoder.len() as u64) as f32,
            Some(span) if span.likelihood == Bernoulli => (bits % 2) as f32,
            _ => *x,
        };
    }
    Batch::new((0..ROWS as u64).map(|n| 7 * n).collect(), x, layout)
}

fn network(layout: &Layout, hidden: &[usize], activation: Activation) -> (TensorNetwork, Tensor) {
    let network = Network { hidden: hidden.to_vec(), latent_dim: 2, activation, noise_floor: -3.0 };
    let tensors = TensorNetwork::new(layout, &network, &Device::Cpu, true).unwrap();
    let mut flat = tensors.places.flat(&initial(layout, &network, 1));
    // Away from ties, such as log-variances of 0 for all.
    flat.iter_mut().enumerate().for_each(|(n, value)| *value += 0.1 * (n as f32).sin());
    let parameters = tensors.placer.tensor(&flat, &[flat.len()]).unwrap();
    (tensors, parameters)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{found} for {expected}");
    }
}

#[test]
fn derivatives_are_those_that_the_tensor_library_finds() {
    let weights: Vec<f32> = (0..ROWS).map(|row| (row % 4) as f32 / 10.0).collect();
    for (layout, hidden) in [(mixed(), vec![6, 5]), (mixed(), vec![]), (numbers(), vec![6])] {
        for activation in [Activation::Relu, Activation::Silu, Activation::Tanh] {
            for missing in [false, true] {
                let (network, parameters) = network(&layout, &hidden, activation);
                let placed = network.placer.place(&rows(&layout, missing), RandomStream::new(1, "noise")).unwrap();
                let var = Var::from_tensor(&parameters).unwrap();
                let pass = network.forward(&var, &placed).unwrap();
                let paid = network.placer.tensor(&[0.7, 0.3], &[2, 1]).unwrap();
                let each = (&pass.nll + pass.kl.matmul(&paid).unwrap()).unwrap();
                let weighed = (each * network.placer.tensor(&weights, &[ROWS, 1]).unwrap()).unwrap();
                let found = weighed.sum_all().unwrap().backward().unwrap().get(&var).unwrap().clone();

                let weighting = Weighting { rows: Some(&weights), kl: KlWeight::Each(&[0.7, 0.3]), by_mean: None };
                let pass = network.forward(&parameters, &placed).unwrap();
                let gradient = network.backward(&parameters, &placed, &pass, &weighting).unwrap();
                assert!(values(&gradient).iter().filter(|value| **value != 0.0).count() > parameters.elem_count() / 2);
                close(&values(&gradient), &values(&found));
            }
        }
    }
}

#[test]
fn rows_that_weigh_the_same_need_no_weights() {
    let layout = mixed();
    let (network, parameters) = network(&layout, &[6], Activation::Silu);
    let placed = network.placer.place(&rows(&layout, true), RandomStream::new(1, "noise")).unwrap();
    let pass = network.forward(&parameters, &placed).unwrap();
    let gradient = |rows: Option<&[f32]>, kl| {
        let weighting = Weighting { rows, kl, by_mean: None };
        values(&network.backward(&parameters, &placed, &pass, &weighting).unwrap())
    };
    close(&gradient(None, KlWeight::All(0.7)), &gradient(Some(&[1.0; ROWS]), KlWeight::Each(&[0.7; 2])));
}

fn all(placed: &Placed) -> Vec<Vec<f32>> {
    let parts = [Some(&placed.seen), Some(&placed.x), placed.known.as_ref(), placed.noise.as_ref()];
    parts.into_iter().flatten().map(values).collect()
}

#[test]
fn rows_gathered_on_the_device_are_those_that_are_copied_there() {
    let noise = RandomStream::new(1, "noise");
    let places: Vec<u32> = (0..40).map(|n| n * 5 % ROWS as u32).collect();
    for (layout, missing) in [(mixed(), true), (mixed(), false), (numbers(), true), (numbers(), false)] {
        let (network, _) = network(&layout, &[6], Activation::Silu);
        let stored = rows(&layout, missing);
        // In parts, of which the first may miss nothing.
        let part = |range: std::ops::Range<u32>| Ok(stored.take(&range.collect::<Vec<_>>()));
        let kept = network.placer.keep(ROWS, [0..1, 1..9, 9..ROWS as u32].into_iter().map(part)).unwrap().unwrap();
        for hidden in [0.0, 0.3] {
            let mut batch = stored.take(&places);
            if hidden > 0.0 {
                batch.hide(hidden, noise);
            }
            let copied = network.placer.place(&batch, noise).unwrap();
            let gathered = network.placer.gather(&kept, &places, &batch, noise).unwrap();
            assert!(all(&copied) == all(&gathered), "{missing} {hidden}");
        }
        let numbers = Batch::of_numbers(stored.take(&places).ids);
        let copied = network.placer.place(&stored.take(&places), noise).unwrap();
        assert!(all(&copied) == all(&network.placer.gather(&kept, &places, &numbers, noise).unwrap()));
    }
}
