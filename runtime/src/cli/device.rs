//! The device that a command runs on.

use std::str::FromStr;

use burn::tensor::Device;

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
    /// The device, without autodiff.
    ///
    /// # Errors
    /// A device that this build or this machine lacks.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Cuda(index) => cuda(index),
        }
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device> {
    let place = format!("--device cuda:{index}");
    let fix = "check the driver (`nvidia-smi`) and that libcuda, NVRTC and the CUDA headers are there, or use `--device cpu`";
    // The first use of a card that is not there panics in the driver's bindings.
    match super::panics::catch(|| {
        keep_compiled();
        let device = Device::cuda(index);
        device
            .sync()
            .map(|()| device)
            .map_err(|error| error.to_string())
    }) {
        Ok(Ok(device)) => Ok(device),
        Ok(Err(cause)) | Err(cause) => Err(Error::run(place, cause, fix)),
    }
}

/// Has kernels that are compiled kept for the next program, as the tuning is. All else is as a `cubecl.toml` says.
#[cfg(feature = "cuda")]
fn keep_compiled() {
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig as _};

    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.compilation.cache = true;
    // Where one is set already, it is this one.
    CubeClRuntimeConfig::try_set(config);
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> Result<Device> {
    Err(Error::run(
        format!("--device cuda:{index}"),
        "this program was built without CUDA",
        "build it with `cargo build --release --features cuda`, or use `--device cpu`",
    ))
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

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_how_to_get_it() {
        let error = DeviceChoice::Cuda(0)
            .open()
            .err()
            .map(|error| error.to_string());
        assert!(error.is_some_and(|text| text.contains("--features cuda")));
    }
}
