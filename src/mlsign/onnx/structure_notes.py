"""What a model says beside what it computes: doc strings, properties and annotations of its nodes, graphs, functions, tensors and values.

There may be kilobytes of it at every node, so a record has a digest of all of it and the beginnings of the first texts of a model:
enough to tell that two differ, and what the difference is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from mlsign.limits import MIB
from mlsign.onnx import schema
from mlsign.onnx.records import Notes
from mlsign.onnx.scan import Scan, body, length, text
from mlsign.onnx.wire import Value, Where

_MAX_KEPT: Final = 2 * MIB
"""Bytes of texts that are kept of one model; where a model says more, the rest of it is in digests alone."""
_MAX_TEXT: Final = 160
"""Bytes of one text that are kept."""
_MAX_TEXTS: Final = 1000
"""Texts of one message that are kept; of one that has more, none."""
_PER_TEXT: Final = 100
"""About what keeping a text takes beside its bytes."""
_PROPERTIES: Final = "metadata_props"
_NOTED: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        "ModelProto": (26,),
        "GraphProto": (10, 14, 16),
        "NodeProto": (6, 9, 10),
        "AttributeProto": (13,),
        "FunctionProto": (8, 14),
        "TensorProto": (3, 12, 16),
        "ValueInfoProto": (3, 4),
    }
)
"""By message the fields that nothing is computed with and that are not in a record otherwise."""


class NoteReader:
    """Reads notes, and keeps beginnings of texts as long as there is room; ``count`` is how many parts of the model have some."""

    __slots__ = ("_room", "_scan", "count")

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._room = _MAX_KEPT
        self.count = 0

    def notes(self, parts: Mapping[int, Sequence[Value]], message: schema.Message, where: Where) -> Notes | None:
        """The notes among the fields of a message; None where it has none. Raises ``InputError`` for limits and broken encoding."""
        numbers = [number for number in _NOTED[message.name] if number in parts]
        if not numbers:
            return None
        self.count += 1
        digest = sha256()
        texts: list[tuple[str, str]] = []
        for number in numbers:
            name, values = message.names[number], parts[number]
            digest.update(b"%d %d;" % (number, len(values)))
            for value in values:
                digest.update(b"%d;" % length(value))
                if isinstance(value, bytes):
                    digest.update(value)
                else:
                    self._add(digest.update, value, where)
            if self._room > 0 and len(texts) + len(values) <= _MAX_TEXTS:
                texts += self._properties(values, where) if name == _PROPERTIES else [_told(name, value) for value in values]
        complete = len(texts) == sum(len(parts[number]) for number in numbers)
        return Notes(digest=digest.digest(), texts=self._kept(texts) if complete else None)

    def _add(self, update: Callable[[bytes], None], value: Value, where: Where) -> None:
        for chunk in self._scan.wire.chunks(body(value), where):
            update(chunk)

    def _properties(self, bodies: Sequence[Value], where: Where) -> list[tuple[str, str]]:
        out: list[tuple[str, str]] = []
        for index, data in enumerate(bodies):
            here = (where, _PROPERTIES, index)
            pair = self._scan.fields(body(data), schema.ENTRY, here)
            key, value = (_beginning(pair[number][-1] if number in pair else b"") for number in (1, 2))
            out.append((f"metadata {key}", value))
        return out

    def _kept(self, texts: list[tuple[str, str]]) -> tuple[tuple[str, str], ...] | None:
        """The texts, or None where there is no room for them any more."""
        self._room -= sum(len(key) + len(value) + _PER_TEXT for key, value in texts)
        return tuple(texts) if self._room > 0 else None


def _told(name: str, value: Value) -> tuple[str, str]:
    """A field; of annotations, which are messages, how long they are."""
    return name, _beginning(value) if name == "doc_string" else f"{length(value)} bytes"


def _beginning(value: Value) -> str:
    """The first of a text, and how long it is where that is not all."""
    if isinstance(value, bytes) and len(value) <= _MAX_TEXT:
        return text(value)
    return f"{text(value[:_MAX_TEXT]) if isinstance(value, bytes) else ''}… ({length(value)} bytes)"
