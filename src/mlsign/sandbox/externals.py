"""External initializers of a model, found by a walk over its bytes inside the jail, and tied to mapped memory.

onnxruntime is handed these tensors by name, so that it never opens a file. The walk is this module's own and
small: the top graph's initializers. What it finds must be exactly what verification found; a tensor in
another place (a subgraph, an attribute) makes the two differ, and the model is refused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from mlsign.errors import JailError, shown
from mlsign.strict import decode_decimal

_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 1, 2, 8, 13, 14
_EXTERNAL: Final = 1
"""``TensorProto.DataLocation.EXTERNAL``."""

Field = tuple[int, int | memoryview]


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """An initializer whose elements are in another file, as the model writes it."""

    name: str
    element: int
    shape: tuple[int, ...]
    location: str
    offset: int
    length: int | None

    @property
    def key(self) -> tuple[str, str, int, int | None]:
        """What verification knows about it as well."""
        return (self.name, self.location, self.offset, self.length)


def _fail(message: str, *, where: str = "") -> NoReturn:
    raise JailError(message, code="sandbox.external", where=shown(where))


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            break
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    _fail("the model is not protobuf")


def _fields(view: memoryview) -> Iterator[Field]:
    """Number and content of each field of a message: an integer, or the bytes of what has a length or fixed size."""
    at = 0
    while at < len(view):
        tag, at = _varint(view, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(view, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, at = _varint(view, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            _fail("the model is not protobuf")
        if length > len(view) - at:
            _fail("the model is not protobuf")
        yield tag >> 3, view[at : at + length]
        at += length


def _messages(view: memoryview, number: int) -> Iterator[memoryview]:
    return (content for field, content in _fields(view) if field == number and isinstance(content, memoryview))


def find_externals(model: memoryview) -> tuple[External, ...]:
    """The external initializers of the top graph. Raises ``JailError`` (``sandbox.external``)."""
    graphs = _messages(model, _MODEL_GRAPH)
    tensors = (tensor for graph in graphs for tensor in _messages(graph, _GRAPH_INITIALIZER))
    return tuple(found for tensor in tensors if (found := _external(tensor)) is not None)


def _external(tensor: memoryview) -> External | None:
    dims: list[int] = []
    element, location, name = 0, 0, ""
    keys: dict[str, str] = {}
    for number, content in _fields(tensor):
        if number == _TENSOR_DIMS:
            dims.extend([content] if isinstance(content, int) else _packed(content))
        elif number == _TENSOR_TYPE and isinstance(content, int):
            element = content
        elif number == _TENSOR_LOCATION and isinstance(content, int):
            location = content
        elif number == _TENSOR_NAME and isinstance(content, memoryview):
            name = str(content, "utf-8", "backslashreplace")
        elif number == _TENSOR_EXTERNAL and isinstance(content, memoryview):
            pair = {n: str(c, "utf-8", "backslashreplace") for n, c in _fields(content) if isinstance(c, memoryview)}
            keys[pair.get(1, "")] = pair.get(2, "")
    if location != _EXTERNAL:
        return None
    length = decode_decimal(keys["length"], where=shown(name)) if "length" in keys else None
    offset = decode_decimal(keys.get("offset", "0"), where=shown(name))
    return External(
        name=name, element=element, shape=tuple(dims), location=keys.get("location", ""), offset=offset, length=length
    )


def _packed(view: memoryview) -> Iterator[int]:
    at = 0
    while at < len(view):
        value, at = _varint(view, at)
        yield value


def check_externals(found: tuple[External, ...], expected: frozenset[tuple[str, str, int, int | None]]) -> None:
    """Both walks agree. Raises ``JailError`` (``sandbox.external``) with a tensor that only one of them saw."""
    keys = [external.key for external in found]
    if len(set(keys)) != len(keys):
        _fail("an external tensor stands twice in the model")
    for name, location, *_ in set(keys) ^ expected:
        message = f"external tensor {shown(name)} in {shown(location)} is not an initializer of the main graph as verified"
        _fail(message, where=name)


def region(external: External, files: Mapping[str, memoryview], *, model_path: str, size: int) -> memoryview:
    """The bytes of a tensor of ``size`` bytes within the mapped weight files. Raises ``JailError`` (``sandbox.external``)."""
    path = posixpath.join(posixpath.dirname(model_path), external.location)
    file = files.get(path)
    if file is None:
        _fail(f"{shown(path)} is not among the verified weights", where=external.name)
    if external.length not in (None, size) or external.offset + size > len(file):
        _fail(f"{size} bytes at {external.offset} are not what {shown(path)} of {len(file)} bytes holds", where=external.name)
    return file[external.offset : external.offset + size]
