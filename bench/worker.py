"""PyTorch's side of a measurement: `run N`, `peak` and `copy` on standard input, a line of JSON for each (as `bench --serve`)."""

import argparse
import json
import sys
import time

import torch

from .batch import load_batches
from .model import load_graph
from .rival import FACTOR, VARIANTS, Trainer

SIDE, PRODUCTS = 2048, 10
# Bytes of the array that is copied to find how fast memory is.
COPIED = 2**28


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--variant", choices=VARIANTS, default="eager")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "tf32", "bfloat16"), default="float32")
    parser.add_argument("--fuse", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("high" if args.precision == "tf32" else "highest")
    graph = load_graph(f"{args.folder}/graph.yaml")
    dtype = torch.bfloat16 if args.precision == "bfloat16" else torch.float32
    trainer = Trainer(graph, args.variant, args.device, args.fuse, dtype)
    batches = load_batches(args.folder, graph, trainer.tables, args.device)
    # Compilation, and one step on every shape; CUDA graphs are recorded at the second one and run at the third.
    for batch in batches * (3 if args.variant == "reduce-overhead" else 1):
        trainer.step(batch, FACTOR)
    say({"batches": len(batches), "threads": torch.get_num_threads(), "torch": torch.__version__})
    at = 0
    for line in sys.stdin:
        command, *count = line.split()
        if command == "run":
            steps = [batches[(at + i) % len(batches)] for i in range(int(count[0]))]
            at += len(steps)
            say(run(trainer, steps))
        elif command == "peak":
            say({"gflops": peak(args.device, dtype)})
        elif command == "copy":
            say({"gbytes": copy(args.device)})
        else:
            sys.exit(f"`{line.strip()}` is no command: write `run N`, `peak` or `copy`")


def run(trainer, batches):
    parts = {}
    wait(trainer.device)
    started = time.perf_counter()
    for batch in batches:
        trainer.step(batch, FACTOR, parts)
    wait(trainer.device)
    seconds = time.perf_counter() - started
    return {"steps": len(batches), "rows": sum(batch.rows for batch in batches), "seconds": seconds, **parts}


def peak(device, dtype):
    """GFLOP/s of the fastest of some large square matrix products."""
    left, right = (torch.randn(SIDE, SIDE, device=device, dtype=dtype) for _ in range(2))
    return 2.0 * SIDE**3 / fastest(lambda: left @ right, device) / 1e9


def copy(device):
    """GB/s of the fastest of some copies of a large array, read and written."""
    source = torch.ones(COPIED // 4, device=device)
    target = torch.zeros_like(source)
    return 2.0 * COPIED / fastest(lambda: target.copy_(source), device) / 1e9


def fastest(work, device):
    """Seconds."""
    best = float("inf")
    for _ in range(PRODUCTS):
        wait(device)
        started = time.perf_counter()
        work()
        wait(device)
        best = min(best, time.perf_counter() - started)
    return best


def wait(device):
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def say(answer):
    print(json.dumps(answer), flush=True)


main()
