"""YAML 1.2 text to plain nodes with places, in the one reading that a person sees.

Owns the syntax and what of it a policy may use: block and flow collections, plain and quoted scalars, comments.
Everything that makes YAML mean something else than it shows is refused: duplicate keys, anchors, aliases and
merge keys (also the way to documents that grow a billion times), tags, directives, several documents, keys that
are not strings, and characters that hide or reorder text (CVE-2021-42574). What the fields mean is ``decode``.

Works on parser events, so depth and count are checked before anything is built.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, Limits

MAX_DEPTH: Final = 32
MAX_NODES: Final = 20_000
"""Keys, values and collections of one policy; two thousand revoked packages are ten thousand."""
MAX_LINES: Final = 20_000
MAX_LINE_CHARS: Final = 4096
"""A longer line is nothing a person reviews, and the scanner is quadratic in the length of some tokens."""

_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\uffff"
    "\U000e0000-\U000e0fff]"
)
_LONE_RETURN: Final = re.compile(r"\r(?!\n)")
_INTEGER: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a node starts in a named source, both counted from 1."""

    source: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """Text of one scalar. ``plain`` is unquoted: only then may it be read as null, boolean or number."""

    text: str
    plain: bool
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A map in the order of the text; no two keys are equal."""

    entries: tuple[tuple[Scalar, Node], ...]
    place: Place


Node: TypeAlias = Scalar | Sequence | Mapping


def scalar_kind(scalar: Scalar) -> str:
    """What a scalar is in the core schema (YAML 1.2.2, section 10.3.2): null, boolean, integer, number or string."""
    text = scalar.text
    if not scalar.plain:
        return "a string"
    if text in {"", "~", "null", "Null", "NULL"}:
        return "null"
    if text in {"true", "True", "TRUE", "false", "False", "FALSE"}:
        return "a boolean"
    if _INTEGER.fullmatch(text):
        return "an integer"
    return "a number" if _FLOAT.fullmatch(text) else "a string"


def is_decimal(scalar: Scalar) -> bool:
    """Whether an integer is spelled in the only way that no reader takes for another number: decimal, no leading zero."""
    return scalar.plain and _DECIMAL.fullmatch(scalar.text) is not None and scalar.text != "-0"


def _refuse(message: str, *, code: str, place: Place, hint: str = "") -> NoReturn:
    raise InputError(f"{message}, line {place.line} column {place.column}", code=f"policy.{code}", where=str(place), hint=hint)


def _decode_text(data: bytes, *, source: str, limits: Limits) -> str:
    if len(data) > limits.max_policy_bytes:
        raise InputError(f"has {len(data)} bytes, allowed are {limits.max_policy_bytes}", code="policy.size", where=source)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise InputError(
            f"is not UTF-8 at byte {err.start}, line {line}", code="policy.encoding", where=f"{source}:{line}:1"
        ) from err
    hidden = _HIDDEN.search(text)
    if hidden is not None:
        at = hidden.start()
        place = Place(source=source, line=text.count("\n", 0, at) + 1, column=at - (text.rfind("\n", 0, at) + 1) + 1)
        _refuse(
            f"has the character U+{ord(hidden.group()):04X}, which does not show or reorders what shows",
            code="character",
            place=place,
            hint="save the policy as UTF-8 text without a byte order mark",
        )
    lone = _LONE_RETURN.search(text)
    if lone is not None:
        # A line break to YAML and to nothing else: what follows would be hidden from grep, diff and most reviewers.
        at = lone.start()
        place = Place(source=source, line=text.count("\n", 0, at) + 1, column=at - (text.rfind("\n", 0, at) + 1) + 1)
        _refuse(
            "has a carriage return that ends no line, YAML would start a line there that others do not show",
            code="character",
            place=place,
            hint="save the policy with ordinary line ends",
        )
    rows = text.split("\n")
    if len(rows) > MAX_LINES:
        place = Place(source=source, line=MAX_LINES + 1, column=1)
        _refuse(f"has {len(rows)} lines, allowed are {MAX_LINES}", code="line", place=place)
    for number, row in enumerate(rows, start=1):
        if len(row) > MAX_LINE_CHARS:
            place = Place(source=source, line=number, column=MAX_LINE_CHARS + 1)
            _refuse(f"has a line of {len(row)} characters, allowed are {MAX_LINE_CHARS}", code="line", place=place)
        if row.startswith("%"):
            # %YAML 1.1 would turn yes, on and 0777 into other values than YAML 1.2 shows
            place = Place(source=source, line=number, column=1)
            _refuse("has a YAML directive, a policy is plain YAML 1.2", code="directive", place=place)
    return text


class _Builder:
    """Turns events into nodes with an explicit stack: a hostile depth costs nothing but a refusal."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._open: list[tuple[Place, list[Node]]] = []
        self._count = 0
        self._documents = 0
        self.root: Node | None = None

    def place(self, event: Event) -> Place:
        mark = event.start_mark
        return Place(source=self._source, line=mark.line + 1, column=mark.column + 1)

    def take(self, event: Event) -> None:
        place = self.place(event)
        if isinstance(event, DocumentStartEvent):
            self._start_document(place)
        elif isinstance(event, NodeEvent):
            self._start_node(event, place)
        elif isinstance(event, SequenceEndEvent):
            start, items = self._open.pop()
            self._add(Sequence(items=tuple(items), place=start))
        elif isinstance(event, MappingEndEvent):
            start, items = self._open.pop()
            self._add(_mapping(items, start))

    def _start_document(self, place: Place) -> None:
        self._documents += 1
        if self._documents > 1:
            _refuse("holds a second document, a policy is one", code="documents", place=place)

    def _start_node(self, event: NodeEvent, place: Place) -> None:
        if isinstance(event, AliasEvent) or event.anchor is not None:
            name = shown(event.anchor, limit=40)
            _refuse(f"uses the anchor {name}, write the value out where it stands", code="anchor", place=place)
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            _refuse(f"uses the tag {shown(event.tag, limit=40)}, a policy has none", code="tag", place=place)
        self._count += 1
        if self._count > MAX_NODES:
            _refuse(f"has more than {MAX_NODES} values", code="nodes", place=place)
        if isinstance(event, ScalarEvent):
            hidden = _HIDDEN.search(event.value)
            if hidden is not None:
                # an escape must not bring in what may not stand in the text
                name = f"U+{ord(hidden.group()):04X}"
                _refuse(f"spells the character {name}, which does not show or reorders what shows", code="character", place=place)
            self._add(Scalar(text=event.value, plain=event.style is None, place=place))
        else:
            if len(self._open) >= MAX_DEPTH:
                _refuse(f"is nested deeper than {MAX_DEPTH} levels", code="depth", place=place)
            self._open.append((place, []))

    def _add(self, node: Node) -> None:
        if self._open:
            self._open[-1][1].append(node)
        else:
            self.root = node


def _mapping(items: list[Node], place: Place) -> Mapping:
    """A map from keys and values in turn. Refuses keys that are not strings, and the same key twice."""
    entries: list[tuple[Scalar, Node]] = []
    seen: dict[str, Place] = {}
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, Scalar) or scalar_kind(key) != "a string" or (key.plain and key.text == "<<"):
            _refuse("has a key that is not a string", code="key", place=key.place, hint="keys are the names of fields")
        if key.text in seen:
            first = seen[key.text].line
            _refuse(f"{shown(key.text)} stands twice, first on line {first}", code="duplicate", place=key.place)
        seen[key.text] = key.place
        entries.append((key, value))
    return Mapping(entries=tuple(entries), place=place)


def decode_yaml(data: bytes, *, source: str, limits: Limits = DEFAULT) -> Node:
    """The one document in ``data``. Raises ``InputError`` with a ``policy.…`` code and ``source:line:column``."""
    text = _decode_text(data, source=source, limits=limits)
    builder = _Builder(source)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except YAMLError as err:
        mark = getattr(err, "problem_mark", None) or getattr(err, "context_mark", None)
        place = Place(source=source, line=mark.line + 1 if mark else 1, column=mark.column + 1 if mark else 1)
        reason = shown(getattr(err, "problem", None) or err)
        raise InputError(
            f"is not YAML, line {place.line} column {place.column}: {reason}", code="policy.syntax", where=str(place)
        ) from err
    except (ValueError, OverflowError) as err:
        # the scanner turns "\\U99999999" and the like into chr() of a number that is no character
        raise InputError("is not YAML: an escape stands for no character", code="policy.syntax", where=source) from err
    if builder.root is None:
        raise InputError("is empty, a policy starts with apiVersion: mlsign/v1", code="policy.empty", where=source)
    return builder.root
