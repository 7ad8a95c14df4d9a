"""The field ``match`` of a policy: which packages it is for."""

from __future__ import annotations

from typing import Final

from mlsign.policy.decoding.fields import PolicyFields, read_items, read_text
from mlsign.policy.decoding.yaml_source import Node
from mlsign.policy.match import Match
from mlsign.policy.patterns import PatternKind, TextPattern

MAX_NAMES: Final = 256
_MAX_NAME_CHARS: Final = 256


def decode_match(node: Node, path: str) -> Match:
    """The names, in each of which ``*`` stands for any characters but a slash and ``**`` for any at all."""
    fields = PolicyFields(node, path=path, names=("names",))
    items = read_items(*fields.take("names"), minimum=1, maximum=MAX_NAMES)
    return Match(names=tuple(_read_name(item, where) for item, where in items))


def _read_name(node: Node, path: str) -> TextPattern:
    text = read_text(node, path, maximum=_MAX_NAME_CHARS)
    return TextPattern(kind=PatternKind.GLOB if "*" in text else PatternKind.EXACT, text=text)
