//! The device that a command runs on.

use std::str::FromStr;

use crate::error::{Error, Result};

/// A device by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The processor.
    Cpu,
    /// An NVIDIA card by its number.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let unknown = || "it must be cpu, cuda or cuda:N".to_owned();
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", index)) => index.parse().map(Self::Cuda).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl DeviceChoice {
    /// Requires a device that runs plans.
    ///
    /// # Errors
    /// Any but the processor.
    pub fn open(self) -> Result<()> {
        match self {
            Self::Cpu => Ok(()),
            Self::Cuda(index) => Err(Error::run(
                format!("--device cuda:{index}"),
                "this version runs on the processor only",
                "use `--device cpu`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        assert_eq!("cpu".parse(), Ok(DeviceChoice::Cpu));
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        assert_eq!("cuda:3".parse(), Ok(DeviceChoice::Cuda(3)));
        for text in ["", "gpu", "cuda:", "cuda:x", "cpu:1"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_processor_runs_plans() {
        assert!(DeviceChoice::Cpu.open().is_ok());
        assert!(DeviceChoice::Cuda(0).open().is_err());
    }
}
