"""Runs the tests of devices on CUDA without a GPU: `python -m bench.emulated [TEST…]`, with Rust and a C++ compiler on x86-64.

`cuda/emulated` has a CUDA driver and an NVRTC for the CPU. All of the program runs as on a GPU, down to the driver's functions: cubecl's CUDA
C++ is compiled by the system's compiler, and the units of a block take turns. What ends the program with a message: an index outside an array,
a barrier or a product of matrices that not all units reach, a matrix at an address that tensor cores do not take, a factor not rounded
to TF32. Memory is NaN until it is written.

It proves that the kernels as CUDA C++, and how they are launched, give what they should. It does not prove that NVRTC compiles them
(`python -m bench.kernels` does), nor races between units that any order of turns hides, nor speed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

from . import ours, toolkit

SOURCES = ours.ROOT / "bench" / "cuda" / "emulated"
BUILT = ours.TARGET / "cuda" / "emulated"
# GPUs whose tensor cores have TF32 and bfloat16, and have not.
WITH, WITHOUT = "90", "70"
TESTS = (
    "cargo test --release --config .ci/checked.toml --config .ci/device.toml -p mtmd --features cuda".split()
    # It keeps compiled kernels, and takes long to compile.
    + ["--config", "profile.release.package.turso_core.opt-level=0"]
)


def main(tests):
    environment = build()
    for name, (_, message) in FAULTS.items():
        check(name, message, environment)
    print(f"the emulated driver finds {len(FAULTS)} of {len(FAULTS)} planted faults", flush=True)
    kernels, executor = ["--lib", "--", "kernels::tests"], ["--test", "device", "--", *tests]
    for target, capability in ((kernels, WITHOUT), (kernels, WITH), (executor, WITH)):
        print(f"compute capability {capability}: {' '.join(target)}", flush=True)
        variables = os.environ | environment | {"EMULATED_CAPABILITY": capability}
        if code := subprocess.run([*TESTS, *target], cwd=ours.ROOT, env=variables).returncode:
            sys.exit(code)


def build():
    """Builds both libraries; the variables that have a program load them."""
    BUILT.mkdir(parents=True, exist_ok=True)
    for source, name in (("driver.cpp", "libcuda.so"), ("nvrtc.cpp", "libnvrtc.so")):
        ours.run("c++", "-std=c++17", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", BUILT / name, SOURCES / source)
    return {"LD_LIBRARY_PATH": str(BUILT), "CUDA_PATH": str(SOURCES), "CUDARC_CUDA_VERSION": "13000"}


def check(name, message, environment):
    """A planted fault ends a program with this message; none does so where there is none."""
    words = [sys.executable, "-m", "bench.emulated", "launch", name]
    done = subprocess.run(words, cwd=ours.ROOT, env=os.environ | environment, capture_output=True, text=True)
    expected = 0 if message is None else -signal.SIGABRT
    if done.returncode != expected or (message or "") not in done.stderr:
        raise ours.Failed(f"planted fault `{name}` ended with {done.returncode}: {done.stderr}")


# --- planted faults, in a process that has the variables -----------------------------------------------------------------

# A kernel as cubecl writes it, of one array of 64 elements and a block of 64 units.
KERNEL = """typedef unsigned int uint32_t;
#include <mma.h>
template <typename T, size_t N>
struct array {
    T data[N];
    __device__ T& operator[](size_t i) { return data[i]; }
};
struct info_st {
    uint32_t scalars_u32[2];uint32_t static_meta[2];
};
extern "C" __global__ void __launch_bounds__(64)  kernel(float * const __restrict__ v1, __grid_constant__ info_st const info_v2) {
extern __shared__ __align__(32) char v3[];array<float, 768> * const v4 = reinterpret_cast<array<float, 768> *>(&v3[0]);
uint32_t const v5 = threadIdx.x;
(*v4)[v5] = float(v5);
__syncthreads();
nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 8, nvcuda::wmma::precision::tf32, nvcuda::wmma::row_major> a;
FAULT
v1[v5] = (*v4)[63 - v5];
}
"""
LOAD = "nvcuda::wmma::load_matrix_sync(a, &(*v4)[{}], {});"
FAULTS = {
    "none": ("__syncthreads();", None),
    "index of an array": ("v1[v5 + 1] = 1;", "index 64 of an array of 64 elements"),
    "index below an array": ("v1[v5 - 1] = 1;", "index 4294967295 of an array of 64 elements"),
    "index of shared memory": ("(*v4)[768 + v5] = 1;", "index 768 of an array of 768 elements"),
    "barrier of some units": ("if (v5 < 32) __syncthreads();", "waits at another barrier"),
    "different barriers": ("if (v5 < 32) {\n__syncthreads();\n} else {\n__syncthreads();\n}", "waits at another barrier"),
    "product of some units": ("if (v5 < 33) " + LOAD.format(0, 8) + "\n__syncthreads();", "same operations of its warp"),
    "address of a matrix": (LOAD.format(4, 8), "not a multiple of 32 bytes"),
    "distance of rows": (LOAD.format(0, 10), "not a multiple of 16 bytes apart"),
    "end of a matrix": (LOAD.format(704, 8), "not in shared memory"),
    "factor of float32": ("(*v4)[v5] = 0.1f;\n__syncthreads();\n" + LOAD.format(0, 8), "not been rounded to TF32"),
}


def launch(name):
    """Launches a kernel with a fault."""
    source = KERNEL.replace("FAULT", FAULTS[name][0]).encode()
    library, _ = toolkit.compiled(toolkit.library("libnvrtc.so"), "the emulated NVRTC", "90a", source)
    driver, module, function, memory = toolkit.library("libcuda.so"), *(ctypes.c_void_p() for _ in range(3))
    toolkit.call(driver, "cuModuleLoadData", ctypes.byref(module), library)
    toolkit.call(driver, "cuModuleGetFunction", ctypes.byref(function), module, b"kernel")
    toolkit.call(driver, "cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(256))
    info = (ctypes.c_uint32 * 4)(0, 0, 64, 0)
    arguments = (ctypes.c_void_p * 2)(ctypes.addressof(memory), ctypes.addressof(info))
    toolkit.call(driver, "cuLaunchKernel", function, 1, 1, 1, 64, 1, 1, 3072, None, arguments, None)


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["launch"]:
            launch(sys.argv[2])
        else:
            main(sys.argv[1:])
    except ours.Failed as error:
        sys.exit(f"error: {error}")
