//! Concurrency: runs, bounded queues, worker and background threads, stops and progress.
//!
//! **Invariant:** nothing else in this crate names threads or channels, so a deadlock can only be here.

#![forbid(unsafe_code)]

mod byte_budget;
mod cancel;
mod interruptible_reader;
mod pool;
mod prefetch;
mod progress;
mod run;
mod side_by_side;
mod spawn;
mod stage;
mod stop;
mod stream_writer;

pub(crate) use self::byte_budget::{ByteBudget, Reservation};
pub(crate) use self::cancel::is_cancelled;
pub(crate) use self::interruptible_reader::InterruptibleReader;
pub(crate) use self::pool::Pool;
#[cfg(feature = "cloud")]
pub(crate) use self::prefetch::run_on_own_thread;
pub(crate) use self::prefetch::{Background, Prefetch, QUEUE_BYTES, prefetch, prefetch_map, queue_depth, run_all};
pub use self::progress::{Epoch, Progress};
pub use self::run::Run;
pub(crate) use self::run::{Route, Rows};
pub(crate) use self::stage::{Stage, report};
pub use self::stop::Stop;
pub(crate) use self::stream_writer::StreamWriter;
