"""Raw values as inputs of the graphs, from `encoder.json` and the vocabularies next to it. It does not detect bad rows."""

import bisect
import datetime
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa

MASK = (1 << 64) - 1
PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6}
PER_SECOND |= {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def mix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def hash_of(value):
    if not isinstance(value, str):
        return mix(value & MASK)
    state = 0xCBF29CE484222325
    for byte in value.encode():
        state = (state ^ byte) * 0x100000001B3 & MASK
    return mix(state)


def key(value):
    """A raw value: a whole number, a string, or None if it is missing."""
    if isinstance(value, float):
        return None if math.isnan(value) else int(value)
    return value.decode() if isinstance(value, bytes) else value


class Table:
    """The rows of a table's values."""

    def __init__(self, table, folder):
        self.index, self.rows, self.oov = table["index"], table["rows"], table["oov"]
        values = table.get("values", [])
        if self.index == "lines":
            lines = (folder / table["file"]).read_bytes().decode().removesuffix("\n").split("\n")
            values = [int(line) if table["whole"] else line.removesuffix("\r") for line in lines]
        if self.index == "vocabulary":
            learned = json.loads((folder / table["file"]).read_text("utf-8"))["vocabularies"]
            values = next(one["values"] for one in learned if one["table"] == table["name"])
        self.known = {value: row for row, value in enumerate(values, 1)}

    def row(self, value):
        if value is None or self.rows == 1:
            return 0
        if self.index == "hash":
            return 1 + hash_of(value) % (self.rows - 1)
        if value in self.known:
            return self.known[value]
        return self.rows - self.oov + hash_of(value) % self.oov if self.oov else 0


def derived(column, derive):
    """The whole numbers that a feature derives from its column."""
    if derive == "length":
        values = map(key, column.to_pylist())
        return [None if value is None else len(value) for value in values]
    unit = derive["time"]["unit"]
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(column.type):
        unit, column = column.type.unit, column.cast(pa.int64())
    parts = []
    for count in column.to_pylist():
        if count is None or count != count:
            parts.append(None)
            continue
        days, second = divmod(math.floor(count) // PER_SECOND[unit], 86400)
        month = datetime.date.fromordinal(days + 719163).month
        part = {"hour": second // 3600, "weekday": (days + 3) % 7, "day": days, "month": month}
        parts.append(part[derive["time"]["part"]])
    return parts


class Encoder:
    """The encoding of an export."""

    def __init__(self, folder):
        folder = Path(folder)
        self.spec = json.loads((folder / "encoder.json").read_text("utf-8"))
        self.tables = {one["name"]: Table(one, folder) for one in self.spec["tables"]}

    def domains(self, axis, table):
        """The domain of each row, None where it has none; `axis` is `surfaces` or `products`."""
        axis = self.spec[axis]
        names = {value: one["name"] for one in axis["domains"] for value in one["values"]}
        return [names.get(key(value)) for value in table[axis["column"]].to_pylist()]

    def inputs(self, tower, domain, table):
        """The inputs of the graph of a domain, by name, for rows of that domain."""
        inputs = {}
        for feature in self.spec[tower]:
            if domain in feature["domains"]:
                inputs |= self.one(feature, table)
        return inputs

    def one(self, feature, table):
        """The inputs of a feature: its own, and `NAME.weights` if its lists have weights."""
        column = table[feature["column"]]
        values = derived(column, feature["derive"]) if "derive" in feature else column.to_pylist()
        weights = table[feature["weights"]].to_pylist() if feature.get("weights") else None
        return self.encoded(feature, values, weights)

    def encoded(self, feature, values, weights):
        kind, name = feature["kind"], feature["name"]
        if kind == "id":
            keys = (feature["default"] if key(value) is None else key(value) for value in values)
            rows = [self.tables[feature["table"]].row(value) for value in keys]
            return {name: np.array(rows, np.int64)}
        if kind == "ids":
            row = self.tables[feature["table"]].row
            rows = [[row(key(value)) for value in entries or []] for entries in values]
            inputs = {name: padded(rows, feature["last"], np.int64)}
            if weights is not None:
                inputs[f"{name}.weights"] = padded(weights, feature["last"], np.float32)
            return inputs
        if kind == "vector":
            zeros = [0.0] * feature["width"]
            return {name: np.array([zeros if value is None else value for value in values], np.float32)}
        numbers = [feature["default"] if value is None else float(value) for value in values]
        if kind == "buckets":
            bounds = feature["boundaries"]
            rows = [0 if number is None else 1 + bisect.bisect_right(bounds, number) for number in numbers]
            return {name: np.array(rows, np.int64)}
        numbers = np.array(numbers, np.float64)
        if feature["clip"]:
            numbers = np.minimum(np.maximum(numbers, feature["clip"][0]), feature["clip"][1])
        if feature["log"]:
            numbers = np.copysign(np.log1p(np.abs(numbers)), numbers)
        if feature["standardise"]:
            mean, deviation = feature["standardise"]
            numbers = (numbers - mean) / deviation
        return {name: numbers.astype(np.float32)}


def padded(lists, last, dtype):
    """Lists as rows of one length, padded with 0; only their last entries if `last` is not None."""
    lists = [(entries or [])[-last:] if last else entries or [] for entries in lists]
    array = np.zeros((len(lists), max([1, *map(len, lists)])), dtype)
    for to, entries in zip(array, lists):
        to[: len(entries)] = entries
    return array
