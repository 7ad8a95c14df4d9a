"""Types of inputs, outputs and intermediate values: ``ValueInfoProto`` and ``TypeProto``."""

from __future__ import annotations

from typing import Final

from mlsign.interface import TypeSpec, ValueKind
from mlsign.onnx import problems, schema
from mlsign.onnx.scan import Scan, body, integer, text
from mlsign.onnx.wire import Body, Where, refuse

_KINDS: Final = {
    1: (ValueKind.TENSOR, schema.TENSOR_TYPE),
    8: (ValueKind.SPARSE_TENSOR, schema.TENSOR_TYPE),
    4: (ValueKind.SEQUENCE, schema.ELEMENT_TYPE),
    9: (ValueKind.OPTIONAL, schema.ELEMENT_TYPE),
    5: (ValueKind.MAP, schema.MAP_TYPE),
}
_MAP_KEYS: Final = frozenset(("string", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"))
UNTYPED: Final = TypeSpec(kind=ValueKind.TENSOR)
"""Stands where a model gives no type; its element is empty, so no manifest can hold it."""

TYPELESS: Final = TypeSpec(kind=ValueKind.TENSOR)
"""Stands for a type that is there and says nothing; told from ``UNTYPED``, about which there is a problem, by identity."""

_MAX_REMEMBERED: Final = 4096
_MAX_REMEMBERED_BYTES: Final = 512


class TypeReader:
    """Reads types and remembers those without problems: thousands of values share a few types."""

    __slots__ = ("_known", "_scan")

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._known: dict[bytes, TypeSpec] = {}

    def value_info(self, data: Body, where: Where) -> tuple[bytes, TypeSpec | None]:
        """Name and type of a ``ValueInfoProto``; None where it has no type."""
        parts = self._scan.fields(data, schema.VALUE_INFO, where)
        self._scan.entries(parts.get(4, ()), where, name="metadata_props")
        spec = self.type(body(parts[2][-1]), (where, "type", -1)) if 2 in parts else None
        return self._scan.last(parts, 1, where), spec

    def type(self, data: Body, where: Where) -> TypeSpec:
        """The type, or ``UNTYPED`` after noting what is wrong with it."""
        if isinstance(data, bytes) and (known := self._known.get(data)) is not None:
            return known
        before = len(self._scan.problems)
        spec = self._type(data, where, 1)
        small = isinstance(data, bytes) and len(data) <= _MAX_REMEMBERED_BYTES
        if small and len(self._scan.problems) == before and len(self._known) < _MAX_REMEMBERED:
            self._known[data] = spec  # type: ignore[index]  # `small` says that these are bytes
        return spec

    def _type(self, data: Body, where: Where, depth: int) -> TypeSpec:
        if depth > self._scan.limits.max_type_depth:
            refuse(f"a type is nested deeper than {self._scan.limits.max_type_depth}", code="limit.type_depth", where=where)
        found: list[TypeSpec] = []
        for number, values in self._scan.fields(data, schema.TYPE, where).items():
            if number == 6:
                continue
            here = (where, schema.TYPE.names[number], -1)
            value = body(values[-1])
            if number == 7:
                self._scan.fields(value, schema.OPAQUE_TYPE, here)
                self._scan.problems.add(problems.TYPE, "the type is opaque: only some runtime knows what it is", here)
                found.append(UNTYPED)
                continue
            kind, message = _KINDS[number]
            found.append(self._inside(value, here, depth, kind=kind, message=message))
        if not found and depth == 1:
            return TYPELESS  # exporters write an empty type for results of branches that differ
        if len(found) != 1:
            self._scan.problems.add(
                problems.TYPE, f"a type has {len(found)} values", where, expected="exactly one", found=len(found)
            )
            return UNTYPED
        return found[0]

    def _inside(self, data: Body, where: Where, depth: int, *, kind: ValueKind, message: schema.Message) -> TypeSpec:
        plain = kind in (ValueKind.TENSOR, ValueKind.SPARSE_TENSOR)
        keyed = plain or kind is ValueKind.MAP
        parts = self._scan.fields(data, message, where)
        element = self._element(integer(parts, 1), where) if keyed else ""
        shape = self._shape(body(parts[2][-1]), (where, "shape", -1)) if plain and 2 in parts else None
        inside = 2 if keyed else 1
        inner = None
        if not plain and inside in parts:
            inner = self._type(body(parts[inside][-1]), (where, message.names[inside], -1), depth + 1)
        if not plain and inner is None:
            self._scan.problems.add(problems.TYPE, f"a {kind.value} does not say what it holds", where)
        if kind is ValueKind.MAP and element and element not in _MAP_KEYS:
            self._scan.problems.add(problems.TYPE, f"{element} cannot be the key of a map", where, found=element)
        return TypeSpec(kind=kind, element=element, shape=shape, inner=inner)

    def _element(self, number: int, where: Where) -> str:
        known = schema.ELEMENTS.get(number)
        if known is None:
            self._scan.problems.add(problems.ELEMENT_TYPE, "the element type is not one of ONNX", where, found=number)
        return known.name if known else ""

    def _shape(self, data: Body, where: Where) -> tuple[int | str | None, ...]:
        dims = self._scan.fields(data, schema.SHAPE, where).get(1, [])
        maximum = self._scan.limits.max_dimensions
        if len(dims) > maximum:
            refuse(f"a shape has more than {maximum} dimensions", code="limit.dimensions", where=where)
        return tuple(self._dimension(body(dim), (where, "dim", index)) for index, dim in enumerate(dims))

    def _dimension(self, data: Body, where: Where) -> int | str | None:
        parts = self._scan.fields(data, schema.DIMENSION, where)
        if 1 in parts and 2 in parts:
            self._scan.problems.add(problems.REPEATED_FIELD, "a dimension has a number and a symbol", where)
        if 1 not in parts:
            return text(self._scan.last(parts, 2, where)) or None
        size = integer(parts, 1)
        if size < -1:
            self._scan.problems.add(problems.DIMENSIONS, "a dimension is negative", where, found=size)
        return size if size >= 0 else None  # -1 is how older exporters say "any size"
