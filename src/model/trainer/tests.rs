use candle_core::Device;

use super::*;
use crate::config::Activation;
use crate::feature::Likelihood::{Bernoulli, Gaussian};
use crate::feature::{GivenLayout, Likelihood, Shape};
use crate::model::tensors::TensorEncoder;
use crate::model::{Encoded, Parameter, Vae, Weight, parameters};

/// Two numbers and a Boolean, two latents, one hidden layer.
fn small() -> (Layout, Network) {
    let layout = Layout::new([(Shape::of(Gaussian, 2), false), (Shape::of(Bernoulli, 1), false)]).unwrap();
    (layout, Network { hidden: vec![4], latent_dim: 2, activation: Activation::Silu, noise_floor: -6.0 })
}

/// Two rows, a value missing in the second.
fn two_rows(layout: &Layout) -> Batch {
    Batch::new(vec![7, 8], vec![0.5, -1.25, 1.0, 2.0, f32::NAN, 0.0], layout)
}

fn many_rows(layout: &Layout, rows: u64) -> Batch {
    let stream = RandomStream::new(9, "rows");
    let mut x = vec![0.0; rows as usize * 3];
    stream.normals(&mut x);
    for (row, x) in x.chunks_mut(3).enumerate() {
        x[2] = if x[2] > 0.0 { 1.0 } else { 0.0 };
        if row % 5 == 0 {
            x[row % 3] = f32::NAN;
        }
    }
    Batch::new((0..rows).collect(), x, layout)
}

/// Numbers that may be missing and are told so, a flag, and categories of two, nineteen and three classes; given are numbers
/// that may be missing, and one of four groups.
fn mixed() -> Layout {
    let of =
        [Shape::of(Gaussian, 2), Shape::of(Bernoulli, 1), Shape::category(2), Shape::category(19), Shape::category(3)];
    let given = GivenLayout::new([(Shape::of(Gaussian, 2), true, 0..2), (Shape::category(4), false, 0..1)]);
    Layout::new(of.into_iter().zip([true, false, false, false, true])).unwrap().with_given(given)
}

/// Rows for any layout, a part of them missing and another part hidden.
fn any_rows(layout: &Layout, rows: u64) -> Batch {
    let stream = RandomStream::new(3, "rows");
    let mut x = vec![0.0; rows as usize * layout.width()];
    stream.normals(&mut x);
    for (n, x) in x.iter_mut().enumerate() {
        let (element, bits) = (n % layout.width(), stream.bits(n as u64));
        *x = match layout.spans().get(element) {
            _ if *x > 1.5 => f32::NAN,
            Some(span) if span.likelihood == Likelihood::Categorical => (bits % span.encoder.len() as u64) as f32,
            // The last of the given elements is a group.
            None if element + 1 == layout.width() => (bits % 4) as f32,
            _ => *x,
        };
    }
    let mut batch = Batch::new((0..rows).collect(), x, layout);
    batch.hide(0.2, stream);
    batch
}

fn trainer(shard_rows: usize, threads: usize) -> Trainer {
    let (layout, network) = small();
    Trainer::new(&layout, &network, 1, shard_rows, threads, &Device::Cpu).unwrap()
}

/// The network in tensors and by kernels, from the same weights.
fn executions(layout: &Layout, network: &Network) -> [Box<dyn Execution>; 2] {
    let weights = initial(layout, network, 1);
    [
        Box::new(Tensors::new(layout, network, &weights, &Device::Cpu).unwrap()),
        Box::new(Kernels::new(layout, network, &weights, 16, 2).unwrap()),
    ]
}

/// The gradients computed last: of Adam's first moments, which start from 0, they are the ten-fold.
fn gradients(execution: &mut dyn Execution) -> Weights {
    let before = execution.checkpoint().unwrap();
    execution.update(1.0, 0.0).unwrap();
    let mut gradients = execution.checkpoint().unwrap().moments.first;
    execution.restore(&before).unwrap();
    gradients.values_mut().flat_map(|weight| &mut weight.values).for_each(|value| *value *= 10.0);
    gradients
}

fn step() -> Step {
    Step { lr: 1e-2, beta: 0.7, free_bits: 0.0, clip_norm: 0.0, trim: 0.0, neighbor_weight: 0.0 }
}

fn noise() -> RandomStream {
    RandomStream::new(1, "noise")
}

/// Takes a step: its losses, `None` if one is not finite.
fn take(trainer: &mut Trainer, input: &StepInput, step: &Step) -> Option<LossSums> {
    trainer.step(input, step).unwrap();
    trainer.read().unwrap()
}

/// A batch that goes over when it is needed.
fn input(batch: &Batch, noise: RandomStream) -> StepInput {
    StepInput { batch: batch.clone(), pairs: 0, noise, placed: None }
}

fn close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (&found, expected) in found.iter().zip(expected) {
        assert!((f64::from(found) - expected).abs() <= tolerance * expected.abs().max(1.0), "{found} for {expected}");
    }
}

/// Parameters in the order of their names get 0.3 sin(0), 0.3 sin(1), ... The numbers come from PyTorch 2.15:
///
/// ```python
/// import math, torch
/// n = 0
/// def w(*shape):
///     global n
///     k = math.prod(shape); v = torch.tensor([0.3 * math.sin(n + i) for i in range(k)]).reshape(shape); n += k
///     return v
/// P = {}
/// for name, shape in [("decoder.0.bias",(4,)),("decoder.0.weight",(4,2)),("encoder.0.bias",(4,)),
///     ("encoder.0.weight",(4,3)),("likelihood.gaussian.log_variance",(2,)),("output.bias",(3,)),
///     ("output.weight",(3,4)),("posterior.log_variance.bias",(2,)),("posterior.log_variance.weight",(2,4)),
///     ("posterior.mean.bias",(2,)),("posterior.mean.weight",(2,4))]:
///     P[name] = w(*shape)
/// lin = lambda x, p: torch.nn.functional.linear(x, P[p + ".weight"], P[p + ".bias"])
/// x = torch.tensor([[0.5, -1.25, 1.0], [2.0, 0.0, 0.0]]); known = torch.tensor([[1., 1, 1], [1, 0, 1]])
/// h = torch.nn.functional.silu(lin(x, "encoder.0")); mu, lv = lin(h, "posterior.mean"), lin(h, "posterior.log_variance")
/// def parts(z):
///     o = lin(torch.nn.functional.silu(lin(z, "decoder.0")), "output"); s = P["likelihood.gaussian.log_variance"]
///     g = torch.nn.GaussianNLLLoss(full=True, reduction="none")(o[:, :2], x[:, :2], s.exp().expand(2, 2))
///     b = torch.nn.BCEWithLogitsLoss(reduction="none")(o[:, 2:], x[:, 2:])
///     e = torch.cat([o[:, :2] - x[:, :2], o[:, 2:].sigmoid() - x[:, 2:]], 1) ** 2
///     return (torch.cat([g, b], 1) * known).sum(1), (e * known).sum(1)
/// q = torch.distributions.Normal(mu, (lv / 2).exp())
/// kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0., 1.))
/// nll, err = parts(mu)
/// print(mu, lv, nll, err, kl.sum(1))
/// eps = torch.tensor([[0.5, -1.0], [0.25, 2.0]]); print(parts(mu + eps * (lv / 2).exp())[0])
/// ```
#[test]
fn the_forward_pass_matches_pytorch() {
    let (layout, network) = small();
    let mut n = 0.0;
    let mut weights = Weights::new();
    let mut parameters = parameters(&layout, &network);
    parameters.sort_by(|a, b| a.name.cmp(&b.name));
    for Parameter { name, shape, .. } in parameters {
        let values = (0..shape.iter().product()).map(|i| (0.3 * f64::sin(n + i as f64)) as f32).collect::<Vec<_>>();
        n += values.len() as f64;
        weights.insert(name, Weight { shape, values });
    }
    let batch = two_rows(&layout);
    let kernels = Vae::new(&layout, &network, &weights, &Device::Cpu).unwrap();
    let tensors = TensorEncoder::new(&layout, &network, &weights, &Device::Cpu).unwrap();
    for encoded in [kernels.encode(&batch).unwrap(), tensors.encode(&batch, None).unwrap()] {
        close(&encoded.mean, &[-0.266_151_43, -0.116_866_88, -0.256_202_46, -0.117_347_80], 1e-6);
        close(&encoded.log_variance, &[0.182_596_53, 0.280_195_50, 0.169_919_64, 0.287_524_82], 1e-6);
        close(&encoded.nll, &[3.553_149_94, 4.123_798_37], 1e-6);
        close(&encoded.squared_error, &[2.230_252_74, 5.525_103_57], 1e-6);
        close(&encoded.kl, &[0.072_710_47, 0.070_149_53], 1e-6);
        assert_eq!(encoded.known, [3.0, 2.0]);
    }
    let mut tensors = Tensors::new(&layout, &network, &weights, &Device::Cpu).unwrap();
    let placer = tensors.placer().unwrap();
    let mut rows = placer.place(&batch, noise()).unwrap();
    rows.noise = Some(placer.tensor(&[0.5, -1.0, 0.25, 2.0], &[2, 2]).unwrap());
    let input = StepInput { placed: Some(rows), ..input(&batch, noise()) };
    let nll: Vec<f32> = tensors.forward(&input).unwrap().nll.into_iter().map(|nll| nll as f32).collect();
    close(&nll, &[3.566_612_24, 4.011_007_31], 1e-6);
}

#[test]
fn gradients_match_finite_differences() {
    let row_weights = [0.3, 0.0, 0.2, 0.4, 0.1];
    // Those of a further loss, linear in the means.
    let by_mean: Vec<f32> = (0..10).map(|n| (n % 4) as f32 / 10.0 - 0.1).collect();
    let (small, network) = small();
    let (plain, mixed) = (many_rows(&small, 5), any_rows(&mixed(), 5));
    let linear = Network { hidden: vec![], ..network.clone() };
    let cases = [(&small, &network, &plain), (&self::mixed(), &network, &mixed), (&self::mixed(), &linear, &mixed)];
    let cases = cases
        .into_iter()
        .flat_map(|(layout, network, batch)| executions(layout, network).map(|execution| (execution, batch)));
    for (mut execution, batch) in cases {
        let input = input(batch, noise());
        let objective = |execution: &mut dyn Execution| -> f64 {
            let loss = execution.forward(&input).unwrap();
            let further = execution.means().unwrap().into_iter().zip(&by_mean).map(|(mean, by)| f64::from(mean * by));
            loss.rows(0.7).zip(row_weights).map(|(loss, weight)| loss * f64::from(weight)).sum::<f64>()
                + further.sum::<f64>()
        };
        objective(execution.as_mut());
        execution.backward(&input, &row_weights, &[0.7, 0.7], Some(&by_mean)).unwrap();
        let before = execution.checkpoint().unwrap();
        const H: f64 = 1e-2;
        for (name, gradient) in gradients(execution.as_mut()) {
            for (i, &gradient) in gradient.values.iter().enumerate() {
                let mut at = |h: f64| {
                    let mut moved = before.clone();
                    moved.weights.get_mut(&name).unwrap().values[i] += h as f32;
                    execution.restore(&moved).unwrap();
                    objective(execution.as_mut())
                };
                let slope = (at(H) - at(-H)) / (2.0 * H);
                assert!((slope - f64::from(gradient)).abs() < 2e-4 + 2e-3 * slope.abs(), "{name} {slope} {gradient}");
            }
        }
    }
}

#[test]
fn kernels_and_tensors_agree() {
    let wide = Layout::new([(Shape::of(Gaussian, 37), true)]).unwrap();
    let (small, mixed) = (small().0, mixed());
    let flags = Layout::new([(Shape::of(Bernoulli, 2), false)]).unwrap();
    for activation in [Activation::Relu, Activation::Silu, Activation::Tanh] {
        for (layout, hidden, latent_dim) in [
            (&wide, vec![19, 33, 5], 3),
            (&mixed, vec![], 1),
            (&flags, vec![8], 2),
            (&small, vec![64, 32], 17),
            (&mixed, vec![24, 12], 2),
        ] {
            let network = Network { hidden, latent_dim, activation, noise_floor: -0.5 };
            let batch = any_rows(layout, 53);
            let weights: Vec<f32> = (0..53).map(|row| (row % 4) as f32 / 53.0).collect();
            let paid: Vec<f32> = (0..latent_dim).map(|d| (d % 2) as f32).collect();
            let by_mean: Vec<f32> = (0..53 * latent_dim).map(|n| (n % 3) as f32 / 53.0).collect();
            let [tensors, kernels] = executions(layout, &network).map(|mut execution| {
                let mut all = Vec::new();
                for n in 0..3 {
                    let (batch, noise) = (batch.clone(), noise().child(n));
                    let placed = execution.placer().map(|placer| placer.place(&batch, noise).unwrap());
                    let input = StepInput { batch, pairs: 0, noise, placed };
                    let (loss, norm) = if n == 1 {
                        execution.forward_and_backward(&input, &weights, &paid).unwrap()
                    } else {
                        let loss = execution.forward(&input).unwrap();
                        all.extend(execution.means().unwrap().into_iter().map(f64::from));
                        let by_mean = (n == 0).then_some(by_mean.as_slice());
                        (loss, execution.backward(&input, &weights, &paid, by_mean).unwrap())
                    };
                    all.extend([loss.nll, loss.kl, loss.dimensions, vec![norm]].concat());
                    if n == 0 {
                        let gradients = gradients(execution.as_mut());
                        all.extend(gradients.values().flat_map(|g| &g.values).map(|&g| f64::from(g)));
                    }
                    execution.update(0.5, 1e-2).unwrap();
                }
                all
            });
            assert_eq!(tensors.len(), kernels.len());
            for (tensors, kernels) in tensors.iter().zip(&kernels) {
                assert!((tensors - kernels).abs() < 2e-4 * tensors.abs().max(0.1), "{network:?} {tensors} {kernels}");
            }
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let (layout, _) = small();
    let trained = |threads| {
        let mut trainer = trainer(16, threads);
        for n in 0..5 {
            let batch = many_rows(&layout, 100);
            let input = input(&batch, RandomStream::new(n, "noise"));
            take(&mut trainer, &input, &Step { trim: 0.1, ..step() }).unwrap();
        }
        trainer.checkpoint().unwrap().weights
    };
    let one = trained(1);
    assert_eq!(one, trained(2));
    assert_eq!(one, trained(3));
    assert_ne!(one, trainer(16, 1).checkpoint().unwrap().weights);
}

#[test]
fn steps_bring_the_rows_of_a_pair_together() {
    let (layout, network) = small();
    let stream = RandomStream::new(4, "rows");
    // Thirty rows, of which the last ten are neighbours of the ten before.
    let mut x = vec![0.0; 90];
    stream.normals(&mut x);
    x.iter_mut().skip(2).step_by(3).for_each(|x| *x = 0.0);
    let batch = Batch::new((0..30).collect(), x, &layout);
    let trained = |neighbor_weight: f64| {
        let mut trainer = Trainer::new(&layout, &network, 1, 16, 2, &Device::Cpu).unwrap();
        for n in 0..300 {
            let input = StepInput { pairs: 10, ..input(&batch, RandomStream::new(n, "noise")) };
            take(&mut trainer, &input, &Step { neighbor_weight, ..step() }).unwrap();
        }
        trainer.evaluate(&input(&batch, noise())).unwrap();
        neighbor_loss(&trainer.execution.means().unwrap()[20..], 2, 1.0).value
    };
    let [without, with] = [0.0, 3.0].map(trained);
    assert!(with < without - 0.5, "{with} {without}");
}

#[test]
fn a_step_that_is_not_finite_changes_nothing() {
    let (layout, _) = small();
    let mut trainer = trainer(16, 1);
    let mut batch = many_rows(&layout, 10);
    batch.x[4] = f32::INFINITY;
    let before = trainer.checkpoint().unwrap();
    assert!(take(&mut trainer, &input(&batch, noise()), &step()).is_none());
    assert_eq!(trainer.checkpoint().unwrap().weights, before.weights);
}

#[test]
fn going_back_to_a_checkpoint_repeats_the_same_steps() {
    let (layout, _) = small();
    let mut trainer = trainer(16, 1);
    let batch = many_rows(&layout, 40);
    take(&mut trainer, &input(&batch, noise()), &step()).unwrap();
    let checkpoint = trainer.checkpoint().unwrap();
    let mut onward = || {
        trainer.restore(&checkpoint).unwrap();
        take(&mut trainer, &input(&batch, noise()), &step()).unwrap();
        trainer.checkpoint().unwrap().weights
    };
    assert_eq!(onward(), onward());
}

#[test]
fn the_rows_of_highest_loss_are_trimmed() {
    assert_eq!(row_weights(&[1.0, 9.0, 3.0, 2.0], 0.25), [1.0 / 3.0, 0.0, 1.0 / 3.0, 1.0 / 3.0]);
    assert_eq!(row_weights(&[1.0, 9.0], 0.0), [0.5, 0.5]);
    assert_eq!(row_weights(&[5.0], 0.9), [1.0]);
    assert_eq!(mean_of_best(vec![1.0, 9.0, 3.0, 2.0], 0.25), 2.0);
    assert!(mean_of_best(vec![1.0, f64::NAN, 3.0, 2.0], 0.25).is_nan());
}

#[test]
fn the_likelihood_of_some_numbers_is_that_of_rows_of_which_nothing_else_is_known() {
    let layout = mixed();
    let network = Network { hidden: vec![8], latent_dim: 2, activation: Activation::Silu, noise_floor: -0.5 };
    let batch = any_rows(&layout, 53);
    let weights: Vec<f32> = (0..layout.inputs()).map(|element| f32::from(u8::from(element == 1))).collect();
    // The encoder sees the same of both.
    let mut second = batch.clone();
    second.known.as_mut().unwrap().iter_mut().zip(weights.iter().cycle()).for_each(|(known, weight)| *known *= weight);
    for mut execution in executions(&layout, &network) {
        execution.forward(&input(&batch, noise())).unwrap();
        let found = execution.nll_of_numbers(&input(&batch, noise()), &weights).unwrap();
        let expected = execution.forward(&input(&second, noise())).unwrap().nll;
        assert_eq!(found.len(), 53);
        assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-5));
    }
}

#[test]
fn rows_are_trimmed_by_the_numbers_that_were_named() {
    let (layout, network) = small();
    let mut trainer = Trainer::new(&layout, &network, 1, 16, 2, &Device::Cpu).unwrap();
    // The numbers are odd in the third row, the first of them in the second.
    let rows = vec![0.1, 0.1, 0.0, 5.0, 0.1, 1.0, 0.1, 9.0, 0.0, 0.1, 0.1, 0.0];
    let input = input(&Batch::new((0..4).collect(), rows, &layout), noise());
    let step = Step { beta: 0.0, trim: 0.25, ..step() };
    let mut trimmed = |numbers: Option<Vec<f32>>| {
        trainer.trim_by(numbers);
        let loss = trainer.execution.forward(&input).unwrap();
        let weights = row_weights(&trainer.oddness(&input, &loss, &step).unwrap(), step.trim);
        weights.iter().position(|weight| *weight == 0.0)
    };
    assert_eq!(trimmed(None), Some(2));
    assert_eq!(trimmed(Some(vec![1.0, 0.0, 0.0])), Some(1));
    assert_eq!(trimmed(Some(vec![1.0, 1.0, 0.0])), Some(2));
}

#[test]
fn a_long_gradient_is_shortened_to_the_norm() {
    assert_eq!((clip(8.0, 2.0), clip(1.0, 2.0), clip(8.0, 0.0)), (0.25, 1.0, 1.0));
}

#[test]
fn only_dimensions_above_their_free_bits_are_paid_for() {
    assert_eq!(paid(&[0.05, 0.3], 0.7, 0.1), [0.0, 0.7]);
    assert_eq!(paid(&[0.0, 0.3], 0.7, 0.0), [0.7, 0.7]);
}

#[test]
fn a_row_encodes_to_the_same_bits_in_any_batch() {
    let (layout, network) = small();
    let weights = trainer(16, 1).checkpoint().unwrap().weights;
    let kernels = Vae::new(&layout, &network, &weights, &Device::Cpu).unwrap();
    let tensors = Vae::Tensors(Box::new(TensorEncoder::new(&layout, &network, &weights, &Device::Cpu).unwrap()));
    let all = many_rows(&layout, 8500);
    for vae in [kernels, tensors] {
        let whole = vae.encode(&all).unwrap();
        for row in [0_usize, 1, 255, 256, 511, 8191, 8192, 8499] {
            let known = all.known.as_ref().map(|known| known[row * 3..row * 3 + 3].to_vec());
            let alone = Batch {
                ids: vec![0],
                x: all.x[row * 3..row * 3 + 3].to_vec(),
                known,
                ..Batch::unnumbered(Vec::new(), &layout)
            };
            let alone = vae.encode(&alone).unwrap();
            assert_eq!(alone.mean, whole.mean[row * 2..row * 2 + 2]);
            assert_eq!((alone.nll[0], alone.kl[0]), (whole.nll[row], whole.kl[row]));
        }
    }
}

#[test]
fn kernels_and_tensors_encode_and_decode_alike() {
    let layout = mixed();
    let network = Network { hidden: vec![24, 12], ..small().1 };
    let weights = initial(&layout, &network, 1);
    let kernels = Vae::new(&layout, &network, &weights, &Device::Cpu).unwrap();
    let tensors = Vae::Tensors(Box::new(TensorEncoder::new(&layout, &network, &weights, &Device::Cpu).unwrap()));
    let batch = Batch { shown: None, ..any_rows(&layout, 8500) };
    let [kernels, tensors] = [kernels, tensors].map(|vae| {
        let Encoded { mean, log_variance, squared_error, nll, kl, known, .. } = vae.encode(&batch).unwrap();
        let mut decoded = Vec::new();
        vae.decode(&mean, &batch.given.inputs, &mut decoded).unwrap();
        [mean, log_variance, squared_error, nll, kl, known, decoded]
    });
    for (kernels, tensors) in kernels.iter().zip(&tensors) {
        assert_eq!(kernels.len() % 8500, 0);
        close(tensors, &kernels.iter().copied().map(f64::from).collect::<Vec<_>>(), 1e-4);
    }
}

type Objective = Box<dyn FnMut(&[f32]) -> f64>;

/// What rows' mean NLL and KL are as a function of one parameter, and the gradient where it was taken.
struct ByParameter {
    gradient: Vec<f32>,
    objective: Objective,
}

/// That of both executions of the small network, with the gradient at these values.
fn by_parameter(name: &str, values: &[f32]) -> [ByParameter; 2] {
    let (layout, network) = small();
    let batch = many_rows(&layout, 40);
    executions(&layout, &network).map(|mut execution| {
        let (name, batch) = (name.to_owned(), batch.clone());
        let mut checkpoint = execution.checkpoint().unwrap();
        let (weights, paid) = (vec![0.025; 40], [0.7, 0.7]);
        checkpoint.weights.get_mut(&name).unwrap().values = values.to_vec();
        execution.restore(&checkpoint).unwrap();
        execution.forward_and_backward(&input(&batch, noise()), &weights, &paid).unwrap();
        let gradient = gradients(execution.as_mut())[&name].values.clone();
        let objective = move |values: &[f32]| {
            checkpoint.weights.get_mut(&name).unwrap().values = values.to_vec();
            execution.restore(&checkpoint).unwrap();
            let loss = execution.forward(&input(&batch, noise())).unwrap();
            loss.rows(0.7).sum::<f64>() / 40.0
        };
        ByParameter { gradient, objective: Box::new(objective) }
    })
}

#[test]
fn beyond_its_bound_a_log_variance_of_numbers_has_the_gradient_of_the_bound_if_that_leads_back() {
    // Numbers spread about 1: a variance of e^-6 is far too small for them, and one of e^6 far too large.
    for (values, bounds, inside) in [([-9.0, -40.0], [-6.0; 2], 1e-3), ([6.5, 50.0], [6.0; 2], -1e-2)] {
        for ByParameter { gradient, mut objective } in by_parameter("likelihood.gaussian.log_variance", &values) {
            assert!((objective(&values) - objective(&bounds)).abs() < 1e-6, "beyond is as at the bound");
            for n in 0..2 {
                let mut moved = bounds;
                moved[n] += inside;
                let slope = (objective(&moved) - objective(&bounds)) / f64::from(inside);
                assert!((slope - f64::from(gradient[n])).abs() < 1e-2 * slope.abs(), "{slope} {}", gradient[n]);
                assert!(gradient[n] * inside < 0.0, "a step goes back");
            }
        }
    }
}

#[test]
fn beyond_its_bound_a_log_variance_of_numbers_goes_no_further() {
    let (layout, network) = small();
    // The decoder's outputs are near 0: rows of zeros want no variance, and rows far away want more than there may be.
    for (x, values) in [(0.0, [-6.5, -7.0]), (1e3, [6.5, 7.0])] {
        let batch = Batch::new((0..40).collect(), [x, x, 0.0].repeat(40), &layout);
        for mut execution in executions(&layout, &network) {
            let mut checkpoint = execution.checkpoint().unwrap();
            checkpoint.weights.get_mut("likelihood.gaussian.log_variance").unwrap().values = values.to_vec();
            if x == 0.0 {
                for name in ["output.weight", "output.bias"] {
                    checkpoint.weights.get_mut(name).unwrap().values.fill(0.0);
                }
            }
            execution.restore(&checkpoint).unwrap();
            let norm = execution.forward_and_backward(&input(&batch, noise()), &[0.025; 40], &[0.7, 0.7]).unwrap().1;
            let gradients = gradients(execution.as_mut());
            assert_eq!(gradients["likelihood.gaussian.log_variance"].values, [0.0, 0.0]);
            let squares = gradients.values().flat_map(|weight| &weight.values).map(|&g| f64::from(g).powi(2));
            let of_all = squares.sum::<f64>().sqrt();
            assert!((norm - of_all).abs() < 1e-4 * of_all, "what is held back has no length: {norm} {of_all}");
        }
    }
}

#[test]
fn beyond_its_bound_a_posteriors_log_variance_has_the_gradient_of_the_bound_if_that_leads_back() {
    // Of all rows alike: what their inputs add is small beside it.
    for (value, bound, inside) in [(-30.0, -8.0, 1e-2), (30.0, 4.0, -1e-2)] {
        let [tensors, kernels] = by_parameter("posterior.log_variance.bias", &[value; 2]).map(|by| by.gradient);
        for (tensors, kernels) in tensors.iter().zip(&kernels) {
            assert!((tensors - kernels).abs() < 1e-4 * tensors.abs(), "{tensors} {kernels}");
        }
        // The network with a weight of 0, whose log-variances are its bias.
        let (layout, network) = small();
        let batch = many_rows(&layout, 40);
        for mut execution in executions(&layout, &network) {
            let mut checkpoint = execution.checkpoint().unwrap();
            checkpoint.weights.get_mut("posterior.log_variance.weight").unwrap().values.fill(0.0);
            let mut at = |execution: &mut dyn Execution, values: [f32; 2]| {
                checkpoint.weights.get_mut("posterior.log_variance.bias").unwrap().values = values.to_vec();
                execution.restore(&checkpoint).unwrap();
                let (loss, _) =
                    execution.forward_and_backward(&input(&batch, noise()), &[0.025; 40], &[0.7, 0.7]).unwrap();
                loss.rows(0.7).sum::<f64>() / 40.0
            };
            let at_bound = at(execution.as_mut(), [bound; 2]);
            let slopes = [0, 1].map(|n| {
                let mut moved = [bound; 2];
                moved[n] += inside;
                (at(execution.as_mut(), moved) - at_bound) / f64::from(inside)
            });
            assert_eq!(at(execution.as_mut(), [value; 2]), at_bound, "beyond is as at the bound");
            let by_bias = gradients(execution.as_mut())["posterior.log_variance.bias"].values.clone();
            let by_weight = gradients(execution.as_mut())["posterior.log_variance.weight"].values.clone();
            assert!(by_weight.iter().any(|g| *g != 0.0));
            for (slope, gradient) in slopes.iter().zip(by_bias) {
                // Rows whose draw leads outward are held back, others lead back.
                assert!(
                    gradient * inside < 0.0 && slope.signum() == f64::from(gradient).signum(),
                    "{slope} {gradient}"
                );
            }
        }
    }
}

#[test]
fn what_went_beyond_its_bounds_comes_back() {
    let (layout, _) = small();
    for bias in [-12.0, 8.0] {
        let mut trainer = trainer(16, 1);
        let mut checkpoint = trainer.checkpoint().unwrap();
        checkpoint.weights.get_mut("posterior.log_variance.bias").unwrap().values.fill(bias);
        checkpoint.weights.get_mut("likelihood.gaussian.log_variance").unwrap().values = vec![8.0, 12.0];
        trainer.restore(&checkpoint).unwrap();
        let batch = many_rows(&layout, 100);
        for n in 0..600 {
            let input = input(&batch, RandomStream::new(n, "noise"));
            take(&mut trainer, &input, &Step { lr: 0.05, ..step() }).unwrap();
        }
        let weights = trainer.checkpoint().unwrap().weights;
        let vae = Vae::new(&layout, &small().1, &weights, &Device::Cpu).unwrap();
        let encoded = vae.encode(&batch).unwrap();
        assert!(encoded.log_variance.iter().all(|s| (-7.9..3.9).contains(s)), "{:?}", &encoded.log_variance[..4]);
        let of_numbers = &weights["likelihood.gaussian.log_variance"].values;
        assert!(of_numbers.iter().all(|s| *s < 5.9), "{of_numbers:?}");
    }
}

#[test]
fn steps_whose_losses_are_read_later_are_the_same_steps() {
    let (layout, network) = (mixed(), Network { hidden: vec![24, 12], ..small().1 });
    // Clipped at the second norm.
    for clip_norm in [0.0, 1e3, 0.5] {
        let [later, at_once] = executions(&layout, &network).map(|execution| {
            let mut trainer = Trainer { execution, latent_dim: 2, trim_by: None, losses: Some(LossSums::default()) };
            let mut sums = LossSums::default();
            for n in 0..5 {
                let input = input(&any_rows(&layout, 50 + n), noise().child(n));
                trainer.step(&input, &Step { clip_norm, ..step() }).unwrap();
                sums = if trainer.should_read() { sums.and(trainer.read().unwrap().unwrap()) } else { sums };
            }
            assert_eq!(sums.rows, if trainer.should_read() { 260 } else { 0 });
            sums = sums.and(trainer.read().unwrap().unwrap());
            (sums, trainer.checkpoint().unwrap().weights)
        });
        assert_eq!((later.0.rows, at_once.0.rows), (260, 260));
        for (later, at_once) in [(later.0.nll, at_once.0.nll), (later.0.kl, at_once.0.kl)] {
            assert!((later - at_once).abs() < 1e-5 * at_once.abs(), "{later} {at_once}");
        }
        for (later, at_once) in later.1.values().zip(at_once.1.values()) {
            close(&later.values, &at_once.values.iter().copied().map(f64::from).collect::<Vec<_>>(), 1e-4);
        }
    }
}

#[test]
fn a_step_that_is_not_finite_is_told_when_losses_are_read_and_undone_by_a_restore() {
    let (layout, network) = small();
    let [execution, _] = executions(&layout, &network);
    let mut trainer = Trainer { execution, latent_dim: 2, trim_by: None, losses: Some(LossSums::default()) };
    let before = trainer.checkpoint().unwrap();
    let mut batch = many_rows(&layout, 10);
    batch.x[4] = f32::INFINITY;
    for batch in [&batch, &many_rows(&layout, 10)] {
        trainer.step(&input(batch, noise()), &step()).unwrap();
    }
    assert!(trainer.read().unwrap().is_none());
    trainer.restore(&before).unwrap();
    assert!(take(&mut trainer, &input(&many_rows(&layout, 10), noise()), &step()).is_some());
}
