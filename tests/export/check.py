"""Compares exports with the runtime's scores: `python check.py FOLDER`.

FOLDER is what the Rust test `export` writes: by model a folder with `rows.parquet`, `scores.json` (by task and row ln P) and
exports. Rows are encoded and scored by the programs of the book, and by the graphs again in batches of 1, 3 and 257 rows.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.parquet

BOOK = Path(__file__).resolve().parents[2] / "book/src/export"
sys.path.insert(0, str(BOOK))
import score as book  # noqa: E402
from encode import Encoder, hash_of  # noqa: E402

# Rounding of float32 in ln P, relative to its size or 1.
TOLERANCE = 5e-5
BATCHES = (1, 3, 257)


def weights(folder):
    """The arrays of the weights file, by key."""
    data = (folder / "model.safetensors").read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    arrays = {}
    for key, entry in json.loads(data[8:end]).items():
        if key != "__metadata__":
            start, stop = entry["data_offsets"]
            values = np.frombuffer(data[end + start : end + stop], "<f4")
            arrays[key] = values.reshape(entry["shape"])
    return arrays


def looked_up(encoder, tower, inputs, arrays):
    """The inputs of graphs without tables: embeddings instead of rows."""
    found = {}
    for feature in encoder.spec[tower]:
        name = feature["name"]
        if name not in inputs:
            continue
        if "table" not in feature:
            found[name] = inputs[name]
            continue
        rows, table = inputs[name], arrays[f"tables.{feature['table']}.weight"]
        if feature["kind"] != "ids":
            found[name] = table[rows]
            continue
        factors = (rows != 0) * inputs.get(f"{name}.weights", np.float32(1))
        if feature["pool"] == "mean":
            sums = factors.sum(1, keepdims=True)
            factors = factors / np.where(sums > 0, sums, 1)
        found[name] = (table[rows] * factors[..., None]).sum(1).astype(np.float32)
    return found


class Export:
    """The graphs of an export."""

    def __init__(self, folder):
        self.folder = folder
        self.encoder = Encoder(folder)
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.outside = self.manifest["onnx"]["tables"] == "outside"
        self.arrays = weights(folder) if self.outside else None
        self.sessions = {}

    def run(self, file, outputs, inputs):
        if file not in self.sessions:
            onnx.checker.check_model(self.folder / file, full_check=True)
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            options.intra_op_num_threads = 1
            self.sessions[file] = onnxruntime.InferenceSession(self.folder / file, options)
        return self.sessions[file].run(outputs, inputs)

    def logs(self, cell, inputs):
        """ln P by task of rows of a cell."""
        pair = next(pair for pair in self.manifest["onnx"]["pairs"] if list(cell) in pair["cells"])
        vectors = {}
        for tower, domain, of_tower in zip(("query", "item"), cell, inputs):
            if self.outside:
                of_tower = looked_up(self.encoder, tower, of_tower, self.arrays)
            outputs = [f"{task}.vector" for task in pair["tasks"]]
            found = self.run(f"{tower}.{domain}.onnx", outputs, of_tower)
            vectors |= {f"{tower}.{task}": vector for task, vector in zip(pair["tasks"], found)}
        outputs = [name for task in pair["tasks"] for name in (task, f"{task}.log", f"{task}.logit")]
        found = dict(zip(outputs, self.run(pair["file"], outputs, vectors)))
        for task in pair["tasks"]:
            assert np.allclose(np.exp(found[f"{task}.log"]), found[task], 1e-6)
            # One query for many items, as in serving.
            vectors[f"query.{task}"] = vectors[f"query.{task}"][:1]
        one = self.run(pair["file"], outputs, vectors)
        assert all(np.isclose(of_one[0], found[name][0], 1e-5) for name, of_one in zip(outputs, one))
        return {task: found[f"{task}.log"] for task in pair["tasks"]}

    def check_vectors(self):
        """The test vectors of `encoder.json`."""
        spec = self.encoder.spec
        for one in spec["hash"]:
            assert f"0x{hash_of(one['value']):016x}" == one["hash"], one
        features = {f"{tower}.{one['name']}": one for tower in ("query", "item") for one in spec[tower]}
        for vector in spec["vectors"]:
            feature = features[vector["feature"]]
            column = pa.array(vector["raw"])
            table = pa.table({feature["column"]: column})
            if "weights" in vector:
                table = table.append_column(feature["weights"], pa.array(vector["weights"]))
            inputs = self.encoder.one(feature, table)
            found = inputs[feature["name"]]
            for row, expected in enumerate(vector["encoded"]):
                got = found[row]
                if isinstance(expected, list):
                    assert got[: len(expected)].tolist() == expected and not got[len(expected) :].any(), vector
                    if "weights" in vector:
                        given = inputs[f"{feature['name']}.weights"][row]
                        assert given[: len(expected)].tolist() == vector["encoded_weights"][row], vector
                else:
                    assert got == expected or np.isclose(got, expected, 2e-7), (vector, row, got)
        return len(spec["vectors"])


def distance(found, expected):
    return abs(found - expected) / max(1.0, abs(expected))


def taken(inputs, rows):
    return [{name: values[rows] for name, values in of_tower.items()} for of_tower in inputs]


def check(folder, data, expected):
    """Checks an export; the largest distance of ln P, and how many scores there were."""
    export = Export(folder)
    vectors = export.check_vectors()
    worst, count = 0.0, 0
    tasks_of = {tuple(cell): pair["tasks"] for pair in export.manifest["onnx"]["pairs"] for cell in pair["cells"]}
    domains = list(zip(export.encoder.domains("surfaces", data), export.encoder.domains("products", data)))
    for cell, tasks in tasks_of.items():
        rows = [row for row, of in enumerate(domains) if of == cell and str(row) in expected[tasks[0]]]
        if not rows:
            continue
        here = data.take(rows)
        towers = zip(("query", "item"), cell)
        inputs = [export.encoder.inputs(tower, domain, here) for tower, domain in towers]
        whole = export.logs(cell, inputs)
        for task in tasks:
            for row, log in zip(rows, whole[task]):
                far = distance(float(log), expected[task][str(row)])
                assert far <= TOLERANCE, f"{folder}: {cell}, {task}, row {row}: {log} for {expected[task][str(row)]}"
                worst, count = max(worst, far), count + 1
        for batch in BATCHES:
            places = np.arange(batch) % len(rows)
            again = export.logs(cell, taken(inputs, places))
            for task in tasks:
                assert np.allclose(again[task], whole[task][places], TOLERANCE, TOLERANCE), (folder, cell, task, batch)
    return worst, count, vectors, export


def check_files(export):
    """The manifest lists every other file."""
    names = {path.name for path in export.folder.iterdir()} - {"manifest.json"}
    assert names == set(export.manifest["files"]), names


def save(export, data):
    """Inputs and outputs of each graph, for other runtimes: `FILE.npz`."""
    for tower, axis in (("query", "surfaces"), ("item", "products")):
        domains = export.encoder.domains(axis, data)
        for domain in dict.fromkeys(domains):
            rows = [row for row, of in enumerate(domains) if of == domain][:3]
            file = f"{tower}.{domain}.onnx"
            if domain is not None and file in export.sessions:
                save_one(export, file, export.encoder.inputs(tower, domain, data.take(rows)))
    draws = np.random.default_rng(1)
    for pair in export.manifest["onnx"]["pairs"]:
        if pair["file"] in export.sessions:
            given = export.sessions[pair["file"]].get_inputs()
            vectors = {one.name: draws.normal(size=(3, one.shape[1])).astype(np.float32) for one in given}
            save_one(export, pair["file"], vectors)


def save_one(export, file, inputs):
    names = [output.name for output in export.sessions[file].get_outputs()]
    arrays = {f"in.{name}": value for name, value in inputs.items()}
    arrays |= {f"out.{name}": value for name, value in zip(names, export.run(file, names, inputs))}
    np.savez(export.folder.parent / f"{export.folder.name}.{file}.npz", **arrays)


def main(root):
    total = 0
    for model in sorted(path for path in root.iterdir() if path.is_dir()):
        data = pyarrow.parquet.read_table(model / "rows.parquet")
        expected = json.loads((model / "scores.json").read_text())
        for folder in sorted(path.parent for path in model.glob("*/manifest.json")):
            worst, count, vectors, export = check(folder, data, expected)
            check_files(export)
            assert count > 0, f"{folder}: no row is scored"
            if folder.name == "whole":
                assert count == sum(map(len, expected.values())), f"{folder}: rows are left out"
                save(export, data)
            total += count
            print(f"{model.name}, {folder.name}: ln P of {count} rows and tasks within {worst:.1e}; {vectors} test vectors")
        # The program of the book as it is.
        scores = {}
        for rows, found in book.score(model / "whole", data):
            for task, values in found.items():
                scores |= {(task, row): value for row, value in zip(rows, values)}
        for task, rows in expected.items():
            for row, log in rows.items():
                assert abs(scores[task, int(row)] - np.exp(log)) < 1e-5, (model.name, task, row)
    assert total > 0, f"no export in {root}"


main(Path(sys.argv[1]))
