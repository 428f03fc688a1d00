//! The device that a command runs on.

use mtmd_options::Device;

use crate::error::{Error, Result};
use crate::exec::Backend;

/// The device of an option.
///
/// # Errors
/// A device that this build or this machine lacks.
pub fn open(option: Device) -> Result<Backend> {
    match option {
        Device::Cpu => Ok(Backend::Host),
        Device::Cuda(index) => cuda(index),
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Backend> {
    let place = format!("--device cuda:{index}");
    let fix = "check the driver (`nvidia-smi`) and that libcuda, NVRTC and the CUDA headers are there, or use `--device cpu`";
    // The first use of a card that is not there panics in the driver's bindings.
    match super::panics::catch(|| {
        keep_compiled();
        let device = burn::tensor::Device::cuda(index);
        device
            .sync()
            .map(|()| device)
            .map_err(|error| error.to_string())
    }) {
        Ok(Ok(device)) => Ok(Backend::Device(device)),
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
fn cuda(index: usize) -> Result<Backend> {
    Err(Error::run(
        format!("--device cuda:{index}"),
        "this program was built without CUDA",
        "build it with `cargo build --release --features cuda`, or use `--device cpu`",
    ))
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_cuda_says_how_to_get_it() {
        let opened = open(Device::Cuda(0));
        let error = opened.err().map(|error| error.to_string());
        assert!(error.is_some_and(|text| text.contains("--features cuda")));
    }
}
