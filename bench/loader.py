"""The reader of mtmd and pyarrow on the same files, columns and cores, by turns.

    python bench/loader.py FOLDER [--cores 2] [--repeats 5]

FOLDER holds the KuaiRand log (data/kuairand has a sample). pyarrow decodes the columns and drops them; mtmd decodes,
checks, looks up or hashes every value, shuffles and groups the rows into batches. Both run on the same cores and may
use as many threads as they like there.
"""

import argparse
import glob
import os
import re
import statistics
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq

RUST = "cargo test --release -p mtmd --test data throughput::speed -- --exact --ignored --nocapture".split()


def pyarrow_rate(files, columns, cores):
    """Rows a second of the faster of pyarrow's two ways to read a file."""
    pa.set_cpu_count(cores)
    rates = []
    for read in (
        lambda file: pq.read_table(file, columns=columns, use_threads=cores > 1).num_rows,
        lambda file: sum(
            batch.num_rows for batch in pq.ParquetFile(file).iter_batches(columns=columns, use_threads=cores > 1)
        ),
    ):
        start = time.perf_counter()
        rows = sum(read(file) for file in files)
        rates.append(rows / (time.perf_counter() - start))
    return max(rates)


def mtmd(folder):
    """Rows a second by pass, and the columns that were read."""
    run = subprocess.run(RUST, env={**os.environ, "MTMD_DATA": folder}, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(run.stdout + run.stderr)
    rates = {name: float(rate) for name, rate in re.findall(r"^(.+): (\d+) rows/s$", run.stdout, re.M)}
    return rates, re.search(r"^columns: (.+)$", run.stdout, re.M)[1].split(" ")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    folder = os.path.abspath(args.folder)
    files = sorted(glob.glob(os.path.join(folder, "*.parquet")))
    _, columns = mtmd(folder)  # Built, and the files are in the page cache.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    theirs, ours = [], {}
    for _ in range(args.repeats):
        theirs.append(pyarrow_rate(files, columns, args.cores))
        for name, rate in mtmd(folder)[0].items():
            ours.setdefault(name, []).append(rate)
    print(f"{len(files)} files, {len(columns)} columns, {args.cores} cores, {args.repeats} runs: median (least, most)")
    show = lambda rates: f"{statistics.median(rates):>12,.0f} ({min(rates):,.0f}, {max(rates):,.0f}) rows/s"
    print(f"{'pyarrow ' + pa.__version__:<24}{show(theirs)}")
    for name, rates in ours.items():
        ratio = statistics.median(our / their for our, their in zip(rates, theirs))
        print(f"{'mtmd, ' + name:<24}{show(rates)}, {ratio:.2f} of pyarrow")


if __name__ == "__main__":
    main()
