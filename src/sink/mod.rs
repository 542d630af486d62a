//! Where rows go.

mod commit;
mod metadata;
mod orders;
mod splice;

use arrow::array::RecordBatch;

pub use self::commit::check_target;
pub(crate) use self::commit::{Target, commit_bytes};
pub(crate) use self::splice::{Splice, SpliceSink};

use crate::error::Result;

/// The new columns of some rows.
#[derive(Debug, Clone)]
pub(crate) struct NewColumns {
    /// Counts the batches, from 0.
    pub(crate) seq: u64,
    /// Row group of the input the rows belong to.
    pub(crate) row_group: usize,
    /// The columns, in output order.
    pub(crate) batch: RecordBatch,
}

/// Takes new columns in the order of the input's rows.
pub(crate) trait Sink: Send {
    /// Takes the next rows.
    ///
    /// # Errors
    /// If they cannot be written; nothing is left of the output then.
    fn write(&mut self, columns: NewColumns) -> Result<()>;

    /// Makes the output visible, whole.
    ///
    /// # Errors
    /// If it cannot be; nothing is left of the output then.
    fn finish(self: Box<Self>) -> Result<()>;
}
