//! Why a device cannot do the work.

use super::Foreign;

/// Why a device, such as `cuda:0`, cannot do the work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceFault {
    /// This build does not support CUDA.
    #[error("device {device}: this build is without CUDA")]
    NoCuda {
        /// The device asked for.
        device: String,
    },
    /// The device is not available.
    #[error("device {device}: not available")]
    NotAvailable {
        /// The device asked for.
        device: String,
        /// The error of the tensor library.
        source: Foreign,
    },
    /// The memory of the device is used up, by this run or by other processes.
    #[error("the device is out of memory")]
    OutOfMemory {
        /// The error of the tensor library.
        source: Foreign,
    },
    /// The device failed during the work: it was lost or reset, or a kernel failed.
    #[error("the device failed")]
    Failed {
        /// The error of the tensor library.
        source: Foreign,
    },
}
