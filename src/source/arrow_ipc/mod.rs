//! Arrow IPC, the format of Feather files and Arrow streams.

mod file;
mod stream;

pub(super) use self::file::IpcFile;
pub(super) use self::stream::IpcReader;
