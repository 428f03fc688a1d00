"""Programs that make steps when asked and otherwise wait for a line, so that rounds of several can alternate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress

from .ours import ROOT, Failed


class Worker:
    """A process that answers lines by lines of JSON. Its first line says that it is ready."""

    def __init__(self, name, words, threads, environment=()):
        self.name = name
        self.process = subprocess.Popen(
            [str(word) for word in words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)} | dict(environment),
        )
        self.hello = self.read()

    def ask(self, line):
        # Who has ended reads nothing any more; `read` says so.
        with suppress(BrokenPipeError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        return self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended with {self.process.wait()}; its message stands above")
        return json.loads(line)

    def end(self):
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


def ours(program, folder, batch, batches, threads, data=(), device="cpu", precision="float32", amx=True, environment=()):
    """Our program, which writes its batches to `folder` first, if there is one. Without `amx` it multiplies as on a processor that
    has none."""
    words = [program, "bench", "--serve", "--batch", batch, "--batches", batches]
    words += ["--dump", folder] if folder else []
    words += ["--threads", threads, "--device", device]
    words += ["--precision", precision]
    words += [] if amx else ["--no-amx"]
    if data:
        words += ["--data", *data]
    return Worker("ours", words, threads, environment)


def rival(folder, variant, threads, device="cpu", precision="float32", fuse=False):
    """PyTorch on the batches in `folder`."""
    words = [sys.executable, "-m", "bench.worker", folder, "--variant", variant, "--threads", threads]
    words += ["--device", device, "--precision", precision] + (["--fuse"] if fuse else [])
    return Worker(variant, words, threads)
