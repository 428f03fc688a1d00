"""A whole MTMD from its graph: towers, heads and loss. See reference.py for the layers."""

import numpy as np

import reference as ref


class Model:
    """`weights` maps every key of the graph to a float64 array. `known` holds what another model with the same weights in these
    experts had of them: by tower and domain the outputs of its nodes, on the same batch."""

    def __init__(self, graph, weights, known=()):
        self.graph, self.weights, self.known = graph, weights, dict(known)
        constants = graph["definitions"]["constants"]
        self.eps = constants["norm_eps"]
        self.momentum = constants["batch_norm_momentum"]
        self.slope = constants["leaky_relu_slope"]
        self.running = {}
        self.axes = {
            tower: [domain["name"] for domain in graph[axis]["domains"]]
            for tower, axis in (("query", "surfaces"), ("item", "products"))
        }

    # --- fields -----------------------------------------------------------------------------------------------------

    def field(self, feature, columns, rows):
        """[rows, width] of one feature, as it comes from the tables or the data."""
        column = columns[feature["name"]]
        if feature["kind"] == "number":
            return column[rows][:, None]
        if feature["kind"] == "vector":
            return column[rows]
        table = self.weights[f"tables.{feature['table']}.weight"]
        if "pool" not in feature:
            return table[column[rows]]
        weights = columns.get(feature["name"] + "/weights")
        entries = [np.ones(len(ids)) for ids in column] if weights is None else weights
        return np.stack([pooled(table, column[row], entries[row], feature["pool"]) for row in rows])

    # --- one tower --------------------------------------------------------------------------------------------------

    def tower(self, name, domains, columns, training):
        """Embeddings by task: {task: {row: vector}}, for rows whose domains are `domains`."""
        features = {feature["name"]: feature for feature in self.graph[name]["features"]}
        embeddings = {}
        for expert in self.graph[name]["experts"]:
            for domain in expert["domains"]:
                rows = np.flatnonzero(domains == self.axes[name].index(domain))
                if len(rows) == 0:
                    continue
                if (name, domain) not in self.known:
                    names = [f for group in ("embedded", "vectors", "numbers") for f in expert[group]]
                    fields = {f: self.field(features[f], columns, rows) for f in names}
                    self.known[name, domain] = self.expert(name, domain, expert, fields, training)
                outputs = self.known[name, domain]
                for task in expert["tasks"]:
                    for row, vector in zip(rows, outputs[task]):
                        embeddings.setdefault(task, {})[row] = vector
        return embeddings

    def expert(self, tower, domain, expert, fields, training):
        """Outputs of every node of a Domain Expert."""
        raw = dict(fields)
        adapted = {}
        outputs = {}
        groups = {g: concat([fields[f] for f in expert[g]]) for g in ("embedded", "vectors", "numbers")}
        for path, node in expert["nodes"].items():
            key = f"{tower}.{domain}.{path}"
            inputs = [groups[i] for i in node.get("groups", [])] + [outputs[i] for i in node.get("inputs", [])]
            if node["kind"] == "batch_norm":
                outputs[path], self.running[key] = ref.batch_norm(
                    concat(inputs), self.weights, key, self.eps, self.momentum, training
                )
                for i, f in enumerate(expert["numbers"]):
                    fields[f] = outputs[path][:, [i]]
            elif node["kind"] == "squeeze_excitation":
                names = [f for group in ("embedded", "vectors", "numbers") for f in expert[group]]
                scaled = ref.squeeze_excitation([fields[f] for f in names], self.weights, key)
                adapted = dict(zip(names, scaled))
                outputs[path] = concat(scaled)
            elif path == "adapt":
                # Without Squeeze-and-Excitation the fields are as they are.
                adapted = {f: fields[f] for group in ("embedded", "vectors", "numbers") for f in expert[group]}
                outputs[path] = concat(inputs)
            elif node["kind"] == "domain_shared":
                outputs[path] = self.domain_shared(tower, node["shared"][0], adapted)
            elif node["kind"] == "shallow":
                x = concat([raw[f] for f in node["features"]])
                outputs[path] = ref.shallow(x, self.weights, key, len(node["hidden"]), self.eps, self.slope, norm(node))
            elif node["kind"] == "vector":
                rows = len(next(iter(fields.values())))
                outputs[path] = np.tile(self.weights[f"{key}.vector"], (rows, 1))
            else:
                outputs[path] = self.node(node, key, inputs, outputs)
        return outputs

    def node(self, node, key, inputs, outputs):
        """A node that reads only the outputs of others."""
        if node["kind"] == "ffn":
            return ref.ffn(concat(inputs), self.weights, key, len(node["widths"]), self.eps, self.slope, norm(node))
        if node["kind"] == "routing":
            return ref.routing(concat(inputs), self.weights, key, len(node["hidden"]), self.eps, self.slope, norm(node))
        if node["kind"] in ("cross", "compose", "mlp"):
            if "scaled_by" in node:
                scale = outputs[node["scaled_by"]]
                inputs = [x * scale[:, [i]] for i, x in enumerate(inputs)]
            x = sum(inputs) if node.get("composition") == "sum" else concat(inputs)
            if node["kind"] == "mlp":
                return ref.mlp(x, self.weights, key, len(node["widths"]), self.eps, self.slope, norm(node))
            return ref.cross(x, self.weights, key, node.get("depth", 0), self.eps, norm(node))
        if node["kind"] == "linear":
            return ref.linear(concat(inputs), self.weights, key)
        if node["kind"] == "concat":
            return concat(inputs)
        raise ValueError(f"unknown kind {node['kind']}")

    def domain_shared(self, tower, expert, adapted):
        """The tower's fields in canonical order, learned vectors in place of those the domain lacks."""
        shared = self.graph[tower]["shared"]
        widths = {feature["name"]: self.width(feature) for feature in self.graph[tower]["features"]}
        rows = len(next(iter(adapted.values())))
        stand_ins, start = {}, 0
        for name in shared.get("missing", {}).get("features", []):
            vector = self.weights[f"{tower}.shared.missing"][start : start + widths[name]]
            stand_ins[name] = np.tile(vector, (rows, 1))
            start += widths[name]
        x = concat([adapted[name] if name in adapted else stand_ins[name] for name in widths])
        node = shared[expert]
        key = f"{tower}.shared.{expert}"
        return ref.ffn(x, self.weights, key, len(node["widths"]), self.eps, self.slope, norm(node))

    def width(self, feature):
        if feature["kind"] == "embedded":
            return next(t["dim"] for t in self.graph["tables"] if t["name"] == feature["table"])
        return feature.get("width", 1)

    # --- heads and loss ---------------------------------------------------------------------------------------------

    def forward(self, batch, training):
        """{task: (rows, lp, lq)} on the rows whose cell exists, {task: mean} of those with a label, and the loss."""
        query = self.tower("query", batch["surface"], batch["query"], training)
        item = self.tower("item", batch["product"], batch["item"], training)
        everywhere = {"surfaces": self.axes["query"], "products": self.axes["item"]}
        scores, means, total = {}, {}, 0.0
        for task in self.graph["tasks"]:
            name, head = task["name"], self.graph["heads"][task["name"]]
            exists = {axis: task.get(axis, domains) for axis, domains in everywhere.items()}
            rows = [
                row
                for row in range(len(batch["surface"]))
                if everywhere["surfaces"][batch["surface"][row]] in exists["surfaces"]
                and everywhere["products"][batch["product"][row]] in exists["products"]
            ]
            dots = np.array([query[name][row] @ item[name][row] for row in rows])
            z = dots if head.get("scale") == "none" else dots / np.sqrt(head["in"])
            if head.get("bias") != "none":
                z = z + self.weights[f"heads.{name}.bias"][0]
            parent = None
            if "given" in head:
                known, lp, lq = scores[head["given"]]
                at = [known.index(row) for row in rows]
                parent = lp[at], lq[at]
            lp, lq = ref.constrained(z, parent)
            scores[name] = rows, lp, lq
            label = batch["labels"][name][rows]
            valid = ~np.isnan(label)
            if valid.any():
                w = batch["weights"][name][rows][valid] if "sample_weight" in task else np.ones(valid.sum())
                means[name] = (w * ref.kl(label[valid], lp[valid], lq[valid])).sum() / w.sum()
                total += task["weight"] * means[name]
        return scores, means, total


def norm(node):
    """Where LayerNorm stands."""
    return node.get("norm", "pre")


def pooled(table, rows, weights, pool):
    known = [(row, weight) for row, weight in zip(rows, weights) if row != 0]
    weight = sum(weight for _, weight in known)
    if not known or weight == 0.0:
        return np.zeros(table.shape[1])
    total = sum(weight * table[row] for row, weight in known)
    return total / weight if pool == "mean" else total


def concat(parts):
    return np.concatenate(parts, axis=1) if parts else None


# --- keys, shapes and deterministic weights ---------------------------------------------------------------------------


def ffn_shapes(key, inputs, widths, normalised=True):
    for i, width in enumerate(widths):
        yield f"{key}.{i}.linear.weight", (width, inputs)
        yield f"{key}.{i}.linear.bias", (width,)
        if normalised:
            yield f"{key}.{i}.norm.weight", (width,)
            yield f"{key}.{i}.norm.bias", (width,)
        inputs = width


def node_shapes(key, node):
    kind, normalised = node["kind"], norm(node) != "none"
    if kind == "batch_norm":
        for name in ("weight", "bias", "running_mean", "running_var"):
            yield f"{key}.{name}", (node["out"],)
    elif kind == "squeeze_excitation":
        yield f"{key}.squeeze.weight", (node["hidden"], node["fields"])
        yield f"{key}.squeeze.bias", (node["hidden"],)
        yield f"{key}.excite.weight", (node["fields"], node["hidden"])
        yield f"{key}.excite.bias", (node["fields"],)
    elif kind == "ffn":
        yield from ffn_shapes(key, node["in"], node["widths"], normalised)
    elif kind in ("routing", "shallow"):
        yield from ffn_shapes(key, node["in"], node["hidden"], normalised)
        yield f"{key}.output.weight", (node["out"], (node["hidden"] or [node["in"]])[-1])
        yield f"{key}.output.bias", (node["out"],)
    elif kind in ("cross", "compose"):
        if normalised:
            yield f"{key}.norm.weight", (node["out"],)
            yield f"{key}.norm.bias", (node["out"],)
        for i in range(node.get("depth", 0)):
            yield f"{key}.{i}.down.weight", (node["rank"], node["out"])
            yield f"{key}.{i}.up.weight", (node["out"], node["rank"])
            yield f"{key}.{i}.up.bias", (node["out"],)
    elif kind == "mlp":
        width = node["in"] if norm(node) == "pre" else node["widths"][-1]
        if normalised:
            yield f"{key}.norm.weight", (width,)
            yield f"{key}.norm.bias", (width,)
        yield from ffn_shapes(f"{key}.mlp", node["in"], node["widths"], normalised)
    elif kind == "linear":
        yield f"{key}.weight", (node["out"], node["in"])
        yield f"{key}.bias", (node["out"],)
    elif kind == "vector":
        yield f"{key}.vector", (node["out"],)
    elif kind == "missing":
        yield key, (node["out"],)


def weight_shapes(graph):
    """Every key of the model with its shape."""
    for table in graph["tables"]:
        yield f"tables.{table['name']}.weight", (table["rows"], table["dim"])
    for tower in ("query", "item"):
        for path, node in graph[tower]["shared"].items():
            yield from node_shapes(f"{tower}.shared.{path}", node)
        for expert in graph[tower]["experts"]:
            for domain in expert["domains"]:
                for path, node in expert["nodes"].items():
                    yield from node_shapes(f"{tower}.{domain}.{path}", node)
    for task, head in graph["heads"].items():
        if head.get("bias") != "none":
            yield f"heads.{task}.bias", (1,)


MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


def uniform(key, count):
    """`count` numbers in [-1, 1) that depend on the key alone: SplitMix64 started at the key's FNV-1a hash."""
    state = 0xCBF29CE484222325
    for byte in key.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def weight(key, shape):
    """A weight that float32 holds exactly, of a size that keeps activations near 1."""
    u = uniform(key, int(np.prod(shape)))
    if key.startswith("tables."):
        value = u
    elif key.endswith(".running_var"):
        value = 1.0 + 0.5 * u
    elif len(shape) == 2:
        value = u * np.sqrt(3.0 / shape[1])
    elif key.endswith(".norm.weight"):
        value = 1.0 + 0.25 * u
    else:
        value = 0.25 * u
    value = value.astype(np.float32).astype(np.float64).reshape(shape)
    if key.startswith("tables."):
        value[0] = 0.0
    return value
