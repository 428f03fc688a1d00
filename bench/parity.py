"""The oracle: our crate and PyTorch on the same weights and batches, both against PyTorch in float64.

Ours writes its weights, scores and what some steps made of them (`bench --dump DIR --oracle`); PyTorch repeats it from
`graph.yaml`, weights and batches alone, once in float32 and once with everything in float64. The last is taken for the truth: a
correct program in float32 is as far from it as PyTorch's float32, whatever rounding does to a particular number. Where the input of
a (leaky) ReLU is 0 but for rounding, both of its slopes are right; the truth is then the gradient with the slopes that come nearest
to what is judged (`Kinks`). Compared are

- the scores of a batch in evaluation, ln p and ln (1 - p) by task, before and after all steps;
- the loss of every task at every step, and the norm of the dense gradients;
- after one step the gradient of every dense parameter and of every table row (a tenth of it is AdamW's first moment), and the
  running statistics of BatchNorm;
- after all steps the way that every array of weights has gone.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.overrides import TorchFunctionMode

from . import ours
from .batch import load_batches
from .model import load_graph
from .rival import Trainer, round_factors

# Passes what is at most this many times as far from the truth as PyTorch's float32, at worst and, of many, in the median …
FACTOR = 3.0
# … or this many of what has gone through steps: AdamW's first ones move a weight by the whole rate, to where its gradient points, and
# where that is rounding alone the way is chance …
STEPPED = {"weights": 10.0, "scores after": 10.0}
# … or nearer than this.
FLOOR = 1e-6
# The median of a few numbers says nothing.
MANY = 30
# A gradient is measured against its own size, and at least this much of the largest of its kind: a tiny one is what is left of a
# sum of much larger parts, and those are what rounding is a share of.
LEAST = 1e-4
BETA1 = 0.9
# Inputs of (leaky) ReLUs that are 0 but for rounding: this share of the root of their mean square, or less.
NEAR = 2e-6


# --- three accounts of one run, by kind and name ---------------------------------------------------------------------


def account():
    kinds = ("scores", "losses", "norm", "gradients", "table rows", "statistics", "weights", "scores after")
    return {kind: {} for kind in kinds}


def of_ours(folder, graph):
    """What our crate wrote."""
    found, oracle = account(), json.loads((folder / "oracle.json").read_text())
    load = lambda name: load_file(folder / f"{name}.safetensors")
    for kind, name in (("scores", "scores"), ("scores after", "scores.last")):
        found[kind] = {key: value for key, value in load(name).items() if not key.endswith("/rows")}
    for index, step in enumerate(oracle["steps"]):
        see_step(found, index, step["losses"], step["norm"])
    for key, moment in load("optimiser.1").items():
        if key.endswith(".exp_avg"):
            kind = "table rows" if key.startswith("tables.") else "gradients"
            found[kind][key.removesuffix(".exp_avg")] = moment.double() / (1.0 - BETA1)
    found["statistics"] = {key: value for key, value in load("weights.1").items() if ".running_" in key}
    found["weights"] = ways(load("weights"), load("weights.last"))
    return found


def of_torch(folder, graph, variant="eager", device="cpu", fuse=True, dtype=torch.float32, turned=(), steps=None):
    """The same from PyTorch, from all steps or as many as given; and what its (leaky) ReLUs took at the first step."""
    found, oracle = account(), json.loads((folder / "oracle.json").read_text())
    trainer = Trainer(graph, variant, device, fuse, dtype)
    before = load_file(folder / "weights.safetensors")
    trainer.load(before)
    batches = load_batches(folder, graph, trainer.tables, device)
    rows = load_file(folder / "scores.safetensors")
    found["scores"] = scores(trainer, batches[0], rows)
    hook = trainer.optimiser.register_step_pre_hook(lambda *_: found["gradients"].update(clipped(trainer)))
    kinks = Kinks(turned)
    for index, _ in enumerate(oracle["steps"][:steps]):
        batch = batches[index % len(batches)]
        if index > 0:
            see_step(found, index, *step(trainer, batch, oracle["factor"]))
            continue
        # A compiled model takes no notice of the mode.
        with kinks:
            see_step(found, index, *step(trainer, batch, oracle["factor"]))
        hook.remove()
        firsts = trainer.tables.named("first")
        found["table rows"] = {key: first.double().cpu() / (1.0 - BETA1) for key, first in firsts.items()}
        found["statistics"] = {key: x.cpu().clone() for key, x in trainer.model.named().items() if ".running_" in key}
    found["weights"] = ways(before, trainer.named())
    found["scores after"] = scores(trainer, batches[0], rows)
    return found, kinks


def step(trainer, batch, factor):
    losses, norm = trainer.step(batch, factor)
    tasks = (task["name"] for task in trainer.graph["tasks"])
    return {task: loss for task, loss in zip(tasks, losses) if loss is not None}, norm


def see_step(found, index, losses, norm):
    found["losses"] |= {f"{task}, step {index + 1}": torch.tensor(loss, dtype=torch.float64) for task, loss in losses.items()}
    found["norm"][f"step {index + 1}"] = torch.tensor(norm, dtype=torch.float64)


def clipped(trainer):
    scale = 1.0 / trainer.optimiser.grad_scale.double()
    return {key: (g.double() * scale).cpu() for key, g in trainer.model.gradients().items() if g is not None}


def ways(before, after):
    """How far every array has gone."""
    return {key: x.cpu().double() - before[key].double() for key, x in after.items() if ".running_" not in key}


def scores(trainer, batch, rows):
    """In the order of the batch's rows, as ours."""
    found = {}
    for (task, values), places in zip(trainer.score(batch).items(), batch.heads):
        if values is None:
            continue
        order = torch.as_tensor(places.rows).argsort()
        if not torch.equal(torch.as_tensor(places.rows)[order], rows[f"{task}/rows"].long()):
            raise ours.Failed(f"`{task}` is scored for other rows by ours than by PyTorch: a cell is missing on one side")
        found |= {f"{task}/{name}": value.cpu()[order] for name, value in zip(("lp", "lq"), values)}
    return found


class Kinks(TorchFunctionMode):
    """Notes which inputs of `relu` and `leaky_relu` are positive and which are 0 but for rounding, as (call, place); and takes
    the other slope at the places `turned`."""

    def __init__(self, turned=()):
        super().__init__()
        self.positive, self.near, self.turned = [], [], turned

    def __torch_function__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if function not in (torch.nn.functional.leaky_relu, torch.nn.functional.relu):
            return out
        call, x = len(self.positive), args[0]
        flat = x.detach().flatten()
        self.positive.append(x.detach() > 0)
        if len(flat) > 0:
            near = (flat.abs() <= NEAR * flat.square().mean().sqrt()).nonzero().squeeze(1)
            self.near += [(call, place) for place in near.tolist()]
        places = [place for at, place in self.turned if at == call]
        if not places:
            return out
        slope = kwargs["negative_slope"] if function is torch.nn.functional.leaky_relu else 0.0
        turn = torch.zeros_like(flat, dtype=torch.bool)
        turn[places] = True
        return torch.where(turn.view_as(x), torch.where(x > 0, slope * x, x), out)


def turned(judged, truth, ways):
    """For each of those judged the kinks whose other slope brings the truth nearer to it. `ways` has the first step's account
    with one kink turned, by kink."""
    arrays = [(kind, key) for kind in ("gradients", "table rows") for key in truth[kind]]
    flat = lambda found: torch.cat([found[kind][key].double().flatten() for kind, key in arrays])
    true = flat(truth)
    left, found = [flat(of) - true for of in judged], [[] for _ in judged]
    for kink, way in ways:
        by = flat(way) - true
        for kinks, apart in zip(found, left):
            if torch.dot(apart, by) > 0.5 * torch.dot(by, by) > 0:
                kinks.append(kink)
    return found


# --- how far they are apart ------------------------------------------------------------------------------------------


def largest(x, truth):
    """The largest difference, against the largest value."""
    return against((x - truth).abs().max(), truth.abs().max())


def in_the_mean(x, truth, least):
    """The difference of all values together, against theirs: roots of sums of squares."""
    return against((x - truth).norm(), truth.norm().clamp(min=least))


def against(difference, size):
    return float(difference / size) if size > 0 else float(difference)


def distances(kind, x, truth):
    """By name how far `x` is from the truth."""
    if x.keys() != truth.keys():
        raise ours.Failed(f"{kind} on one side only: {', '.join(sorted(x.keys() ^ truth.keys())[:5])}")
    pairs = {key: (x[key].double(), truth[key].double()) for key in truth if truth[key].numel() > 0}
    for key, (left, right) in pairs.items():
        if left.shape != right.shape:
            raise ours.Failed(f"{kind}: `{key}` is {list(left.shape)} and {list(right.shape)}")
    if kind == "table rows":
        return {name: far for key, pair in pairs.items() for name, far in of_rows(key, *pair)}
    if kind in ("gradients", "weights"):
        least = LEAST * max(float(right.norm()) for _, right in pairs.values())
        return {key: in_the_mean(*pair, least) for key, pair in pairs.items()}
    return {key: largest(*pair) for key, pair in pairs.items()}


def of_rows(key, x, truth):
    """The distance of every row that has a gradient on either side."""
    here = ((x != 0) | (truth != 0)).any(1).nonzero().squeeze(1)
    x, truth = x[here], truth[here]
    sizes = truth.norm(dim=1)
    far = (x - truth).norm(dim=1) / sizes.clamp(min=LEAST * float(sizes.max()) if len(sizes) else 0.0)
    return zip((f"{key}, row {row}" for row in here.tolist()), far.tolist())


def summary(kind, of_ours, of_torch):
    """Of the distances of one kind."""
    at = max(of_ours, key=of_ours.get)
    found = {
        "compared": len(of_ours),
        "worst": {"ours": of_ours[at], "pytorch": max(of_torch.values())},
        "median": {"ours": statistics.median(of_ours.values()), "pytorch": statistics.median(of_torch.values())},
        "at": at,
        "pytorch there": of_torch[at],
    }
    # Not a number is not near.
    judged = ("worst", "median") if len(of_ours) >= MANY else ("worst",)
    found["factor"] = STEPPED.get(kind, FACTOR)
    found["passed"] = all(found[of]["ours"] <= max(found["factor"] * found[of]["pytorch"], FLOOR) for of in judged)
    return found


def compare(folder, fuse=True, variant="eager", device="cpu", precision="float32"):
    """By kind how far what our crate wrote to `folder`, and PyTorch in this precision are from PyTorch in float64 on the CPU;
    None where there is nothing to compare. Under `kinks` how many (leaky) ReLUs were given their other slope for ours and for
    PyTorch's, and of how many."""
    folder = Path(folder)
    graph = load_graph(folder / "graph.yaml")
    exact = lambda **what: of_torch(folder, graph, fuse=fuse, dtype=torch.float64, **what)
    truth, seen = exact()
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    round_factors(precision)
    judged = [of_ours(folder, graph), of_torch(folder, graph, variant, device, fuse, dtype)[0]]
    # In bfloat16 thousands are near, for both.
    near = seen.near if precision == "float32" else []
    kinks = turned(judged, truth, ((kink, exact(turned=[kink], steps=1)[0]) for kink in near))
    truths = [exact(turned=of)[0] if of else truth for of in kinks]
    found = {}
    for kind in truth:
        far = [distances(kind, of[kind], true[kind]) for of, true in zip(judged, truths)]
        found[kind] = summary(kind, *far) if far[0] else None
    return found, (*map(len, kinks), sum(x.numel() for x in seen.positive))


# --- what the command prints -----------------------------------------------------------------------------------------


def check(spec, rows=1024, steps=5, threads=1, precision="float32"):
    """Builds the crate of a spec, makes synthetic data and compares. Returns as `compare`, and what was left out of the spec."""
    program, left_out = ours.build_plain(spec)
    with tempfile.TemporaryDirectory(prefix="mtmd-parity-") as folder:
        words = ["--batch", rows, "--batches", 2, "--steps", steps, "--threads", threads, "--dump", folder, "--oracle"]
        ours.run(program, "bench", *words, "--precision", precision)
        return *compare(folder, precision=precision), left_out


def report(specs, rows=1024, threads=1, precision="float32"):
    """Prints both distances of every kind, and says whether ours pass."""
    torch.set_num_threads(threads)
    print(f"{rows} rows a batch, threads: {threads}, PyTorch {torch.__version__}\n")
    kinds, found = list(account()), {}
    print(f"| distance from float64: ours / PyTorch's {precision} | | " + " | ".join(kinds) + " | kinks |")
    print("|---|---|" + "---|" * len(kinds) + "---|")
    for spec in specs:
        name = Path(spec).stem
        by_kind, kinks, left_out = check(spec, rows, threads=threads, precision=precision)
        found[name] = {"kinds": by_kind, "kinks": kinks, "left out": left_out}
        for of in ("worst", "median"):
            cells = ["–" if by_kind[kind] is None else pair(by_kind[kind][of]) for kind in kinds]
            last = f"{kinks[0]} / {kinks[1]} of {kinks[2]:,}" if of == "worst" else ""
            print(f"| {name if of == 'worst' else ''} | {of} | " + " | ".join(cells) + f" | {last} |", flush=True)
        counts = ["–" if by_kind[kind] is None else f"{by_kind[kind]['compared']:,}" for kind in kinds]
        print("| | compared | " + " | ".join(counts) + " | |", flush=True)
    print()
    for name, of in found.items():
        if of["left out"]:
            print(f"{name}: a copy without {' and '.join(of['left out'])} was compared")
    problems = [problem for name, of in found.items() for problem in failures(name, of["kinds"], precision)]
    print("\n".join(problems) or "all pass")
    return {"passed": not problems, "specs": found}


def failures(name, by_kind, precision):
    """What does not pass, a line each."""
    return [
        f"further than {by['factor']:g} times PyTorch's {precision}: {name}: {kind}, worst {pair(by['worst'])}, median {pair(by['median'])}; ours is furthest at {by['at']}, "
        f"PyTorch's distance there is {by['pytorch there']:.1e}"
        for kind, by in by_kind.items()
        if by is not None and not by["passed"]
    ]


def pair(of):
    return f"{of['ours']:.1e} / {of['pytorch']:.1e}"
