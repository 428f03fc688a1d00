"""Writes SPEC.safetensors for every generated crate: inputs and outputs of the whole model, by reference_model.py.

    python tests/parity/fixtures_specs.py

Needs numpy, pyyaml and safetensors. The models are those of `generated/*/graph.yaml`, at full size. Their weights would be 40 MB and
more each, so both sides compute them from their keys instead: see `weight`. The slope of the loss along a fixed direction
is a central difference in float64; the runtime's gradient must give the same.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from reference import load_graph
from reference_model import Model, uniform, weight, weight_shapes

ROWS = 40
# Small, so that hardly a LeakyReLU crosses its kink on the way.
STEP = 3e-8


def draw_batch(graph, rng):
    surfaces = [domain["name"] for domain in graph["surfaces"]["domains"]]
    products = [domain["name"] for domain in graph["products"]["domains"]]
    # The last surface has one row, so that a BatchNorm over a single row is met; every product has several.
    surface = rng.integers(0, max(1, len(surfaces) - 1), ROWS)
    surface[-1] = len(surfaces) - 1
    batch = {"surface": surface, "product": rng.integers(0, len(products), ROWS), "labels": {}, "weights": {}}
    rows = {table["name"]: table["rows"] for table in graph["tables"]}
    for tower in ("query", "item"):
        batch[tower] = {f["name"]: draw_column(f, rows, rng) for f in graph[tower]["features"]}
        for feature in graph[tower]["features"]:
            if "weights" in feature:
                drawn = [rng.random(len(ids)).astype(np.float32) for ids in batch[tower][feature["name"]]]
                batch[tower][feature["name"] + "/weights"] = [w.astype(np.float64) for w in drawn]
    for task in graph["tasks"]:
        label = rng.random(ROWS).astype(np.float32).astype(np.float64)
        label[rng.random(ROWS) < 0.2] = np.nan
        label[:2] = 0.0, 1.0
        at_surface = np.isin(surface, [surfaces.index(s) for s in task.get("surfaces", surfaces)])
        at_product = np.isin(batch["product"], [products.index(p) for p in task.get("products", products)])
        label[~(at_surface & at_product)] = np.nan
        batch["labels"][task["name"]] = label
        if "sample_weight" in task:
            batch["weights"][task["name"]] = (4.0 * rng.random(ROWS)).astype(np.float32).astype(np.float64)
    return batch


def draw_column(feature, rows, rng):
    if feature["kind"] == "number":
        return (2.0 * rng.standard_normal(ROWS) + 1.0).astype(np.float32).astype(np.float64)
    if feature["kind"] == "vector":
        return rng.standard_normal((ROWS, feature["width"])).astype(np.float32).astype(np.float64)
    count = rows[feature["table"]]
    if "pool" not in feature:
        ids = rng.integers(0, count, ROWS)
        ids[rng.random(ROWS) < 0.1] = 0
        return ids
    lists = [list(rng.integers(0, count, rng.integers(0, 5))) for _ in range(ROWS)]
    lists[0], lists[1] = [], [0, 1]
    return lists


def arrays(batch):
    """The batch as flat arrays, in the order of its rows."""
    flat = {key: batch[key].astype(np.int64) for key in ("surface", "product")}
    for task, label in batch["labels"].items():
        flat[f"labels/{task}"] = label
    for task, weight in batch["weights"].items():
        flat[f"weights/{task}"] = weight
    for tower in ("query", "item"):
        for name, column in batch[tower].items():
            if name.endswith("/weights"):
                flat[f"{tower}/{name}"] = np.concatenate(column)
            elif isinstance(column, list):
                offsets = np.cumsum([0] + [len(ids) for ids in column])
                flat[f"{tower}/{name}/offsets"] = offsets.astype(np.int64)
                flat[f"{tower}/{name}/ids"] = np.array([i for ids in column for i in ids], dtype=np.int64)
            else:
                flat[f"{tower}/{name}"] = column
    return flat


def slope(graph, weights, batch, prefix):
    """d loss / d t of the weights of one part moved by t times a fixed direction."""
    direction = {
        key: uniform(f"direction.{key}", value.size).reshape(value.shape)
        for key, value in weights.items()
        if key.startswith(prefix) and ".running_" not in key
    }
    losses = []
    for sign in (1.0, -1.0):
        moved = weights | {key: weights[key] + sign * STEP * u for key, u in direction.items()}
        losses.append(Model(graph, moved).forward(batch, training=True)[1])
    return (losses[0] - losses[1]) / (2.0 * STEP)


def write(folder):
    graph = load_graph(folder / "graph.yaml")
    weights = {key: weight(key, shape) for key, shape in weight_shapes(graph)}
    batch = draw_batch(graph, np.random.default_rng(20250803))
    out = arrays(batch)
    for mode, training in (("training", True), ("evaluation", False)):
        model = Model(graph, weights)
        scores, loss = model.forward(batch, training)
        out[f"{mode}/loss"] = np.array([loss])
        for task, (rows, lp, lq) in scores.items():
            out[f"{mode}/{task}/rows"] = np.array(rows, dtype=np.int64)
            out[f"{mode}/{task}/lp"], out[f"{mode}/{task}/lq"] = lp, lq
        if training:
            for key, (mean, variance) in model.running.items():
                out[f"running/{key}.running_mean"], out[f"running/{key}.running_var"] = mean, variance
    for part in ("query.", "item.", "heads."):
        out[f"slope/{part}"] = np.array([slope(graph, weights, batch, part)])
    # The number of parameters that the graph claims, against the shapes it implies.
    trained = [value.size for key, value in weights.items() if ".running_" not in key]
    assert sum(trained) == graph["totals"]["parameters"]["all"], folder
    save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, Path(__file__).parent / f"{folder.name}.safetensors")
    print(f"{folder.name}: {len(weights)} weights, loss {out['training/loss'][0]:.6f}")


for path in sorted((Path(__file__).parents[2] / "generated").glob("*/graph.yaml")):
    write(path.parent)
