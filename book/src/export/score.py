"""Scores a Parquet file: `python score.py EXPORT ROWS.parquet` prints a probability for each row and task."""

import json
import sys
from collections import defaultdict
from pathlib import Path

import onnxruntime
import pyarrow.parquet
from encode import Encoder


def score(folder, table):
    """Yields rows of one surface and product, and by task their probabilities."""
    folder = Path(folder)
    encoder = Encoder(folder)
    pairs = json.loads((folder / "manifest.json").read_text("utf-8"))["onnx"]["pairs"]
    cells = defaultdict(list)
    for row, cell in enumerate(zip(encoder.domains("surfaces", table), encoder.domains("products", table))):
        cells[cell].append(row)
    for cell, rows in cells.items():
        pair = next((pair for pair in pairs if list(cell) in pair["cells"]), None)
        if pair is None:
            continue  # A value of no domain, or a cell without a task.
        vectors = {}
        for tower, domain in zip(("query", "item"), cell):
            graph = onnxruntime.InferenceSession(folder / f"{tower}.{domain}.onnx")
            inputs = encoder.inputs(tower, domain, table.take(rows))
            tasks = [f"{task}.vector" for task in pair["tasks"]]
            found = graph.run(tasks, inputs)
            vectors |= {f"{tower}.{task}": vector for task, vector in zip(pair["tasks"], found)}
        graph = onnxruntime.InferenceSession(folder / pair["file"])
        yield rows, dict(zip(pair["tasks"], graph.run(pair["tasks"], vectors)))


if __name__ == "__main__":
    for rows, scores in score(sys.argv[1], pyarrow.parquet.read_table(sys.argv[2])):
        for place, row in enumerate(rows):
            print(row, *(f"{task}={scores[task][place]:.6f}" for task in scores))
