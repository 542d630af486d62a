//! Where the model runs, resolved in one place: nothing else asks what the device is.

#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

pub(crate) use candle_core::Device as TensorDevice;

use crate::error::{Error, Result};

/// A device as the user asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// CUDA when this build has it and a device answers, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number, counted from 0.
    Cuda(u16),
}

impl Device {
    /// The words a user may write.
    pub const WORDS: &'static str = "auto, cpu, cuda, cuda:N";

    /// The tensor library's device. One is made a run: tensors of two do not meet.
    ///
    /// # Errors
    /// [`Error::NoCuda`] and [`Error::Device`] if CUDA is asked for and cannot be had; `Auto` never fails.
    pub(crate) fn resolve(self) -> Result<candle_core::Device> {
        match self {
            Self::Cpu => Ok(candle_core::Device::Cpu),
            Self::Cuda(number) => cuda(number),
            Self::Auto => Ok(cuda(0).unwrap_or_else(|error| {
                match error {
                    Error::Device { source, .. } => tracing::info!("device cpu: no CUDA device answers: {source}"),
                    _ => tracing::info!("device cpu"),
                }
                candle_core::Device::Cpu
            })),
        }
    }
}

/// The CUDA device of this number.
///
/// With one stream for all threads, which orders what they do: `Device::new_cuda` gives every thread that touches the
/// device a stream of its own, and nothing makes one wait for another's copies and products.
fn cuda(number: u16) -> Result<candle_core::Device> {
    let device = Device::Cuda(number).to_string();
    match candle_core::Device::new_cuda_with_stream(number.into()).map_err(bare) {
        Ok(cuda) => {
            tracing::info!("device {device}");
            Ok(cuda)
        }
        Err(candle_core::Error::NotCompiledWithCudaSupport) => Err(Error::NoCuda { device }),
        Err(source) => Err(Error::Device { device, source: Box::new(source) }),
    }
}

/// An error of the tensor library without the backtrace it puts into its text, which nobody asked for.
pub(crate) fn bare(error: candle_core::Error) -> candle_core::Error {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => *inner,
        error => error,
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let unknown = || Error::UnknownDevice { device: word.to_owned() };
        match word.split_once(':') {
            None if word == "auto" => Ok(Self::Auto),
            None if word == "cpu" => Ok(Self::Cpu),
            None if word == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) => number.parse().map(Self::Cuda).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_reads_back() {
        for device in [Device::Auto, Device::Cpu, Device::Cuda(0), Device::Cuda(3)] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for unknown in ["gpu", "cuda:x", "cuda:-1", "cuda:4294967296"] {
            assert!(unknown.parse::<Device>().is_err());
        }
    }

    #[test]
    fn cuda_without_a_device_is_an_error_and_auto_is_not() {
        let built = candle_core::utils::cuda_is_available();
        match Device::Cuda(0).resolve() {
            Ok(device) => assert!(device.is_cuda()),
            Err(Error::NoCuda { device }) => assert!(!built && device == "cuda:0"),
            Err(error) => assert!(built && matches!(error, Error::Device { .. }), "{error}"),
        }
        assert!(Device::Auto.resolve().is_ok());
    }
}
