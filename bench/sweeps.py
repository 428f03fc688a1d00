"""What the step's cost follows: the query rows, not the number of cells, not the size of the tables. And how long a rebuild
takes."""

from __future__ import annotations

import re
import shutil
import statistics
import tempfile
import time

from . import ours, workers
from .speed import Contender, figure, spread

CELLS = ((3, 2), (6, 4), (12, 8))
ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
REQUESTS = (10, 50)


def cells_spec(surfaces, products):
    """A spec of the shape of specs/pinterest.mtmd with any number of surfaces and products, which differ in name only."""
    domains = lambda name, count: ", ".join(f"{name}{i} = {i}" for i in range(count))
    return f"""model cells_{surfaces * products}

surfaces from "surface" {{ {domains("surface", surfaces)} }}
products from "product" {{ {domains("product", products)} }}

tasks {{
  ctr  from "hw_ctr"  {{ embedding 128 }}
  gctr from "hw_gctr" {{ embedding 32, given ctr }}
  octr from "hw_octr" {{ embedding 32, given ctr }}
}}

query {{
  id       user_id   {{ rows 200_000, dim 32 }}
  ids      interests {{ rows 50_000, dim 16 }}
  category country   {{ rows 256, dim 8, shallow }}
  number   clicks_7d {{ log }}
  vector   user_embedding 64
}}

item {{
  id       ad_id         {{ rows 200_000, dim 32 }}
  id       advertiser_id {{ rows 50_000, dim 16 }}
  category objective     {{ rows 16, dim 8, shallow }}
  number   ad_age_days   {{ log }}
  vector   image_embedding 64
}}
"""


def tables_spec(rows):
    """A small model on two large tables: the more of a step is tables, the more their size would show."""
    return f"""model tables_{rows}

surfaces from "surface" {{ feed = 0, search = 1 }}
products from "product" {{ standard = "std", shopping = "shop" }}

tasks {{ ctr from "hw_ctr" {{ embedding 32 }} }}

query {{ id user_id {{ rows {rows}, dim 16 }} }}
item  {{ id ad_id   {{ rows {rows}, dim 16 }} }}

architecture {{ deep [128, 64], routing [32], shallow [32], cross {{ rank 16 }} }}
"""


def sweep(texts, batch, batches, threads, rounds, steps):
    """Alternating rounds of our crates of several specs. By spec (milliseconds a step, times the first's)."""
    contenders = []
    with tempfile.TemporaryDirectory(prefix="mtmd-bench-") as folder:
        for index, text in enumerate(texts):
            program = ours.build_text(text)
            # The next build may put another program in its place.
            program = shutil.copy(program, f"{folder}/{program.name}")
            worker = workers.ours(program, f"{folder}/{index}", batch, batches, threads)
            worker.ask(f"run {2 * batches}")
            contenders.append(Contender(worker))
        for index in range(rounds):
            for shift in range(len(contenders)):
                contenders[(index + shift) % len(contenders)].round(steps)
        for contender in contenders:
            contender.worker.end()
    first = contenders[0].steps()
    return [
        {
            "model": contender.worker.hello["model"],
            "step_ms": spread(contender.steps()),
            "parts_ms": contender.parts(),
            "times_first": spread([a / b for a, b in zip(contender.steps(), first)]),
        }
        for contender in contenders
    ]


def run_requests(spec, batch, threads, rounds, steps, sizes=REQUESTS, batches=8):
    """A step with and without `rows { request … }` on the same rows, by rows of a request."""
    text, name = spec.read_text(encoding="utf-8"), ours.model_name(spec)
    found = []
    with tempfile.TemporaryDirectory(prefix="mtmd-bench-") as folder:
        programs = []
        for kind, text in (("apart", ours.without_request(text)), ("together", ours.with_request(text))):
            program = ours.build_copy(spec, f"{name}_{kind}", text)
            programs.append(shutil.copy(program, f"{folder}/{program.name}"))
        for size in sizes:
            data = f"{folder}/{size}"
            # A fifth of the rows validates or tests.
            ours.run(programs[1], "synth", "--out", data, "--rows", 2 * batch * batches, "--per-request", size)
            contenders = [Contender(workers.ours(program, None, batch, batches, threads, [data])) for program in programs]
            for contender in contenders:
                contender.worker.ask(f"run {batches}")
            for index in range(rounds):
                for shift in range(2):
                    contenders[(index + shift) % 2].round(steps)
            for contender in contenders:
                contender.worker.end()
            found.append(requests(size, *contenders))
            shutil.rmtree(data)
    lines = [
        f"**A step of {name} by rows of a request**, batch {batch:,}, {threads} threads, {rounds} alternating rounds of {steps} steps",
        "",
        "| ads a request | query rows of a hundred rows | without the setting, ms | with it, ms | times as fast |",
        "|---|---|---|---|---|",
    ]
    for one in found:
        cells = [figure(one["apart_ms"]), figure(one["together_ms"]), f"**{figure(one['times'], 2)}**"]
        lines.append(f"| {one['per_request']} | {100 * one['query_rows']:.1f} | " + " | ".join(cells) + " |")
    print("\n".join(lines) + "\n", flush=True)
    return found


def requests(size, apart, together):
    hello = together.worker.hello
    return {
        "per_request": size,
        "query_rows": hello["query_rows"] / hello["rows"],
        "apart_ms": spread(apart.steps()),
        "together_ms": spread(together.steps()),
        "parts_ms": {"apart": apart.parts(), "together": together.parts()},
        "times": spread([a / b for a, b in zip(apart.steps(), together.steps())]),
    }


def table(title, labels, found):
    lines = [
        title,
        "",
        "| | step, ms | gather, ms | tables, ms | times the first |",
        "|---|---|---|---|---|",
    ]
    for label, one in zip(labels, found):
        parts = one["parts_ms"]
        lines.append(
            f"| {label} | {figure(one['step_ms'])} | {parts['gather']:.1f} | {parts['tables']:.1f} | {figure(one['times_first'], 2)} |"
        )
    print("\n".join(lines) + "\n", flush=True)


def run_cells(batch, threads, rounds, steps):
    found = sweep([cells_spec(*size) for size in CELLS], batch, 4, threads, rounds, steps)
    labels = [f"{surfaces * products} cells: {surfaces} surfaces, {products} products" for surfaces, products in CELLS]
    table(f"**A step by cells**, batch {batch:,}, {threads} threads, {rounds} alternating rounds of {steps} steps", labels, found)
    return found


def run_tables(batch, threads, rounds, steps, rows=ROWS):
    found = sweep([tables_spec(count) for count in rows], batch, 16, threads, rounds, steps)
    labels = [f"{count:,} rows a table" for count in rows]
    table(f"**A step by rows of its tables**, batch {batch:,}, {threads} threads, {rounds} alternating rounds of {steps} steps", labels, found)
    return found


def run_rebuild(spec, repeats=3):
    """Seconds from an edited spec to its program, everything else being built."""
    text = (ours.ROOT / spec).read_text(encoding="utf-8")
    name = ours.model_name(ours.ROOT / spec)
    text = re.sub(r"^model\s+\w+", "model rebuild", text, count=1, flags=re.MULTILINE)
    # Files that the spec names lie where it does.
    text = re.sub(r'"((?:\.\./|vocabularies/|common/)[^"]*)"', lambda found: f'"{(ours.ROOT / "specs" / found[1]).resolve()}"', text)
    ours.build_text(text)
    compiler, seconds = ours.TARGET / "release" / "mtmdc", []
    for index in range(repeats):
        edited = re.sub(r"^query \{", f"query {{\n  number added_{index} {{ log }}", text, count=1, flags=re.MULTILINE)
        (ours.SCRATCH / "rebuild.mtmd").write_text(edited, encoding="utf-8")
        started = time.perf_counter()
        ours.run(compiler, "build", ours.SCRATCH / "rebuild.mtmd", "--out", ours.SCRATCH / "generated")
        ours.cargo_build("rebuild", ours.SCRATCH)
        seconds.append(time.perf_counter() - started)
    print(
        f"**From an edit of specs/{name}.mtmd to its program**: median {statistics.median(seconds):.1f} s, "
        f"{min(seconds):.1f} to {max(seconds):.1f} s ({repeats} edits)\n",
        flush=True,
    )
    return {"spec": name, "seconds": spread(seconds)}
