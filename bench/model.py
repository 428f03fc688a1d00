"""The dense part of any model of ours in PyTorch, built from its `graph.yaml` alone.

`Model(graph)` has every weight under its key of the graph in `Model.named`: a safetensors file of ours is loaded name by
name. It takes rows grouped by domain, runs one Domain Expert of each tower a row, and computes no cell that does not exist.

What a careful PyTorch author would do for speed is done: the first layers of all experts that read the same input are one
product (`fuse`), the domain-shared expert runs once a tower over the rows of all domains, outputs are concatenated once, and
only one side of a dot product is permuted.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

GROUPS = ("embedded", "vectors", "numbers")
AXES = {"query": "surfaces", "item": "products"}


def load_graph(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def domains(graph, tower):
    return [domain["name"] for domain in graph[AXES[tower]]["domains"]]


def field_widths(graph, tower):
    """Width of every feature of a tower, in canonical order."""
    dims = {table["name"]: table["dim"] for table in graph["tables"]}
    return {
        feature["name"]: dims[feature["table"]] if feature["kind"] == "embedded" else feature.get("width", 1)
        for feature in graph[tower]["features"]
    }


# --- weights by name -------------------------------------------------------------------------------------------------


class Weights:
    """Makes parameters and keeps a view of each under its key of the graph, also where several are one parameter."""

    def __init__(self, device, dtype):
        self.device, self.dtype = device, dtype
        self.views: dict[str, tuple[Tensor, slice | None]] = {}

    def _take(self, keys, shapes, make):
        """One parameter of the arrays `keys`, one under the other."""
        rows = sum(shape[0] for shape in shapes)
        tensor = make(torch.zeros((rows, *shapes[0][1:]), device=self.device, dtype=self.dtype))
        start = 0
        for key, shape in zip(keys, shapes):
            part = slice(start, start + shape[0]) if len(keys) > 1 else None
            assert key not in self.views, key
            self.views[key] = tensor, part
            start += shape[0]
        return tensor

    def parameter(self, key, *shape, fill=None, bound=None):
        parameter = self._take([key], [shape], nn.Parameter)
        with torch.no_grad():
            if fill is not None:
                parameter.fill_(fill)
            if bound is not None:
                parameter.uniform_(-bound, bound)
        return parameter

    def buffer(self, key, *shape, fill=0.0):
        return self._take([key], [shape], lambda x: x).fill_(fill)

    def linear(self, keys, inputs, outputs, bias=True):
        """Weight and bias of one linear map, or of several on one input as one."""
        keys, outputs = ([keys], [outputs]) if isinstance(keys, str) else (keys, outputs)
        bound = 1.0 / math.sqrt(max(inputs, 1))
        weight = self._take([f"{key}.weight" for key in keys], [(out, inputs) for out in outputs], nn.Parameter)
        nn.init.uniform_(weight, -bound, bound)
        if not bias:
            return weight, None
        offset = self._take([f"{key}.bias" for key in keys], [(out,) for out in outputs], nn.Parameter)
        nn.init.uniform_(offset, -bound, bound)
        return weight, offset

    def view(self, key, of=lambda tensor: tensor.detach()):
        tensor, part = self.views[key]
        tensor = of(tensor)
        return tensor if tensor is None or part is None else tensor[part]


# --- blocks ----------------------------------------------------------------------------------------------------------


@dataclass
class Constants:
    eps: float
    momentum: float
    slope: float


class Linear(nn.Module):
    def __init__(self, weights, key, inputs, outputs, bias=True):
        super().__init__()
        self.weight, self.bias = weights.linear(key, inputs, outputs, bias)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class LayerNorm(nn.Module):
    def __init__(self, weights, key, width, constants):
        super().__init__()
        self.weight = weights.parameter(f"{key}.weight", width, fill=1.0)
        self.bias = weights.parameter(f"{key}.bias", width, fill=0.0)
        self.eps, self.width = constants.eps, (width,)

    def forward(self, x):
        return F.layer_norm(x, self.width, self.weight, self.bias, self.eps)


class Ffn(nn.Module):
    """Layers of Linear, LayerNorm and LeakyReLU. Of a `fused` one the first product is made elsewhere."""

    def __init__(self, weights, key, inputs, widths, norm, constants, fused=False):
        super().__init__()
        self.norm, self.slope = norm, constants.slope
        self.linears, self.norms = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(widths):
            if i > 0 or not fused:
                self.linears.append(Linear(weights, f"{key}.{i}.linear", inputs, width))
            if norm != "none":
                self.norms.append(LayerNorm(weights, f"{key}.{i}.norm", width, constants))
            inputs = width
        self.layers, self.skip, self.width = len(widths), int(fused), inputs

    def forward(self, x):
        for i in range(self.layers):
            if i >= self.skip:
                x = self.linears[i - self.skip](x)
            if self.norm == "pre":
                x = self.norms[i](x)
            x = F.leaky_relu(x, self.slope)
            if self.norm == "post":
                x = self.norms[i](x)
        return x


class Cross(nn.Module):
    """The kinds `cross`, `compose` and `mlp`: what makes one vector of the experts' outputs."""

    def __init__(self, weights, key, node, constants):
        super().__init__()
        self.norm_at, kind = node.get("norm", "pre"), node["kind"]
        self.composition = node.get("composition", "concat")
        width = node["in"] if kind == "mlp" else node["out"]
        last = node["widths"][-1] if kind == "mlp" and self.norm_at == "post" else width
        self.norm = LayerNorm(weights, f"{key}.norm", last, constants) if self.norm_at != "none" else None
        self.mlp = Ffn(weights, f"{key}.mlp", width, node["widths"], self.norm_at, constants) if kind == "mlp" else None
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for i in range(node.get("depth", 0)):
            self.down.append(Linear(weights, f"{key}.{i}.down", width, node["rank"], bias=False))
            self.up.append(Linear(weights, f"{key}.{i}.up", node["rank"], width))
        self.depth = len(self.down)

    def compose(self, experts, scale):
        if scale is None:
            return sum(experts) if self.composition == "sum" else torch.cat(experts, 1)
        if len({expert.shape[1] for expert in experts}) > 1:
            return torch.cat([expert * scale[:, i : i + 1] for i, expert in enumerate(experts)], 1)
        rows, width = experts[0].shape
        scaled = torch.stack(experts, 1) * scale.unsqueeze(2)
        return scaled.sum(1) if self.composition == "sum" else scaled.view(rows, len(experts) * width)

    def forward(self, experts, scale):
        x = self.compose(experts, scale)
        if self.norm_at == "pre":
            x = self.norm(x)
        if self.mlp is not None:
            x = self.mlp(x)
        x0 = x
        for i in range(self.depth):
            x = torch.addcmul(x, x0, self.up[i](self.down[i](x)))
        return self.norm(x) if self.norm_at == "post" else x


class Adapt(nn.Module):
    """BatchNorm of the numbers and Squeeze-and-Excitation over the fields of one domain."""

    def __init__(self, weights, key, expert, widths, constants):
        super().__init__()
        self.constants, self.momentum = constants, constants.momentum
        numbers, nodes = len(expert["numbers"]), expert["nodes"]
        self.normalised = "adapt.norm" in nodes
        if self.normalised:
            self.weight = weights.parameter(f"{key}.adapt.norm.weight", numbers, fill=1.0)
            self.bias = weights.parameter(f"{key}.adapt.norm.bias", numbers, fill=0.0)
            self.register_buffer("mean", weights.buffer(f"{key}.adapt.norm.running_mean", numbers))
            self.register_buffer("var", weights.buffer(f"{key}.adapt.norm.running_var", numbers, fill=1.0))
        node = nodes["adapt"]
        self.excited = node["kind"] == "squeeze_excitation"
        if self.excited:
            fields = [widths[name] for group in GROUPS for name in expert[group]]
            self.squeeze = Linear(weights, f"{key}.adapt.squeeze", len(fields), node["hidden"])
            self.excite = Linear(weights, f"{key}.adapt.excite", node["hidden"], len(fields))
            # Column by column the field it is of; the means are one small product.
            field = torch.repeat_interleave(torch.arange(len(fields)), torch.tensor(fields))
            means = torch.zeros(len(fields), sum(fields), dtype=torch.float64)
            means[field, torch.arange(sum(fields))] = 1.0 / torch.tensor(fields, dtype=torch.float64)[field]
            self.register_buffer("field", field.to(weights.device))
            self.register_buffer("means", means.to(weights.device, weights.dtype))

    def forward(self, embedded, vectors, numbers):
        if self.normalised and numbers is not None:
            training = self.training and numbers.shape[0] > 1
            numbers = F.batch_norm(
                numbers, self.mean, self.var, self.weight, self.bias, training, self.momentum, self.constants.eps
            )
        parts = [part for part in (embedded, vectors, numbers) if part is not None]
        x = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        if not self.excited:
            return x
        scale = torch.sigmoid(self.excite(F.relu(self.squeeze(F.linear(x, self.means)))))
        return x * scale.index_select(1, self.field)


class TaskExpert(nn.Module):
    """A task on a domain: deep expert, routing, crossing, embedding; shallow expert or learned vector."""

    def __init__(self, weights, key, task, nodes, columns, constants, fused):
        super().__init__()
        node = lambda name: nodes.get(f"{task}.{name}")
        path = lambda name: f"{key}.{task}.{name}"
        ffn = lambda n, k, widths, fused=False: Ffn(
            weights, k, n["in"], widths, n.get("norm", "pre"), constants, fused
        )
        self.deep = ffn(node("deep"), path("deep"), node("deep")["widths"], fused)
        routing = node("routing")
        self.routing = ffn(routing, path("routing"), routing["hidden"], fused) if routing else None
        self.mix = Linear(weights, path("routing.output"), self.routing.width, routing["out"]) if routing else None
        self.cross = Cross(weights, path("cross"), node("cross"), constants)
        embedding, shallow = node("embedding"), node("shallow")
        self.embedding = Linear(weights, path("embedding"), embedding["in"], embedding["out"])
        self.out = embedding["out"] + shallow["out"]
        if shallow["kind"] == "vector":
            self.vector = weights.parameter(path("shallow.vector"), shallow["out"], bound=shallow["out"] ** -0.5)
            self.shallow = None
        else:
            self.shallow = ffn(shallow, path("shallow"), shallow["hidden"])
            self.shallow_output = Linear(weights, path("shallow.output"), self.shallow.width, shallow["out"])
            self.columns = [columns[name] for name in shallow["features"]]

    def forward(self, deep, routing, embedded, shared):
        """[rows, out], from what `deep` and `routing` start with, the raw embeddings and the shared experts' outputs."""
        scale = None if self.routing is None else torch.softmax(self.mix(self.routing(routing)), 1)
        x = self.embedding(self.cross([self.deep(deep), *shared], scale))
        if self.shallow is None:
            return torch.cat([x, self.vector.expand(x.shape[0], -1)], 1)
        parts = [embedded[:, columns] for columns in self.columns]
        shallow = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return torch.cat([x, self.shallow_output(self.shallow(shallow))], 1)


class DomainExpert(nn.Module):
    """One domain of a tower, but for the experts that all domains share."""

    def __init__(self, weights, tower, domain, expert, widths, constants, fuse):
        super().__init__()
        key, nodes = f"{tower}.{domain}", expert["nodes"]
        self.domain, self.tasks = domain, expert["tasks"]
        self.fields = [name for group in GROUPS for name in expert[group]]
        self.adapt = Adapt(weights, key, expert, widths, constants)
        shared = [name for name, node in nodes.items() if name.startswith("task_shared") and node["kind"] == "ffn"]
        # Everything that starts with a product on x_d, and the width of that product.
        self.starts = {name: nodes[name]["widths"][:1] for name in shared}
        for task in self.tasks:
            self.starts[f"{task}.deep"] = nodes[f"{task}.deep"]["widths"][:1]
            if f"{task}.routing" in nodes:
                self.starts[f"{task}.routing"] = nodes[f"{task}.routing"]["hidden"][:1]
        self.fused = fuse and all(self.starts.values()) and len(self.starts) > 1
        if self.fused:
            keys = [f"{key}.{name}.0.linear" for name in self.starts]
            self.sizes = [width for (width,) in self.starts.values()]
            self.first = nn.Module()
            self.first.weight, self.first.bias = weights.linear(keys, expert["width"], self.sizes)
        self.names = list(self.starts)
        ffn = lambda name: Ffn(
            weights,
            f"{key}.{name}",
            nodes[name]["in"],
            nodes[name]["widths"],
            nodes[name].get("norm", "pre"),
            constants,
            self.fused,
        )
        self.shared_names = shared
        self.task_shared = nn.ModuleList(ffn(name) for name in shared)
        columns, start = {}, 0
        for name in expert["embedded"]:
            columns[name] = slice(start, start + widths[name])
            start += widths[name]
        self.experts = nn.ModuleList(
            TaskExpert(weights, key, task, nodes, columns, constants, self.fused) for task in self.tasks
        )

    def forward(self, x, embedded, domain_shared):
        """One tensor [rows, N + shallow width] a task."""
        if self.fused:
            parts = F.linear(x, self.first.weight, self.first.bias).split(self.sizes, 1)
            start = dict(zip(self.names, parts))
        else:
            start = dict.fromkeys(self.names, x)
        shared = [ffn(start[name]) for name, ffn in zip(self.shared_names, self.task_shared)] + domain_shared
        return [
            expert(start[f"{task}.deep"], start.get(f"{task}.routing"), embedded, shared)
            for task, expert in zip(self.tasks, self.experts)
        ]


class Tower(nn.Module):
    def __init__(self, graph, tower, weights, constants, fuse):
        super().__init__()
        widths, shared = field_widths(graph, tower), graph[tower]["shared"]
        by_domain = {}
        for expert in graph[tower]["experts"]:
            for domain in expert["domains"]:
                by_domain[domain] = DomainExpert(weights, tower, domain, expert, widths, constants, fuse)
        self.experts = nn.ModuleList(by_domain[name] for name in domains(graph, tower))
        self.shared = nn.ModuleList()
        for path, node in shared.items():
            if path != "missing":
                key, norm = f"{tower}.shared.{path}", node.get("norm", "pre")
                self.shared.append(Ffn(weights, key, node["in"], node["widths"], norm, constants))
        self.missing = None
        if "missing" in shared:
            self.missing = weights.parameter(f"{tower}.shared.missing", shared["missing"]["out"], fill=0.0)
        self.runs = [runs(widths, shared.get("missing", {}).get("features", []), e.fields) for e in self.experts]

    def canonical(self, x, runs):
        """The adapted fields in the tower's order, learned vectors in place of those that the domain lacks."""
        if all(present for present, _ in runs):
            return x
        rows = x.shape[0]
        parts = [x[:, part] if present else self.missing[part].expand(rows, -1) for present, part in runs]
        return torch.cat(parts, 1)

    def forward(self, inputs):
        """By domain a list of one tensor a task; None for a domain without rows. `inputs[d]` is (embedded, vectors,
        numbers), or None."""
        here = [d for d, rows in enumerate(inputs) if rows is not None]
        adapted = [self.experts[d].adapt(*inputs[d]) for d in here]
        shared = [[] for _ in here]
        if len(self.shared) > 0:
            canonical = [self.canonical(x, self.runs[d]) for d, x in zip(here, adapted)]
            x = canonical[0] if len(here) == 1 else torch.cat(canonical, 0)
            sizes = [rows.shape[0] for rows in adapted]
            for expert in self.shared:
                for to, part in zip(shared, expert(x).split(sizes, 0)):
                    to.append(part)
        out = [None] * len(inputs)
        for d, x, common in zip(here, adapted, shared):
            out[d] = self.experts[d](x, inputs[d][0], common)
        return out


def runs(widths, missing, fields):
    """Neighbouring columns of the tower that come from one place: (from x_d?, columns there)."""
    found, start = [], {True: 0, False: 0}
    starts, offset = {}, 0
    for name in fields:
        starts[name] = offset
        offset += widths[name]
    for name, width in widths.items():
        present = name in starts
        at = starts[name] if present else start[False]
        if found and found[-1][0] == present and found[-1][1].stop == at:
            found[-1] = present, slice(found[-1][1].start, at + width)
        else:
            found.append((present, slice(at, at + width)))
        if name in missing:
            start[False] += width
    return found


# --- the whole -------------------------------------------------------------------------------------------------------


class Model(nn.Module):
    """Towers, heads and loss."""

    def __init__(self, graph, device="cpu", dtype=torch.float32, fuse=True):
        super().__init__()
        constants = graph["definitions"]["constants"]
        constants = Constants(
            constants["norm_eps"], constants["batch_norm_momentum"], constants["leaky_relu_slope"]
        )
        self.weights = Weights(torch.device(device), dtype)
        self.query = Tower(graph, "query", self.weights, constants, fuse)
        self.item = Tower(graph, "item", self.weights, constants, fuse)
        self.tasks = graph["tasks"]
        # On the device, as all that a step reads: a number of the host would be an input of its own to a compiled model.
        parts = torch.tensor([task["weight"] for task in self.tasks], device=device, dtype=dtype)
        self.register_buffer("parts", parts, persistent=False)
        self.heads = [graph["heads"][task["name"]] for task in self.tasks]
        self.biases = nn.ParameterDict()
        for task, head in zip(self.tasks, self.heads):
            if head.get("bias") != "none":
                name = task["name"]
                self.biases[f"bias_{name}"] = self.weights.parameter(f"heads.{name}.bias", 1, fill=0.0)

    def load(self, arrays):
        """Takes every dense array of a weights file, name by name."""
        left = {key: value for key, value in arrays.items() if not key.startswith("tables.")}
        for key in self.weights.views:
            view = self.weights.view(key)
            value = left.pop(key, None)
            if value is None or view.shape != value.shape:
                found = "is not there" if value is None else f"is {list(value.shape)}"
                sys.exit(f"error: `{key}` {found} in the weights, the graph says {list(view.shape)}: dump graph and weights together")
            view.copy_(value)
        if left:
            sys.exit(f"error: the graph has no {', '.join(sorted(left)[:5])}: dump graph and weights together")

    def named(self):
        """Every dense parameter and buffer by its key."""
        return {key: self.weights.view(key) for key in self.weights.views}

    def gradients(self):
        """The gradient of every dense parameter by its key; None where there is none."""
        return {
            key: self.weights.view(key, lambda tensor: tensor.grad)
            for key, (tensor, _) in self.weights.views.items()
            if tensor.requires_grad
        }

    def scores(self, inputs, heads):
        """By task (ln p, ln (1 - p)) over the rows of `heads`; None for a task without rows."""
        query, item = self.query(inputs["query"]), self.item(inputs["item"])
        scores = {}
        for task, head, rows in zip(self.tasks, self.heads, heads):
            name, given = task["name"], head.get("given")
            if rows is None or (given is not None and scores[given] is None):
                scores[name] = None
                continue
            q = select(beside(self.query, query, name), rows.query)
            i = select(beside(self.item, item, name), rows.item)
            z = (q * i).sum(1)
            if head.get("scale") != "none":
                z = z * (1.0 / math.sqrt(head["in"]))
            if head.get("bias") != "none":
                z = z + self.biases[f"bias_{name}"]
            up, down = F.logsigmoid(z), F.logsigmoid(-z)
            if given is not None:
                lp, lq = (select(x, rows.parent) for x in scores[given])
                up, down = lp + up, torch.logaddexp(lq, lp + down)
            scores[name] = up, down
        return scores

    def forward(self, inputs, heads):
        """The loss [] and, by task, its part [] or None."""
        total, losses = None, []
        for part, rows, score in zip(self.parts.unbind(0), heads, self.scores(inputs, heads).values()):
            if score is None or rows.share is None:
                losses.append(None)
                continue
            lp, lq = score
            cross = torch.dot(rows.positive, lp.to(rows.positive)) + torch.dot(rows.negative, lq.to(rows.negative))
            loss = -cross - rows.entropy
            losses.append(loss.detach())
            total = part * loss if total is None else total + part * loss
        return total, losses


def beside(tower, outputs, task):
    """The embeddings of a task over all domains that have it, [places, out]."""
    parts = [
        tasks[expert.tasks.index(task)]
        for expert, tasks in zip(tower.experts, outputs)
        if tasks is not None and task in expert.tasks
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 0)


def select(x, rows):
    return x if rows is None else x.index_select(0, rows)
