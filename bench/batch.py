"""A batch as our loader hands it over, made ready for PyTorch.

What depends on the data alone is done here, once and outside all timing: which rows a task has, where they stand in the
towers' outputs, labels and shares, and where the entries of each table lie.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor

from .model import AXES, domains, field_widths


@dataclass
class Rows:
    """The rows of a task whose cell exists; an index of None takes all in their order."""

    rows: np.ndarray
    query: Tensor | None
    item: Tensor | None
    parent: Tensor | None
    # share * label, share * (1 - label); None without a valid label. Shares add up to 1.
    positive: Tensor | None
    negative: Tensor | None
    share: Tensor | None
    # Of the labels, in the same mean, [].
    entropy: Tensor


@dataclass
class Part:
    """Entries of one domain of a tower in the tables of one dimension: where they lie and which columns they fill."""

    # Single rows: [rows, features] entries from `start`.
    start: int
    singles: int
    # Lists: entries from `lists`, in `bags` = features * rows bags.
    lists: slice
    bags: int
    offsets: Tensor | None
    factors: Tensor | None
    # Bag of every entry.
    bag: Tensor | None
    # (columns of the leaf, source: (False, column of the singles) or (True, list))
    columns: list


@dataclass
class Domain:
    rows: int
    width: int
    # By dimension.
    parts: dict[int, Part]
    vectors: list[Tensor]
    numbers: list[Tensor]


@dataclass
class Batch:
    rows: int
    towers: dict[str, list[Domain | None]]
    heads: list[Rows | None]
    # By dimension: rows of that group's store, those of the lists last within a domain.
    entries: dict[int, Tensor]
    # By dimension: which of them are row 0 of a table, each once.
    zeros: dict[int, Tensor]


def load_batches(folder, graph, tables, device="cpu"):
    paths = sorted(Path(folder).glob("batch.*.safetensors"), key=lambda p: int(re.findall(r"\d+", p.name)[-1]))
    return [Builder(graph, tables, load_file(path), device).batch() for path in paths]


class Builder:
    def __init__(self, graph, tables, arrays, device):
        self.graph, self.tables, self.arrays, self.device = graph, tables, arrays, device
        # Of everything that is not an index.
        self.dtype = tables.dtype
        self.entries = {dim: [] for dim in tables.dims}
        self.counts = dict.fromkeys(tables.dims, 0)

    def batch(self):
        towers = {tower: self.tower(tower) for tower in AXES}
        entries = {dim: np.concatenate(parts) if parts else np.zeros(0) for dim, parts in self.entries.items()}
        zeros = {dim: np.intersect1d(self.tables.stores[dim].zeros, rows) for dim, rows in entries.items()}
        on_device = lambda by_dim: {dim: self.tensor(rows, torch.int64) for dim, rows in by_dim.items()}
        return Batch(len(self.arrays["surface"]), towers, self.heads(), on_device(entries), on_device(zeros))

    def tensor(self, values, dtype=None):
        return torch.as_tensor(np.asarray(values, order="C"), dtype=dtype).to(self.device)

    # --- inputs ---

    def tower(self, tower):
        bounds = self.arrays[f"{tower}/domains"].astype(np.int64)
        spans = [slice(start, stop) for start, stop in zip(bounds, bounds[1:])]
        by_domain = {domain: expert for expert in self.graph[tower]["experts"] for domain in expert["domains"]}
        experts = [by_domain[name] for name in domains(self.graph, tower)]
        return [self.domain(tower, expert, span) for expert, span in zip(experts, spans)]

    def domain(self, tower, expert, span):
        rows = span.stop - span.start
        if rows == 0:
            return None
        widths = field_widths(self.graph, tower)
        features = {feature["name"]: feature for feature in self.graph[tower]["features"]}
        groups, start = {}, 0
        for name in expert["embedded"]:
            groups.setdefault(widths[name], []).append((features[name], slice(start, start + widths[name])))
            start += widths[name]
        parts = {dim: self.part(tower, dim, fields, span) for dim, fields in groups.items()}
        column = lambda name: self.tensor(self.arrays[f"{tower}/{name}"][span], self.dtype)
        vectors = [column(name) for name in expert["vectors"]]
        numbers = [column(name)[:, None] for name in expert["numbers"]]
        return Domain(rows, start, parts, vectors, numbers)

    def part(self, tower, dim, fields, span):
        """Lays the entries of some fields of one dimension down."""
        rows = span.stop - span.start
        singles = [(feature, columns) for feature, columns in fields if "pool" not in feature]
        lists = [(feature, columns) for feature, columns in fields if "pool" in feature]
        start = self.counts[dim]
        stored = lambda feature, ids: ids.astype(np.int64) + self.tables.offset[feature["table"]]
        if singles:
            ids = [stored(feature, self.arrays[f"{tower}/{feature['name']}"][span]) for feature, _ in singles]
            self.put(dim, np.stack(ids, 1).ravel())
        begin = self.counts[dim]
        offsets, factors, bags = [np.zeros(1, np.int64)], [], []
        for index, (feature, _) in enumerate(lists):
            bounds, ids, factor = self.list(f"{tower}/{feature['name']}", feature, span)
            self.put(dim, stored(feature, ids))
            offsets.append(bounds[1:] + offsets[-1][-1])
            factors.append(factor)
            bags.append(np.repeat(np.arange(rows), np.diff(bounds)) + index * rows)
        end = self.counts[dim]
        columns = [(columns, (False, i)) for i, (_, columns) in enumerate(singles)]
        columns += [(columns, (True, i)) for i, (_, columns) in enumerate(lists)]
        return Part(
            start,
            len(singles),
            slice(begin, end),
            len(lists) * rows,
            self.tensor(np.concatenate(offsets)) if lists else None,
            self.tensor(np.concatenate(factors), self.dtype) if lists else None,
            self.tensor(np.concatenate(bags)) if lists else None,
            sorted(columns, key=lambda column: column[0].start),
        )

    def put(self, dim, ids):
        self.entries[dim].append(ids)
        self.counts[dim] += len(ids)

    def list(self, key, feature, span):
        """Bounds, rows and factors of the lists of some places; the factor of row 0 is zero."""
        bounds = self.arrays[f"{key}/offsets"].astype(np.int64)[span.start : span.stop + 1]
        part = slice(bounds[0], bounds[-1])
        bounds = bounds - bounds[0]
        ids = self.arrays.get(f"{key}/ids", np.zeros(0, np.uint32))[part]
        weights = self.arrays.get(f"{key}/weights")
        factor = np.where(ids == 0, 0.0, 1.0 if weights is None else weights[part]).astype(np.float64)
        if feature["pool"] == "mean":
            bag = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
            total = np.bincount(bag, factor, len(bounds) - 1)
            inverse = np.divide(1.0, total, out=np.zeros(total.shape), where=total > 0)
            factor = factor * inverse[bag]
        return bounds, ids, factor

    # --- heads ---

    def heads(self):
        surface, product = self.arrays["surface"], self.arrays["product"]
        names = {axis: domains(self.graph, tower) for tower, axis in AXES.items()}
        found = {}
        for task in self.graph["tasks"]:
            at = {
                axis: np.isin(values, [names[axis].index(name) for name in task.get(axis, names[axis])])
                for axis, values in (("surfaces", surface), ("products", product))
            }
            exists = at["surfaces"] & at["products"]
            query, item = (self.places(tower, at[axis]) for tower, axis in AXES.items())
            # In the order of the query tower's places, so that one side needs no permutation.
            rows = np.flatnonzero(exists)
            rows = rows[np.argsort(query[rows])]
            found[task["name"]] = self.rows(task, rows, query, item, found) if len(rows) else None
        return list(found.values())

    def places(self, tower, has_task):
        """For every row its place among those of the domains that have the task."""
        order = self.arrays[f"{tower}/order"].astype(np.int64)
        places = np.full(len(has_task), -1)
        here = order[has_task[order]]
        places[here] = np.arange(len(here))
        return places

    def rows(self, task, rows, query, item, found):
        index = lambda places, count: (
            None
            if len(places) == count and np.array_equal(places, np.arange(count))
            else self.tensor(places, torch.int64)
        )
        parent = None
        given = self.graph["heads"][task["name"]].get("given")
        if given is not None:
            # A parent exists wherever its child does.
            place = np.full(len(query), -1)
            place[found[given].rows] = np.arange(len(found[given].rows))
            parent = index(place[rows], len(found[given].rows))
        label = self.arrays[f"labels/{task['name']}"][rows].astype(np.float64)
        valid = ~np.isnan(label)
        label = np.where(valid, label, 0.0)
        share = valid.astype(np.float64)
        weights = self.arrays.get(f"weights/{task['name']}")
        if weights is not None:
            share = np.where(valid, weights[rows], 0.0)
        if share.sum() > 0:
            share = share / share.sum()
            entropy = (share * (plogp(label) + plogp(1.0 - label))).sum()
            positive, negative = share * label, share * (1.0 - label)
            tensors = [self.tensor(x, self.dtype) for x in (positive, negative, share)]
        else:
            entropy, tensors = np.zeros(()), [None, None, None]
        counts = [(query >= 0).sum(), (item >= 0).sum()]
        places = index(query[rows], counts[0]), index(item[rows], counts[1])
        return Rows(rows, *places, parent, *tensors, self.tensor(entropy, self.dtype))


def plogp(p):
    return -p * np.log(np.where(p > 0, p, 1.0))
