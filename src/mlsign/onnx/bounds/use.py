"""One use of an operator: what it is given and told, and the tensors it makes. What the rules for operators work with.

Owns ``Use``, the view of one node. Leaves every operator's own rule to the modules beside it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Final, TypeAlias

from mlsign.onnx.bounds.amounts import (
    Amount,
    Value,
    largest,
    times,
    upper,
    upto,
)
from mlsign.onnx.bounds.space import Space
from mlsign.onnx.bounds.tensors import (
    MAX_RANK,
    TEXT_BYTES,
    Tensor,
)
from mlsign.onnx.nodes import Attribute
from mlsign.onnx.scan import integer
from mlsign.onnx.tensors import TensorFacts
from mlsign.onnx.wire import signed, varint

_MAX_LISTED: Final = 4096


class MisusedError(Exception):
    """An operator cannot run on these constants and shapes; says why. Never leaves this package."""


class Use:
    """One node as a rule sees it. ``work`` is what it computes, in steps of arithmetic, where that is more than its elements;
    ``scratch`` bytes that it takes for itself meanwhile, None where nobody knows.
    """

    __slots__ = ("_outer", "_told", "args", "name", "outputs", "scratch", "space", "work")

    def __init__(
        self,
        space: Space,
        name: str,
        args: tuple[Tensor | None, ...],
        told: Mapping[bytes, Attribute],
        *,
        outer: Mapping[bytes, Attribute],
        outputs: int,
    ) -> None:
        self.space = space
        self.name = name
        self.args = args
        self.outputs = outputs
        self.work: Amount | None = 0
        self.scratch: int | None = 0
        self._told = told
        self._outer = outer

    def arg(self, index: int) -> Tensor | None:
        """Input ``index``, None where it is left out."""
        return self.args[index] if index < len(self.args) else None

    def first(self) -> Tensor:
        """Input 0, which a node in order has."""
        return self.arg(0) or self.space.unknown()

    def attribute(self, name: bytes) -> Attribute | None:
        """An attribute, or the attribute of the function around that it refers to."""
        found = self._told.get(name)
        return self._outer.get(found.reference) if found is not None and found.reference else found

    @property
    def given(self) -> int:
        """How many attributes the node has."""
        return len(self._told)

    def has(self, name: bytes) -> bool:
        return self.attribute(name) is not None

    def whole(self, name: bytes, default: int) -> int:
        found = self.attribute(name)
        return default if found is None else integer(found.parts, 3)

    def wholes(self, name: bytes) -> list[int] | None:
        """A list of integers; None where it is not there. Raises ``ValueError`` where it is too long to be looked at."""
        found = self.attribute(name)
        if found is None:
            return None
        out: list[int] = []
        for value in found.parts.get(8, ()):
            if isinstance(value, int):
                out.append(signed(value))
            elif isinstance(value, bytes) and len(value) <= _MAX_LISTED:
                at = 0
                while at < len(value):
                    item, at = varint(value, at, None)
                    out.append(signed(item))
            else:
                raise ValueError("a list that is too long for anything it is used for")
        return out

    def length(self, name: bytes) -> int:
        """How many numbers or texts a list attribute holds, at most."""
        found = self.attribute(name)
        if found is None:
            return 0
        total = sum(len(value) // 4 if isinstance(value, bytes) else 1 for value in found.parts.get(7, ()))
        for field in (8, 9):
            values = found.parts.get(field, ())
            total += sum(len(value) if field == 8 and isinstance(value, bytes) else 1 for value in values)
        return total + sum(tensor.count for tensor in found.tensors)

    def real(self, name: bytes, default: float) -> float:
        found = self.attribute(name)
        value = found.parts[2][-1] if found is not None and 2 in found.parts else None
        return float(struct.unpack("<f", value)[0]) if isinstance(value, bytes) and len(value) == 4 else default

    def reals(self, name: bytes) -> list[float]:
        found = self.attribute(name)
        data = b"".join(value for value in found.parts.get(7, ()) if isinstance(value, bytes)) if found is not None else b""
        return list(struct.unpack(f"<{len(data) // 4}f", data[: len(data) // 4 * 4])) if len(data) <= _MAX_LISTED else []

    def text(self, name: bytes) -> str:
        found = self.attribute(name)
        value = found.parts[4][-1] if found is not None and 4 in found.parts else b""
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""

    def facts(self, name: bytes) -> TensorFacts | None:
        """The tensor in an attribute."""
        found = self.attribute(name)
        return found.tensors[0] if found is not None and found.tensors else None

    def values(self, index: int) -> tuple[Value, ...] | None:
        """The numbers in input ``index``, as far as they are known."""
        found = self.arg(index)
        return None if found is None else found.values

    def axis(self, rank: int, *, default: int, name: bytes = b"axis") -> int:
        """An axis, counted from the front. Raises ``MisusedError`` where there is none of that number."""
        return place_of(self.whole(name, default), rank)

    def like(self, tensor: Tensor, *, element: int | None = None) -> Tensor:
        """A tensor of the same shape, with other numbers."""
        if element is None or element == tensor.element:
            return self.space.tensor(tensor.element, tensor.dims, count=tensor.count, width=tensor.width)
        return self.space.tensor(element, tensor.dims, count=tensor.count)

    def within(self, tensor: Tensor, *, element: int | None = None) -> Tensor:
        """A tensor of the same rank with no more elements, and no more in any dimension."""
        dims = None if tensor.dims is None else tuple(upto(dim.high) for dim in tensor.dims)
        if element is None or element == tensor.element:
            return self.space.tensor(tensor.element, dims, count=tensor.count, width=tensor.width)
        return self.space.tensor(element, dims, count=tensor.count)

    def least_one(self, tensor: Tensor, *, element: int | None = None) -> Tensor:
        """A tensor of the same rank that has one place where the other may have none: what an empty one is reduced to."""
        dims = tensor.dims
        if dims is not None:
            dims = tuple(upto(None if dim.high is None else largest(upper(dim.high), 1)) for dim in dims)
        return self.space.tensor(tensor.element if element is None else element, dims)

    def longest(self) -> int:
        """Bytes of the longest text in the attributes, with the object around it."""
        texts = [value for name in self._told for value in self._texts(name)]
        return TEXT_BYTES + max(map(len, texts), default=0)

    def _texts(self, name: bytes) -> list[Sized]:
        found = self.attribute(name)
        values = [] if found is None else [*found.parts.get(4, ()), *found.parts.get(9, ())]
        return [value for value in values if not isinstance(value, int)]

    def sized(self, dims: tuple[Value, ...] | None, *, element: int, count: Amount | None = None) -> Tensor:
        """A tensor of these dimensions."""
        return self.space.tensor(element, dims, count=count)

    def worked(self, *amounts: Amount | None) -> None:
        """Says that the node computes the product of these steps."""
        out: Amount | None = 1
        for amount in amounts:
            out = None if out is None or amount is None else times(out, upper(amount))
        self.work = out


def place_of(axis: int, rank: int) -> int:
    """An axis counted from the front; a scalar has one for those who ask. Raises ``MisusedError``."""
    found = axis + rank if axis < 0 else axis
    if not 0 <= found < max(rank, 1):
        raise MisusedError(f"axis {axis} of {rank} dimensions")
    return found


def places_of(axes: Iterable[int], rank: int) -> list[int]:
    """Axes counted from the front, each once. Raises ``MisusedError``."""
    found = [place_of(axis, rank) for axis in axes]
    if len(set(found)) != len(found):
        raise MisusedError("an axis stands twice")
    return found


def check_rank(tensor: Tensor, rank: int) -> None:
    """Raises ``MisusedError`` where a tensor certainly has another number of dimensions than the operator takes."""
    if tensor.rank not in (None, rank):
        raise MisusedError(f"{tensor.rank} dimensions in place of {rank}")


def checked_rank(rank: int) -> int:
    """The same number of dimensions. Raises ``MisusedError`` where there cannot be so many."""
    if rank > MAX_RANK:
        raise MisusedError(f"a shape of {rank} dimensions")
    return rank


def ranked(dims: Sequence[Value]) -> tuple[Value, ...]:
    """These dimensions. Raises ``MisusedError`` where they are more than there can be."""
    checked_rank(len(dims))
    return tuple(dims)


Rule: TypeAlias = Callable[[Use], list[Tensor]]
"""From one use of an operator to its outputs, as many as are known."""
