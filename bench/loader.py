"""The reader alone beside pyarrow on the same files, columns and cores, and beside the step."""

from __future__ import annotations

import glob
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

from . import ours, workers
from .speed import REST, spread

PASSES = {"first": "first pass", "ordered": "in file order", "shuffled": "shuffled"}
TICKS = os.sysconf("SC_CLK_TCK")


def files_of(data):
    found = [sorted(glob.glob(f"{path}/*.parquet")) if Path(path).is_dir() else [str(path)] for path in data]
    return sum(found, [])


def processor_seconds(process):
    """What a process has used so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class PyArrow:
    """Decodes the columns and drops them, in the faster of pyarrow's two ways to read a file."""

    def __init__(self, data, columns, cores):
        import pyarrow
        from pyarrow import parquet

        pyarrow.set_cpu_count(cores)
        self.name = f"pyarrow {pyarrow.__version__}"
        self.files, threads = files_of(data), cores > 1
        self.ways = [
            lambda file: parquet.read_table(file, columns=columns, use_threads=threads).num_rows,
            lambda file: sum(batch.num_rows for batch in parquet.ParquetFile(file).iter_batches(columns=columns, use_threads=threads)),
        ]

    def round(self, passes):
        """Rows a second and rows a second of processor; the better way counts for each."""
        found = []
        for way in self.ways:
            used, started = self.used(), time.perf_counter()
            rows = sum(way(file) for _ in range(passes) for file in self.files)
            found.append((rows / (time.perf_counter() - started), rows / (self.used() - used)))
        return tuple(map(max, zip(*found)))

    @staticmethod
    def used():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime


class Ours:
    def __init__(self, worker, name):
        self.worker, self.name = worker, name

    def round(self, passes):
        used = processor_seconds(self.worker.process.pid)
        answer = self.worker.ask(f"load {self.name} {passes}")
        used = processor_seconds(self.worker.process.pid) - used
        return answer["rows"] / answer["seconds"], answer["rows"] / used


def run(spec, data, batch, threads, rounds, steps, rows, seconds=1.0):
    program = ours.build(spec)
    with tempfile.TemporaryDirectory(prefix="mtmd-bench-") as folder:
        if not data:
            data = [f"{folder}/data"]
            ours.run(program, "synth", "--out", data[0], "--rows", rows)
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(cores)[:threads])
        worker = workers.ours(program, None, batch, 4, threads, data)
        contenders = [PyArrow(data, worker.hello["columns"], threads)] + [Ours(worker, name) for name in PASSES]
        # Files are in the page cache; passes are so many that a round takes about `seconds`.
        count = worker.ask("load ordered 1")["rows"]
        passes = [max(1, round(seconds * contender.round(1)[0] / count)) for contender in contenders]
        worker.ask(f"run {steps}")
        found, stepped = [[] for _ in contenders], []
        for index in range(rounds):
            for shift in range(len(contenders)):
                at = (index + shift) % len(contenders)
                time.sleep(REST)
                found[at].append(contenders[at].round(passes[at]))
            time.sleep(REST)
            answer = worker.ask(f"run {steps}")
            stepped.append(answer["rows"] / answer["seconds"])
        name, columns, files = worker.hello["model"], len(worker.hello["columns"]), len(files_of(data))
        worker.end()
        os.sched_setaffinity(0, cores)
    print(
        f"**Reading {name}**, {count:,} rows of {columns} columns in {files} files, {threads} cores, "
        f"{rounds} alternating rounds of about {seconds:g} s; a step at batch {batch:,} makes {statistics.median(stepped):,.0f} rows/s "
        f"({min(stepped):,.0f} to {max(stepped):,.0f})\n\n"
        "| | rows/s | of pyarrow | rows per second of processor | of pyarrow | times the step |\n|---|---|---|---|---|---|"
    )
    summary = {"spec": name, "rows": count, "columns": columns, "step": spread(stepped)}
    labels = [contenders[0].name, *PASSES.values()]
    for label, mine in zip(labels, found):
        cells = []
        for kind in (0, 1):
            rates = [one[kind] for one in mine]
            ratios = [one[kind] / other[kind] for one, other in zip(mine, found[0])]
            cells += [f"{statistics.median(rates):,.0f}", ratio(ratios)]
        over = [one[0] / step for one, step in zip(mine, stepped)]
        print(f"| {label} | " + " | ".join([*cells, f"{statistics.median(over):,.0f}"]) + " |", flush=True)
        summary[label] = {"rows_per_second": spread([one[0] for one in mine]), "per_processor_second": spread([one[1] for one in mine])}
    print()
    return summary


def ratio(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
