//! The device the model runs on. Only this file resolves it.

#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

pub(crate) use candle_core::Device as TensorDevice;

use crate::error::{DeviceFault, Error, ParseChoiceError, Result};

/// The device a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// CUDA if this build has it and a device is available, else the CPU.
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

    /// The tensor library's device, one of each for a process: tensors of two cannot be combined.
    ///
    /// # Errors
    /// [`Error::Device`] if CUDA is asked for and not available; `Auto` never fails.
    pub(crate) fn resolve(self) -> Result<candle_core::Device> {
        match self {
            Self::Cpu => Ok(candle_core::Device::Cpu),
            Self::Cuda(number) => cuda(number),
            Self::Auto => Ok(cuda(0).unwrap_or_else(|error| {
                match error {
                    Error::Device(DeviceFault::NotAvailable { source, .. }) => {
                        tracing::info!("device cpu: no CUDA device answers: {source}");
                    }
                    _ => tracing::info!("device cpu"),
                }
                candle_core::Device::Cpu
            })),
        }
    }
}

/// The CUDA devices of this process, by number. They stay until it ends: the handles of a device that is lost cannot be
/// released, and cudarc panics when it tries.
static CUDA: Mutex<Vec<(u16, candle_core::Device)>> = Mutex::new(Vec::new());

/// The CUDA device of this number.
///
/// All threads share one stream, which orders their work. `Device::new_cuda` gives every thread its own stream, and
/// then no thread waits for the copies and products of another.
fn cuda(number: u16) -> Result<candle_core::Device> {
    let device = Device::Cuda(number).to_string();
    let mut devices = CUDA.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, cuda)) = devices.iter().find(|(of, _)| *of == number) {
        tracing::info!("device {device}");
        return Ok(cuda.clone());
    }
    match candle_core::Device::new_cuda_with_stream(number.into()).map_err(bare) {
        Ok(cuda) => {
            tracing::info!("device {device}");
            devices.push((number, cuda.clone()));
            Ok(cuda)
        }
        Err(candle_core::Error::NotCompiledWithCudaSupport) => Err(DeviceFault::NoCuda { device }.into()),
        Err(source) => Err(DeviceFault::NotAvailable { device, source: Box::new(source) }.into()),
    }
}

/// An error of the tensor library without the backtrace in its text.
fn bare(error: candle_core::Error) -> candle_core::Error {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => *inner,
        error => error,
    }
}

/// How the driver and cuBLAS say that the memory of a device is used up. Their types exist only in builds with CUDA.
const OUT_OF_MEMORY: [&str; 2] = ["CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED"];

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        match bare(error) {
            candle_core::Error::Cuda(source) => {
                let said = source.to_string();
                let full = OUT_OF_MEMORY.iter().any(|words| said.contains(words));
                if full { DeviceFault::OutOfMemory { source } } else { DeviceFault::Failed { source } }.into()
            }
            error => Self::Tensor { source: Box::new(error) },
        }
    }
}

impl FromStr for Device {
    type Err = ParseChoiceError;

    fn from_str(word: &str) -> Result<Self, ParseChoiceError> {
        let unknown = || {
            let expected = format!("one of {}", Self::WORDS);
            let message = format!("device {word:?} is not {expected}");
            ParseChoiceError::new(word, expected).with_message(message)
        };
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
            Err(Error::Device(DeviceFault::NoCuda { device })) => assert!(!built && device == "cuda:0"),
            Err(error) => assert!(built && matches!(error, Error::Device(DeviceFault::NotAvailable { .. })), "{error}"),
        }
        assert!(Device::Auto.resolve().is_ok());
    }

    #[test]
    fn a_full_device_is_told_from_a_failed_one() {
        let error = |said: &str| Error::from(candle_core::Error::Cuda(said.into()));
        for said in OUT_OF_MEMORY {
            assert!(matches!(error(said), Error::Device(DeviceFault::OutOfMemory { .. })));
        }
        assert!(matches!(error("CUDA_ERROR_LAUNCH_FAILED"), Error::Device(DeviceFault::Failed { .. })));
        assert!(matches!(Error::from(candle_core::Error::Msg("shape".to_owned())), Error::Tensor { .. }));
    }
}
