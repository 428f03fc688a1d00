"""Generated crates beside PyTorch: `python -m bench COMMAND`, from the repository's root. README.md says what is compared."""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from . import ours, speed, sweeps


def main():
    args = arguments()
    print(machine() + "\n", flush=True)
    try:
        found = COMMANDS[args.command](args)
    except ours.Failed as error:
        sys.exit(f"error: {error}")
    if args.json:
        Path(args.json).write_text(json.dumps({"machine": machine(), args.command: found}, indent=1) + "\n")
    # Only the comparison of outputs passes or fails.
    passed = found.get("parity") if args.command == "all" else found
    sys.exit(0 if args.command not in ("parity", "all") or passed["passed"] else 1)


def arguments():
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("command", choices=COMMANDS, help="; ".join(f"{name}: {run.__doc__}" for name, run in COMMANDS.items()))
    parser.add_argument("--spec", action="append", help="spec in specs/; may be given several times")
    parser.add_argument("--batch", type=int, help="rows a step")
    parser.add_argument("--batches", type=int, default=8, help="different batches that the steps cycle through [8]")
    parser.add_argument("--data", nargs="+", default=(), help="Parquet files or folders instead of synthetic rows")
    parser.add_argument("--rows", type=int, default=200_000, help="synthetic rows for `loader` [200000]")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every contender [one a core]")
    parser.add_argument("--rounds", type=int, default=7, help="alternating rounds [7]")
    parser.add_argument("--steps", type=int, default=8, help="steps of a round [8]")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="of the matrix products of both sides, for parity, speed and small [float32]",
    )
    parser.add_argument(
        "--no-amx", dest="amx", action="store_false", help="ours multiplies as on a processor without AMX, for speed and small"
    )
    parser.add_argument(
        "--variants",
        default="eager,compile",
        help="of PyTorch, with commas: eager, compile, reduce-overhead, max-autotune; each with +fuse to make the first layers of experts that "
        "share an input one product [eager,compile]",
    )
    parser.add_argument("--json", metavar="FILE", help="write every figure to this file")
    args = parser.parse_args()
    if args.precision and args.command not in ("parity", "speed", "small"):
        parser.error(f"--precision is for parity, speed and small: {args.command} is measured in float32")
    args.precision = args.precision or "float32"
    if not args.amx and (args.command not in ("speed", "small") or args.precision != "float32"):
        parser.error("--no-amx is for speed and small in float32: PyTorch's autocast takes AMX where there is one")
    return args


def machine():
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores"


def run_parity(args):
    """outputs, gradients and steps of every spec against PyTorch"""
    from . import parity

    specs = args.spec or sorted((ours.ROOT / "specs").glob("*.mtmd"))
    return parity.report(specs, args.batch or 1024, args.threads, args.precision)


def run_speed(args):
    """a training step of specs/pinterest.mtmd at batch 4096, ours, eager and compiled"""
    options = {name: getattr(args, name) for name in ("threads", "rounds", "steps", "batches", "data", "precision", "amx")}
    variants = args.variants.split(",")
    return [
        speed.run(spec, variants, batch=args.batch or 4096, **options)
        for spec in args.spec or [ours.ROOT / "specs" / "pinterest.mtmd"]
    ]


def run_small(args):
    """the same of specs/kuairand.mtmd at batch 512, on its own rows"""
    options = {name: getattr(args, name) for name in ("threads", "rounds", "steps", "batches", "precision", "amx")}
    data = args.data or [ours.ROOT / "data" / "kuairand"]
    spec = (args.spec or [ours.ROOT / "specs" / "kuairand.mtmd"])[0]
    return speed.run(spec, args.variants.split(","), batch=args.batch or 512, data=data, **options)


def run_domains(args):
    """a step of ours from 6 cells to 96 at one batch"""
    return sweeps.run_cells(args.batch or 4096, args.threads, args.rounds, args.steps)


def run_tables(args):
    """a step of ours from 10 thousand to 10 million rows a table"""
    return sweeps.run_tables(args.batch or 4096, args.threads, args.rounds, args.steps)


def run_requests(args):
    """a step of specs/pinterest.mtmd with and without `rows { request … }`, at 10 and 50 ads a request"""
    spec = Path((args.spec or [ours.ROOT / "specs" / "pinterest.mtmd"])[0])
    return sweeps.run_requests(spec, args.batch or 4096, args.threads, args.rounds, args.steps)


def run_loader(args):
    """the reader alone beside pyarrow and the step, of specs/kuairand.mtmd on its rows"""
    from . import loader

    spec = Path((args.spec or [ours.ROOT / "specs" / "kuairand.mtmd"])[0])
    own = [ours.ROOT / "data" / "kuairand"] if spec.stem == "kuairand" else []
    batch = args.batch or (512 if own else 4096)
    return loader.run(spec, args.data or own, batch, args.threads, args.rounds, args.steps, args.rows)


def run_rebuild(args):
    """seconds from an edited spec to its program"""
    return sweeps.run_rebuild((args.spec or ["specs/pinterest.mtmd"])[0])


def run_all(args):
    """all of these, one after the other"""
    return {name: run(args) for name, run in COMMANDS.items() if name != "all"}


COMMANDS = {
    "parity": run_parity,
    "speed": run_speed,
    "small": run_small,
    "domains": run_domains,
    "tables": run_tables,
    "requests": run_requests,
    "loader": run_loader,
    "rebuild": run_rebuild,
    "all": run_all,
}


main()
