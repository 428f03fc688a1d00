//! Kernels as CUDA C++, made without a GPU. `python -m bench.kernels` compiles what [`write`] writes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cubecl::Compiler;
use cubecl::cuda::{CudaCompilationOptions, CudaCompiler};
use cubecl::ir::features::MmaConfig;
use cubecl::ir::{DeviceIdentity, ElemType, FloatKind, HardwareProperties, MemoryDeviceProperties};
use cubecl::prelude::*;
use cubecl::profile::TimingMethod;
use mtmd_schema::Choice;

use super::block::Way;
use super::{activate, cube_dim, gather, heads, light, moments, product, sums, transfer, weight};
use crate::schema::Precision;

/// An array, as an argument of a kernel.
pub const ARRAY: BufferCompilationArg = BufferCompilationArg { inplace: None };

/// Shared memory in bytes that every kernel gets without asking the driver.
const SHARED: usize = 48 << 10;

/// What a kernel is made for: its settings, the GPU and the compiler's target.
pub type Target = (KernelSettings, Arc<DeviceProperties>, Arc<TargetProperties>);

/// Writes the CUDA C++ of a kernel to `target/cuda/kernels`.
pub fn write<K: CubeKernel>(name: &str, kernel: impl FnOnce(Target) -> K) {
    let definition = define_kernel(&kernel(h100())).unwrap();
    let mut options = CudaCompilationOptions::default();
    let features = &mut options.cpp.supports_features;
    features.grid_constants = true;
    features.clusters = true;
    features.fast_math = true;
    features.fast_tanh = true;
    features.elect_sync = true;
    features.dp4a = true;
    let compiled = CudaCompiler::default()
        .compile(definition, &options)
        .unwrap();
    assert!(compiled.shared_memory_size() <= SHARED, "{name}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/cuda/kernels");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name).with_extension("cu"), compiled.to_string()).unwrap();
}

/// An H100, as `cubecl-cuda` describes it to kernels.
fn h100() -> Target {
    let hardware = HardwareProperties {
        load_width: 128,
        vector_register_count: None,
        plane_size_min: 32,
        plane_size_max: 32,
        max_bindings: 1024,
        max_shared_memory_size: 227 << 10,
        max_cube_count: (i32::MAX as u32, 65_535, 65_535),
        max_units_per_cube: 1024,
        max_cube_dim: (1024, 1024, 64),
        num_streaming_multiprocessors: Some(132),
        num_cpu_cores: None,
        last_level_cache_size: None,
        num_tensor_cores: Some(4),
        min_tensor_cores_dim: Some(8),
        max_vector_size: VectorSize::MAX,
        cube_mma_reserved_shared_memory: 0,
    };
    let memory = MemoryDeviceProperties::new(20 << 30, 512).with_max_memory(80 << 30);
    let mut properties = DeviceProperties::new(
        Default::default(),
        memory,
        hardware,
        TimingMethod::Device,
        DeviceIdentity::default(),
    );
    properties.features.memory_reinterpret = true;
    properties.features.alignment = true;
    properties.features.device_memory_scope = true;
    properties.features.copy_async = true;
    for (kind, k) in [(FloatKind::TF32, 8), (FloatKind::BF16, 16)] {
        let factor = ElemType::Float(kind);
        properties.features.matmul.cmma.insert(MmaConfig {
            a_type: factor,
            b_type: factor,
            cd_type: ElemType::Float(FloatKind::F32),
            m: 16,
            n: 16,
            k,
        });
    }
    let settings = KernelSettings::new(cube_dim().into(), ExecutionMode::Checked, AddressType::U32);
    (settings, Arc::new(properties), Arc::default())
}

#[test]
fn cuda_sources() {
    const A: BufferCompilationArg = ARRAY;
    write("light", |(s, d, t)| {
        light::run::Run::new(s, d, t, A, A, A, A, A, A, (), (), ())
    });
    write("activate_forward", |(s, d, t)| {
        activate::forward::Forward::new(s, d, t, A, A, A, A, (), (), ())
    });
    write("activate_backward", |(s, d, t)| {
        activate::backward::Backward::new(s, d, t, A, A, A, A, A, (), (), (), ())
    });
    for &precision in Precision::ALL {
        let way = Way::of(&h100().1, precision);
        assert_eq!(way.matrices, precision != Precision::Float32);
        write(&format!("product_{precision}"), |(s, d, t)| {
            product::run::Run::new(s, d, t, A, A, A, A, (), (), way)
        });
        write(&format!("weight_{precision}"), |(s, d, t)| {
            weight::run::Run::new(s, d, t, A, A, A, A, A, (), (), (), (), (), way)
        });
    }
    write("weight_join", |(s, d, t)| {
        weight::join::Join::new(s, d, t, A, A, A, A, (), (), ())
    });
    write("sums", |(s, d, t)| {
        sums::run::Run::new(s, d, t, A, A, A, A, (), (), ())
    });
    for (into_memory, name) in [(false, "transfer_back"), (true, "transfer")] {
        write(name, |(s, d, t)| {
            transfer::run::Run::new(s, d, t, A, A, A, A, (), (), into_memory)
        });
    }
    write("gather", |(s, d, t)| {
        gather::run::Run::new(s, d, t, A, A, A, A, A, (), (), ())
    });
    write("moments_of_tiles", |(s, d, t)| {
        moments::of_tiles::OfTiles::new(s, d, t, A, A, A, A, A, (), (), ())
    });
    for (training, suffix) in [(false, "scoring"), (true, "training")] {
        write(&format!("moments_of_domains_{suffix}"), |(s, d, t)| {
            moments::of_domains::OfDomains::new(
                s,
                d,
                t,
                A,
                A,
                A,
                A,
                A,
                A,
                A,
                (),
                (),
                (),
                (),
                (),
                training,
            )
        });
    }
    write("heads_logits", |(s, d, t)| {
        heads::logits::Logits::new(s, d, t, A, A, A, A, A, (), (), (), ())
    });
    write("heads_losses", |(s, d, t)| {
        heads::losses::Losses::new(s, d, t, A, A, A, A, (), (), ())
    });
    write("heads_totals", |(s, d, t)| {
        heads::totals::Totals::new(s, d, t, A, A, A, A, (), (), ())
    });
    write("heads_gradients", |(s, d, t)| {
        heads::gradients::Gradients::new(s, d, t, A, A, A, A, A, A, (), (), (), (), (), (), ())
    });
}
