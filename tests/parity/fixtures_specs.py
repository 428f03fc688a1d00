"""Writes NAME.safetensors for every generated crate and every graph of `graphs/`: inputs and outputs of the whole model, by
reference_model.py.

    python tests/parity/fixtures_specs.py [NAME ...]

Needs numpy, pyyaml and safetensors. The models are those of `generated/*/graph.yaml`, at full size, and small ones of
architectures that no spec has, `graphs/*.yaml`. The weights of the former would be 40 MB and more each, so both sides
compute them from their keys instead: see `weight`. So do they with the directions of the slopes.

A slope is the imaginary part of the loss at weights + i * STEP * direction, over STEP. There is no difference of two losses
in it, so no step to be chosen between rounding and the kinks of LeakyReLU; `check_slopes` holds it to central differences.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from reference import load_graph
from reference_model import Model, uniform, weight, weight_shapes

HERE = Path(__file__).parent
ROWS = 40
# Its square is nothing beside any loss.
STEP = 1e-40


def domains_of_rows(domains, small, turn, rng):
    """A domain for every row. One has a single row, so that a BatchNorm over a single row is met; in a small model one of
    three has none. `turn` moves these about; without it all domains of a small model have several rows."""
    if small and turn is None:
        return rng.integers(0, domains, ROWS)
    if not small:
        column = rng.integers(0, max(1, domains - 1), ROWS)
        column[-1] = domains - 1
        return column
    column = rng.integers(0, 2, ROWS) if domains == 2 and turn % 2 == 0 else np.zeros(ROWS, dtype=np.int64)
    if domains > 2 or turn % 2 == 1:
        # Not of the first two rows, whose labels are 0 and 1.
        column[ROWS // 2] = 1
    return (column + turn) % domains


def draw_batch(graph, small, rng):
    surfaces = [domain["name"] for domain in graph["surfaces"]["domains"]]
    products = [domain["name"] for domain in graph["products"]["domains"]]
    # Where domains differ, all of them are to be met.
    turns = (None, None) if graph["model"] == "small_mixed" else divmod(sum(graph["model"].encode()) % 6, 3)
    surface = domains_of_rows(len(surfaces), small, turns[1], rng)
    product = domains_of_rows(len(products), True, turns[0], rng) if small else rng.integers(0, len(products), ROWS)
    batch = {"surface": surface, "product": product, "labels": {}, "weights": {}}
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


def direction(key, shape):
    """Where a weight is moved to: numbers that depend on its key alone. Row 0 of a table is zero and stays it."""
    moved = uniform(f"direction.{key}", int(np.prod(shape))).reshape(shape)
    if key.startswith("tables."):
        moved[0] = 0.0
    return moved


def groups_of(keys, batch, graph, small):
    """Which weights are moved together: {name: keys}. Each tensor alone; in a large model, of the domains of a tower but two,
    all of a domain."""
    alone = {}
    for tower, axis, column in (("query", "surfaces", "surface"), ("item", "products", "product")):
        domains = [domain["name"] for domain in graph[axis]["domains"]]
        met = sorted(set(batch[column]))
        alone[tower] = domains if small else [domains[met[0]], domains[met[-1]], "shared"]
    groups = {}
    for key in keys:
        first, second = key.split(".")[:2]
        whole = first in alone and second not in alone[first]
        groups.setdefault(f"{first}.{second}" if whole else key, []).append(key)
    return groups


def moved_experts(key, known):
    """Those of the experts of which the outputs depend on a weight."""
    first, second = key.split(".")[:2]
    if first == "tables":
        return set(known)
    return {(tower, domain) for tower, domain in known if tower == first and second in (domain, "shared")}


def loss_along(model, batch, keys, step):
    """The loss of a training step with some weights moved."""
    moved = set().union(*(moved_experts(key, model.known) for key in keys))
    known = {expert: outputs for expert, outputs in model.known.items() if expert not in moved}
    weights = model.weights | {key: model.weights[key] + step * direction(key, model.weights[key].shape) for key in keys}
    return Model(model.graph, weights, known).forward(batch, training=True)[2]


def slope(model, batch, keys):
    """d loss / d t of some weights moved by t times their directions."""
    return np.imag(loss_along(model, batch, keys, 1j * STEP)) / STEP


def check_slopes(model, batch, groups, slopes):
    """Differences of the loss must agree, as far as they go: where no kink is crossed on the way they are exact to about
    1e-9. Returns the share of the groups in which they are."""
    close = 0
    for keys, exact in zip(groups.values(), slopes):
        losses = [loss_along(model, batch, keys, sign * 1e-6) for sign in (1.0, -1.0)]
        error = abs((losses[0] - losses[1]) / 2e-6 - exact)
        assert error < 1e-3, (keys, error, exact)
        close += error < 1e-8
    return close / len(groups)


def write(path, small):
    graph = load_graph(path)
    name = graph["model"]
    weights = {key: weight(key, shape) for key, shape in weight_shapes(graph)}
    batch = draw_batch(graph, small, np.random.default_rng(20250803))
    out = arrays(batch)
    evaluation = Model(graph, weights)
    for task, (rows, lp, lq) in evaluation.forward(batch, training=False)[0].items():
        out[f"evaluation/{task}/rows"] = np.array(rows, dtype=np.int64)
        out[f"evaluation/{task}/lp"], out[f"evaluation/{task}/lq"] = lp, lq
    model = Model(graph, weights)
    _, means, loss = model.forward(batch, training=True)
    out["training/loss"] = np.array([loss])
    for task, mean in means.items():
        out[f"training/{task}"] = np.array([mean])
    for key, (mean, variance) in model.running.items():
        out[f"running/{key}.running_mean"], out[f"running/{key}.running_var"] = mean, variance
    trained = [key for key in weights if ".running_" not in key]
    groups = groups_of(trained, batch, graph, small)
    slopes = [slope(model, batch, keys) for keys in groups.values()]
    out["slopes"] = np.array(slopes)
    # One array, since a header for each would be larger than what it holds.
    out["slopes/names"] = np.frombuffer("\n".join(groups).encode(), dtype=np.uint8)
    close = check_slopes(model, batch, groups, slopes) if small else None
    # The number of parameters that the graph claims, against the shapes it implies.
    assert sum(weights[key].size for key in trained) == graph["totals"]["parameters"]["all"], name
    # What the runtime calls the hash of the graph.
    graph_hash = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    out = {key: np.ascontiguousarray(value) for key, value in out.items()}
    save_file(out, HERE / f"{name}.safetensors", metadata={"graph_hash": graph_hash})
    agreed = "" if close is None else f", differences agree to 1e-8 in {close:.1%}"
    print(f"{name}: {len(weights)} weights, loss {loss:.6f}, {len(slopes)} slopes{agreed}", flush=True)


def main(names):
    small = [(path, True) for path in sorted((HERE / "graphs").glob("*.yaml"))]
    large = [(path, False) for path in sorted((HERE.parents[1] / "generated").glob("*/graph.yaml"))]
    for path, is_small in small + large:
        if not names or (path.stem if is_small else path.parent.name) in names:
            write(path, is_small)


main(sys.argv[1:])
