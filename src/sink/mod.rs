//! Where rows go.

mod commit;
mod metadata;
mod orders;
mod splice;

use arrow::array::RecordBatch;

pub(crate) use self::commit::{Target, Temporary, commit_bytes};
pub use self::commit::{check_distinct, check_target};
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

/// Writes rows that are there with new columns beside them.
pub(crate) trait Sink: Send {
    /// Takes the new columns of all rows, in the rows' order, and makes the output visible, whole.
    ///
    /// # Errors
    /// The first of `columns`, or if the output cannot be written; nothing is left of it then.
    fn write(self: Box<Self>, columns: &mut dyn Iterator<Item = Result<NewColumns>>) -> Result<()>;
}
