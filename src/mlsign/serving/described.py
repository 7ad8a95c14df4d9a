"""What the server says of itself and of its models: metadata, as the Open Inference Protocol has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mlsign.limits import KIB
from mlsign.serving.carriage import TensorSpec
from mlsign.serving.shelf import Served
from mlsign.strict import Fields, JsonValue, decode_json

PLATFORM: Final = "onnx_onnxv1"
"""The protocol's word for models in ONNX's format."""

EXTENSIONS: Final = ("binary_tensor_data",)
"""Listing models is part of the repository extension, which as a whole is not offered: nothing is loaded on a client's word."""

_MAX_BYTES: Final = 4 * KIB


def describe_server(version: str) -> JsonValue:
    return {"name": "mlsign", "version": version, "extensions": list(EXTENSIONS)}


def describe_model(served: Served, *, versions: Iterable[Served]) -> JsonValue:
    return {
        "name": served.name,
        "versions": [each.version.text for each in versions],
        "platform": PLATFORM,
        "inputs": [_tensor(spec) for spec in served.interface.inputs],
        "outputs": [_tensor(spec) for spec in served.interface.outputs],
    }


def _tensor(spec: TensorSpec) -> JsonValue:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def describe_index(models: Iterable[Served], *, asked: bytes, is_closing: bool) -> JsonValue:
    """The models and whether they are ready; ``asked`` is the body of the request. Raises ``InputError`` (``json.…``, ``index.…``)."""
    only_ready = False
    if asked:
        fields = Fields(decode_json(asked, max_bytes=_MAX_BYTES), where="", format_name="index")
        only_ready = fields.boolean("ready") if fields.has("ready") else False
    found: list[JsonValue] = []
    for served in models:
        ready = not is_closing and served.pool.health().ready > 0
        if ready or not only_ready:
            state, reason = ("READY", "") if ready else ("UNAVAILABLE", "no worker is ready")
            found.append({"name": served.name, "version": served.version.text, "state": state, "reason": reason})
    return found
