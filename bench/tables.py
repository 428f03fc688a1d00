"""Embedding tables in PyTorch, with an AdamW that touches a batch's rows only and equals dense AdamW.

All tables of one dimension are one store, so that a step makes a few large operations and not several a table. A row that no
batch names would still be moved by dense AdamW; what that adds up to has a closed form (`runtime/src/tables/clock.rs`), which is
applied when the row is next read.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
# Steps after which a row's old momentum has no effect.
WINDOW = 256


class Clock:
    """What the steps since each step have added up to."""

    def __init__(self, weight_decay):
        self.weight_decay, self.now = weight_decay, 0
        self.log_decay, self.drift, self.epsilon = np.zeros(1), np.zeros(1), np.zeros(1)
        powers = np.arange(1, WINDOW + 1)
        self.powers = (BETA1 / np.sqrt(BETA2)) ** powers, (BETA1 / BETA2) ** powers

    def decay(self, lr):
        return max(1.0 - lr * self.weight_decay, np.finfo(np.float64).tiny)

    def advance(self, lr):
        step, decay = self.now + 1, self.decay(lr)
        spread, gain = 1.0 - BETA2**step, lr / (1.0 - BETA1**step)
        recent = min(step, WINDOW)
        g, q = (power[:recent][::-1] for power in self.powers)
        self.drift[-recent:] = decay * self.drift[-recent:] + gain * np.sqrt(spread) * g
        self.epsilon[-recent:] = decay * self.epsilon[-recent:] + gain * spread * q
        self.log_decay = np.append(self.log_decay, self.log_decay[-1] + np.log(decay))
        self.drift, self.epsilon = np.append(self.drift, 0.0), np.append(self.epsilon, 0.0)
        self.now += 1

    def catch_up(self, device, dtype):
        """[steps + 1, 5]: for a row of each step decay, drift, epsilon and the moments' factors."""
        behind = self.now - np.arange(self.now + 1)
        settled = np.minimum(np.arange(self.now + 1) + WINDOW, self.now)
        ratio = np.divide(self.epsilon, self.drift, out=np.ones_like(self.drift), where=self.drift > 0)
        columns = (
            np.exp(self.log_decay[-1] - self.log_decay),
            self.drift * np.exp(self.log_decay[-1] - self.log_decay[settled]),
            EPSILON * ratio,
            BETA1**behind,
            BETA2**behind,
        )
        return sent(np.stack(columns, 1), dtype, device)


def sent(values, dtype, device):
    """An array of the host on the device, without waiting for what that is doing."""
    tensor = torch.as_tensor(values, dtype=dtype)
    if torch.device(device).type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def catch_up(weight, first, second, by_step, last):
    """Rows as they are at present."""
    decay, drift, epsilon, keep1, keep2 = by_step.index_select(0, last).unbind(1)
    weight = decay[:, None] * weight - drift[:, None] * first / (second.sqrt() + epsilon[:, None])
    return weight, first * keep1[:, None], second * keep2[:, None]


def adamw(weight, first, second, gradient, factors):
    """One step; `factors` holds decay, rate and correction."""
    decay, rate, correction = factors.unbind(0)
    first = BETA1 * first + (1.0 - BETA1) * gradient
    second = BETA2 * second + (1.0 - BETA2) * gradient * gradient
    weight = decay * weight - rate * first / (second.sqrt() * correction + EPSILON)
    return weight, first, second


class Store:
    """All tables of one dimension."""

    def __init__(self, tables, dim, std, device, dtype):
        self.dim, self.names, starts, rows = dim, [], [], 0
        for table in tables:
            self.names.append((table["name"], slice(rows, rows + table["rows"])))
            starts.append(rows)
            rows += table["rows"]
        self.rows = rows
        self.weight = torch.empty(rows, dim, device=device, dtype=dtype).normal_(0.0, std)
        # Row 0 of every table.
        self.zeros = np.array(starts)
        self.weight[starts] = 0.0
        self.first, self.second = torch.zeros_like(self.weight), torch.zeros_like(self.weight)
        self.last = torch.zeros(rows, dtype=torch.int32, device=device)
        self.slot = torch.zeros(rows, dtype=torch.int32, device=device)
        self.touched = None

    def unique(self, entries):
        """The rows that `entries` name, and the place of each entry among them, without sorting."""
        count = entries.numel()
        numbers = torch.arange(count, dtype=torch.int32, device=entries.device)
        self.slot[entries] = numbers
        rows = entries[self.slot[entries] == numbers]
        self.slot[rows] = numbers[: rows.numel()]
        return rows, self.slot[entries]


class Tables:
    def __init__(self, graph, device="cpu", compiled=False, dtype=torch.float32):
        settings = graph["training"]["embeddings"]
        known = settings["optimiser"] == "adamw" and not set(settings) - {"optimiser", "lr", "weight_decay", "std"}
        own = [table["name"] for table in graph["tables"] if "embeddings" in table]
        if not known or own:
            found = f"{', '.join(own)} with their own" if own else settings
            sys.exit(f"error: PyTorch's side knows one AdamW for all tables, not {found}: leave the spec's `embeddings` blocks out")
        self.device, self.dtype, self.lr = device, dtype, settings["lr"]
        self.clock = Clock(settings["weight_decay"])
        by_dim = {}
        for table in graph["tables"]:
            by_dim.setdefault(table["dim"], []).append(table)
        self.stores = {dim: Store(tables, dim, settings["std"], device, dtype) for dim, tables in by_dim.items()}
        self.dims = list(self.stores)
        self.offset = {name: rows.start for store in self.stores.values() for name, rows in store.names}
        self.catch_up, self.adamw = catch_up, adamw
        if compiled:
            self.catch_up = torch.compile(catch_up, dynamic=True)
            self.adamw = torch.compile(adamw, dynamic=True)

    # --- a step ---

    @torch.no_grad()
    def gather(self, batch):
        """The towers' leaves: by tower and domain [rows, embedded width], None without rows or embedded features."""
        by_step = self.clock.catch_up(self.device, self.dtype)
        places = {}
        for dim, store in self.stores.items():
            rows, places[dim] = store.unique(batch.entries[dim])
            state = (x.index_select(0, rows) for x in (store.weight, store.first, store.second))
            store.touched = rows, places[dim], self.catch_up(*state, by_step, store.last.index_select(0, rows))
        return {tower: [self.leaf(domain, places) for domain in parts] for tower, parts in batch.towers.items()}

    def leaf(self, domain, places):
        if domain is None or domain.width == 0:
            return None
        pieces = []
        for dim, part in domain.parts.items():
            weight = self.stores[dim].touched[2][0]
            singles = bags = None
            if part.singles:
                entries = places[dim][part.start : part.lists.start]
                singles = weight.index_select(0, entries).view(domain.rows, part.singles * dim)
            if part.bags:
                entries = places[dim][part.lists]
                bags = torch.embedding_bag(
                    weight,
                    entries,
                    part.offsets.to(entries.dtype),
                    mode=0,
                    per_sample_weights=part.factors,
                    include_last_offset=True,
                )[0]
            for columns, (is_list, i) in part.columns:
                piece = bags[i * domain.rows : (i + 1) * domain.rows] if is_list else singles[:, i * dim : (i + 1) * dim]
                pieces.append((columns.start, piece))
        return torch.cat([piece for _, piece in sorted(pieces, key=lambda piece: piece[0])], 1)

    @torch.no_grad()
    def step(self, batch, leaves, factor):
        """AdamW on the rows of the last `gather`, by the gradients of its leaves."""
        lr, step = self.lr * factor, self.clock.now + 1
        factors = [self.clock.decay(lr), lr / (1.0 - BETA1**step), 1.0 / np.sqrt(1.0 - BETA2**step)]
        factors = sent(factors, self.dtype, self.device)
        gradients = {dim: [] for dim in self.dims}
        for tower, domains in batch.towers.items():
            for domain, leaf in zip(domains, leaves[tower]):
                if leaf is not None:
                    self.scatter(domain, leaf.grad, gradients)
        for dim, store in self.stores.items():
            rows, places, state = store.touched
            if rows.numel() > 0:
                parts = torch.cat(gradients[dim])
                gradient = torch.ops.aten.embedding_dense_backward(parts, places, rows.numel(), -1, False)
                # Row 0 of every table stays zero.
                gradient.index_fill_(0, store.slot[batch.zeros[dim]].long(), 0.0)
                weight, first, second = self.adamw(*state, gradient, factors)
                store.weight[rows], store.first[rows], store.second[rows] = weight, first, second
                store.last[rows] = step
            store.touched = None
        self.clock.advance(lr)

    def scatter(self, domain, gradient, gradients):
        """The leaf's gradient as one row an entry, in the order of the entries."""
        if gradient is None:
            gradient = torch.zeros(domain.rows, domain.width, device=self.device, dtype=self.dtype)
        for dim, part in domain.parts.items():
            singles = [gradient[:, columns] for columns, (is_list, _) in part.columns if not is_list]
            lists = [gradient[:, columns] for columns, (is_list, _) in part.columns if is_list]
            if singles:
                gradients[dim].append(torch.cat(singles, 1).view(-1, dim))
            if lists:
                by_bag = lists[0] if len(lists) == 1 else torch.cat(lists)
                gradients[dim].append(by_bag.index_select(0, part.bag) * part.factors[:, None])

    # --- weights by name ---

    @torch.no_grad()
    def flush(self):
        """Brings every row up to date, as before weights are read."""
        by_step = self.clock.catch_up(self.device, self.dtype)
        for store in self.stores.values():
            state = self.catch_up(store.weight, store.first, store.second, by_step, store.last)
            store.weight, store.first, store.second = state
            store.last.fill_(self.clock.now)

    def named(self, of="weight") -> dict[str, Tensor]:
        """Every table's weights, or its `first` or `second` moments, by key."""
        return {
            f"tables.{name}.weight": getattr(store, of)[rows]
            for store in self.stores.values()
            for name, rows in store.names
        }

    def load(self, arrays):
        for key, view in self.named().items():
            if key not in arrays or view.shape != arrays[key].shape:
                sys.exit(f"error: `{key}` of the weights is not {list(view.shape)}, as the graph says: dump graph and weights together")
            view.copy_(arrays[key])
