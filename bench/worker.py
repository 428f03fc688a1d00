"""PyTorch's side of a measurement: `run N`, `parts N`, `peak` and `copy` on standard input, a line of JSON for each (as `bench --serve`)."""

import argparse
import json
import sys
import time

import torch

from .batch import load_batches
from .model import load_graph
from .rival import FACTOR, PRECISIONS, VARIANTS, Trainer, round_factors

PRODUCTS = 10
# Side of the square matrices that are multiplied for the peak: a card is not filled by what fills a processor.
SIDES = {"cpu": 2048, "cuda": 8192}
# Bytes of the array that is copied to find how fast memory is.
COPIED = 2**28


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--variant", choices=VARIANTS, default="eager")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--fuse", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    round_factors(args.precision)
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
        if command in ("run", "parts"):
            steps = [batches[(at + i) % len(batches)] for i in range(int(count[0]))]
            at += len(steps)
            # On a card each part is waited for, so that a round with them is no round to be compared.
            say(run(trainer, steps, {} if command == "parts" or not on_card(args.device) else None))
        elif command == "peak":
            say({"gflops": peak(args.device, dtype)})
        elif command == "copy":
            say({"gbytes": copy(args.device)})
        else:
            sys.exit(f"`{line.strip()}` is no command: write `run N`, `parts N`, `peak` or `copy`")


def run(trainer, batches, parts):
    if on_card(trainer.device):
        torch.cuda.reset_peak_memory_stats()
    wait(trainer.device)
    started = time.perf_counter()
    for batch in batches:
        trainer.step(batch, FACTOR, parts)
    wait(trainer.device)
    seconds = time.perf_counter() - started
    found = {"steps": len(batches), "rows": sum(batch.rows for batch in batches), "seconds": seconds, **(parts or {})}
    if on_card(trainer.device):
        found["memory"] = torch.cuda.max_memory_allocated()
    return found


def peak(device, dtype):
    """GFLOP/s of the fastest of some large square matrix products."""
    side = SIDES[torch.device(device).type]
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2.0 * side**3 / fastest(lambda: left @ right, device) / 1e9


def copy(device):
    """GB/s of the fastest of some copies of a large array, read and written."""
    source = torch.ones(COPIED // 4, device=device)
    target = torch.zeros_like(source)
    return 2.0 * COPIED / fastest(lambda: target.copy_(source), device) / 1e9


def fastest(work, device):
    """Seconds: of the fastest; on a card of the mean of a queue, where launches and waiting are hidden, and after a first one."""
    if on_card(device):
        work()
        return seconds(work, device, PRODUCTS) / PRODUCTS
    return min(seconds(work, device, 1) for _ in range(PRODUCTS))


def seconds(work, device, times):
    wait(device)
    started = time.perf_counter()
    for _ in range(times):
        work()
    wait(device)
    return time.perf_counter() - started


def on_card(device):
    return torch.device(device).type == "cuda"


def wait(device):
    if on_card(device):
        torch.cuda.synchronize()


def say(answer):
    print(json.dumps(answer), flush=True)


main()
