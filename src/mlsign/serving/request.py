"""An inference request: from the JSON of the Open Inference Protocol to values, in its only possible reading.

The protocol is not ours, so fields that it may grow are let through; what it has is held to its types. Every length and count is
checked here, before ``tensors`` makes an array of anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.limits import KIB, MIB, Limits
from mlsign.strict import Fields, JsonValue, decode_json, describe

MAX_JSON_BYTES: Final = 16 * MIB
"""Reading JSON takes this much time per byte that larger tensors belong into the binary extension."""

LONG_BYTES: Final = 128 * KIB
LONG_TEXTS: Final = 5000
"""From here on reading takes milliseconds, in which others would wait."""

MAX_TENSORS: Final = 1024
MAX_DIMENSIONS: Final = 32
MAX_ELEMENTS: Final = 2**31
"""In one tensor; dimensions of zero count as one, so that no product overflows in what is done with it later."""

MAX_TEXTS: Final = 1_000_000
"""Elements of BYTES in one request: each becomes an object that takes twenty times the bytes it came in."""

_JSON: Final = Limits(max_json_integer_digits=20)
"""The largest UINT64 has twenty digits."""

_MAX_DIMENSION: Final = 2**63 - 1
_KEPT_BYTES: Final = 2 * KIB
_KEPT_REQUESTS: Final = 512
_MICROSECONDS: Final = 1e-6
_SHARED_MEMORY: Final = "shared_memory_"
_UNSUPPORTED: Final = frozenset({"sequence_id", "sequence_start", "sequence_end", "classification"})
"""Parameters of extensions that are not offered and that would change the answer: to ignore them would be to answer something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInput:
    """One input tensor. ``binary`` is its size behind the JSON, None where ``data`` holds it; ``count`` is the product of the shape."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    count: int
    binary: int | None
    data: JsonValue = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedOutput:
    """An output that was asked for, and whether in binary."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """What a client asks. ``outputs`` is None for all of them, in binary if ``binary_output``; ``seconds`` is what it grants the call."""

    id: str | None
    inputs: tuple[RequestInput, ...]
    outputs: tuple[WantedOutput, ...] | None
    binary_output: bool
    seconds: float | None

    @property
    def binary_bytes(self) -> int:
        """How many bytes have to follow the JSON."""
        return sum(each.binary or 0 for each in self.inputs)


def check_json_size(size: int) -> None:
    """Raises ``InputError`` (``json.size``) for a JSON part that is not read at all."""
    if size > MAX_JSON_BYTES:
        message = f"a JSON part of {size} bytes, allowed are {MAX_JSON_BYTES}"
        raise InputError(message, code="json.size", hint="send large tensors as binary data")


def is_long_work(request: InferRequest) -> bool:
    """Whether making arrays of it takes milliseconds: of numbers in binary it never does."""
    return any(given.count > LONG_TEXTS for given in request.inputs if given.binary is None or given.datatype == "BYTES")


class KeptRequests:
    """Reads requests, and remembers what short ones said that have all their tensors in binary and no id.

    Clients send the same few lines before their tensors again and again. What holds data, or a name for a request, is not kept.
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, InferRequest] = {}

    def read(self, data: bytes) -> InferRequest:
        """The request in the JSON part of a body. Raises as ``decode_request``."""
        found = self._kept.get(data)
        if found is not None:
            return found
        request = decode_request(data)
        if len(data) <= _KEPT_BYTES and request.id is None and all(each.binary is not None for each in request.inputs):
            if len(self._kept) >= _KEPT_REQUESTS:
                self._kept.clear()
            self._kept[data] = request
        return request


def decode_request(data: bytes) -> InferRequest:
    """The request in the JSON part of a body. Raises ``InputError`` (``json.…``, ``infer.…``)."""
    fields = Fields(decode_json(data, max_bytes=MAX_JSON_BYTES, limits=_JSON), where="", format_name="infer")
    identifier = fields.text("id", maximum=1024, empty=True) if fields.has("id") else None
    binary_output, seconds = _request_parameters(fields)
    inputs = fields.each("inputs", _input, maximum=MAX_TENSORS) if fields.has("inputs") else _no_inputs(fields)
    wanted = None
    if fields.has("outputs"):
        wanted = fields.each("outputs", lambda each: _output(each, default=binary_output), maximum=MAX_TENSORS) or None
    _refuse_twice("inputs", tuple(each.name for each in inputs))
    _refuse_twice("outputs", tuple(each.name for each in wanted or ()))
    texts = sum(each.count for each in inputs if each.datatype == "BYTES")
    if texts > MAX_TEXTS:
        message = f"has {texts} elements of BYTES, allowed are {MAX_TEXTS}"
        raise InputError(message, code="infer.texts", where="inputs", hint="send fewer rows in one request")
    fields.done_but_extensible(("id", "parameters", "inputs", "outputs"))
    return InferRequest(id=identifier, inputs=inputs, outputs=wanted, binary_output=binary_output, seconds=seconds)


def _no_inputs(fields: Fields) -> tuple[RequestInput, ...]:
    raise fields.wrong("is missing", code="missing", name="inputs")


def _request_parameters(fields: Fields) -> tuple[bool, float | None]:
    if not fields.has("parameters"):
        return False, None
    parameters = fields.fields("parameters")
    _refuse_unsupported(parameters)
    binary = parameters.boolean("binary_data_output") if parameters.has("binary_data_output") else False
    if not parameters.has("timeout"):
        return binary, None
    # Microseconds, as Triton's clients have it; zero asks for no limit of their own.
    micro = parameters.integer("timeout")
    return binary, micro * _MICROSECONDS if micro else None


def _input(fields: Fields) -> RequestInput:
    name = fields.text("name")
    datatype = fields.text("datatype", maximum=16)
    shape, count = _shape(fields)
    binary = None
    if fields.has("parameters"):
        parameters = fields.fields("parameters")
        _refuse_unsupported(parameters)
        binary = parameters.integer("binary_data_size") if parameters.has("binary_data_size") else None
    if (binary is None) != fields.has("data"):
        both = "has both data and binary_data_size" if binary is not None else "has neither data nor binary_data_size"
        raise fields.wrong(f"{both}, expected one of them", code="data")
    data = fields.take("data") if binary is None else None
    # The largest that a flat list can be; what is nested is counted when it is flattened.
    if binary is None and not isinstance(data, list):
        raise fields.wrong(f"is {describe(data)}, expected a list", code="type", name="data")
    _leave(fields, ("name", "datatype", "shape", "parameters", "data"))
    return RequestInput(name=name, datatype=datatype, shape=shape, count=count, binary=binary, data=data)


def _shape(fields: Fields) -> tuple[tuple[int, ...], int]:
    dims = []
    count = bound = 1
    for value, where in fields.items("shape", maximum=MAX_DIMENSIONS):
        if type(value) is not int or not 0 <= value <= _MAX_DIMENSION:
            found = shown(value) if type(value) is int else describe(value)
            message = f"is {found}, expected a whole number that is not negative"
            raise InputError(message, code="infer.shape", where=where, found=found)
        dims.append(value)
        count, bound = count * value, bound * max(value, 1)
        if bound > MAX_ELEMENTS:
            message = f"a tensor of more than {MAX_ELEMENTS} elements"
            raise InputError(message, code="infer.elements", where=where, expected=f"at most {MAX_ELEMENTS}")
    return tuple(dims), count


def _output(fields: Fields, *, default: bool) -> WantedOutput:
    name = fields.text("name")
    binary = default
    if fields.has("parameters"):
        parameters = fields.fields("parameters")
        _refuse_unsupported(parameters)
        binary = parameters.boolean("binary_data") if parameters.has("binary_data") else default
    _leave(fields, ("name", "parameters"))
    return WantedOutput(name=name, binary=binary)


def _leave(fields: Fields, known: tuple[str, ...]) -> None:
    """Lets fields of later versions of the protocol pass, and other spellings of known ones not."""
    fields.done_but_extensible(known)
    for name in fields.rest():
        fields.take(name)


def _refuse_unsupported(parameters: Fields) -> None:
    for name in parameters.rest():
        if name in _UNSUPPORTED or name.startswith(_SHARED_MEMORY):
            raise parameters.wrong("is of an extension that is not offered here", code="unsupported", name=name)


def _refuse_twice(side: str, names: tuple[str, ...]) -> None:
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{shown(twice)} stands twice", code="infer.twice", where=side, found=shown(twice))
