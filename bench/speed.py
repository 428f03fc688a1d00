"""Throughput: our crate and PyTorch on the same batches, in alternating rounds of one run."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from . import ours, workers

# Of a step, what the tables take.
TABLES = ("gather", "tables")
PARTS = ("gather", "passes", "optimiser", "tables")
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
    # None of one that failed to start.
    worker: workers.Worker | None
    name: str = "ours"
    # A round each.
    rounds: list[dict] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    # Ours of the same turns.
    beside: list[dict] = field(default_factory=list)
    # Rounds whose parts are told, where those of a comparison do not tell them.
    parted: list[dict] = field(default_factory=list)
    failed: str | None = None

    def round(self, steps):
        time.sleep(REST)
        self.rounds.append(self.worker.ask(f"run {steps}"))

    def peak(self):
        gflops = self.worker.ask("peak")["gflops"]
        # Our program does not time products on a GPU.
        if gflops is not None:
            self.peaks.append(gflops)

    def attempt(self, work):
        """Does some of its work, unless it has failed before; notes why it fails now."""
        try:
            if self.failed is None:
                work(self)
        except ours.Failed as error:
            self.failed = str(error)

    def steps(self):
        return step_ms(self.rounds)

    def dense(self):
        return dense_ms(self.rounds)

    def parts(self):
        """Median milliseconds of every part."""
        rounds = self.parted or self.rounds
        return {part: statistics.median(1e3 * found.get(part, 0.0) / found["steps"] for found in rounds) for part in PARTS}

    def rows_a_second(self):
        return [found["rows"] / found["seconds"] for found in self.rounds]


def step_ms(rounds):
    """Milliseconds a step, by round."""
    return [1e3 * found["seconds"] / found["steps"] for found in rounds]


def dense_ms(rounds):
    """The same without gathering and stepping the tables."""
    return [1e3 * (found["seconds"] - sum(found.get(part, 0.0) for part in TABLES)) / found["steps"] for found in rounds]


def times(theirs, mine):
    """How many times as long, round by round."""
    return spread([a / b for a, b in zip(theirs, mine)])


def spread(values):
    """Median, lowest and highest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def measure(
    program, variants, batch, threads, rounds, steps, batches, data=(), device="cpu", precision="float32", amx=True, environment=()
):
    """Alternates rounds of all contenders and returns what was found as plain numbers. On a card ours takes turns with one variant of
    PyTorch after the other, since not all may fit in its memory. A variant that fails is left out."""
    with tempfile.TemporaryDirectory(prefix="mtmd-bench-") as folder, ExitStack() as running:
        mine = Contender(workers.ours(program, folder, batch, batches, threads, data, device, precision, amx, environment))
        running.callback(mine.worker.end)
        hello = mine.worker.hello
        mine.worker.ask(f"run {max(5, hello['batches'])}")
        rivals, copied = [], []
        for group in [variants] if device == "cpu" else [[variant] for variant in variants]:
            with ExitStack() as present:
                started = [start(variant, folder, threads, device, precision, present) for variant in group]
                alternate([mine, *started], rounds, steps)
                for rival in started:
                    rival.attempt(lambda one: copied.append(one.worker.ask("copy")["gbytes"]))
                    if device != "cpu":
                        rival.attempt(lambda one: one.parted.append(one.worker.ask(f"parts {steps}")))
                rivals += started
    measured = [mine, *(rival for rival in rivals if rival.failed is None)]
    found = summary(hello, measured, batch, steps, precision, max(copied, default=None))
    left_out = [f"{rival.name}: {rival.failed}" for rival in rivals if rival.failed is not None]
    return found | {"device": device, "rounds": rounds, "amx": amx, "left_out": left_out}


def start(variant, folder, threads, device, precision, running):
    """A variant of PyTorch, with the batches in `folder`, until `running` ends it."""
    name, _, fuse = variant.partition("+")
    try:
        worker = workers.rival(folder, name, threads, device, precision, bool(fuse))
    except ours.Failed as error:
        return Contender(None, variant, failed=str(error))
    running.callback(worker.end)
    return Contender(worker, variant)


def alternate(contenders, rounds, steps):
    """Rounds by turns. Nothing goes on without the first."""
    mine, *rivals = contenders
    for index in range(rounds):
        # Who goes first changes, so that nobody always follows the same one.
        for shift in range(len(contenders)):
            contenders[(index + shift) % len(contenders)].attempt(lambda one: one.round(steps))
        for contender in contenders:
            contender.attempt(Contender.peak)
        if mine.failed is not None:
            raise ours.Failed(mine.failed)
        for rival in rivals:
            rival.beside.append(mine.rounds[-1])


def floors(hello, batch, precision, peak, copied):
    """Milliseconds that a step of `batch` rows takes at least: of products at the peak, and of bytes at the speed of a copy."""
    kind = "bfloat16" if precision == "bfloat16" else "float32"  # Numbers of TF32 take as much memory as those of float32.
    moved = hello["weights"] * WEIGHTS[kind] + batch * hello["outputs_per_row"] * OUTPUTS[kind]
    return {
        "gbytes_per_second": copied,
        "moved_mbytes": moved / 1e6,
        "products_ms": 1e-6 * hello["flops_per_row"] * batch / peak,
        "bytes_ms": 1e-6 * moved / copied,
    }


def summary(hello, contenders, batch, steps, precision, copied):
    mine = contenders[0]
    peak = max(peak for contender in contenders for peak in contender.peaks)
    found = {
        "model": hello["model"],
        "batch": batch,
        "threads": hello["threads"],
        "steps": steps,
        "mflop_per_row": hello["flops_per_row"] / 1e6,
        "peak_gflops": peak,
        "precision": precision,
        "floors": None if copied is None else floors(hello, batch, precision, peak, copied),
        "contenders": {},
    }
    for contender in contenders:
        gflops = [rows * hello["flops_per_row"] / 1e9 for rows in contender.rows_a_second()]
        found["contenders"][contender.name] = {
            "step_ms": spread(contender.steps()),
            "dense_ms": spread(contender.dense()),
            "rows_per_second": spread(contender.rows_a_second()),
            "gflops": spread(gflops),
            "share_of_peak": statistics.median(gflops) / peak,
            "own_peak_gflops": max(contender.peaks, default=None),
            "parts_ms": contender.parts(),
            # How many times as long as ours.
            "times_ours": times(contender.steps(), step_ms(contender.beside or mine.rounds)),
            "dense_times_ours": times(contender.dense(), dense_ms(contender.beside or mine.rounds)),
            "memory_mbytes": max(found.get("memory", 0) for found in contender.rounds) / 1e6,
        }
    return found


def figure(values, digits=1):
    """`median (min to max)`."""
    return f"{values['median']:,.{digits}f} ({values['min']:,.{digits}f} to {values['max']:,.{digits}f})"


def markdown(found, roofline=False):
    """Tables; `roofline` adds how near a step is to what it takes at least."""
    lines = [*heading(found, roofline), "", *steps_table(found, roofline), "", *parts_table(found)]
    lines += [f"\nleft out: {cause}" for cause in found["left_out"]]
    return "\n".join(lines)


def heading(found, roofline):
    precision = "" if found["precision"] == "float32" else f", {found['precision']}"
    precision += "" if found["amx"] else ", ours without AMX"
    product = "2048³ product" if found["device"] == "cpu" else "large square product"
    yield (
        f"**{found['model']}, batch {found['batch']:,}{precision}**: {found['rounds']} alternating rounds of {found['steps']} steps, "
        f"{found['threads']} threads; {found['mflop_per_row']:.1f} MFLOP a row in matrix products, peak "
        f"{found['peak_gflops']:,.0f} GFLOP/s (the best {product} of all contenders in this run)"
    )
    floors = found["floors"]
    if roofline and floors:
        yield (
            f"At least {floors['products_ms']:,.2f} ms a step for products at that peak, and {floors['bytes_ms']:,.2f} ms for "
            f"{floors['moved_mbytes']:,.0f} MB at {floors['gbytes_per_second']:,.0f} GB/s (a copy, in this run)"
        )


def steps_table(found, roofline):
    """A step of each contender. What it takes without tables is known where parts are told apart in rounds that are compared."""
    columns = {
        "step, ms": lambda one: figure(one["step_ms"]),
        "without tables, ms": lambda one: figure(one["dense_ms"]),
        "rows/s": lambda one: f"{one['rows_per_second']['median']:,.0f}",
        "GFLOP/s": lambda one: f"{one['gflops']['median']:,.0f}",
        "share of peak": lambda one: f"{100 * one['share_of_peak']:.0f} %",
        "share of roofline": lambda one: f"{100 * share_of_roofline(one, found['floors']):.0f} %",
        "step, times ours": lambda one: "1" if one is mine else f"**{figure(one['times_ours'], 2)}**",
        "without tables, times ours": lambda one: "1" if one is mine else figure(one["dense_times_ours"], 2),
        "on the card, MB": lambda one: f"{one['memory_mbytes']:,.0f}" if one["memory_mbytes"] else "",
    }
    mine, left_out = found["contenders"]["ours"], []
    left_out += [] if roofline and found["floors"] else ["share of roofline"]
    left_out += ["on the card, MB"] if found["device"] == "cpu" else [name for name in columns if name.startswith("without")]
    shown = {name: cell for name, cell in columns.items() if name not in left_out}
    yield "| | " + " | ".join(shown) + " |"
    yield "|---|" + "---|" * len(shown)
    for name, one in found["contenders"].items():
        yield f"| {name} | " + " | ".join(cell(one) for cell in shown.values()) + " |"


def parts_table(found):
    # On a device ours does not tell them apart.
    told = {name: one for name, one in found["contenders"].items() if found["device"] == "cpu" or name != "ours"}
    of = "" if found["device"] == "cpu" else " (of a round that waits after each)"
    yield f"| ms a step{of} | " + " | ".join(PARTS) + " |"
    yield "|---|" + "---|" * len(PARTS)
    for name, one in told.items():
        yield f"| {name} | " + " | ".join(f"{one['parts_ms'][part]:,.1f}" for part in PARTS) + " |"


def share_of_roofline(one, floors):
    return max(floors["products_ms"], floors["bytes_ms"]) / one["step_ms"]["median"]


def run(spec, variants, **options):
    found = measure(ours.build(spec), variants, **options)
    print(markdown(found) + "\n", flush=True)
    return found
