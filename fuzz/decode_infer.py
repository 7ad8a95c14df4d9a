"""Fuzz target: bodies of inference requests, JSON with tensors behind it. Only ``InputError`` may escape.

The first two bytes are the length of the JSON, little endian. What decodes is what another reader of JSON sees, and arrays are of the
shapes, types and bytes that the request says.
"""

import json
import math

import numpy as np
from oracles import check_refusal

from mlsign.errors import InputError
from mlsign.serving.answers import answer_error
from mlsign.serving.carriage import DATATYPES, Form, Interface, TensorSpec
from mlsign.serving.request import MAX_ELEMENTS, MAX_TEXTS, InferRequest, decode_request
from mlsign.serving.tensors import decode_inputs

INTERFACE = Interface(
    inputs=(
        *(TensorSpec(name=datatype, datatype=datatype, shape=(-1,)) for datatype in DATATYPES.values()),
        TensorSpec(name="o", datatype="INT64", shape=(-1,), form=Form.OPTIONAL),
    ),
    outputs=(),
)
FIELDS = ("id", "inputs", "outputs", "parameters", "name", "shape", "datatype", "data", "binary_data_size", "binary_data")
WORDS = tuple(f'"{word}"'.encode() for word in (*FIELDS, "binary_data_output", "timeout", "o", *DATATYPES.values()))


def decoded(data: bytes) -> tuple[InferRequest, bytes] | None:
    length = int.from_bytes(data[:2], "little")
    head, payload = data[2 : 2 + length], data[2 + length :]
    try:
        request = decode_request(head)
    except InputError as err:
        refused(err)
        return None
    check_same(request, json.loads(head))
    return request, payload


def refused(err: InputError) -> None:
    check_refusal(err)
    assert answer_error(err).status in (400, 413)


def check_same(request: InferRequest, document: dict) -> None:
    """Every number of the request is that of the document, by another reader."""
    assert [each.name for each in request.inputs] == [each["name"] for each in document["inputs"]]
    for each, given in zip(request.inputs, document["inputs"], strict=True):
        assert list(each.shape) == given["shape"]
        assert all(size >= 0 for size in each.shape)
        assert each.count == math.prod(each.shape) <= MAX_ELEMENTS
        assert each.binary is None or each.binary == given["parameters"]["binary_data_size"] >= 0
    assert sum(each.count for each in request.inputs if each.datatype == "BYTES") <= MAX_TEXTS


def check(data: bytes) -> None:
    """Decodes ``data`` as the server does, and holds arrays against what was said of them."""
    found = decoded(data)
    if found is None:
        return
    request, payload = found
    if request.binary_bytes != len(payload):
        return  # the server refuses it before it looks any further
    try:
        feeds = decode_inputs(request, memoryview(payload), interface=INTERFACE)
    except InputError as err:
        refused(err)
        return
    at = 0
    for each in request.inputs:
        array = feeds[each.name]
        assert array.shape == each.shape
        if each.datatype == "BYTES":
            assert all(isinstance(text, str) for text in array.reshape(-1))
        elif each.binary is not None:
            assert array.tobytes() == payload[at : at + each.binary]
        elif array.dtype.kind == "f":
            assert np.isfinite(array).all()
        at += each.binary or 0
    assert at == len(payload)


if __name__ == "__main__":
    from engine import fuzz

    fuzz("infer")
