"""Throughput: our crate and PyTorch on the same batches, in alternating rounds of one run."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass, field

from . import ours, workers

# Of a step, what the tables take.
TABLES = ("gather", "tables")
PARTS = ("gather", "forward", "backward", "optimiser", "tables")
# Seconds of rest between two rounds: threads that spin while they wait for work have gone to sleep by then.
REST = 0.3


# Numbers of a size that a step moves at least, for each dense weight: forward and backward pass read it, the backward pass writes its
# gradient; AdamW reads all three and the second moment, and writes weight and moments.
WEIGHTS = {"float32": (4 + 4 + 4) + (4 + 4 + 8) + (4 + 8)}
# In bfloat16 the passes read a copy and write such a gradient, and AdamW writes the copy too.
WEIGHTS["bfloat16"] = (2 + 2 + 2) + (2 + 4 + 8) + (4 + 8 + 2)
# For each column that comes out of a linear map, of each row: written, read by the next map, read again for that one's gradient; its own
# gradient written and read.
OUTPUTS = {"float32": 5 * 4, "bfloat16": 5 * 2}


@dataclass
class Contender:
    worker: workers.Worker
    # A round each.
    rounds: list[dict] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    def round(self, steps):
        time.sleep(REST)
        self.rounds.append(self.worker.ask(f"run {steps}"))

    def steps(self):
        """Milliseconds a step, by round."""
        return [1e3 * found["seconds"] / found["steps"] for found in self.rounds]

    def dense(self):
        """The same without gathering and stepping the tables."""
        return [
            1e3 * (found["seconds"] - sum(found.get(part, 0.0) for part in TABLES)) / found["steps"] for found in self.rounds
        ]

    def parts(self):
        """Median milliseconds of every part."""
        return {
            part: statistics.median(1e3 * found.get(part, 0.0) / found["steps"] for found in self.rounds) for part in PARTS
        }

    def rows_a_second(self):
        return [found["rows"] / found["seconds"] for found in self.rounds]


def spread(values):
    """Median, lowest and highest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def measure(program, variants, batch, threads, rounds, steps, batches, data=(), device="cpu", precision="float32", amx=True):
    """Alternates rounds of all contenders and returns what was found as plain numbers. A variant of PyTorch that fails is left out."""
    with tempfile.TemporaryDirectory(prefix="mtmd-bench-") as folder:
        contenders = [Contender(workers.ours(program, folder, batch, batches, threads, data, device, precision, amx))]
        hello = contenders[0].worker.hello
        contenders[0].worker.ask(f"run {max(5, hello['batches'])}")
        left_out = []
        for variant in variants:
            name, _, fuse = variant.partition("+")
            try:
                worker = workers.rival(folder, name, threads, device, precision, bool(fuse))
            except ours.Failed as error:
                left_out.append(f"{variant}: {error}")
                continue
            worker.name = variant
            contenders.append(Contender(worker))
        for index in range(rounds):
            # Who goes first changes, so that nobody always follows the same one.
            for shift in range(len(contenders)):
                contenders[(index + shift) % len(contenders)].round(steps)
            for contender in contenders:
                contender.peaks.append(contender.worker.ask("peak")["gflops"])
        copied = [contender.worker.ask("copy")["gbytes"] for contender in contenders[1:]]
        for contender in contenders:
            contender.worker.end()
    return summary(hello, contenders, batch, steps, precision, max(copied, default=None)) | {"amx": amx, "left_out": left_out}


def floors(hello, batch, precision, peak, copied):
    """Milliseconds that a step of `batch` rows takes at least: of products at the peak, and of bytes at the speed of a copy."""
    kind = "bfloat16" if precision == "bfloat16" else "float32"
    moved = hello["weights"] * WEIGHTS[kind] + batch * hello["outputs_per_row"] * OUTPUTS[kind]
    return {
        "gbytes_per_second": copied,
        "moved_mbytes": moved / 1e6,
        "products_ms": 1e-6 * hello["flops_per_row"] * batch / peak,
        "bytes_ms": 1e-6 * moved / copied,
    }


def summary(hello, contenders, batch, steps, precision, copied):
    mine = contenders[0]
    peak = max(max(contender.peaks) for contender in contenders)
    found = {
        "model": hello["model"],
        "batch": batch,
        "threads": hello["threads"],
        "rounds": len(mine.rounds),
        "steps": steps,
        "mflop_per_row": hello["flops_per_row"] / 1e6,
        "peak_gflops": peak,
        "precision": precision,
        "floors": None if copied is None else floors(hello, batch, precision, peak, copied),
        "tf32": hello.get("tf32", False),
        "contenders": {},
    }
    for contender in contenders:
        gflops = [rows * hello["flops_per_row"] / 1e9 for rows in contender.rows_a_second()]
        found["contenders"][contender.worker.name] = {
            "step_ms": spread(contender.steps()),
            "dense_ms": spread(contender.dense()),
            "rows_per_second": spread(contender.rows_a_second()),
            "gflops": spread(gflops),
            "share_of_peak": statistics.median(gflops) / peak,
            "own_peak_gflops": max(contender.peaks),
            "parts_ms": contender.parts(),
            # How many times as long as ours, round by round.
            "times_ours": spread([a / b for a, b in zip(contender.steps(), mine.steps())]),
            "dense_times_ours": spread([a / b for a, b in zip(contender.dense(), mine.dense())]),
        }
    return found


def figure(values, digits=1):
    """`median (min to max)`."""
    return f"{values['median']:,.{digits}f} ({values['min']:,.{digits}f} to {values['max']:,.{digits}f})"


def markdown(found, roofline=False):
    """A table; `roofline` adds how near a step is to what it takes at least."""
    floors = found["floors"] if roofline else None
    precision = "" if found["precision"] == "float32" else f", {found['precision']}"
    precision += "" if found["amx"] else ", ours without AMX"
    columns = ["step, ms", "without tables, ms", "rows/s", "GFLOP/s", "share of peak"]
    columns += ["share of roofline"] if floors else []
    columns += ["step, times ours", "without tables, times ours"]
    lines = [
        f"**{found['model']}, batch {found['batch']:,}{precision}**: {found['rounds']} alternating rounds of {found['steps']} steps, "
        f"{found['threads']} threads; {found['mflop_per_row']:.1f} MFLOP a row in matrix products, peak "
        f"{found['peak_gflops']:,.0f} GFLOP/s (the best 2048³ product of all contenders in this run)",
        "",
        "| | " + " | ".join(columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    if floors:
        lines.insert(
            1,
            f"At least {floors['products_ms']:,.2f} ms a step for products at that peak, and {floors['bytes_ms']:,.2f} ms for "
            f"{floors['moved_mbytes']:,.0f} MB at {floors['gbytes_per_second']:,.0f} GB/s (a copy, in this run)",
        )
    for name, one in found["contenders"].items():
        ratios = ["1", "1"]
        if name != "ours":
            ratios = [f"**{figure(one['times_ours'], 2)}**", figure(one["dense_times_ours"], 2)]
        cells = [
            name,
            figure(one["step_ms"]),
            figure(one["dense_ms"]),
            f"{one['rows_per_second']['median']:,.0f}",
            f"{one['gflops']['median']:,.0f}",
            f"{100 * one['share_of_peak']:.0f} %",
            *([f"{100 * share_of_roofline(one, floors):.0f} %"] if floors else []),
            *ratios,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| ms a step | " + " | ".join(PARTS) + " |", "|---|" + "---|" * len(PARTS)]
    for name, one in found["contenders"].items():
        lines.append(f"| {name} | " + " | ".join(f"{one['parts_ms'][part]:,.1f}" for part in PARTS) + " |")
    lines += [f"\nleft out: {cause}" for cause in found["left_out"]]
    return "\n".join(lines)


def share_of_roofline(one, floors):
    return max(floors["products_ms"], floors["bytes_ms"]) / one["step_ms"]["median"]


def run(spec, variants, **options):
    found = measure(ours.build(spec), variants, **options)
    print(markdown(found) + "\n", flush=True)
    return found
