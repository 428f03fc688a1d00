"""What our programs need of CUDA beside the driver: NVRTC, which compiles their kernels, and its headers.

They take headers from `$CUDA_PATH/include` and ask the system for `libnvrtc.so`. `prepare` puts links to both, from one toolkit, into a
folder, and has a kernel compiled and taken by the driver first: a header that is missing would end no program, only take the kernels on
tensor cores out of those that are tried. `python -m bench.toolkit` looks which toolkits do.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from pathlib import Path

from . import ours

LIBRARIES = ("lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu")
# Attributes of a device: its compute capability.
MAJOR, MINOR = 75, 76
# Without a card a kernel is only compiled.
NO_CARD = "80"
KERNEL = b"""
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cuda/barrier>
#include <mma.h>
using namespace nvcuda::wmma;
extern "C" __global__ void product(const float *a, const float *b, float *c) {
#if __CUDA_ARCH__ >= 800
  fragment<matrix_a, 16, 16, 8, precision::tf32, row_major> left;
  fragment<matrix_b, 16, 16, 8, precision::tf32, row_major> right;
  fragment<accumulator, 16, 16, 8, float> sum;
  fill_fragment(sum, 0.0f);
  load_matrix_sync(left, a, 8);
  load_matrix_sync(right, b, 16);
  mma_sync(sum, left, right, sum);
  store_matrix_sync(c, sum, 16, mem_row_major);
#endif
}
"""


def prepare(folder):
    """The variables that our programs are to have on this machine, and the toolkit in words. `folder` is filled with links."""
    causes = []
    for index, root in enumerate(roots()):
        try:
            environment = link(root, Path(folder) / str(index))
            said = ours.run(sys.executable, "-m", "bench.toolkit", "check", environment=environment)
            return environment, f"{said.strip()} of {root}"
        except ours.Failed as error:
            causes.append(f"{root}: {error}")
    raise ours.Failed(
        "no NVRTC that our programs could use:\n"
        + "\n".join(causes or ["there is no toolkit in $CUDA_PATH, /usr/local/cuda, /opt/cuda, /usr and Python's packages"])
        + "\nset CUDA_PATH to a CUDA 13 toolkit with headers that is not newer than the driver (`nvidia-smi` shows the driver's CUDA version)"
    )


def roots():
    """Where a toolkit may be: where CUDA_PATH says, else in the usual places and in Python's packages."""
    if "CUDA_PATH" in os.environ:
        return [Path(os.environ["CUDA_PATH"]).resolve()]
    usual = [Path(path) for path in ("/usr/local/cuda", "/opt/cuda", "/usr")]
    packages = [Path(entry).resolve() / "nvidia" / "cu13" for entry in sys.path]
    return [root for root in usual + packages if libraries(root)]


def libraries(root):
    """NVRTC's files, those of one folder."""
    found = ([path for path in (root / place).glob("libnvrtc*.so*")] for place in LIBRARIES)
    return next((paths for paths in found if any(path.name.startswith("libnvrtc.so") for path in paths)), [])


def link(root, folder):
    """`include` and `lib` of a toolkit as links in `folder`."""
    if not (paths := libraries(root)):
        raise ours.Failed("there is no libnvrtc.so")
    for name in ("include", "lib"):
        (folder / name).mkdir(parents=True)
    for path in paths:
        (folder / "lib" / path.name).symlink_to(path)
    plain = folder / "lib" / "libnvrtc.so"
    if not plain.exists():
        plain.symlink_to(max(path for path in paths if path.name.startswith("libnvrtc.so")))
    for path in (root / "include").glob("*"):
        (folder / "include" / path.name).symlink_to(path)
    crt = folder / "include" / "crt"
    # NVIDIA has it in a package of its own, which PyTorch does not install; Triton brings it along.
    brought = [Path(entry).resolve() / "triton" / "backends" / "nvidia" / "include" / "crt" for entry in sys.path]
    if not crt.exists() and (found := [path for path in brought if path.is_dir()]):
        crt.symlink_to(found[0])
    before = os.environ.get("LD_LIBRARY_PATH")
    return {"CUDA_PATH": str(folder), "LD_LIBRARY_PATH": ":".join(filter(None, [str(folder / "lib"), before]))}


# --- in a process that has these variables ---------------------------------------------------------------------------


def check():
    """Compiles a kernel as our programs do and has the driver take it."""
    nvrtc = library("libnvrtc.so")
    version = [ctypes.c_int(), ctypes.c_int()]
    call(nvrtc, "nvrtcVersion", *map(ctypes.byref, version))
    name = "NVRTC " + ".".join(str(part.value) for part in version)
    driver = card()
    ptx, _ = compiled(nvrtc, name, NO_CARD if driver is None else driver[1], KERNEL)
    if driver is None:
        return f"{name} (no card: only compiled)"
    takes, code = ctypes.c_int(), ctypes.c_void_p()
    call(driver[0], "cuDriverGetVersion", ctypes.byref(takes))
    cuda = f"{takes.value // 1000}.{takes.value % 1000 // 10}"
    if (error := driver[0].cuModuleLoadData(ctypes.byref(code), ptx)) != 0:
        raise ours.Failed(f"the driver, of CUDA {cuda}, does not take what {name} compiles (error {error})")
    return f"{name} (driver of CUDA {cuda})"


def library(name):
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise ours.Failed(str(error)) from error


def call(library, name, *arguments):
    if (error := getattr(library, name)(*arguments)) != 0:
        raise ours.Failed(f"{name} fails with error {error}")


def card():
    """The driver, with the first card's context, and its architecture; None without a card."""
    try:
        driver, count = library("libcuda.so.1"), ctypes.c_int()
    except ours.Failed:
        return None
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return None
    device, context, parts = ctypes.c_int(), ctypes.c_void_p(), [ctypes.c_int(), ctypes.c_int()]
    call(driver, "cuDeviceGet", ctypes.byref(device), 0)
    call(driver, "cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call(driver, "cuCtxSetCurrent", context)
    for part, attribute in zip(parts, (MAJOR, MINOR)):
        call(driver, "cuDeviceGetAttribute", ctypes.byref(part), attribute, device)
    # As cubecl names it.
    number = 10 * parts[0].value + parts[1].value
    return driver, f"{number}a" if number >= 90 else str(number)


def compiled(nvrtc, name, architecture, source, *more):
    """PTX, and the compiler's log. `more` are options besides those of cubecl."""
    headers, program = f"{os.environ['CUDA_PATH']}/include", ctypes.c_void_p()
    options = [f"--gpu-architecture=sm_{architecture}", f"--include-path={headers}", "-lineinfo", f"--include-path={headers}/cccl", *more]
    call(nvrtc, "nvrtcCreateProgram", ctypes.byref(program), source, None, 0, None, None)
    words = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    error = nvrtc.nvrtcCompileProgram(program, len(options), words)
    log = result(nvrtc, "ProgramLog", program).value.decode(errors="replace").strip()
    if error != 0:
        raise ours.Failed(f"{name} does not compile a kernel for sm_{architecture}: {log}")
    return result(nvrtc, "PTX", program), log


def result(nvrtc, what, program):
    """Text that a compiled program has."""
    size = ctypes.c_size_t()
    call(nvrtc, f"nvrtcGet{what}Size", program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    call(nvrtc, f"nvrtcGet{what}", program, text)
    return text


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["check"]:
            print(check())
        else:
            with tempfile.TemporaryDirectory(prefix="mtmd-toolkit-") as folder:
                print(prepare(folder)[1])
    except ours.Failed as error:
        sys.exit(f"error: {error}")
