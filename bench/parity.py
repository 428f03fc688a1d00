"""The oracle: our crate and PyTorch on the same weights and batches.

Ours writes its weights, scores and what some steps made of them (`bench --dump DIR --oracle`); PyTorch repeats it from
`graph.yaml`, weights and batches alone. Compared are, scores and statistics by the largest deviation against the largest value,
gradients and weights in the mean square of an array:

- the scores of a batch in evaluation, ln p and ln (1 - p) by task;
- the loss of every task at every step, and the norm of the dense gradients;
- after one step the gradient of every dense parameter and of every table row (a tenth of it is AdamW's first moment), and the
  running statistics of BatchNorm;
- after all steps the way that every weight has gone, and the scores.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from . import ours
from .batch import load_batches
from .model import load_graph
from .rival import Trainer

# Largest relative deviations that pass. Gradients are sums over a batch in another order, and now and then rounding takes a
# number over the kink of a LeakyReLU, which changes one row's part of a gradient: without that they stay below 1e-5. AdamW's first
# steps divide a gradient by its own size, so a tiny one, which rounding may turn around, moves a weight as far as a large one.
TOLERANCE = {
    "scores": 2e-5,
    "losses": 2e-5,
    "norm": 5e-4,
    "gradients": 1e-2,
    "statistics": 1e-5,
    "weights": 1e-1,
    "scores after": 2e-3,
}
BETA1 = 0.9


@dataclass
class Worst:
    """The largest deviation of one kind and where it is."""

    deviation: float = 0.0
    at: str = ""

    def see(self, deviation, at):
        if not deviation <= self.deviation:
            self.deviation, self.at = deviation, at


def largest(ours, theirs, floor=0.0):
    """The largest deviation, against the largest value."""
    ours, theirs = ours.detach().double(), theirs.detach().double()
    scale = max(float(ours.abs().max()), floor) if ours.numel() else 0.0
    difference = float((ours - theirs).abs().max()) if ours.numel() else 0.0
    return difference / scale if scale > 0 else difference


def in_the_mean(ours, theirs, floor=0.0):
    """The deviation of all values together, against theirs together: roots of sums of squares."""
    ours, theirs = ours.detach().double(), theirs.detach().double()
    scale = max(float(ours.norm()), floor)
    difference = float((ours - theirs).norm())
    return difference / scale if scale > 0 else difference


def compare(folder, fuse=True, variant="eager", device="cpu"):
    """The worst deviations between what our crate wrote to `folder` and PyTorch, by kind."""
    folder = Path(folder)
    graph = load_graph(folder / "graph.yaml")
    oracle = json.loads((folder / "oracle.json").read_text())
    trainer = Trainer(graph, variant, device, fuse)
    before = load_file(folder / "weights.safetensors")
    trainer.load(before)
    batches = load_batches(folder, graph, trainer.tables, device)
    worst = {kind: Worst() for kind in TOLERANCE}
    see_scores(worst["scores"], trainer, batches[0], folder / "scores.safetensors")
    for index, step in enumerate(oracle["steps"]):
        # The gradients are still there when the optimiser has stepped.
        if index == 0:
            trainer.optimiser.register_step_pre_hook(lambda *_: gradients.update(clipped(trainer)))
        gradients = {}
        losses, norm = trainer.step(batches[index % len(batches)], oracle["factor"])
        for task, loss in zip(graph["tasks"], losses):
            theirs = step["losses"].get(task["name"])
            assert (loss is None) == (theirs is None), f"{task['name']} has a loss on one side only"
            if loss is not None:
                worst["losses"].see(abs(loss - theirs) / max(abs(theirs), 1e-12), f"{task['name']}, step {index + 1}")
        worst["norm"].see(abs(norm - step["norm"]) / max(step["norm"], 1e-12), f"step {index + 1}")
        if index == 0:
            see_first_step(worst, trainer, gradients, folder)
    after, named = load_file(folder / "weights.last.safetensors"), trainer.named()
    assert after.keys() == named.keys()
    for key, ours_after in after.items():
        if ".running_" not in key:
            ways = ours_after.double() - before[key].double(), named[key].cpu().double() - before[key].double()
            worst["weights"].see(in_the_mean(*ways), key)
    see_scores(worst["scores after"], trainer, batches[0], folder / "scores.last.safetensors")
    return worst


def clipped(trainer):
    scale = 1.0 / trainer.optimiser.grad_scale
    return {key: g.clone() * scale for key, g in trainer.model.gradients().items() if g is not None}


def see_scores(worst, trainer, batch, path):
    expected = load_file(path)
    for (task, scores), rows in zip(trainer.score(batch).items(), batch.heads):
        if scores is None:
            assert f"{task}/rows" not in expected or expected[f"{task}/rows"].numel() == 0
            continue
        # Ours are in the order of the batch's rows.
        order = torch.as_tensor(rows.rows).argsort()
        assert torch.equal(torch.as_tensor(rows.rows)[order], expected[f"{task}/rows"].long())
        for name, values in zip(("lp", "lq"), scores):
            worst.see(largest(expected[f"{task}/{name}"], values.cpu()[order]), f"{task} {name}")


def see_first_step(worst, trainer, gradients, folder):
    moments, weights = load_file(folder / "optimiser.1.safetensors"), load_file(folder / "weights.1.safetensors")
    dense = {key.removesuffix(".exp_avg") for key in moments if key.endswith(".exp_avg") and not key.startswith("tables.")}
    assert dense == gradients.keys(), f"gradients on one side only: {sorted(dense ^ gradients.keys())[:5]}"
    # A parameter that hardly matters has rounding for a gradient: nothing is compared finer than a millionth of the largest.
    floor = 1e-6 * max(float(g.norm()) for g in gradients.values())
    for key, gradient in gradients.items():
        expected = moments[f"{key}.exp_avg"] / (1.0 - BETA1)
        worst["gradients"].see(in_the_mean(expected, gradient.cpu(), floor), key)
    for key, first in trainer.tables.named("first").items():
        if f"{key}.exp_avg" in moments:
            worst["gradients"].see(in_the_mean(moments[f"{key}.exp_avg"], first.cpu()), key)
    for key, value in trainer.model.named().items():
        if ".running_" in key:
            worst["statistics"].see(largest(weights[key], value.cpu()), key)


def check(spec, rows=1024, steps=5, fuse=True, variant="eager"):
    """Builds the crate of a spec, makes synthetic data and compares. Returns the worst deviations by kind."""
    program = ours.build(spec)
    with tempfile.TemporaryDirectory(prefix="mtmd-parity-") as folder:
        folder = Path(folder)
        words = ["--batch", rows, "--batches", 2, "--steps", steps, "--dump", folder / "dump", "--oracle"]
        ours.run(program, "bench", *words)
        return compare(folder / "dump", fuse, variant)


def report(specs, **options):
    """Prints a table, and says whether all is within the tolerances."""
    kinds, found, problems = list(TOLERANCE), {}, []
    print("| largest relative deviation | " + " | ".join(kinds) + " |")
    print("|---|" + "---|" * len(kinds))
    print("| *passes up to* | " + " | ".join(f"*{TOLERANCE[kind]:.0e}*" for kind in kinds) + " |")
    for spec in specs:
        name, worst = Path(spec).stem, check(spec, **options)
        found[name] = {kind: {"deviation": worst[kind].deviation, "at": worst[kind].at} for kind in kinds}
        print(f"| {name} | " + " | ".join(f"{worst[kind].deviation:.1e}" for kind in kinds) + " |", flush=True)
        problems += [
            f"{name}: {kind} {worst[kind].deviation:.1e} at {worst[kind].at}"
            for kind in kinds
            if not worst[kind].deviation <= TOLERANCE[kind]
        ]
    print("".join(f"\nbeyond what passes: {problem}" for problem in problems))
    return {"passed": not problems, "specs": found}
