//! The steps that `benches/parts.rs` measures one by one. Not part of the public interface.

#![forbid(unsafe_code)]

use arrow::array::RecordBatch;

use crate::artifact::Model;
use crate::batch::Batch;
use crate::error::Result;
use crate::model::{Device, Step, StepInput, Trainer};
use crate::numerics::RandomStream;

/// A model, rows for it, and a network of the same shape in training.
#[expect(missing_debug_implementations)]
pub struct Parts {
    model: Model,
    rows: RecordBatch,
    x: Vec<f32>,
    batch: Batch,
    input: StepInput,
    trainer: Trainer,
}

impl Parts {
    /// Takes rows of the columns that the model learned, in its order.
    ///
    /// # Errors
    /// If the columns are others, or there is no memory or no thread.
    pub fn new(model: Model, rows: RecordBatch, threads: usize) -> Result<Self> {
        let layout = model.features().layout().clone();
        let (network, training) = (&model.metadata().network, &model.metadata().training);
        let device = Device::Cpu.resolve()?;
        let trainer = Trainer::new(&layout, network, 0, training.shard_rows, threads, &device)?;
        let mut x = vec![0.0; rows.num_rows() * layout.width()];
        model.features().write(&rows, &mut x, &mut [])?;
        let batch = Batch::new((0..rows.num_rows() as u64).collect(), x.clone(), &layout);
        let input = trainer.feed().input(batch.clone(), 0, RandomStream::new(0, "bench"))?;
        Ok(Self { model, rows, x, batch, input, trainer })
    }

    /// Writes the columns into row vectors.
    ///
    /// # Errors
    /// None: [`new`](Self::new) did the same.
    pub fn write(&mut self) -> Result<()> {
        self.model.features().write(&self.rows, &mut self.x, &mut []).map(drop)
    }

    /// Computes posterior, reconstruction and errors, on this thread.
    ///
    /// # Errors
    /// None on the CPU.
    pub fn encode(&self) -> Result<impl Sized + use<>> {
        self.model.vae().encode(&self.batch)
    }

    /// Takes a gradient step of all rows as one batch, on all threads.
    ///
    /// # Errors
    /// None on the CPU.
    pub fn step(&mut self) -> Result<()> {
        let step = Step { lr: 1e-3, beta: 1.0, free_bits: 0.0, clip_norm: 0.0, trim: 0.0, neighbor_weight: 0.0 };
        self.trainer.step(&self.input, &step)?;
        self.trainer.read().map(drop)
    }
}
