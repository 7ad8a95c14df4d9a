"""One policy of a chain as it was read: its text, which parent it names, and what it says that it loosens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mlsign.digest import Digest, sha256
from mlsign.limits import DEFAULT, Limits
from mlsign.policy.decoding.fields import PolicyFields, read_items, read_text, refusal
from mlsign.policy.decoding.yaml_source import Mapping, Node, Place, Scalar, Sequence, decode_yaml

MAX_PARENTS: Final = 4
"""Policies above one policy; nobody can review what comes out of more."""
MAX_LEVELS_UP: Final = 3
"""How many folders above its own a policy may look for its parent."""
MAX_LOOSENS: Final = 64
SHIPPED: Final = "shipped:"
_SHIPPED_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_PATH_FIELDS: Final = frozenset({"key", "roots", "intermediates", "revocations"})
_FREE_FIELDS: Final = frozenset({"model", "operators", "revoked"})
"""Fields below which names are anybody's, and no path is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentReference:
    """A parent as a policy names it: a path relative to that policy, or the name of a policy that travels with mlsign."""

    path: str
    shipped: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosening:
    """A field that a policy says it loosens, and why."""

    field: str
    reason: str
    place: Place
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySource:
    """The text of one policy without ``extends`` and ``loosens``, and what those two say.

    ``name`` is where it was read, relative to the first of the chain; paths in ``node`` are relative to the first as well.
    """

    name: str
    digest: Digest
    node: Mapping
    parent: ParentReference | None
    loosens: tuple[Loosening, ...]


def decode_source(data: bytes, *, name: str, limits: Limits = DEFAULT) -> PolicySource:
    """The text in ``data``. Raises ``InputError`` (``policy.…``)."""
    node = decode_yaml(data, source=name, limits=limits)
    if not isinstance(node, Mapping):
        raise refusal("is no map of fields", node.place, "", code="type")
    found = {key.text: (key, value) for key, value in node.entries}
    parent = _decode_parent(found["extends"][1]) if "extends" in found else None
    loosens = _decode_loosens(found["loosens"][1]) if "loosens" in found else ()
    if parent is None and "loosens" in found:
        raise refusal("loosens nothing: the policy extends none", found["loosens"][0].place, "loosens", code="loosens")
    rest = tuple((key, value) for key, value in node.entries if key.text not in {"extends", "loosens"})
    return PolicySource(
        name=name,
        digest=sha256(data),
        node=_rebased(Mapping(entries=rest, place=node.place), name),
        parent=parent,
        loosens=loosens,
    )


def parent_name(child: str, reference: ParentReference) -> str:
    """Where the parent is, relative to the first policy of the chain; ``shipped:NAME`` for one that travels with mlsign."""
    if reference.shipped:
        return f"{SHIPPED}{reference.shipped}"
    return f"{child.rpartition('/')[0]}/{reference.path}".removeprefix("/")


def _decode_parent(node: Node) -> ParentReference:
    if isinstance(node, Mapping):
        fields = PolicyFields(node, path="extends", names=("shipped",))
        inner, where = fields.take("shipped")
        text = read_text(inner, where, maximum=64)
        if not _SHIPPED_NAME.fullmatch(text):
            raise refusal("is not the name of a policy that travels with mlsign", inner.place, where, code="extends", found=text)
        return ParentReference(path="", shipped=text, place=inner.place)
    text = read_text(node, "extends")
    parts = text.split("/")
    up = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    bad = (
        "is an absolute path"
        if text.startswith("/")
        else "is no path with slashes"
        if "\\" in text or ":" in text
        else f"leads {up} folders up, allowed are {MAX_LEVELS_UP}"
        if up > MAX_LEVELS_UP
        else "has a part that is empty, . or a .. after a name"
        if any(part in {"", ".", ".."} for part in parts[up:]) or up == len(parts)
        else ""
    )
    if bad:
        raise refusal(
            bad,
            node.place,
            "extends",
            code="extends",
            expected="a path relative to this policy, such as ../base.yaml",
            found=text,
            hint="name the parent relative to this policy, as ../base.yaml, or {shipped: baseline} for one of mlsign's own",
        )
    return ParentReference(path=text, shipped="", place=node.place)


def _decode_loosens(node: Node) -> tuple[Loosening, ...]:
    out: dict[str, Loosening] = {}
    for item, where in read_items(node, "loosens", minimum=1, maximum=MAX_LOOSENS):
        fields = PolicyFields(item, path=where, names=("field", "reason"))
        field_node, path = fields.take("field")
        field = read_text(field_node, path, maximum=256)
        if field in out:
            raise refusal("names a field that stands there already", field_node.place, path, code="loosens", found=field)
        reason = read_text(*fields.take("reason"))
        out[field] = Loosening(field=field, reason=reason, place=field_node.place, path=path)
    return tuple(out.values())


def _rebased(node: Mapping, name: str) -> Mapping:
    """The same text with each path in it relative to the first policy of the chain."""
    folder = name.rpartition("/")[0]
    if not folder:
        return node
    entries = []
    for key, value in node.entries:
        moved = value
        if key.text == "trust" and isinstance(value, Mapping):
            moved = _moved(value, folder, names=frozenset({"root"}))
        elif key.text not in _FREE_FIELDS:
            moved = _moved(value, folder, names=_PATH_FIELDS)
        entries.append((key, moved))
    return Mapping(entries=tuple(entries), place=node.place)


def _moved(node: Node, folder: str, *, names: frozenset[str], name: str = "") -> Node:
    if isinstance(node, Mapping):
        entries = tuple(
            # what parameters of a build are called is anybody's, and none is a path
            (key, value if key.text == "parameters" else _moved(value, folder, names=names, name=key.text))
            for key, value in node.entries
        )
        return Mapping(entries=entries, place=node.place)
    if isinstance(node, Sequence):
        return Sequence(items=tuple(_moved(item, folder, names=names, name=name) for item in node.items), place=node.place)
    if name not in names or node.text.startswith("/") or not node.text:
        return node
    return Scalar(text=f"{folder}/{node.text}", plain=node.plain, place=node.place)
