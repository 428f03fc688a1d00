"""Compiles our kernels as a run on a GPU does, for A100 and H100; needs NVRTC, but no GPU.

`cargo test --release -p mtmd --features cuda --lib cuda_sources` writes them as CUDA C++. Then `python -m bench.kernels [FOLDER]` prints the
registers, the bytes of registers spilled to memory and the errors of each. Dynamic shared memory is checked by the test.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from . import ours, toolkit

# Where the test writes to.
SOURCES = ours.ROOT / "target" / "cuda" / "kernels"
# As cubecl names those of A100 and of H100 and H200.
ARCHITECTURES = ("80", "90a")
# Of the log of ptxas, which is part of NVRTC.
FIGURES = (r"Used (\d+) registers", r"(\d+) bytes spill stores")


def main(folder=SOURCES):
    if not any(Path(folder).glob("*.cu")):
        raise ours.Failed(f"{folder} has no kernels: run `cargo test --release -p mtmd --features cuda --lib cuda_sources`")
    with tempfile.TemporaryDirectory(prefix="mtmd-kernels-") as links:
        environment, found = toolkit.prepare(links)
        print(found, flush=True)
        print(ours.run(sys.executable, "-m", "bench.kernels", "compile", folder, environment=environment), end="")


# --- in a process that has the toolkit's variables ---------------------------------------------------------------------


def compile_all(folder):
    """Prints a row for each kernel; fails at the end if one of them does not compile."""
    nvrtc, failed = toolkit.library("libnvrtc.so"), []
    print("| kernel | " + " | ".join(f"sm_{architecture}: registers, spilled" for architecture in ARCHITECTURES) + " |")
    print("|---" * (1 + len(ARCHITECTURES)) + "|")
    for path in sorted(Path(folder).glob("*.cu")):
        row = [path.stem]
        for architecture in ARCHITECTURES:
            try:
                _, log = toolkit.compiled(nvrtc, "NVRTC", architecture, path.read_bytes(), "--ptxas-options=-v")
                row.append(", ".join(number(pattern, log) for pattern in FIGURES))
            except ours.Failed as error:
                failed.append(f"{path}: {error}")
                row.append("error")
        print("| " + " | ".join(row) + " |")
    if failed:
        raise ours.Failed("\n".join(failed))


def number(pattern, log):
    found = re.search(pattern, log)
    return found[1] if found else "?"


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["compile"]:
            compile_all(sys.argv[2])
        else:
            main(*sys.argv[1:2])
    except ours.Failed as error:
        sys.exit(f"error: {error}")
