"""Asks a server by clients that others wrote: `python clients.py ADDRESS EXPECTED.json`.

EXPECTED.json has the columns of some rows, `{"columns": {NAME: [VALUE, …]}, "ctr": [P or null, …]}`. Triton's client sends them
in JSON and as bytes and must get ctr; schemathesis calls every route by its description and must find no answer that the
description does not have.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import tritonclient.http as triton


def tensor(name, values, binary):
    if isinstance(values[0], str):
        array = np.array([value.encode() for value in values], dtype=np.object_)
        kind = "BYTES"
    elif isinstance(values[0], int):
        array, kind = np.array(values, dtype=np.int64), "INT64"
    else:
        array, kind = np.array(values, dtype=np.float64), "FP64"
    made = triton.InferInput(name, list(array.shape), kind)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def ask_as_triton(address, expected):
    client = triton.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("sample")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    described = client.get_model_metadata("sample")
    assert {"name": "ctr", "datatype": "FP32", "shape": [-1]} in described["outputs"], described
    wanted = np.array([np.nan if p is None else p for p in expected["ctr"]], dtype=np.float32)
    for binary in (True, False):
        inputs = [tensor(name, values, binary) for name, values in expected["columns"].items()]
        outputs = [triton.InferRequestedOutput("ctr", binary_data=binary)]
        answer = client.infer("sample", inputs, outputs=outputs, request_id="one")
        found = answer.as_numpy("ctr").astype(np.float32)
        assert np.array_equal(found, wanted, equal_nan=True), (binary, found, wanted)
        assert answer.get_response()["id"] == "one"
    try:
        client.infer("sample", [tensor("user", [1], True)])
    except triton.InferenceServerException as error:
        assert "is none of the inputs" in str(error), error
    else:
        raise AssertionError("an unknown input was taken")


def ask_by_description(address):
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        str(program), "run", f"http://{address}/openapi.json", "--phases", "examples,coverage,fuzzing",
        "--max-examples", "60", "--seed", "1", "--checks", "not_a_server_error,status_code_conformance,"
        "content_type_conformance,response_schema_conformance,negative_data_rejection",
    ]
    subprocess.run(command, check=True)


def main():
    address, expected = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    ask_as_triton(address, expected)
    ask_by_description(address)
    print("other clients got what they must")


main()
