//! Parts of the way of a row that `benches/parts.rs` measures by themselves; no part of the interface.

#![forbid(unsafe_code)]

use arrow::array::RecordBatch;

use crate::artifact::Model;
use crate::batch::Batch;
use crate::error::Result;
use crate::model::{Device, Step, StepInput, Trainer};
use crate::numerics::RandomStream;

/// A model, some rows for it, and a network of its shape in training.
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
    /// Takes rows whose columns are those the model learned, in its order.
    ///
    /// # Errors
    /// If they are not, or there is no memory or thread to be had.
    pub fn new(model: Model, rows: RecordBatch, threads: usize) -> Result<Self> {
        let layout = model.features().layout().clone();
        let (network, training) = (&model.metadata().network, &model.metadata().training);
        let device = Device::Cpu.resolve()?;
        let trainer = Trainer::new(&layout, network, 0, training.shard_rows, threads, &device)?;
        let mut x = vec![0.0; rows.num_rows() * layout.inputs()];
        model.features().write(&rows, &mut x)?;
        let batch = Batch::new(0, (0..rows.num_rows() as u64).collect(), x.clone(), &layout);
        let input = trainer.feed()(batch.clone(), RandomStream::new(0, "bench"))?;
        Ok(Self { model, rows, x, batch, input, trainer })
    }

    /// Columns to row vectors.
    ///
    /// # Errors
    /// None, once [`new`](Self::new) has done the same.
    pub fn write(&mut self) -> Result<()> {
        self.model.features().write(&self.rows, &mut self.x).map(drop)
    }

    /// Posterior, reconstruction and errors, on this thread.
    ///
    /// # Errors
    /// None on the CPU.
    pub fn encode(&self) -> Result<impl Sized + use<>> {
        self.model.vae().encode(&self.batch)
    }

    /// A gradient step of all rows as one batch, on all threads.
    ///
    /// # Errors
    /// None on the CPU.
    pub fn step(&mut self) -> Result<()> {
        let step = Step { lr: 1e-3, beta: 1.0, free_bits: 0.0, clip_norm: 0.0, trim: 0.0 };
        self.trainer.step(&self.input, &step).map(drop)
    }
}
