//! Where the model runs, resolved in one place: nothing else asks what the device is.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A device as the user asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// CUDA when this build has it and a device answers, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

impl Device {
    /// The words a user may write.
    pub const WORDS: &'static str = "auto, cpu, cuda, cuda:N";

    /// The tensor library's device.
    ///
    /// # Errors
    /// [`Error::Device`] if CUDA is asked for and cannot be had; `Auto` never fails.
    pub(crate) fn resolve(self) -> Result<candle_core::Device> {
        match self {
            Self::Cpu => Ok(candle_core::Device::Cpu),
            Self::Cuda(number) => candle_core::Device::new_cuda(number)
                .map_err(|source| Error::Device { device: self.to_string(), source: Box::new(source) }),
            Self::Auto => match candle_core::Device::new_cuda(0) {
                Ok(device) => {
                    tracing::info!("device cuda:0");
                    Ok(device)
                }
                Err(reason) => {
                    tracing::info!("device cpu");
                    tracing::debug!("no CUDA device: {reason}");
                    Ok(candle_core::Device::Cpu)
                }
            },
        }
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
        assert!("gpu".parse::<Device>().is_err() && "cuda:x".parse::<Device>().is_err());
    }

    #[test]
    fn cuda_without_a_device_is_an_error_and_auto_is_not() {
        if candle_core::Device::new_cuda(0).is_err() {
            assert!(matches!(Device::Cuda(0).resolve(), Err(Error::Device { .. })));
        }
        assert!(Device::Auto.resolve().is_ok());
    }
}
