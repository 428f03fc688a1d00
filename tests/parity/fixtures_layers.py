"""Writes layers.safetensors: inputs, weights and outputs of every layer, computed by reference.py in float64.

    python tests/parity/fixtures_layers.py

Needs numpy, pyyaml and safetensors. Keys are `case/name`; weights stand under their PyTorch names. Everything but outputs is
rounded to float32 first, so that both sides start from the same numbers.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import reference as ref

EPS, MOMENTUM, SLOPE = 1e-5, 0.1, 0.2
rng = np.random.default_rng(20250803)


def draw(*shape, scale=1.0, shift=0.0):
    """Normal numbers that float32 holds exactly."""
    return (shift + scale * rng.standard_normal(shape)).astype(np.float32).astype(np.float64)


def linear_weights(path, inputs, outputs, bias=True):
    weights = {f"{path}.weight": draw(outputs, inputs, scale=inputs**-0.5)}
    if bias:
        weights[f"{path}.bias"] = draw(outputs, scale=0.1)
    return weights


def norm_weights(path, width):
    return {f"{path}.weight": draw(width, scale=0.2, shift=1.0), f"{path}.bias": draw(width, scale=0.2)}


def ffn_weights(path, inputs, widths):
    weights = {}
    for i, width in enumerate(widths):
        weights |= linear_weights(f"{path}.{i}.linear", inputs, width) | norm_weights(f"{path}.{i}.norm", width)
        inputs = width
    return weights


cases = {}


def case(name, weights, **tensors):
    for key, value in (weights | tensors).items():
        cases[f"{name}/{key}"] = np.ascontiguousarray(value)


x = draw(6, 9)
w = linear_weights("layer", 9, 5)
case("linear", w, x=x, y=ref.linear(x, w, "layer"))

w = norm_weights("layer", 9)
x = draw(6, 9, scale=3.0, shift=2.0)
case("layer_norm", w, x=x, y=ref.layer_norm(x, w, "layer", EPS))

w = norm_weights("layer", 4) | {
    "layer.running_mean": draw(4, scale=0.5),
    "layer.running_var": np.abs(draw(4)) + np.float64(np.float32(0.5)),
}
for name, rows, training in [("training", 8, True), ("evaluation", 8, False), ("single_row", 1, True)]:
    x = draw(rows, 4, scale=2.0, shift=1.0)
    y, (mean, variance) = ref.batch_norm(x, w, "layer", EPS, MOMENTUM, training)
    case(f"batch_norm_{name}", w, x=x, y=y, running_mean_after=mean, running_var_after=variance)

w = ffn_weights("layer", 9, [8, 5])
x = draw(6, 9)
case("ffn", w, x=x, y=ref.ffn(x, w, "layer", 2, EPS, SLOPE))

widths = [3, 4, 5, 1, 1]
w = linear_weights("layer.squeeze", 5, 2) | linear_weights("layer.excite", 2, 5)
x = draw(6, sum(widths), scale=2.0)
fields = np.split(x, np.cumsum(widths)[:-1], axis=1)
y = np.concatenate(ref.squeeze_excitation(fields, w, "layer"), axis=1)
case("squeeze_excitation", w, widths=np.array(widths, dtype=np.int64), x=x, y=y)

w = ffn_weights("layer", 9, [8, 4]) | linear_weights("layer.output", 4, 3)
x = draw(6, 9)
case("routing", w, x=x, y=ref.routing(x, w, "layer", 2, EPS, SLOPE))

w = norm_weights("layer.norm", 12)
for i in range(2):
    w |= linear_weights(f"layer.{i}.down", 12, 3, bias=False) | linear_weights(f"layer.{i}.up", 3, 12)
x = draw(6, 12)
case("cross", w, x=x, y=ref.cross(x, w, "layer", 2, EPS))

w = ffn_weights("layer", 5, [7]) | linear_weights("layer.output", 7, 4)
x = draw(6, 5)
case("shallow", w, x=x, y=ref.shallow(x, w, "layer", 1, EPS, SLOPE))

# A chain and a branch: a, b given a, c given b, d given a; ordinary and extreme logits.
z = np.stack([
    np.concatenate([draw(8, scale=3.0), [80.0, -80.0, 80.0, -80.0, 0.0, 30.0]]),
    np.concatenate([draw(8, scale=3.0), [80.0, 80.0, -80.0, -80.0, 0.0, -30.0]]),
    np.concatenate([draw(8, scale=3.0), [-80.0, 80.0, 80.0, -80.0, 0.0, 30.0]]),
    np.concatenate([draw(8, scale=3.0), [80.0, 80.0, 80.0, 80.0, 0.0, 30.0]]),
])
parents = [None, 0, 1, 0]
scores = []
for logit, parent in zip(z, parents):
    scores.append(ref.constrained(logit, None if parent is None else scores[parent]))
lp, lq = (np.stack([score[i] for score in scores]) for i in (0, 1))
label = np.clip(rng.random(z.shape), 0, 1).astype(np.float32).astype(np.float64)
label[:, 0], label[:, 1] = 0.0, 1.0
case("heads", {}, z=z, lp=lp, lq=lq, label=label, kl=ref.kl(label, lp, lq))

save_file(cases, Path(__file__).parent / "layers.safetensors")
print(f"{len(cases)} tensors")
