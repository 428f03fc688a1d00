"""An independent MTMD in NumPy, float64, built from `graph.yaml` alone.

It shares no code with the runtime: it reads the graph with a YAML parser, takes weights by their keys (graph path plus
PyTorch's names and layouts) and follows the formulas that the graph states. `fixtures_specs.py` writes what it computes.

Every function here is analytic between its kinks and takes complex numbers as well: the imaginary part of f(x + i h d) / h,
with a tiny h, is the slope of f at x along d, to the rounding of float64. Where there is a choice it goes by the real part.
"""

import numpy as np
import yaml


def load_graph(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


# --- layers ---------------------------------------------------------------------------------------------------------


def linear(x, weights, path):
    y = x @ weights[f"{path}.weight"].T
    bias = weights.get(f"{path}.bias")
    return y if bias is None else y + bias


def layer_norm(x, weights, path, eps):
    mean = x.mean(axis=1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=1, keepdims=True)
    normal = (x - mean) / np.sqrt(variance + eps)
    return normal * weights[f"{path}.weight"] + weights[f"{path}.bias"]


def leaky_relu(x, slope):
    return np.where(x.real >= 0, x, slope * x)


def sigmoid(x):
    return np.exp(log_sigmoid(x))


def log_sigmoid(x):
    size = np.where(x.real >= 0, x, -x)
    return np.where(x.real >= 0, 0, x) - np.log1p(np.exp(-size))


def log_add_exp(x, y):
    """ln(exp x + exp y)."""
    larger, smaller = np.where(x.real >= y.real, x, y), np.where(x.real >= y.real, y, x)
    return larger + np.log1p(np.exp(smaller - larger))


def softmax(x):
    e = np.exp(x - x.real.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def batch_norm(x, weights, path, eps, momentum, training):
    """Returns the normalised numbers and the running statistics after the step."""
    mean, variance = weights[f"{path}.running_mean"], weights[f"{path}.running_var"]
    after = (mean, variance)
    if training and len(x) > 1:
        mean = x.mean(axis=0)
        squares = ((x - mean) ** 2).sum(axis=0)
        variance, unbiased = squares / len(x), squares / (len(x) - 1)
        after = (
            (1 - momentum) * after[0] + momentum * mean,
            (1 - momentum) * after[1] + momentum * unbiased,
        )
    normal = (x - mean) / np.sqrt(variance + eps)
    return normal * weights[f"{path}.weight"] + weights[f"{path}.bias"], after


def ffn(x, weights, path, layers, eps, slope, norm="pre"):
    """Linear, LayerNorm, LeakyReLU, as often as the node has layers; or the norm last, or none."""
    for i in range(layers):
        x = linear(x, weights, f"{path}.{i}.linear")
        if norm == "pre":
            x = layer_norm(x, weights, f"{path}.{i}.norm", eps)
        x = leaky_relu(x, slope)
        if norm == "post":
            x = layer_norm(x, weights, f"{path}.{i}.norm", eps)
    return x


def squeeze_excitation(fields, weights, path):
    """Scales every field of the list [rows, width] by its own weight."""
    squeezed = np.stack([field.mean(axis=1) for field in fields], axis=1)
    hidden = leaky_relu(linear(squeezed, weights, f"{path}.squeeze"), 0.0)
    scale = sigmoid(linear(hidden, weights, f"{path}.excite"))
    return [field * scale[:, [i]] for i, field in enumerate(fields)]


def routing(x, weights, path, layers, eps, slope, norm="pre"):
    return softmax(linear(ffn(x, weights, path, layers, eps, slope, norm), weights, f"{path}.output"))


def cross(x, weights, path, depth, eps, norm="pre"):
    x0 = layer_norm(x, weights, f"{path}.norm", eps) if norm == "pre" else x
    x = x0
    for i in range(depth):
        x = x0 * linear(linear(x, weights, f"{path}.{i}.down"), weights, f"{path}.{i}.up") + x
    return layer_norm(x, weights, f"{path}.norm", eps) if norm == "post" else x


def mlp(x, weights, path, layers, eps, slope, norm="pre"):
    """An FFN in place of the crosses."""
    x = layer_norm(x, weights, f"{path}.norm", eps) if norm == "pre" else x
    x = ffn(x, weights, f"{path}.mlp", layers, eps, slope, norm)
    return layer_norm(x, weights, f"{path}.norm", eps) if norm == "post" else x


def shallow(x, weights, path, layers, eps, slope, norm="pre"):
    return linear(ffn(x, weights, path, layers, eps, slope, norm), weights, f"{path}.output")


def kl(label, lp, lq):
    """Bernoulli KL(label || p) from ln p and ln (1 - p)."""
    positive = np.where(label > 0, label * (np.log(np.where(label > 0, label, 1)) - lp), 0)
    other = 1 - label
    negative = np.where(other > 0, other * (np.log(np.where(other > 0, other, 1)) - lq), 0)
    return positive + negative


def constrained(z, parent):
    """ln p and ln (1 - p) of a task from its logit and its parent's (ln p, ln (1 - p)), if it has one."""
    if parent is None:
        return log_sigmoid(z), log_sigmoid(-z)
    lp, lq = parent
    return lp + log_sigmoid(z), log_add_exp(lq, lp + log_sigmoid(-z))
