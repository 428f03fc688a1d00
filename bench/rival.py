"""Training in PyTorch: the model, its tables and both optimisers, eager or compiled."""

from __future__ import annotations

import time

import torch

from .model import Model
from .tables import Tables

# How each of them is compiled; on CUDA `reduce-overhead` records CUDA graphs, one for each set of sizes.
VARIANTS = {
    "eager": None,
    "compile": "default",
    "reduce-overhead": "reduce-overhead",
    "max-autotune": "max-autotune-no-cudagraphs",
}
# Of the factors of matrix products.
PRECISIONS = ("float32", "tf32", "bfloat16")
# Of the peak learning rates, as in our benchmark.
FACTOR = 0.01


def round_factors(precision):
    """Has a card round the factors of products to TF32 where that is asked for, and only there. On a CPU it means nothing."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")


class Trainer:
    """A model with its optimisers, stepped batch by batch. `variant` is one of VARIANTS. Of float64 is everything, weights too;
    of bfloat16 what autocast makes so, over float32."""

    def __init__(self, graph, variant="eager", device="cpu", fuse=True, dtype=torch.float32):
        torch.manual_seed(0)
        self.graph, self.device, self.dtype = graph, device, dtype
        kept = torch.float64 if dtype == torch.float64 else torch.float32
        self.model = Model(graph, device, kept, fuse)
        self.tables = Tables(graph, device, variant != "eager", kept)
        training = graph["training"]
        self.clip = training.get("clip")
        self.lr = training["dense"]["lr"]
        self.optimiser = torch.optim.AdamW(
            [parameter for parameter in self.model.parameters()],
            lr=self.lr,
            betas=(0.9, 0.999),
            eps=1e-8,
            weight_decay=training["dense"]["weight_decay"],
            fused=True,
        )
        # What the fused step divides gradients by: clipping without a pass of its own.
        self.optimiser.grad_scale = torch.ones((), device=device)
        self.optimiser.found_inf = torch.zeros((), device=device)
        self.forward = self.model
        if variant != "eager":
            self.forward = torch.compile(self.model, dynamic=True, mode=VARIANTS[variant])

    def load(self, arrays):
        self.model.load(arrays)
        self.tables.load(arrays)

    def named(self):
        self.tables.flush()
        return self.model.named() | self.tables.named()

    def inputs(self, batch, leaves):
        """What the model takes: by tower and domain (embedded, vectors, numbers)."""
        return {
            tower: [
                None if domain is None else (leaf, beside(domain.vectors), beside(domain.numbers))
                for domain, leaf in zip(domains, leaves[tower])
            ]
            for tower, domains in batch.towers.items()
        }

    @torch.no_grad()
    def score(self, batch):
        self.model.eval()
        scores = self.model.scores(self.inputs(batch, self.tables.gather(batch)), batch.heads)
        self.model.train()
        return scores

    def step(self, batch, factor, times=None):
        """One step. Returns the losses by task and the norm of the dense gradients; adds to `times` by part."""
        clock = Lap(self.device, times)
        # Nothing of the step before is read any more: graphs may write where it lies.
        torch.compiler.cudagraph_mark_step_begin()
        leaves = self.tables.gather(batch)
        for leaf in (leaf for tower in leaves.values() for leaf in tower if leaf is not None):
            leaf.requires_grad_()
        inputs = self.inputs(batch, leaves)
        clock("gather")
        with torch.autocast(torch.device(self.device).type, self.dtype, enabled=self.dtype == torch.bfloat16):
            total, losses = self.forward(inputs, batch.heads)
        total.backward()
        clock("passes")
        norm = self.dense_step(factor)
        clock("optimiser")
        self.tables.step(batch, leaves, factor)
        clock("tables")
        return self.read(losses, norm)

    @staticmethod
    def read(losses, norm):
        """Plain numbers, brought from the device at once and last: before that nothing waits for it."""
        *values, norm = torch.stack([*(loss for loss in losses if loss is not None), norm]).tolist()
        values = iter(values)
        return [None if loss is None else next(values) for loss in losses], norm

    def dense_step(self, factor):
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.clip is not None:
            scale = (norm / self.clip).clamp_(min=1.0)
            if self.dtype == torch.float64:
                # `grad_scale` is float32 whatever the gradients are.
                torch._foreach_div_(gradients, scale)
            else:
                self.optimiser.grad_scale.copy_(scale)
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr * factor
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return norm


def beside(columns):
    if not columns:
        return None
    return columns[0] if len(columns) == 1 else torch.cat(columns, 1)


class Lap:
    """Adds the time since the last lap to `times`."""

    def __init__(self, device, times):
        self.cuda, self.times = torch.device(device).type == "cuda", times
        self.last = time.perf_counter()

    def __call__(self, name):
        if self.times is None:
            return
        if self.cuda:
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.times[name] = self.times.get(name, 0.0) + now - self.last
        self.last = now
