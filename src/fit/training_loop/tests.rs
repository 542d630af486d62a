use std::time::Duration;

use super::*;
use crate::config::FitConfig;
use crate::fit::prepared::Prepared;
use crate::model::{Device, parameters};
use crate::source::ParquetSource;

/// Numbers alone, and every kind of column with missing values, of which some are hidden in training; steps that leave their
/// losses on the device, and steps that must know them.
#[test]
fn a_network_in_tensors_trains_on_the_batches_of_the_kernels() {
    for (name, trim) in [("digits", 0.0), ("flights", 0.0), ("flights", 0.1)] {
        let path = format!("{}/sample_data/{name}.parquet", env!("CARGO_MANIFEST_DIR"));
        let source = ParquetSource::open([path]).unwrap();
        let config = FitConfig::new().epochs(3).sample(900).trim(trim);
        let mut run = Run::new();
        let loaded = Prepared::new(&config, &source, Device::Cpu, &mut run).unwrap().load(&mut run).unwrap();
        let (layout, network, training) = (loaded.features.layout(), &loaded.prepared.sizes.network, &loaded.training);
        let task = TrainingTask { layout, rows: &loaded.rows, training, epochs: 3, keep_partial: false };
        let kernels = Trainer::new(layout, network, 1, training.shard_rows, 2, &crate::model::TensorDevice::Cpu);
        let trainers = [kernels, Trainer::in_tensors(layout, network, 1)];
        let [kernels, tensors] = trainers.map(|trainer| {
            TrainingLoop::new(task, &mut trainer.unwrap(), None).unwrap().run(&mut run).unwrap().history
        });
        assert_eq!((kernels.epochs.len(), tensors.epochs.len()), (3, 3));
        for (kernels, tensors) in kernels.epochs.iter().zip(&tensors.epochs) {
            let losses = |epoch: &Epoch| [epoch.train_loss, epoch.validation_loss.unwrap(), epoch.kl];
            for (kernels, tensors) in losses(kernels).into_iter().zip(losses(tensors)) {
                assert!((kernels - tensors).abs() < 1e-3 * kernels.abs().max(1.0), "{name}: {kernels} {tensors}");
            }
        }
    }
}

/// A checkpoint that is written while losses wait on the device has them, too.
#[test]
fn training_in_tensors_goes_on_where_it_was_interrupted() {
    let path = format!("{}/sample_data/digits.parquet", env!("CARGO_MANIFEST_DIR"));
    let source = ParquetSource::open([path]).unwrap();
    let config = FitConfig::new().epochs(3).sample(900);
    let mut run = Run::new();
    let loaded = Prepared::new(&config, &source, Device::Cpu, &mut run).unwrap().load(&mut run).unwrap();
    let (layout, network, training) = (loaded.features.layout(), &loaded.prepared.sizes.network, &loaded.training);
    assert!(training.steps_per_epoch >= 4);
    let task = TrainingTask { layout, rows: &loaded.rows, training, epochs: 3, keep_partial: false };
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = |resume| {
        let of = parameters(layout, network);
        CheckpointWriter::new(&folder.path().join("checkpoint"), Default::default(), of, resume, Duration::ZERO)
            .unwrap()
    };
    let train = |checkpoint: Option<&mut CheckpointWriter>, run: &mut Run<'_>| {
        let mut trainer = Trainer::in_tensors(layout, network, 1).unwrap();
        TrainingLoop::new(task, &mut trainer, checkpoint).unwrap().run(run)
    };
    let whole = train(None, &mut run).unwrap();

    let stop = Stop::default();
    let asked = stop.clone();
    let mut run = Run::new().stop(&stop).on_progress(move |progress| {
        if matches!(progress, Progress::Step { epoch: 2, step: 3, .. }) {
            asked.request();
        }
    });
    assert!(matches!(train(Some(&mut checkpoint(false)), &mut run), Err(Error::Interrupted)));
    let again = train(Some(&mut checkpoint(true)), &mut Run::new()).unwrap();
    assert!(again.weights == whole.weights);
    for (one, other) in again.history.epochs.iter().zip(&whole.history.epochs) {
        assert_eq!(one.validation_loss, other.validation_loss);
        assert!((one.train_loss - other.train_loss).abs() < 1e-9 * other.train_loss.abs());
    }
    assert_eq!(again.history.epochs.len(), 3);
}
