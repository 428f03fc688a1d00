//! The device that a command runs on.

use mtmd_options::Device;
use mtmd_schema::TablePlace;

use crate::error::{Error, Result};
use crate::exec::Backend;

/// The device of an option. `tables` says where embedding tables are while a model trains on it.
///
/// # Errors
/// A device that this build or this machine lacks.
pub fn open(option: Device, tables: TablePlace) -> Result<Backend> {
    match option {
        Device::Cpu => Ok(Backend::Host),
        Device::Cuda(index) => cuda(index, tables),
        Device::Wgpu => wgpu(tables),
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: usize, tables: TablePlace) -> Result<Backend> {
    let fix = "check the driver (`nvidia-smi`) and that libcuda, NVRTC and the CUDA headers are there, or use `--device cpu`";
    first_use((Device::Cuda(index), tables), fix, || {
        cubecl::Device::cuda(index)
    })
}

#[cfg(feature = "wgpu")]
fn wgpu(tables: TablePlace) -> Result<Backend> {
    let fix = "install a driver (`vulkaninfo --summary` lists the devices that it has), or use `--device cpu`";
    first_use((Device::Wgpu, tables), fix, || {
        cubecl::Device::wgpu(cubecl::device::WgpuDeviceKind::DefaultDevice)
    })
}

/// A device that has done what it was asked to. The first use of one that is not there may panic in the bindings of its
/// driver.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn first_use(
    (option, tables): (Device, TablePlace),
    fix: &str,
    find: impl FnOnce() -> std::result::Result<cubecl::Device, cubecl::device::DeviceUnavailable>,
) -> Result<Backend> {
    let used = super::panics::catch(|| {
        #[cfg(feature = "cuda")]
        keep_compiled();
        let device = find().map_err(|error| error.to_string())?;
        let client = device.client();
        cubecl::future::block_on(client.sync()).map_err(|error| error.to_string())?;
        Ok(device)
    });
    match used {
        Ok(Ok(device)) => Ok(Backend::Device { device, tables }),
        Ok(Err(cause)) | Err(cause) => Err(Error::run(format!("--device {option}"), cause, fix)),
    }
}

/// Has kernels that are compiled kept for the next program. All else is as a `cubecl.toml` says.
#[cfg(feature = "cuda")]
fn keep_compiled() {
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig as _};

    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.compilation.cache = true;
    // Where one is set already, it is this one.
    CubeClRuntimeConfig::try_set(config);
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize, _: TablePlace) -> Result<Backend> {
    built_without(Device::Cuda(index), "CUDA", "cuda")
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(_: TablePlace) -> Result<Backend> {
    built_without(Device::Wgpu, "wgpu", "wgpu")
}

#[cfg(not(all(feature = "cuda", feature = "wgpu")))]
fn built_without(option: Device, what: &str, feature: &str) -> Result<Backend> {
    Err(Error::run(
        format!("--device {option}"),
        format!("this program was built without {what}"),
        format!(
            "build it with `cargo build --release --features {feature}`, or use `--device cpu`"
        ),
    ))
}

#[cfg(all(test, not(feature = "device")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_a_device_says_how_to_get_it() {
        for (device, feature) in [(Device::Cuda(0), "cuda"), (Device::Wgpu, "wgpu")] {
            let opened = open(device, TablePlace::DEFAULT);
            let error = opened.err().map(|error| error.to_string());
            let told = format!("--features {feature}");
            assert!(error.is_some_and(|text| text.contains(&told)), "{device}");
        }
    }
}
