use super::*;
use crate::config::FitConfig;
use crate::fit::prepared::Prepared;
use crate::model::Device;
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
