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


def measure(program, variants, batch, threads, rounds, steps, batches, data=(), device="cpu", precision="float32"):
    """Alternates rounds of all contenders and returns what was found as plain numbers."""
    with tempfile.TemporaryDirectory(prefix="mtmd-bench-") as folder:
        contenders = [Contender(workers.ours(program, folder, batch, batches, threads, data, device))]
        hello = contenders[0].worker.hello
        contenders[0].worker.ask(f"run {max(5, hello['batches'])}")
        for variant in variants:
            name, _, fuse = variant.partition("+")
            worker = workers.rival(folder, name, threads, device, precision, bool(fuse))
            worker.name = variant
            contenders.append(Contender(worker))
        for index in range(rounds):
            # Who goes first changes, so that nobody always follows the same one.
            for shift in range(len(contenders)):
                contenders[(index + shift) % len(contenders)].round(steps)
            for contender in contenders:
                contender.peaks.append(contender.worker.ask("peak")["gflops"])
        for contender in contenders:
            contender.worker.end()
    return summary(hello, contenders, batch, steps)


def summary(hello, contenders, batch, steps):
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


def markdown(found):
    lines = [
        f"**{found['model']}, batch {found['batch']:,}**: {found['rounds']} alternating rounds of {found['steps']} steps, "
        f"{found['threads']} threads; {found['mflop_per_row']:.1f} MFLOP a row in matrix products, peak "
        f"{found['peak_gflops']:,.0f} GFLOP/s (the best 2048³ product of all contenders in this run)",
        "",
        "| | step, ms | without tables, ms | rows/s | GFLOP/s | share of peak | step, times ours | without tables, times ours |",
        "|---|---|---|---|---|---|---|---|",
    ]
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
            *ratios,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| ms a step | " + " | ".join(PARTS) + " |", "|---|" + "---|" * len(PARTS)]
    for name, one in found["contenders"].items():
        lines.append(f"| {name} | " + " | ".join(f"{one['parts_ms'][part]:,.1f}" for part in PARTS) + " |")
    return "\n".join(lines)


def run(spec, variants, **options):
    found = measure(ours.build(spec), variants, **options)
    print(markdown(found) + "\n", flush=True)
    return found
